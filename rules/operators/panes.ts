import type { StateReader, StateWriter } from './operator.js'
import { Sum, squareOf, squareRest } from './sum.js'

/** Columns of a pane. */
export const PANE = {
  index: 0,
  count: 1,
  sum: 2,
  sumRest: 3,
  squares: 4,
  squaresRest: 5,
  min: 6,
  max: 7,
  firstTime: 8,
  firstValue: 9,
  lastTime: 10,
  lastValue: 11,
  /** Sum of rises between successive samples inside the pane. */
  rises: 12,
  /** Sum of (time − the pane's start). */
  times: 13,
} as const
const STRIDE = 16
/** Panes of one window. */
const PER_WINDOW = 64
/**
 * Panes kept at most: a judgement more than seven windows behind the newest is missing where its window is made of panes.
 * 64 KiB a window.
 */
const PANES_MAX = 512

/**
 * Panes of w/64 anchored to the epoch: pane p holds the samples of [p·w/64, (p + 1)·w/64). A range is made of every pane
 * that reaches into it, the oldest whole until it has left, and is summed anew at each read (65 panes), so that after
 * one window any starting point agrees. A sample costs O(1) whatever their number.
 *
 * Out of order inside a pane: `first` and `last` are by time; a rise is counted only to the pane's newest sample.
 */
export class Panes {
  readonly ms: number
  /** Counts of values, where an operator needs ranks; of the newest range alone. */
  readonly sketch: Sketch | null

  // What `select` found.
  from = 0
  to = -1
  count = 0
  firstTime = Number.NaN
  firstValue = Number.NaN
  lastTime = Number.NaN
  lastValue = Number.NaN

  readonly #columns: Float64Array
  readonly #mask: number
  /** Newest pane that the clock has reached; panes older than this − capacity are gone. */
  #newest = Number.NEGATIVE_INFINITY
  /** Oldest pane in the sketch. */
  #oldest = Number.NEGATIVE_INFINITY
  readonly #sum = new Sum()

  /** Changes to panes other than the newest: whoever keeps closed panes looks at them again. */
  disorder = 0

  constructor(windowMs: number, reach: number, sketched: boolean) {
    this.ms = windowMs / PER_WINDOW
    let capacity = 128
    while (capacity < PER_WINDOW + 2 + reach / this.ms && capacity < PANES_MAX) capacity *= 2
    this.#mask = capacity - 1
    this.#columns = new Float64Array(capacity * STRIDE)
    for (let i = 0; i < capacity; i++) this.#columns[i * STRIDE] = Number.NaN
    this.sketch = sketched ? new Sketch() : null
  }

  /** Columns by `offset(pane) + PANE.…`. */
  get columns(): Float64Array {
    return this.#columns
  }

  indexOf(time: number): number {
    return Math.floor(time / this.ms)
  }

  offset(index: number): number {
    return this.#slot(index) * STRIDE
  }

  has(index: number): boolean {
    return this.#columns[this.#slot(index) * STRIDE] === index
  }

  add(time: number, value: number): void {
    const index = this.indexOf(time)
    if (index > this.#newest) this.advance(time)
    else if (index <= this.#newest - this.#mask) return
    if (index !== this.#newest) this.disorder++
    const c = this.#columns
    const at = this.#slot(index) * STRIDE
    if (c[at] !== index) {
      c.fill(0, at, at + STRIDE)
      c[at] = index
      c[at + PANE.min] = c[at + PANE.max] = value
      c[at + PANE.firstTime] = time
      c[at + PANE.firstValue] = value
      c[at + PANE.lastTime] = time
      c[at + PANE.lastValue] = value
    } else {
      if (value < c[at + PANE.min]!) c[at + PANE.min] = value
      if (value > c[at + PANE.max]!) c[at + PANE.max] = value
      if (time < c[at + PANE.firstTime]!) {
        c[at + PANE.firstTime] = time
        c[at + PANE.firstValue] = value
      }
      if (time >= c[at + PANE.lastTime]!) {
        const last = c[at + PANE.lastValue]!
        c[at + PANE.rises] = c[at + PANE.rises]! + (value >= last ? value - last : value)
        c[at + PANE.lastTime] = time
        c[at + PANE.lastValue] = value
      }
    }
    c[at + PANE.count] = c[at + PANE.count]! + 1
    c[at + PANE.times] = c[at + PANE.times]! + (time - index * this.ms)
    this.#add(at + PANE.sum, value, 0)
    this.#add(at + PANE.squares, squareOf(value), squareRest(value))
    if (this.sketch !== null && index >= this.#oldest) this.sketch.add(index, value)
  }

  /** The clock went on: panes that left the newest range leave the sketch. O(1) amortised. */
  advance(time: number): void {
    const index = this.indexOf(time)
    if (index > this.#newest) this.#newest = index
    const oldest = this.indexOf(time - this.ms * PER_WINDOW)
    if (oldest > this.#oldest) {
      this.#oldest = oldest
      this.sketch?.dropBefore(oldest)
    }
  }

  /** Finds the panes of (time − w, time]; false where they are no longer kept. O(65). */
  select(time: number): boolean {
    this.from = this.indexOf(time - this.ms * PER_WINDOW)
    this.to = this.indexOf(time)
    if (this.from <= this.#newest - this.#mask) return false
    const c = this.#columns
    this.count = 0
    let first = -1
    let last = -1
    for (let index = this.from; index <= this.to; index++) {
      const at = this.#slot(index) * STRIDE
      if (c[at] !== index) continue
      if (first < 0) first = at
      last = at
      this.count += c[at + PANE.count]!
    }
    this.firstTime = first < 0 ? Number.NaN : c[first + PANE.firstTime]!
    this.firstValue = first < 0 ? Number.NaN : c[first + PANE.firstValue]!
    this.lastTime = last < 0 ? Number.NaN : c[last + PANE.lastTime]!
    this.lastValue = last < 0 ? Number.NaN : c[last + PANE.lastValue]!
    return true
  }

  /** Last value at or before `time` by whole panes; NaN where none is kept. O(panes kept). */
  valueBefore(time: number): number {
    for (let index = this.indexOf(time); index > this.#newest - this.#mask; index--)
      if (this.has(index) && this.#columns[this.offset(index) + PANE.lastTime]! <= time)
        return this.#columns[this.offset(index) + PANE.lastValue]!
    return Number.NaN
  }

  save(out: StateWriter): void {
    out.number(this.#newest)
    out.number(this.#oldest)
    out.numbers(this.#columns, 0, this.#columns.length)
    this.sketch?.save(out)
  }

  load(input: StateReader, cursor: number): void {
    this.#newest = input.number()
    this.#oldest = input.number()
    this.#columns.set(input.numbers())
    this.sketch?.load(input)
    this.advance(cursor)
  }

  #slot(index: number): number {
    // Not `index & mask`: pane indices of short windows pass 2^32.
    const remainder = index % (this.#mask + 1)
    return remainder < 0 ? remainder + this.#mask + 1 : remainder
  }

  #add(at: number, value: number, rest: number): void {
    const c = this.#columns
    const sum = this.#sum
    sum.value = c[at]!
    sum.rest = c[at + 1]!
    sum.add(value)
    if (rest !== 0) sum.add(rest)
    c[at] = sum.value
    c[at + 1] = sum.rest
  }
}

const ACCURACY = 0.01
const GAMMA_LOG = Math.log((1 + ACCURACY) / (1 - ACCURACY))
/** Values nearer to 0 than this are 0. */
const SMALLEST = 1e-9
const SIDE = Math.ceil(Math.log(1e15 / SMALLEST) / GAMMA_LOG)

/**
 * Counts of values in bins whose width is 2 % of the value (DDSketch: Masson, Rim, Lee, VLDB 2019), a map for each pane
 * and their total. Counts are whole numbers, so taking a pane away leaves nothing behind. A rank's value is off by 1 %
 * at most for 1e-9 ≤ |value| ≤ 1e15.
 */
export class Sketch {
  count = 0
  readonly #total = new Int32Array(2 * SIDE + 1)
  #low = SIDE
  #high = SIDE
  readonly #panes = new Map<number, Map<number, number>>()

  add(pane: number, value: number): void {
    const bin = binOf(value)
    let bins = this.#panes.get(pane)
    if (bins === undefined) {
      bins = new Map()
      this.#panes.set(pane, bins)
    }
    bins.set(bin, (bins.get(bin) ?? 0) + 1)
    this.#count(bin, 1)
  }

  dropBefore(pane: number): void {
    for (const [index, bins] of this.#panes) {
      if (index >= pane) continue
      for (const [bin, count] of bins) this.#count(bin, -count)
      this.#panes.delete(index)
    }
  }

  /** Value at rank `q`·(count − 1), interpolated between ranks as for samples. O(bins in use). */
  quantile(q: number): number {
    const rank = q * (this.count - 1)
    const below = Math.floor(rank)
    const low = this.#ranked(below)
    return rank === below ? low : low + (rank - below) * (this.#ranked(below + 1) - low)
  }

  /** Median of |value − centre|: bins are taken from the centre outwards, the nearer side first. O(bins in use). */
  deviation(centre: number): number {
    let right = this.#low
    while (right <= this.#high && VALUES[right]! < centre) right++
    let left = right - 1
    const middle = (this.count - 1) / 2
    let seen = 0
    while (left >= this.#low || right <= this.#high) {
      const below = left >= this.#low ? centre - VALUES[left]! : Number.POSITIVE_INFINITY
      const above = right <= this.#high ? VALUES[right]! - centre : Number.POSITIVE_INFINITY
      seen += below < above ? this.#total[left--]! : this.#total[right++]!
      if (seen > middle) return Math.min(below, above)
    }
    return Number.NaN
  }

  save(out: StateWriter): void {
    out.number(this.#panes.size)
    for (const [pane, bins] of this.#panes) {
      out.number(pane)
      const flat = Float64Array.from([...bins].flat())
      out.numbers(flat, 0, flat.length)
    }
  }

  load(input: StateReader): void {
    for (let left = input.number(); left > 0; left--) {
      const bins = new Map<number, number>()
      this.#panes.set(input.number(), bins)
      const flat = input.numbers()
      for (let i = 0; i < flat.length; i += 2) {
        bins.set(flat[i]!, flat[i + 1]!)
        this.#count(flat[i]!, flat[i + 1]!)
      }
    }
  }

  #count(bin: number, by: number): void {
    this.#total[bin] = this.#total[bin]! + by
    this.count += by
    if (by > 0) {
      if (bin < this.#low) this.#low = bin
      if (bin > this.#high) this.#high = bin
    }
  }

  #ranked(rank: number): number {
    let seen = 0
    for (let bin = this.#low; bin <= this.#high; bin++) {
      seen += this.#total[bin]!
      if (seen > rank) return VALUES[bin]!
    }
    return Number.NaN
  }
}

function binOf(value: number): number {
  const size = Math.abs(value)
  if (size < SMALLEST) return SIDE
  const step = Math.min(SIDE, Math.max(1, Math.ceil(Math.log(size / SMALLEST) / GAMMA_LOG)))
  return value > 0 ? SIDE + step : SIDE - step
}

function valueIn(bin: number): number {
  if (bin === SIDE) return 0
  const size = SMALLEST * Math.exp((Math.abs(bin - SIDE) - 0.5) * GAMMA_LOG)
  return bin > SIDE ? size : -size
}

/** The value that stands for each bin. */
const VALUES = Float64Array.from({ length: 2 * SIDE + 1 }, (_, bin) => valueIn(bin))
