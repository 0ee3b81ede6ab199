import { constant } from './on-window.js'
import type {
  Constants,
  Operator,
  OperatorContext,
  OperatorKind,
  StateReader,
  StateWriter,
} from './operator.js'
import { Recent } from './recent.js'
import { CONDITION, METRIC, signature, WINDOW } from './signatures.js'
import { GONE, PANES, type SampleWindow } from './window.js'

/** lag(m, w): the value in force w ago, that of the newest sample at or before t − w. No warm-up. O(log n). */
class Lag implements Operator {
  readonly #window: SampleWindow
  readonly #w: number

  constructor(constants: Constants, context: OperatorContext) {
    this.#w = constant(constants, 'w', 0)
    this.#window = context.window(this.#w)
  }

  read(time: number): number {
    const window = this.#window
    const range = window.select(time)
    if (range === GONE) return Number.NaN
    // Samples by the thousand are kept as panes only: the last of the newest pane that ends by then, w/64 too old at most.
    if (range === PANES) return window.panes?.valueBefore(time - this.#w) ?? Number.NaN
    const at = window.from - 1
    return at < 0 ? Number.NaN : window.valueAt(at)
  }

  save(_out: StateWriter): void {}
  load(_input: StateReader): void {}
}

/** changed(m): the newest sample differs from the device's sample before it; missing at the first. O(1). */
class Changed implements Operator {
  readonly #recent = new Recent(2)

  push(time: number, value: number): void {
    const at = this.#recent.insert(time)
    if (at >= 0) this.#recent.set(at, 1, value)
  }

  read(time: number): number {
    const at = this.#recent.at(time)
    if (at < 1) return Number.NaN
    return this.#recent.get(at, 1) === this.#recent.get(at - 1, 1) ? 0 : 1
  }

  save(out: StateWriter): void {
    this.#recent.save(out)
  }
  load(input: StateReader): void {
    this.#recent.load(input)
  }
}

const TRUE = 1
const LAST = 2
const RUN = 3

/**
 * since(condition): time since it was last true, 0 while it is, missing until it was true once.
 * held(condition): how long it has been true without a break, from the first message of the run; 0 while false.
 * Both count to the judgement's time. Messages at which the condition is missing do not exist for them. A message out of
 * order is put in its place among the last 16. O(1).
 */
class Condition implements Operator {
  readonly #held: boolean
  /** [time, true, last true, start of the run] after each message; NaN for "never". */
  readonly #recent = new Recent(4)

  constructor(held: boolean) {
    this.#held = held
  }

  push(time: number, value: number): void {
    const recent = this.#recent
    let at = recent.insert(time)
    if (at < 0) return
    recent.set(at, TRUE, value)
    for (; at < recent.size; at++) {
      const now = recent.get(at, 0)
      const holds = recent.get(at, TRUE) !== 0
      const last = at === 0 ? Number.NaN : recent.get(at - 1, LAST)
      const run = at === 0 ? Number.NaN : recent.get(at - 1, RUN)
      recent.set(at, LAST, holds ? now : last)
      recent.set(at, RUN, holds ? (!Number.isNaN(run) ? run : now) : Number.NaN)
    }
  }

  read(time: number): number {
    const at = this.#recent.at(time)
    if (at < 0) return Number.NaN
    const holds = this.#recent.get(at, TRUE) !== 0
    if (this.#held) return holds ? time - this.#recent.get(at, RUN) : 0
    return holds ? 0 : time - this.#recent.get(at, LAST)
  }

  save(out: StateWriter): void {
    this.#recent.save(out)
  }
  load(input: StateReader): void {
    this.#recent.load(input)
  }
}

export const lag: OperatorKind = {
  signature: signature('lag', 'succession', [METRIC, WINDOW], 'number', 'O(log n)', 'the shared window'),
  create: (constants, context) => new Lag(constants, context),
}
export const changed: OperatorKind = {
  signature: signature('changed', 'succession', [METRIC], 'boolean', 'O(1)', '16 B a sample for the last 16'),
  create: () => new Changed(),
}
export const since: OperatorKind = {
  signature: signature(
    'since',
    'condition',
    [CONDITION],
    'duration',
    'O(1)',
    '32 B a message for the last 16',
  ),
  create: () => new Condition(false),
}
export const held: OperatorKind = {
  signature: signature(
    'held',
    'condition',
    [CONDITION],
    'duration',
    'O(1)',
    '32 B a message for the last 16',
  ),
  create: () => new Condition(true),
}
