import { OnWindow, OnWindowAtOnce } from './on-window.js'
import type { Constants, OperatorContext, OperatorKind } from './operator.js'
import { PANE, type Panes } from './panes.js'
import { CONDITION, setSignature, signature, WARMUP, WINDOW } from './signatures.js'
import { centred, Sum } from './sum.js'
import type { Tracker } from './tracker.js'
import type { Range, SampleWindow } from './window.js'

/**
 * count sum avg stddev var, and count_if share over a condition's 1 and 0. Population spread:
 * var = Σ(x − mean)² / n, from Σx and Σx² as double-double sums, so that a level of 1e9 with a spread of 1 keeps ten
 * digits of it. O(1) a sample; about 6 ns for Σx, 15 ns with Σx².
 */
const WINDOWED = 'the shared window: 16 B a sample up to 4 096, then 64 panes'

/** Σx of the range. */
export class Total implements Tracker {
  readonly runs = true
  readonly sketched = false
  sketch = null
  readonly sum = new Sum()

  add(_time: number, value: number): void {
    this.sum.add(value)
  }
  evict(_time: number, value: number): void {
    this.sum.add(-value)
  }
  clear(): void {
    this.sum.clear()
  }
  fresh(): Total {
    return new Total()
  }
  addPane(panes: Panes, offset: number): void {
    this.sum.add(panes.columns[offset + PANE.sum]!)
    this.sum.add(panes.columns[offset + PANE.sumRest]!)
  }
}

/** Σx and Σx² of the range. */
export class Squares implements Tracker {
  readonly runs = true
  readonly sketched = false
  sketch = null
  readonly sum = new Sum()
  readonly squares = new Sum()

  add(_time: number, value: number): void {
    this.sum.add(value)
    this.squares.addSquare(value, 1)
  }
  evict(_time: number, value: number): void {
    this.sum.add(-value)
    this.squares.addSquare(value, -1)
  }
  clear(): void {
    this.sum.clear()
    this.squares.clear()
  }
  fresh(): Squares {
    return new Squares()
  }
  addPane(panes: Panes, offset: number): void {
    const c = panes.columns
    this.sum.add(c[offset + PANE.sum]!)
    this.sum.add(c[offset + PANE.sumRest]!)
    this.squares.add(c[offset + PANE.squares]!)
    this.squares.add(c[offset + PANE.squaresRest]!)
  }

  /** Population variance of `n` samples; of equal ones 0 and not what rounding leaves. */
  variance(n: number): number {
    return varianceOf(this.squares, this.sum, n)
  }
}

/** Population variance from Σx² and Σx. Below 1e-28·n of the mean square it is rounding. */
export function varianceOf(squares: Sum, sum: Sum, n: number): number {
  const squared = centred(squares, sum, sum, n)
  return squared > 1e-28 * n * squares.value ? squared / n : 0
}

const makeTotal = (): Total => new Total()
const makeSquares = (): Squares => new Squares()

export function trackTotal(window: SampleWindow): Total {
  return window.track('total', makeTotal)
}

export function trackSquares(window: SampleWindow): Squares {
  return window.track('squares', makeSquares)
}

class Count extends OnWindowAtOnce {
  protected value(): number {
    return this.window.count
  }
}

class Summed extends OnWindowAtOnce {
  readonly #total: Total
  constructor(constants: Constants, context: OperatorContext) {
    super(constants, context)
    this.#total = trackTotal(this.window)
  }
  protected value(range: Range, time: number): number {
    return this.window.content(this.#total, range, time).sum.value
  }
}

class Average extends OnWindow {
  readonly #total: Total
  constructor(constants: Constants, context: OperatorContext) {
    super(constants, context)
    this.#total = trackTotal(this.window)
  }
  protected value(range: Range, time: number): number {
    return this.window.content(this.#total, range, time).sum.value / this.window.count
  }
}

class Spread extends OnWindow {
  readonly #squares: Squares
  readonly #rooted: boolean
  constructor(constants: Constants, context: OperatorContext, rooted: boolean) {
    super(constants, context)
    this.#squares = trackSquares(this.window)
    this.#rooted = rooted
  }
  protected value(range: Range, time: number): number {
    const variance = this.window.content(this.#squares, range, time).variance(this.window.count)
    return this.#rooted ? Math.sqrt(variance) : variance
  }
}

export const count: OperatorKind = {
  signature: setSignature('count', 'O(1)', WINDOWED),
  create: (constants, context) => new Count(constants, context),
}
export const sum: OperatorKind = {
  signature: setSignature('sum', 'O(1)', WINDOWED),
  create: (constants, context) => new Summed(constants, context),
}
export const avg: OperatorKind = {
  signature: setSignature('avg', 'O(1)', WINDOWED),
  create: (constants, context) => new Average(constants, context),
}
export const stddev: OperatorKind = {
  signature: setSignature('stddev', 'O(1)', WINDOWED),
  create: (constants, context) => new Spread(constants, context, true),
}
export const variance: OperatorKind = {
  signature: setSignature('var', 'O(1)', WINDOWED),
  create: (constants, context) => new Spread(constants, context, false),
}
/** Judged messages of the window for which the condition was true. */
export const countIf: OperatorKind = {
  signature: signature('count_if', 'condition', [CONDITION, WINDOW, WARMUP], 'number', 'O(1)', WINDOWED),
  create: (constants, context) => new Summed(constants, context),
}
/** Their share of those for which it was true or false. */
export const share: OperatorKind = {
  signature: signature('share', 'condition', [CONDITION, WINDOW, WARMUP], 'number', 'O(1)', WINDOWED),
  create: (constants, context) => new Average(constants, context),
}
