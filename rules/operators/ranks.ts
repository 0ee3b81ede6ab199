import { constant, OnWindow } from './on-window.js'
import type { Constants, OperatorContext, OperatorKind } from './operator.js'
import type { Panes, Sketch } from './panes.js'
import { number, setSignature } from './signatures.js'
import type { Tracker } from './tracker.js'
import type { Range, SampleWindow } from './window.js'

/**
 * median quantile mad: values by rank, linearly interpolated between ranks (the median of four is the mean of the middle
 * two). Exact up to 4 096 samples: the window's values kept sorted, a binary search and a shift of 8·n bytes at
 * most a sample (0.3 µs). Beyond, counts in bins of 2 %: off by 1 % of the value at most (1 % of the farthest value
 * for mad).
 */
export class Sorted implements Tracker {
  readonly runs = false
  readonly sketched = true
  sketch: Sketch | null = null
  #values = new Float64Array(8)
  #size = 0

  get size(): number {
    return this.#size
  }

  add(_time: number, value: number): void {
    if (this.#size === this.#values.length) {
      const next = new Float64Array(this.#size * 2)
      next.set(this.#values)
      this.#values = next
    }
    const at = this.position(value)
    const values = this.#values
    if (this.#size - at > SHIFT_BY_HAND) values.copyWithin(at + 1, at, this.#size)
    else for (let i = this.#size; i > at; i--) values[i] = values[i - 1]!
    values[at] = value
    this.#size++
  }

  evict(_time: number, value: number): void {
    const at = this.position(value)
    const values = this.#values
    const size = --this.#size
    if (size - at > SHIFT_BY_HAND) values.copyWithin(at, at + 1, size + 1)
    else for (let i = at; i < size; i++) values[i] = values[i + 1]!
  }

  clear(): void {
    this.#size = 0
  }

  fresh(): Sorted {
    return new Sorted()
  }

  addPane(_panes: Panes, _offset: number): void {}

  /** First position whose value is not below `value`. O(log n). */
  position(value: number): number {
    let low = 0
    let high = this.#size
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#values[middle]! < value) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Value at rank q·(n − 1); `without` is the position of a value that does not count, or −1. NaN where none is left. */
  quantile(q: number, without = -1): number {
    if (this.sketch !== null) return this.sketch.quantile(q)
    const n = without < 0 ? this.#size : this.#size - 1
    if (n <= 0) return Number.NaN
    const rank = q * (n - 1)
    const below = Math.floor(rank)
    const low = this.#at(below, without)
    if (rank === below) return low
    const high = this.#at(below + 1, without)
    // The mean of two is the same from either side; other ranks by the usual weights.
    return rank - below === 0.5 ? low / 2 + high / 2 : low + (rank - below) * (high - low)
  }

  /** Median of |value − centre|, where `centre` is the median. O(log n): the two sides are sorted already. */
  deviation(centre: number, without = -1): number {
    if (this.sketch !== null) return this.sketch.deviation(centre)
    const n = without < 0 ? this.#size : this.#size - 1
    if (n <= 0) return Number.NaN
    const low = this.#ranked((n - 1) >> 1, n, centre, without)
    return n % 2 === 1 ? low : (low + this.#ranked(n >> 1, n, centre, without)) / 2
  }

  #at(rank: number, without: number): number {
    return this.#values[without >= 0 && rank >= without ? rank + 1 : rank]!
  }

  /** The k-th smallest |value − centre|: left of the centre distances fall with the position, right of it they rise. */
  #ranked(k: number, n: number, centre: number, without: number): number {
    let low = 0
    let high = n
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#at(middle, without) < centre) low = middle + 1
      else high = middle
    }
    const left = low
    const right = n - left
    // How many of the k + 1 nearest lie left: the smallest i for which the rest of the right side is not nearer.
    let from = Math.max(0, k + 1 - right)
    let to = Math.min(left, k + 1)
    while (from < to) {
      const i = (from + to) >>> 1
      const j = k + 1 - i
      if (centre - this.#at(left - 1 - i, without) < this.#at(left + j - 1, without) - centre) from = i + 1
      else to = i
    }
    const j = k + 1 - from
    const leftmost = from > 0 ? centre - this.#at(left - from, without) : 0
    const rightmost = j > 0 ? this.#at(left + j - 1, without) - centre : 0
    return Math.max(leftmost, rightmost)
  }
}

/** Below this many values a loop beats the call of copyWithin. */
const SHIFT_BY_HAND = 48
/** Makes the MAD of a normal distribution its standard deviation. */
export const MAD_SCALE = 1.4826

const makeSorted = (): Sorted => new Sorted()

export function trackSorted(window: SampleWindow): Sorted {
  return window.track('sorted', makeSorted)
}

class Quantile extends OnWindow {
  readonly #sorted: Sorted
  readonly #q: number
  constructor(constants: Constants, context: OperatorContext, q: number) {
    super(constants, context)
    this.#sorted = trackSorted(this.window)
    this.#q = q
  }
  protected value(range: Range, time: number): number {
    return this.window.content(this.#sorted, range, time).quantile(this.#q)
  }
}

class Deviation extends OnWindow {
  readonly #sorted: Sorted
  constructor(constants: Constants, context: OperatorContext) {
    super(constants, context)
    this.#sorted = trackSorted(this.window)
  }
  protected value(range: Range, time: number): number {
    const sorted = this.window.content(this.#sorted, range, time)
    return MAD_SCALE * sorted.deviation(sorted.quantile(0.5))
  }
}

const MEMORY = 'the shared window and 8 B a sample for its sorted values'
const COST = 'O(log n) and a shift of 8·n bytes at most, n ≤ 4 096'

export const median: OperatorKind = {
  signature: setSignature('median', COST, MEMORY),
  create: (constants, context) => new Quantile(constants, context, 0.5),
}
export const quantile: OperatorKind = {
  signature: setSignature('quantile', COST, MEMORY, [number('q', 0, 1)]),
  create: (constants, context) => new Quantile(constants, context, constant(constants, 'q', 0.5)),
}
export const mad: OperatorKind = {
  signature: setSignature('mad', COST, MEMORY),
  create: (constants, context) => new Deviation(constants, context),
}
