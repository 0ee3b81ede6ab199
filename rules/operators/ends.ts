import { OnWindow } from './on-window.js'
import type { Constants, OperatorContext, OperatorKind } from './operator.js'
import { successionSignature } from './signatures.js'

/**
 * first last delta: oldest and newest sample inside the window, and last − first. The sample just before the window
 * takes no part. O(1), no state beside the window.
 */
class Ends extends OnWindow {
  readonly #last: 0 | 1
  readonly #first: 0 | 1
  constructor(constants: Constants, context: OperatorContext, last: 0 | 1, first: 0 | 1) {
    super(constants, context)
    this.#last = last
    this.#first = first
  }
  protected value(): number {
    if (this.#last === 0) return this.window.firstValue
    return this.#first === 0 ? this.window.lastValue : this.window.lastValue - this.window.firstValue
  }
}

const MEMORY = 'the shared window: 16 B a sample up to 4 096, then 64 panes'

export const first: OperatorKind = {
  signature: successionSignature('first', 'O(1)', MEMORY),
  create: (constants, context) => new Ends(constants, context, 0, 1),
}
export const last: OperatorKind = {
  signature: successionSignature('last', 'O(1)', MEMORY),
  create: (constants, context) => new Ends(constants, context, 1, 0),
}
export const delta: OperatorKind = {
  signature: successionSignature('delta', 'O(1)', MEMORY),
  create: (constants, context) => new Ends(constants, context, 1, 1),
}
