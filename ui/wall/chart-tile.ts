/** One chart: a head with name and newest value, and uPlot below. Drawn when told to, never by itself. */
import uPlot from 'uplot'
import type { Severity } from '../../src/server/wire.js'
import { axisRange, type ChartSeries, isolated, splitDecimals, valueSplits } from './chart-data.js'
import { element, setClass, setText } from './dom.js'
import type { Format } from './format.js'
import type { Translate } from './i18n.js'
import { SeverityIcon } from './icons.js'
import type { Params } from './params.js'

const INK = { line: '#3A4148', muted: '#A7B0B9', trend: '#8FA3B5', panel: '#1E2226' }
const SEVERITY_INK: Readonly<Record<Severity, string>> = {
  critical: '#FF3B5C',
  high: '#F59A1B',
  medium: '#FFEB8A',
  low: '#58B0FF',
}
/** Stale after 3 expected intervals, and never before this, ms. */
const STALE_MS = 30_000
const STALE_INTERVALS = 3
const ROMAN: Readonly<Record<string, string>> = { alarm1: 'I', alarm2: 'II', alarm3: 'III' }
/** Time labels stand on these steps, ms: minutes and hours that a person would choose, none below what is printed. */
const TIME_STEPS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200].map((s) => s * 1000)

/** `plot`: axes and limit lines; `figure`: a large number over a bare line. */
export type TileKind = 'plot' | 'figure'

export class ChartTile {
  readonly root: HTMLElement
  readonly kind: TileKind
  readonly #name: HTMLElement
  readonly #value: HTMLElement
  readonly #metric: HTMLElement
  readonly #stale: HTMLElement
  readonly #icon = new SeverityIcon()
  readonly #plot: HTMLElement
  readonly #params: Params
  readonly #translate: Translate
  readonly #format: Format
  #series: ChartSeries | null = null
  #uplot: uPlot | null = null
  #x: [number, number] = [0, 1]
  #y: [number, number] = [0, 1]
  #severity: Severity | null = null
  /** Text height of axes, px. */
  #textPx = 12

  constructor(kind: TileKind, params: Params, translate: Translate, format: Format) {
    this.kind = kind
    this.#params = params
    this.#translate = translate
    this.#format = format
    this.root = element('figure', `tile ${kind} vacant`)
    const head = element('figcaption', 'head')
    this.#name = element('span', 'name')
    this.#value = element('span', 'value')
    this.#metric = element('span', 'metric')
    this.#stale = element('span', 'stale-tag')
    this.#stale.hidden = true
    head.append(this.#icon.root, this.#name, this.#value)
    if (kind === 'figure') head.append(this.#metric)
    this.#icon.root.toggleAttribute('hidden', true)
    this.#plot = element('div', 'plot')
    this.root.append(head, this.#plot, this.#stale)
  }

  get device(): string {
    return this.#series?.chart.device ?? ''
  }

  get plotWidth(): number {
    return this.#plot.clientWidth
  }

  /** Puts a series here, or nothing; `fit` follows. */
  show(series: ChartSeries | null): void {
    this.#series = series
    setClass(this.root, `tile ${this.kind}${series === null ? ' vacant' : ''}`)
    if (series === null) return
    const { chart } = series
    const where = chart.site || chart.device
    const what = chart.name[this.#params.lang]
    setText(this.#name, this.kind === 'figure' ? where : `${where} · ${what}`)
    setText(this.#metric, what)
    this.root.dataset['device'] = chart.device
    this.root.dataset['metric'] = chart.metric
  }

  /** Severity of the device's worst open alert: its line and shape. */
  mark(severity: Severity | null): void {
    if (severity === this.#severity) return
    this.#severity = severity
    this.#icon.root.toggleAttribute('hidden', severity === null)
    if (severity !== null) this.#icon.show(severity, false)
    // The line's colour is part of uPlot's options.
    if (this.#uplot !== null) this.fit(this.#textPx)
  }

  /** Writes the newest value and whether it is old. `now` is the picture's clock, ms. */
  read(now: number): void {
    if (this.#series === null) return
    const { chart, data, interval } = this.#series
    const newest = data.newest
    const { number, unit, stopwatch } = this.#format
    setText(
      this.#value,
      newest === null ? '–' : `${number(newest.value, chart.decimals)} ${unit(chart.unit)}`.trim(),
    )
    const age = newest === null ? 0 : now - newest.time
    const isStale = interval !== null && age > Math.max(STALE_INTERVALS * interval, STALE_MS)
    this.root.classList.toggle('stale', isStale)
    this.#stale.hidden = !isStale
    if (isStale) setText(this.#stale, this.#translate('stale', { age: stopwatch(age) }))
  }

  /** Draws [from, to], ms. */
  draw(from: number, to: number): void {
    if (this.#series === null || this.#uplot === null) return
    const { chart, data } = this.#series
    this.#x = [from, to]
    const limits = this.kind === 'plot' ? chart.limits.map((limit) => limit.value) : []
    this.#y = axisRange(data.value, limits, chart.decimals)
    this.#uplot.setData([data.time, data.value])
  }

  /** Makes uPlot anew for the size that layout gave; `textPx` is the height of the smallest text. */
  fit(textPx: number): void {
    this.#textPx = textPx
    this.#uplot?.destroy()
    this.#uplot = null
    const { clientWidth: width, clientHeight: height } = this.#plot
    if (this.#series === null || width < 10 || height < 10) return
    const { data } = this.#series
    this.#uplot = new uPlot(this.#options(width, height, textPx), [data.time, data.value], this.#plot)
  }

  #options(width: number, height: number, textPx: number): uPlot.Options {
    const lineWidth = Math.max(1.5, innerHeight * 0.0025)
    const font = `${textPx}px "Inter Variable", "Noto Sans", sans-serif`
    const stroke = this.#severity === null ? INK.trend : SEVERITY_INK[this.#severity]
    const grid = { stroke: INK.line, width: Math.max(1, innerHeight / 1080) }
    const axis = { stroke: INK.muted, font, grid, ticks: { show: false } }
    const isBare = this.kind === 'figure'
    // A reading between two gaps has no line: a dot, or it would not be there at all.
    const points: uPlot.Series.Points = {
      show: true,
      size: lineWidth * 2.5,
      width: 0,
      stroke,
      fill: stroke,
      filter: () => isolated(this.#series?.data.value ?? []),
    }
    const hasLimits = (this.#series?.chart.limits.length ?? 0) > 0
    return {
      width,
      height,
      ms: 1,
      cursor: { show: false },
      legend: { show: false },
      padding: isBare ? [lineWidth, 0, lineWidth, 0] : [textPx * (hasLimits ? 1.1 : 0.6), textPx * 0.4, 0, 0],
      scales: {
        x: { time: true, range: () => this.#x },
        y: { range: () => this.#y },
      },
      series: [{}, { stroke, width: lineWidth, spanGaps: false, points }],
      axes: isBare
        ? [{ show: false }, { show: false }]
        : [
            {
              ...axis,
              size: textPx * 1.6,
              gap: textPx * 0.3,
              splits: (_u, _axis, min, max) => timeSplits(min, max, width / (textPx * 5)),
              values: (_u, splits) => splits.map((ms) => this.#format.time(ms)),
            },
            {
              ...axis,
              size: (u, values) => this.#axisWidth(u, values, font, textPx),
              gap: textPx * 0.4,
              splits: (_u, _axis, min, max) => valueSplits(min, max, height / (textPx * 3)),
              values: (_u, splits) => splits.map((v) => this.#format.number(v, splitDecimals(splits))),
            },
          ],
      hooks: isBare
        ? {}
        : {
            draw: [
              (u) => {
                this.#drawLimits(u, font, lineWidth)
              },
            ],
          },
    }
  }

  #axisWidth(u: uPlot, values: readonly string[] | null, font: string, textPx: number): number {
    const longest = (values ?? []).reduce((a, b) => (b.length > a.length ? b : a), '')
    u.ctx.font = font
    return Math.ceil(u.ctx.measureText(longest).width + textPx * 0.8)
  }

  /** The device's own limits as dashed lines: grey, since colour belongs to severity. */
  #drawLimits(u: uPlot, font: string, lineWidth: number): void {
    const { ctx, bbox } = u
    ctx.save()
    ctx.font = font
    ctx.textAlign = 'right'
    ctx.textBaseline = 'bottom'
    ctx.strokeStyle = INK.muted
    ctx.lineWidth = lineWidth * 0.6
    ctx.setLineDash([lineWidth * 4, lineWidth * 3])
    const { limits = [], decimals = 0 } = this.#series?.chart ?? {}
    let free = Number.NEGATIVE_INFINITY
    // From the highest down; a name that would stand on the one above it is left out.
    for (const { name, value } of [...limits].sort((a, b) => b.value - a.value)) {
      const y = Math.round(u.valToPos(value, 'y', true))
      ctx.beginPath()
      ctx.moveTo(bbox.left, y)
      ctx.lineTo(bbox.left + bbox.width, y)
      ctx.stroke()
      if (y - this.#textPx < free) continue
      free = y
      const text = ROMAN[name] ?? this.#format.number(value, Number.isInteger(value) ? 0 : decimals)
      const right = bbox.left + bbox.width
      const textWidth = ctx.measureText(text).width
      // On its own ground: the newest value ends just here.
      ctx.fillStyle = INK.panel
      ctx.fillRect(
        right - textWidth - lineWidth,
        y - this.#textPx,
        textWidth + lineWidth * 2,
        this.#textPx - 1,
      )
      ctx.fillStyle = INK.muted
      ctx.fillText(text, right, y)
    }
    ctx.restore()
  }
}

/** Two or three round times in [min, max]. */
function timeSplits(min: number, max: number, labels: number): number[] {
  const wanted = Math.max(1, Math.min(3.5, labels))
  const step = TIME_STEPS.find((ms) => (max - min) / ms <= wanted) ?? 86_400_000
  const splits: number[] = []
  for (let at = Math.ceil(min / step) * step; at <= max; at += step) splits.push(at)
  return splits
}
