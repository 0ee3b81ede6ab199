import type { Operator, OperatorContext, OperatorKind, StateReader, StateWriter } from './operator.js'
import { METRIC, signature } from './signatures.js'

/**
 * nowcast(m) and vn_aqi(): Vietnam's hourly air quality index, Decision 1459/QĐ-TCMT of 12 November 2019, by its own
 * formulas (where its worked example prints 60 for NO2 118.7, its formula gives 59.35, and so do we).
 *
 * Clock hours of the city; an hour is the mean of its samples; c1 is the last complete hour before the judgement.
 *
 *   w* = least / greatest of c1 … c12      w = max(½, w*)
 *   w > ½:  nowcast = Σ w^(i−1)·cᵢ / Σ w^(i−1)          w = ½:  nowcast = Σ (½)^i·cᵢ
 *
 * over the hours that exist; two of c1 … c3 must, else it is missing. (At w = ½ the decision does not normalise: missing
 * hours bias it low.) Twelve hours of 0 are 0.
 *
 * Index of a pollutant: linear between its breakpoints, 500 above the last; gases by c1, PM by nowcast. vn_aqi is the
 * greatest of them, rounded half up; missing without PM10 or PM2.5. O(12) a judgement; 16 hours of 24 B a pollutant.
 */
const HOUR = 3_600_000
const HOURS = 12
/** Hours kept: twelve complete ones, the running one, and a late judgement's. */
const KEPT = 16

/** Means of clock hours: a sample O(1), memory fixed. Samples more than three hours late do not count. */
class Hours {
  readonly #hour = new Float64Array(KEPT).fill(Number.NaN)
  readonly #sum = new Float64Array(KEPT)
  readonly #count = new Float64Array(KEPT)

  push(hour: number, value: number): void {
    const at = hour % KEPT
    if (this.#hour[at] !== hour) {
      if (this.#hour[at]! > hour) return
      this.#hour[at] = hour
      this.#sum[at] = 0
      this.#count[at] = 0
    }
    this.#sum[at] = this.#sum[at]! + value
    this.#count[at] = this.#count[at]! + 1
  }

  /** NaN where that hour has no sample. */
  mean(hour: number): number {
    const at = hour % KEPT
    return this.#hour[at] === hour ? this.#sum[at]! / this.#count[at]! : Number.NaN
  }

  /** NowCast of the twelve hours before `hour`. */
  nowcast(hour: number): number {
    let least = Number.POSITIVE_INFINITY
    let greatest = Number.NEGATIVE_INFINITY
    let newest = 0
    for (let i = 1; i <= HOURS; i++) {
      const c = this.mean(hour - i)
      if (Number.isNaN(c)) continue
      if (i <= 3) newest++
      if (c < least) least = c
      if (c > greatest) greatest = c
    }
    if (newest < 2) return Number.NaN
    if (greatest <= 0) return 0
    const w = Math.max(0.5, least / greatest)
    let sum = 0
    let weights = 0
    let weight = w > 0.5 ? 1 : 0.5
    for (let i = 1; i <= HOURS; i++) {
      const c = this.mean(hour - i)
      if (!Number.isNaN(c)) {
        sum += weight * c
        weights += weight
      }
      weight *= w
    }
    return w > 0.5 ? sum / weights : sum
  }

  save(out: StateWriter): void {
    for (const column of [this.#hour, this.#sum, this.#count]) out.numbers(column, 0, KEPT)
  }
  load(input: StateReader): void {
    for (const column of [this.#hour, this.#sum, this.#count]) column.set(input.numbers())
  }
}

/** Number of the local clock hour of `time`. */
function hourOf(time: number, context: OperatorContext): number {
  return Math.floor((time + context.zoneOffset(time)) / HOUR)
}

class NowCast implements Operator {
  readonly #context: OperatorContext
  readonly #hours = new Hours()

  constructor(context: OperatorContext) {
    this.#context = context
  }
  push(time: number, value: number): void {
    this.#hours.push(hourOf(time, this.#context), value)
  }
  read(time: number): number {
    return this.#hours.nowcast(hourOf(time, this.#context))
  }
  save(out: StateWriter): void {
    this.#hours.save(out)
  }
  load(input: StateReader): void {
    this.#hours.load(input)
  }
}

const INDEX = [0, 50, 100, 150, 200, 300, 400, 500] as const
/** Breakpoints in µg/m³ (O3 by its 1 h column), in the order of `metrics`. */
const POLLUTANTS = [
  { metric: 'pm25_ugm3', pm: true, breakpoints: [0, 25, 50, 80, 150, 250, 350, 500] },
  { metric: 'pm10_ugm3', pm: true, breakpoints: [0, 50, 150, 250, 350, 420, 500, 600] },
  { metric: 'o3_ugm3', pm: false, breakpoints: [0, 160, 200, 300, 400, 800, 1000, 1200] },
  { metric: 'no2_ugm3', pm: false, breakpoints: [0, 100, 200, 700, 1200, 2350, 3100, 3850] },
  { metric: 'so2_ugm3', pm: false, breakpoints: [0, 125, 350, 550, 800, 1600, 2100, 2630] },
  {
    metric: 'co_ugm3',
    pm: false,
    breakpoints: [0, 10_000, 30_000, 45_000, 60_000, 90_000, 120_000, 150_000],
  },
] as const

/**
 * Index of one pollutant at a concentration in µg/m³, not rounded: 0 … 500; NaN for NaN or an unknown metric. A
 * concentration below 0 counts as 0.
 */
export function subIndex(metric: string, concentration: number): number {
  const pollutant = POLLUTANTS.find((one) => one.metric === metric)
  return pollutant === undefined ? Number.NaN : indexOf(pollutant.breakpoints, concentration)
}

function indexOf(breakpoints: readonly number[], concentration: number): number {
  if (Number.isNaN(concentration)) return Number.NaN
  if (concentration <= 0) return 0
  for (let i = 1; i < breakpoints.length; i++) {
    const high = breakpoints[i]!
    if (concentration > high) continue
    const low = breakpoints[i - 1]!
    return ((INDEX[i]! - INDEX[i - 1]!) / (high - low)) * (concentration - low) + INDEX[i - 1]!
  }
  return 500
}

class VnAqi implements Operator {
  readonly #context: OperatorContext
  readonly #hours = POLLUTANTS.map(() => new Hours())

  constructor(context: OperatorContext) {
    this.#context = context
  }

  push(time: number, value: number, input = 0): void {
    this.#hours[input]?.push(hourOf(time, this.#context), value)
  }

  read(time: number): number {
    const hour = hourOf(time, this.#context)
    let greatest = Number.NaN
    let dust = false
    for (let i = 0; i < POLLUTANTS.length; i++) {
      const { pm, breakpoints } = POLLUTANTS[i]!
      const hours = this.#hours[i]!
      const index = indexOf(breakpoints, pm ? hours.nowcast(hour) : hours.mean(hour - 1))
      if (Number.isNaN(index)) continue
      dust ||= pm
      if (!(greatest >= index)) greatest = index
    }
    // 109.5 is 110 even when it came out as 109.49999999999999.
    return dust ? Math.floor(greatest + 0.5 + 1e-9) : Number.NaN
  }

  save(out: StateWriter): void {
    for (const hours of this.#hours) hours.save(out)
  }
  load(input: StateReader): void {
    for (const hours of this.#hours) hours.load(input)
  }
}

export const nowcast: OperatorKind = {
  signature: signature('nowcast', 'succession', [METRIC], 'number', 'O(1)', '16 hours of 24 B'),
  create: (_constants, context) => new NowCast(context),
}
export const vnAqi: OperatorKind = {
  signature: {
    ...signature('vn_aqi', 'succession', [], 'number', 'O(1)', '6 × 16 hours of 24 B'),
    metrics: POLLUTANTS.map((one) => one.metric),
  },
  create: (_constants, context) => new VnAqi(context),
}
