import type { Constants, Operator, OperatorContext, StateReader, StateWriter } from './operator.js'
import { GONE, type Range, type SampleWindow } from './window.js'

/** A named constant that is a number, or `otherwise` where it was not written. */
export function constant(constants: Constants, name: string, otherwise: number): number {
  const value = constants[name]
  return typeof value === 'number' ? value : otherwise
}

/**
 * An operator that lives on its shared window alone: it has no state of its own and nothing to save. Missing while the
 * window warms up (newest − oldest sample in it ≥ w/2 and two samples, or `warmup=`).
 */
export abstract class OnWindow implements Operator {
  protected readonly window: SampleWindow
  protected readonly warmup: number

  constructor(constants: Constants, context: OperatorContext) {
    const w = constant(constants, 'w', 0)
    this.window = context.window(w)
    this.warmup = constant(constants, 'warmup', w / 2)
  }

  read(time: number, field: string, x: number): number {
    const range = this.window.select(time)
    if (range === GONE || !this.window.warm(this.warmup)) return Number.NaN
    return this.value(range, time, field, x)
  }

  /** Result for the range that was just selected, which is warm. */
  protected abstract value(range: Range, time: number, field: string, x: number): number

  save(_out: StateWriter): void {}
  load(_input: StateReader): void {}
}

/** One that has no warm-up: 0 from the key's first sample; `warmup=` alone makes it wait. */
export abstract class OnWindowAtOnce extends OnWindow {
  readonly #waits: boolean

  constructor(constants: Constants, context: OperatorContext) {
    super(constants, context)
    this.#waits = typeof constants['warmup'] === 'number'
  }

  override read(time: number, field: string, x: number): number {
    const range = this.window.select(time)
    if (range === GONE || (this.#waits && !this.window.warm(this.warmup))) return Number.NaN
    return this.value(range, time, field, x)
  }
}
