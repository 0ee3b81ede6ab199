import { OnWindow } from './on-window.js'
import type { Constants, OperatorContext, OperatorKind } from './operator.js'
import { PANE, type Panes } from './panes.js'
import { METRIC, signature, WARMUP, WINDOW } from './signatures.js'
import { Sum } from './sum.js'
import type { Tracker } from './tracker.js'
import type { Range } from './window.js'

/**
 * rate(m, w) of a counter: the rises between successive samples in the window, per second between the first and the
 * last; after a fall (the counter began anew) the new value is the rise. Nothing is extrapolated to the window's edges.
 * Missing where first and last have the same time. O(1).
 */
class Rises implements Tracker {
  readonly runs = true
  readonly sketched = false
  sketch = null
  readonly sum = new Sum()
  #last = Number.NaN

  add(_time: number, value: number, before: number, after: number): void {
    if (!Number.isNaN(before)) this.sum.add(rise(before, value))
    if (!Number.isNaN(after)) {
      this.sum.add(rise(value, after))
      if (!Number.isNaN(before)) this.sum.add(-rise(before, after))
    }
  }
  evict(_time: number, value: number, after: number): void {
    if (!Number.isNaN(after)) this.sum.add(-rise(value, after))
    else this.sum.clear()
  }
  clear(): void {
    this.sum.clear()
  }
  fresh(): Rises {
    return new Rises()
  }
  addPane(panes: Panes, offset: number): void {
    const c = panes.columns
    if (!Number.isNaN(this.#last)) this.sum.add(rise(this.#last, c[offset + PANE.firstValue]!))
    this.sum.add(c[offset + PANE.rises]!)
    this.#last = c[offset + PANE.lastValue]!
  }
}

function rise(before: number, value: number): number {
  return value >= before ? value - before : value
}

const makeRises = (): Rises => new Rises()

class Rate extends OnWindow {
  readonly #rises: Rises
  constructor(constants: Constants, context: OperatorContext) {
    super(constants, context)
    this.#rises = this.window.track('rises', makeRises)
  }
  protected value(range: Range, time: number): number {
    const seconds = (this.window.lastTime - this.window.firstTime) / 1000
    return seconds > 0 ? this.window.content(this.#rises, range, time).sum.value / seconds : Number.NaN
  }
}

export const rate: OperatorKind = {
  signature: signature(
    'rate',
    'succession',
    [{ ...METRIC, counter: true }, WINDOW, WARMUP],
    'number',
    'O(1)',
    'the shared window: 16 B a sample up to 4 096, then 64 panes',
  ),
  create: (constants, context) => new Rate(constants, context),
}
