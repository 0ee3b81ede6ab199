import { OnWindowAtOnce } from './on-window.js'
import type { Constants, OperatorContext, OperatorKind, StateReader, StateWriter } from './operator.js'
import { signature, WARMUP, WINDOW } from './signatures.js'
import type { Tracker } from './tracker.js'
import { PANES, type Range } from './window.js'

/** How many samples of the range have each value. */
class Tally implements Tracker {
  readonly runs = false
  readonly sketched = false
  sketch = null
  readonly counts = new Map<number, number>()

  add(_time: number, value: number): void {
    this.counts.set(value, (this.counts.get(value) ?? 0) + 1)
  }
  evict(_time: number, value: number): void {
    const left = (this.counts.get(value) ?? 0) - 1
    if (left > 0) this.counts.set(value, left)
    else this.counts.delete(value)
  }
  clear(): void {
    this.counts.clear()
  }
  fresh(): Tally {
    return new Tally()
  }
  addPane(): void {}
}

const makeTally = (): Tally => new Tally()

/**
 * distinct(label, w): different values of `label`, `device` or `attrs.x` among the window's messages; '' is none and is
 * not pushed. Values are interned ids. Exact up to 4 096 samples in the window; beyond, the last time of each value is
 * kept in that order and what has left the window goes from the front: exact in order, and a value that came late may
 * count for as long as it was late after it has left. O(1) amortised, 40 B a value.
 */
class Distinct extends OnWindowAtOnce {
  readonly #tally: Tally
  /** Last time of each value; kept while the window is large. */
  #last: Map<number, number> | null = null

  constructor(constants: Constants, context: OperatorContext) {
    super(constants, context)
    this.#tally = this.window.track('tally', makeTally)
  }

  push(time: number, id: number): void {
    if (this.window.panes === null) {
      this.#last = null
      return
    }
    if (this.#last === null) {
      this.#last = new Map()
      for (let i = 0; i < this.window.size; i++) this.#note(this.window.timeAt(i), this.window.valueAt(i))
    } else this.#note(time, id)
  }

  protected value(range: Range, time: number): number {
    if (range !== PANES) return this.window.content(this.#tally, range, time).counts.size
    const last = this.#last
    if (last === null) return Number.NaN
    const cut = Math.min(time, this.window.cursor) - this.window.ms
    for (const [id, newest] of last) {
      if (newest > cut) break
      last.delete(id)
    }
    return last.size
  }

  #note(time: number, id: number): void {
    const known = this.#last?.get(id)
    if (known !== undefined && known > time) return
    if (known !== undefined) this.#last?.delete(id)
    this.#last?.set(id, time)
  }

  override save(out: StateWriter): void {
    out.number(this.#last === null ? 0 : 1)
    const flat = Float64Array.from([...(this.#last ?? [])].flat())
    out.numbers(flat, 0, flat.length)
  }
  override load(input: StateReader): void {
    const large = input.number() === 1
    const flat = input.numbers()
    this.#last = large ? new Map() : null
    for (let i = 0; i < flat.length; i += 2) this.#last?.set(flat[i]!, flat[i + 1]!)
  }
}

export const distinct: OperatorKind = {
  signature: signature(
    'distinct',
    'set',
    [{ name: 'label', type: 'label', constant: true }, WINDOW, WARMUP],
    'number',
    'O(1) amortised',
    'the shared window and 40 B a distinct value',
  ),
  create: (constants, context) => new Distinct(constants, context),
}
