/**
 * The points of one chart as uPlot takes them: plain arrays, times ascending, `null` where the series was silent (uPlot
 * draws a false line through NaN, and a leading NaN blanks the chart). Pure.
 */

import { type Chart, gapLimit } from '../../src/server/wire.js'

/** Points kept; more than twice the pixels of a plot cannot be seen. */
const POINTS_MAX = 2400

export class ChartData {
  readonly time: number[] = []
  readonly value: (number | null)[] = []

  /** Newest point that has a value. */
  get newest(): { time: number; value: number } | null {
    for (let i = this.time.length - 1; i >= 0; i--) {
      const value = this.value[i]
      if (value !== null && value !== undefined) return { time: this.time[i]!, value }
    }
    return null
  }

  /** New columns of the server; a late point goes to its place, an equal time is replaced. */
  append(time: readonly number[], value: readonly (number | null)[], interval: number | null): void {
    let late = false
    for (let i = 0; i < time.length; i++) {
      const t = time[i]!
      const v = value[i] ?? null
      const last = this.time.length - 1
      if (last < 0 || t > this.time[last]!) {
        this.time.push(t)
        this.value.push(v)
      } else {
        late = true
        this.#insert(t, v)
      }
    }
    if (late && interval !== null) this.#closeGaps(interval)
    const over = this.time.length - POINTS_MAX
    if (over > 0) {
      this.time.splice(0, over)
      this.value.splice(0, over)
    }
  }

  #insert(t: number, v: number | null): void {
    let low = 0
    let high = this.time.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.time[middle]! < t) low = middle + 1
      else high = middle
    }
    if (this.time[low] === t) {
      if (v !== null) this.value[low] = v
    } else {
      this.time.splice(low, 0, t)
      this.value.splice(low, 0, v)
    }
  }

  /** A late point may have filled a gap: its mark goes where the neighbours are near enough. */
  #closeGaps(interval: number): void {
    for (let i = this.time.length - 2; i > 0; i--)
      if (this.value[i] === null && this.time[i + 1]! - this.time[i - 1]! <= gapLimit(interval)) {
        this.time.splice(i, 1)
        this.value.splice(i, 1)
      }
  }
}

/** A charted series of the server with its points: lives as long as the server shows it, whichever tile it is in. */
export class ChartSeries {
  readonly data = new ChartData()
  chart: Chart
  interval: number | null

  constructor(chart: Chart) {
    this.chart = chart
    this.interval = chart.interval_ms
    this.data.append(chart.time, chart.value, chart.interval_ms)
  }

  append(time: readonly number[], value: readonly (number | null)[], interval: number | null): void {
    this.interval = interval
    this.data.append(time, value, interval)
  }
}

/** The series of a `charts` message: those that continue keep their points. */
export function takeCharts(before: readonly ChartSeries[], charts: readonly Chart[]): ChartSeries[] {
  return charts.map((chart) => {
    const kept = chart.continues ? before.find((series) => series.chart.id === chart.id) : undefined
    if (kept === undefined) return new ChartSeries(chart)
    kept.chart = chart
    kept.append(chart.time, chart.value, chart.interval_ms)
    return kept
  })
}

/** A steady axis: bounds on a 1-2-5 grid that hold data and limit lines, so that it moves seldom and never by a hair. */
export function axisRange(
  values: readonly (number | null)[],
  limits: readonly number[],
  decimals: number,
): [number, number] {
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (const value of values) {
    if (value === null) continue
    if (value < low) low = value
    if (value > high) high = value
  }
  for (const limit of limits) {
    if (limit > high) high = limit
    if (limit < low) low = limit
  }
  if (low > high) return [0, 1]
  // Noise in the last printed digit is not a trend.
  const least = 4 * 10 ** -Math.min(decimals, 6)
  if (high - low < least) {
    const middle = (low + high) / 2
    low = middle - least / 2
    high = middle + least / 2
  }
  const step = niceStep((high - low) / 4)
  const from = Math.floor(low / step) * step
  const to = Math.ceil(high / step) * step
  return [from, to === from ? from + step : to]
}

/** The smallest of 1, 2, 5 × 10ⁿ that is at least `rough`. */
export function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough))
  const lead = rough / power
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power
}

/** Round values in [min, max], at most `labels` and at most four; its ends where fewer than two would be round. */
export function valueSplits(min: number, max: number, labels: number): number[] {
  const step = niceStep((max - min) / Math.max(1, Math.min(4, labels)))
  const splits: number[] = []
  // + 0: minus zero would print its sign
  for (let n = Math.ceil(min / step - 1e-9); n * step <= max + step * 1e-9; n++) splits.push(n * step + 0)
  return splits.length < 2 ? [min, max] : splits
}

/** Decimals that these labels need to be told apart and to be true, at most 6. */
export function splitDecimals(splits: readonly number[]): number {
  for (let decimals = 0; decimals < 6; decimals++)
    if (
      splits.every(
        (value) => Math.abs(value - Number(value.toFixed(decimals))) < 1e-9 * Math.max(1, Math.abs(value)),
      )
    )
      return decimals
  return 6
}

/** Indices of values with a gap (or nothing) on both sides. */
export function isolated(values: readonly (number | null)[]): number[] {
  const found: number[] = []
  for (let i = 0; i < values.length; i++)
    if (values[i] !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null)
      found.push(i)
  return found
}
