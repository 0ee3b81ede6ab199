import { OnWindow } from './on-window.js'
import type { Constants, OperatorContext, OperatorKind } from './operator.js'
import { PANE, type Panes } from './panes.js'
import { setSignature } from './signatures.js'
import type { Tracker } from './tracker.js'
import type { Range } from './window.js'

/**
 * min max range of the samples in the window. A monotonic deque: samples that a later one matches or beats can never be
 * the extreme again and are dropped, so the front is the extreme. O(1) amortised; at most one entry a sample, for noise
 * about ln n of them.
 *
 *   max of   3 1 4 1 5 2 3     deque   5 3
 */
export class Extreme implements Tracker {
  readonly runs = false
  readonly sketched = false
  sketch = null
  /** +1 for max, −1 for min. */
  readonly #side: 1 | -1
  /** [time, value · side] pairs in order of time, values falling. */
  #deque = new Float64Array(8)
  #head = 0
  #tail = 0

  constructor(side: 1 | -1) {
    this.#side = side
  }

  get value(): number {
    return this.#head === this.#tail ? Number.NaN : this.#deque[this.#head + 1]! * this.#side
  }

  add(time: number, value: number, _before: number, after: number): void {
    const v = value * this.#side
    let at = this.#tail
    // A sample out of order comes before those later than it; the next of them beats it or it stands.
    if (!Number.isNaN(after)) {
      while (at > this.#head && this.#deque[at - 2]! > time) at -= 2
      if (at < this.#tail && this.#deque[at + 1]! >= v) return
    }
    let from = at
    while (from > this.#head && this.#deque[from - 1]! <= v) from -= 2
    if (at === this.#tail) {
      this.#tail = from
    } else if (from !== at) {
      this.#deque.copyWithin(from, at, this.#tail)
      this.#tail -= at - from
    }
    if (this.#tail === this.#deque.length) {
      const moved = this.#makeRoom()
      from -= moved
    }
    if (from !== this.#tail) this.#deque.copyWithin(from + 2, from, this.#tail)
    this.#deque[from] = time
    this.#deque[from + 1] = v
    this.#tail += 2
  }

  evict(time: number, value: number): void {
    const head = this.#head
    if (head < this.#tail && this.#deque[head] === time && this.#deque[head + 1] === value * this.#side) {
      this.#head = head + 2
      if (this.#head === this.#tail) this.#head = this.#tail = 0
    }
  }

  clear(): void {
    this.#head = this.#tail = 0
  }

  fresh(): Extreme {
    return new Extreme(this.#side)
  }

  addPane(panes: Panes, offset: number): void {
    const value = this.#side * panes.columns[offset + (this.#side === 1 ? PANE.max : PANE.min)]!
    // Nothing leaves a range of panes, so its extreme is all there is to know.
    if (this.#tail > 0 && this.#deque[1]! >= value) return
    this.#deque[1] = value
    this.#tail = 2
  }

  /** How far entries moved to the front. */
  #makeRoom(): number {
    const head = this.#head
    const length = this.#tail - head
    const next = head * 2 >= this.#deque.length ? this.#deque : new Float64Array(this.#deque.length * 2)
    if (next === this.#deque) next.copyWithin(0, head, this.#tail)
    else next.set(this.#deque.subarray(head, this.#tail))
    this.#deque = next
    this.#head = 0
    this.#tail = length
    return head
  }
}

const makeMax = (): Extreme => new Extreme(1)
const makeMin = (): Extreme => new Extreme(-1)

class Outermost extends OnWindow {
  readonly #extreme: Extreme
  constructor(constants: Constants, context: OperatorContext, side: 1 | -1) {
    super(constants, context)
    this.#extreme = side === 1 ? this.window.track('max', makeMax) : this.window.track('min', makeMin)
  }
  protected value(range: Range, time: number): number {
    return this.window.content(this.#extreme, range, time).value
  }
}

class Extent extends OnWindow {
  readonly #max: Extreme
  readonly #min: Extreme
  constructor(constants: Constants, context: OperatorContext) {
    super(constants, context)
    this.#max = this.window.track('max', makeMax)
    this.#min = this.window.track('min', makeMin)
  }
  protected value(range: Range, time: number): number {
    return (
      this.window.content(this.#max, range, time).value - this.window.content(this.#min, range, time).value
    )
  }
}

const MEMORY = 'the shared window and 16 B a candidate, about ln n of n samples'

export const min: OperatorKind = {
  signature: setSignature('min', 'O(1) amortised', MEMORY),
  create: (constants, context) => new Outermost(constants, context, -1),
}
export const max: OperatorKind = {
  signature: setSignature('max', 'O(1) amortised', MEMORY),
  create: (constants, context) => new Outermost(constants, context, 1),
}
export const range: OperatorKind = {
  signature: setSignature('range', 'O(1) amortised', MEMORY),
  create: (constants, context) => new Extent(constants, context),
}
