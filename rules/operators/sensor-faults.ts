import { constant } from './on-window.js'
import type {
  Constants,
  Operator,
  OperatorContext,
  OperatorKind,
  StateReader,
  StateWriter,
} from './operator.js'
import { Recent } from './recent.js'
import { medianOf } from './select.js'
import { METRIC, MIN_SPREAD, signature, WINDOW } from './signatures.js'

/**
 * spike(m): one sample far off that the next does not confirm. It is known when the next sample is back: true at that
 * one. Far off: further from the median of the eight samples before it than 8 × their spread (1.4826 × MAD), than
 * `min=`, and than the last digit of a calm sensor, which has no spread: 1 % of the median, 1/10 000 of the metric's
 * possible range. Back: at most a quarter as far off, or within that bound. A step is none, nor are two samples off in a
 * row. Missing with fewer than four samples before. A sample out of order is put in its place among the last 16. O(1):
 * eight values are sorted only when the sample before stands out from both neighbours.
 */
const BEFORE = 8
const BEFORE_MIN = 4
const FAR = 8
const BACK = 0.25
const OF_MEDIAN = 0.01
const OF_RANGE = 1e-4
/** A range wider than this is no measure of anything: ±1 000 000 000 W. */
const RANGE_MAX = 10_000
const X = 1
const SCRATCH = new Float64Array(BEFORE)

class Spike implements Operator {
  readonly #floor: number
  readonly #recent = new Recent(2)

  constructor(constants: Constants, context: OperatorContext) {
    const possible = context.metricMax - context.metricMin
    this.#floor = Math.max(constant(constants, 'min', 0), possible <= RANGE_MAX ? OF_RANGE * possible : 0)
  }

  push(time: number, value: number): void {
    const at = this.#recent.insert(time)
    if (at >= 0) this.#recent.set(at, X, value)
  }

  read(time: number): number {
    const recent = this.#recent
    const at = recent.at(time)
    const n = Math.min(BEFORE, at - 1)
    if (n < BEFORE_MIN) return Number.NaN
    const suspect = recent.get(at - 1, X)
    const now = recent.get(at, X)
    // Both neighbours lie on the same side of a spike, further than the smallest bound: nearly always they do not.
    const before = recent.get(at - 2, X)
    if ((suspect - before) * (suspect - now) <= 0) return 0
    for (let i = 0; i < n; i++) SCRATCH[i] = recent.get(at - 2 - i, X)
    const centre = medianOf(SCRATCH, n)
    const off = Math.abs(suspect - centre)
    const floor = Math.max(this.#floor, OF_MEDIAN * Math.abs(centre))
    if (off <= floor) return 0
    for (let i = 0; i < n; i++) SCRATCH[i] = Math.abs(recent.get(at - 2 - i, X) - centre)
    const bound = Math.max(floor, FAR * 1.4826 * medianOf(SCRATCH, n))
    if (off <= bound) return 0
    return Math.abs(now - centre) <= Math.max(bound, BACK * off) && Math.abs(now - suspect) > bound ? 1 : 0
  }

  save(out: StateWriter): void {
    this.#recent.save(out)
  }
  load(input: StateReader): void {
    this.#recent.load(input)
  }
}

/**
 * stuck(m, w): at least three samples over at least w, all equal, the newest among them. False while what was seen is
 * shorter than w; missing before the first sample. A late sample is put in its place among the last 16: one of another
 * value breaks the run at its time; an older one breaks it where what is kept begins. O(1), 16 B a sample for the last 16.
 */
class Stuck implements Operator {
  readonly #w: number
  readonly #recent = new Recent(2)
  /** Time of the run's first sample, and how many samples it has. */
  #since = Number.NaN
  #samples = 0

  constructor(constants: Constants) {
    this.#w = constant(constants, 'w', 0)
  }

  push(time: number, value: number): void {
    const recent = this.#recent
    const newest = recent.size - 1
    const equal = newest >= 0 && value === recent.get(newest, X)
    const late = newest >= 0 && time < recent.get(newest, 0)
    const at = recent.insert(time)
    if (at >= 0) recent.set(at, X, value)
    if (!late) {
      if (!equal) {
        this.#since = time
        this.#samples = 0
      }
      this.#samples++
    } else if (at < 0) {
      if (time < this.#since) return
      if (equal) this.#samples++
      else this.#begin(0)
    } else this.#look(time, equal)
  }

  /** The run again, after a sample came between: from the newest backwards among those kept. */
  #look(time: number, equal: boolean): void {
    const recent = this.#recent
    const value = recent.get(recent.size - 1, X)
    let first = recent.size - 1
    while (first > 0 && recent.get(first - 1, X) === value) first--
    // All that is kept is one run, and it is older than that: it goes on from where it began.
    if (first === 0 && recent.wrapped) {
      if (equal && time >= this.#since) this.#samples++
    } else this.#begin(first)
  }

  #begin(first: number): void {
    this.#since = this.#recent.get(first, 0)
    this.#samples = this.#recent.size - first
  }

  read(time: number): number {
    if (this.#samples === 0) return Number.NaN
    const newest = this.#recent.get(this.#recent.size - 1, 0)
    return this.#samples >= 3 && Math.min(time, newest) - this.#since >= this.#w ? 1 : 0
  }

  save(out: StateWriter): void {
    this.#recent.save(out)
    out.number(this.#since)
    out.number(this.#samples)
  }
  load(input: StateReader): void {
    this.#recent.load(input)
    this.#since = input.number()
    this.#samples = input.number()
  }
}

export const spike: OperatorKind = {
  signature: signature(
    'spike',
    'succession',
    [METRIC, MIN_SPREAD],
    'boolean',
    'O(1)',
    '16 B a sample for the last 16',
  ),
  create: (constants, context) => new Spike(constants, context),
}
export const stuck: OperatorKind = {
  signature: signature(
    'stuck',
    'succession',
    [METRIC, WINDOW],
    'boolean',
    'O(1)',
    '16 B a sample for the last 16',
  ),
  create: (constants) => new Stuck(constants),
}
