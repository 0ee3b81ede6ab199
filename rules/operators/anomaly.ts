import { constant } from './on-window.js'
import type {
  Constants,
  Operator,
  OperatorContext,
  OperatorKind,
  StateReader,
  StateWriter,
} from './operator.js'
import { Sorted } from './ranks.js'
import { Recent } from './recent.js'
import { METRIC, MIN_SPREAD, signature, WARMUP } from './signatures.js'

/**
 * anomaly(m): how unusual is the newest sample, 0 … 1, without any setting; 0.99 is exceeded about once in a thousand
 * normal samples, whatever their distribution.
 *
 *   z   robust z of the sample against the 256 samples before it (median, 1.4826 × MAD)
 *   d   robust z of its step from the sample before against the steps before it
 *   r   = max(|z|, |d|)
 *   p   = share of r's so far that were as large, by a histogram that forgets (half of it in 3 000 samples); it begins as
 *         1 000 samples of a normal distribution, and beyond its greatest entries goes on as an exponential tail
 *   anomaly = (1 − p)^10        p = 0.001 ↔ 0.99
 *
 * The histogram is what calibrates it: heavy tails, skew and bursts that are normal for this series raise the bar.
 * Warm-up: 32 samples; `warmup=` asks for a time since the first as well. Equal values for long have no spread: one that
 * differs from them is as unusual as can be (`min=` sets a smallest spread). A sample out of order is scored but not
 * learnt. Infinite memory (the histogram). O(log n) and two shifts of 2 KiB at most a sample; 9 KiB a series.
 */
const BASELINE = 256
const SAMPLES_MIN = 32
/** Bins of r: 16 to the factor e from e^−3 on, 192 in all: up to e^9. */
const BINS = 192
const PER_E = 16
const BIN_FROM = -3
const PRIOR = 1000
const FORGET = Math.LN2 / 3000
const POWER = Math.log(0.99) / Math.log(0.999)
/** Tail mass from which on p is read off an exponential through it. */
const TAIL = 0.002

class Anomaly implements Operator {
  readonly #min: number
  readonly #warmup: number
  readonly #values = new Baseline()
  readonly #steps = new Baseline()
  /** Counts of r, in units that grow instead of the old shrinking. */
  readonly #bins = normalPrior()
  #total = PRIOR
  #unit = 1
  #first = Number.NaN
  #time = Number.NEGATIVE_INFINITY
  #last = Number.NaN
  /** [time, score] of the last samples. */
  readonly #recent = new Recent(2)

  constructor(constants: Constants, _context: OperatorContext) {
    this.#min = constant(constants, 'min', 0)
    this.#warmup = constant(constants, 'warmup', 0)
  }

  push(time: number, value: number): void {
    const inOrder = time >= this.#time
    const step = value - this.#last
    const known = this.#values.size >= SAMPLES_MIN && time - this.#first >= this.#warmup
    let score = Number.NaN
    if (known) {
      const r = Math.max(
        this.#values.distance(value, this.#min),
        inOrder ? this.#steps.distance(step, this.#min) : 0,
      )
      score = (1 - this.#share(r)) ** POWER
      if (inOrder) this.#learn(r)
    }
    const at = this.#recent.insert(time)
    if (at >= 0) this.#recent.set(at, 1, score)
    if (!inOrder) return
    if (!Number.isNaN(step)) this.#steps.push(step)
    else this.#first = time
    this.#values.push(value)
    this.#last = value
    this.#time = time
  }

  read(time: number): number {
    const at = this.#recent.at(time)
    return at < 0 ? Number.NaN : this.#recent.get(at, 1)
  }

  /** Share of the r's so far that were at least `r`. */
  #share(r: number): number {
    const place = placeOf(r)
    const bin = Math.floor(place)
    let above = 0
    for (let i = BINS - 1; i > bin; i--) above += this.#bins[i]!
    const share = (above + this.#bins[bin]! * (bin + 1 - place)) / this.#total
    if (share >= TAIL) return Math.min(1, share)
    // The exponential through the shares 0.02 and 0.002.
    const far = this.#rOf(TAIL)
    const scale = Math.max(1e-9, (far - this.#rOf(TAIL * 10)) / Math.LN10)
    return Math.max(share * 0.5, TAIL * Math.exp(-Math.max(0, r - far) / scale))
  }

  /** The r that this share of all exceeds. */
  #rOf(share: number): number {
    let above = 0
    for (let i = BINS - 1; i >= 0; i--) {
      const here = this.#bins[i]!
      if (above + here >= share * this.#total) {
        const inside = here > 0 ? (share * this.#total - above) / here : 0
        return Math.exp(BIN_FROM + (i + 1 - inside) / PER_E)
      }
      above += here
    }
    return 0
  }

  #learn(r: number): void {
    this.#unit *= 1 + FORGET
    const bin = Math.floor(placeOf(r))
    this.#bins[bin] = this.#bins[bin]! + this.#unit
    this.#total += this.#unit
    if (this.#unit < 1e6) return
    for (let i = 0; i < BINS; i++) this.#bins[i] = this.#bins[i]! / this.#unit
    this.#total /= this.#unit
    this.#unit = 1
  }

  save(out: StateWriter): void {
    this.#values.save(out)
    this.#steps.save(out)
    out.numbers(this.#bins, 0, BINS)
    for (const n of [this.#total, this.#unit, this.#first, this.#time, this.#last]) out.number(n)
    this.#recent.save(out)
  }
  load(input: StateReader): void {
    this.#values.load(input)
    this.#steps.load(input)
    this.#bins.set(input.numbers())
    this.#total = input.number()
    this.#unit = input.number()
    this.#first = input.number()
    this.#time = input.number()
    this.#last = input.number()
    this.#recent.load(input)
  }
}

/** The last 256 numbers, in order of arrival and sorted. */
class Baseline {
  #ring = new Float64Array(32)
  #next = 0
  #sorted = new Sorted()

  get size(): number {
    return this.#sorted.size
  }

  /** |robust z| of `x`; where all are equal, 0 for their value and Infinity for any other. */
  distance(x: number, min: number): number {
    if (this.size === 0) return 0
    const centre = this.#sorted.quantile(0.5)
    const off = Math.abs(x - centre)
    if (off === 0) return 0
    const spread = Math.max(min, 1.4826 * this.#sorted.deviation(centre))
    return spread > 0 ? off / spread : Number.POSITIVE_INFINITY
  }

  push(x: number): void {
    if (this.size === this.#ring.length && this.size < BASELINE) {
      const next = new Float64Array(this.size * 2)
      next.set(this.#ring)
      this.#ring = next
      this.#next = this.size
    }
    if (this.size === BASELINE) this.#sorted.evict(0, this.#ring[this.#next]!)
    this.#ring[this.#next] = x
    this.#next = (this.#next + 1) % (this.size < BASELINE ? BASELINE : this.#ring.length)
    this.#sorted.add(0, x)
  }

  save(out: StateWriter): void {
    out.number(this.#next)
    out.numbers(this.#ring, 0, this.size)
  }
  load(input: StateReader): void {
    this.#next = input.number()
    const values = input.numbers()
    let capacity = 32
    while (capacity < values.length) capacity *= 2
    this.#ring = new Float64Array(capacity)
    this.#ring.set(values)
    this.#sorted = new Sorted()
    for (const value of values) this.#sorted.add(0, value)
  }
}

/** Place of r among the bins, a fraction: r = e^(BIN_FROM + place / PER_E). */
function placeOf(r: number): number {
  if (!(r > 0)) return 0
  return Math.min(BINS - 1e-9, Math.max(0, (Math.log(r) - BIN_FROM) * PER_E))
}

/** 1 000 samples of the greater of two |z| of a normal distribution, one of them with the spread of steps. */
function normalPrior(): Float64Array {
  const bins = new Float64Array(BINS)
  let below = 0
  for (let i = 0; i < BINS; i++) {
    const upTo = normalWithin(Math.exp(BIN_FROM + (i + 1) / PER_E)) ** 2
    bins[i] = PRIOR * (upTo - below)
    below = upTo
  }
  return bins
}

/** P(|z| ≤ r) of a standard normal (Abramowitz and Stegun 7.1.26, 1.5e-7). */
function normalWithin(r: number): number {
  const x = r / Math.SQRT2
  const t = 1 / (1 + 0.3275911 * x)
  const poly =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
  return 1 - poly * Math.exp(-x * x)
}

export const anomaly: OperatorKind = {
  signature: signature(
    'anomaly',
    'succession',
    [METRIC, MIN_SPREAD, WARMUP],
    'number',
    'O(log n) and two shifts of 2 KiB at most, n ≤ 256',
    '9 KiB',
  ),
  create: (constants, context) => new Anomaly(constants, context),
}
