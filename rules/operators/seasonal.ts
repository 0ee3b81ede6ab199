import { constant } from './on-window.js'
import type {
  Constants,
  Operator,
  OperatorContext,
  OperatorKind,
  StateReader,
  StateWriter,
} from './operator.js'
import { type Sorted, trackSorted } from './ranks.js'
import { duration, METRIC, MIN_SPREAD, signature, WINDOW } from './signatures.js'
import { CURRENT, GONE, SampleWindow } from './window.js'
import { robustZOf } from './zscore.js'

/**
 * seasonal_z(m, period, w): robust z of the newest sample against the samples of the same local hour of the period (of
 * the day for 1d, of the week for 7d; the same 24th of any other period) within the last w, itself left out. Missing
 * while that hour has samples of fewer than three earlier periods, and where their spread is 0 (`min=`).
 *
 * Each hour has a window of w of its own, exact up to 256 samples; from then on it takes a sample only every
 * w / 24 / 256 (w / 168 / 256 of a week), so that a series costs at most 24 (168) × 256 × 24 B whatever its rate.
 * O(log n) a sample.
 */
const HOUR = 3_600_000
const DAY = 24 * HOUR
const PERIODS = 3
const CELL_SAMPLES = 256

class SeasonalZ implements Operator {
  readonly #period: number
  readonly #w: number
  readonly #late: number
  readonly #min: number
  readonly #cells: (Cell | null)[]
  readonly #context: OperatorContext
  /** The newest sample, whether its cell took it or not. */
  #time = Number.NEGATIVE_INFINITY
  #value = Number.NaN

  constructor(constants: Constants, context: OperatorContext) {
    this.#period = constant(constants, 'period', DAY)
    this.#w = constant(constants, 'w', DAY)
    this.#min = constant(constants, 'min', 0)
    this.#late = context.late
    this.#context = context
    this.#cells = new Array(this.#period === 7 * DAY ? 168 : 24).fill(null)
  }

  push(time: number, value: number): void {
    if (time >= this.#time) {
      this.#time = time
      this.#value = value
    }
    const cell = this.#cell(time)
    const { window } = cell
    if (window.size >= CELL_SAMPLES) {
      const spacing = this.#w / this.#cells.length / CELL_SAMPLES
      const newest = window.timeAt(window.size - 1)
      if (time >= newest && time - newest < spacing) return
    }
    window.push(time, value)
  }

  read(time: number): number {
    if (time < this.#time) return this.#earlier(time)
    const cell = this.#cell(this.#time)
    return this.#score(cell, this.#time, this.#value)
  }

  /** A judgement behind the newest: the newest sample of its own hour at that time. */
  #earlier(time: number): number {
    const { window } = this.#cell(time)
    const at = window.after(time) - 1
    return at < 0 || window.timeAt(at) < time - this.#late
      ? Number.NaN
      : this.#score(this.#cell(time), window.timeAt(at), window.valueAt(at))
  }

  #score(cell: Cell, time: number, value: number): number {
    const { window, sorted } = cell
    const range = window.select(time)
    if (range === GONE || window.count === 0) return Number.NaN
    if (this.#periodsBefore(window, time) < PERIODS) return Number.NaN
    if (window.lastTime === time && window.lastValue === value)
      return robustZOf(window, sorted, range, time, this.#min)
    // Thinned out: the newest is not in its cell, so there is nothing to leave out.
    const content = range === CURRENT ? sorted : window.content(sorted, range, time)
    const centre = content.quantile(0.5)
    const spread = Math.max(this.#min, 1.4826 * content.deviation(centre))
    return spread > 0 ? (value - centre) / spread : Number.NaN
  }

  /** Earlier periods with samples in the range, counted up to three. */
  #periodsBefore(window: SampleWindow, time: number): number {
    let found = 0
    let start = this.#periodStart(time)
    while (found < PERIODS) {
      const at = window.after(start - 1) - 1
      if (at < window.from) break
      found++
      start = this.#periodStart(window.timeAt(at))
    }
    return found
  }

  #periodStart(time: number): number {
    const local = time + this.#context.zoneOffset(time)
    return time - modulo(local + this.#shift, this.#period)
  }

  /** The epoch was a Thursday: weeks begin on Monday. */
  get #shift(): number {
    return this.#period === 7 * DAY ? 3 * DAY : 0
  }

  #cell(time: number): Cell {
    const local = time + this.#context.zoneOffset(time)
    const at = Math.floor(modulo(local + this.#shift, this.#period) / (this.#period / this.#cells.length))
    let cell = this.#cells[at] ?? null
    if (cell === null) {
      cell = new Cell(this.#w, this.#late)
      this.#cells[at] = cell
    }
    return cell
  }

  save(out: StateWriter): void {
    out.number(this.#time)
    out.number(this.#value)
    for (const cell of this.#cells) {
      out.number(cell === null ? 0 : 1)
      cell?.window.save(out)
    }
  }

  load(input: StateReader): void {
    this.#time = input.number()
    this.#value = input.number()
    for (let i = 0; i < this.#cells.length; i++) {
      if (input.number() === 0) this.#cells[i] = null
      else {
        const cell = new Cell(this.#w, this.#late)
        cell.window.load(input)
        this.#cells[i] = cell
      }
    }
  }
}

class Cell {
  readonly window: SampleWindow
  readonly sorted: Sorted
  constructor(w: number, late: number) {
    this.window = new SampleWindow(w, late)
    this.sorted = trackSorted(this.window)
  }
}

function modulo(a: number, b: number): number {
  const rest = a % b
  return rest < 0 ? rest + b : rest
}

export const seasonalZ: OperatorKind = {
  signature: signature(
    'seasonal_z',
    'succession',
    [METRIC, { ...duration('period'), min: HOUR }, WINDOW, MIN_SPREAD],
    'number',
    'O(log n), n ≤ 256',
    '24 B a sample kept, at most 256 for each of 24 hours (168 of a week)',
  ),
  create: (constants, context) => new SeasonalZ(constants, context),
}
