import { type Squares, trackSquares, varianceOf } from './moments.js'
import { constant, OnWindow } from './on-window.js'
import type { Constants, OperatorContext, OperatorKind } from './operator.js'
import { MAD_SCALE, type Sorted, trackSorted } from './ranks.js'
import { MIN_SPREAD, successionSignature } from './signatures.js'
import { Sum } from './sum.js'
import type { Range, SampleWindow } from './window.js'

/**
 * zscore robust_z: the newest sample of the window against the window before it (all its samples but that one).
 *
 *   zscore   = (x − mean) / population standard deviation
 *   robust_z = (x − median) / (1.4826 × MAD)
 *
 * Signed. A spread of 0 is missing, not infinity; `min=` sets a smallest spread in the metric's unit. Above 4 096
 * samples in the window robust_z takes the newest for one of the others. zscore O(1), robust_z O(log n).
 */
class ZScore extends OnWindow {
  readonly #squares: Squares
  readonly #min: number
  readonly #sum = new Sum()
  readonly #square = new Sum()

  constructor(constants: Constants, context: OperatorContext) {
    super(constants, context)
    this.#squares = trackSquares(this.window)
    this.#min = constant(constants, 'min', 0)
  }

  protected value(range: Range, time: number): number {
    const n = this.window.count - 1
    if (n < 1) return Number.NaN
    const x = this.window.lastValue
    const { sum, squares } = this.window.content(this.#squares, range, time)
    this.#sum.value = sum.value
    this.#sum.rest = sum.rest
    this.#sum.add(-x)
    this.#square.value = squares.value
    this.#square.rest = squares.rest
    this.#square.addSquare(x, -1)
    const spread = Math.max(this.#min, Math.sqrt(varianceOf(this.#square, this.#sum, n)))
    return spread > 0 ? (x - this.#sum.value / n) / spread : Number.NaN
  }
}

/** Robust z of `x` against sorted values without one of its value; NaN where the spread is 0. */
export function robustZ(sorted: Sorted, x: number, min: number): number {
  const without = sorted.sketch === null ? sorted.position(x) : -1
  const centre = sorted.quantile(0.5, without)
  const spread = Math.max(min, MAD_SCALE * sorted.deviation(centre, without))
  return spread > 0 ? (x - centre) / spread : Number.NaN
}

class RobustZ extends OnWindow {
  readonly #sorted: Sorted
  readonly #min: number

  constructor(constants: Constants, context: OperatorContext) {
    super(constants, context)
    this.#sorted = trackSorted(this.window)
    this.#min = constant(constants, 'min', 0)
  }

  protected value(range: Range, time: number): number {
    return robustZOf(this.window, this.#sorted, range, time, this.#min)
  }
}

/** Robust z of the newest sample of the range that was just selected. */
export function robustZOf(
  window: SampleWindow,
  sorted: Sorted,
  range: Range,
  time: number,
  min: number,
): number {
  return robustZ(window.content(sorted, range, time), window.lastValue, min)
}

const MEMORY = 'the shared window: 16 B a sample up to 4 096, then 64 panes'

export const zscore: OperatorKind = {
  signature: successionSignature('zscore', 'O(1)', MEMORY, [MIN_SPREAD]),
  create: (constants, context) => new ZScore(constants, context),
}
export const robustZscore: OperatorKind = {
  signature: successionSignature(
    'robust_z',
    'O(log n) and a shift of 8·n bytes at most, n ≤ 4 096',
    'the shared window and 8 B a sample for its sorted values',
    [MIN_SPREAD],
  ),
  create: (constants, context) => new RobustZ(constants, context),
}
