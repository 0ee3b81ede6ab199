import { constant } from './on-window.js'
import type {
  Constants,
  Operator,
  OperatorContext,
  OperatorKind,
  StateReader,
  StateWriter,
} from './operator.js'
import { type Sorted, trackSorted } from './ranks.js'
import { Recent } from './recent.js'
import { METRIC, MIN_SPREAD, signature, WARMUP, WINDOW } from './signatures.js'
import { GONE, type SampleWindow } from './window.js'
import { robustZOf } from './zscore.js'

/**
 * change(m, w): has the level shifted? Two-sided CUSUM (Page, Biometrika 41, 1954) of the robust z of each sample against
 * the window before it:
 *
 *   up = max(0, up + z − k)     down = max(0, down − z − k)     change = max(up, down) / h      k = 0.5, h = 8
 *
 * 1 is the decision limit: about one false alarm in 10 000 samples of white noise (a robust z has heavier tails than a
 * true one), a shift of two deviations found after six. `.sign` is the side of the greater sum, 0 where both are 0.
 * While z is missing (spread 0) the sums stand.
 *
 * Warm-up: w/2 of samples, eight at least, so that a median and a spread mean something; `warmup=` changes the time. A
 * sample out of order is put in its place among the last 16 by its own z. The sums remember until they return to 0.
 */
const K = 0.5
const H = 8
const SAMPLES_MIN = 8
const Z = 1
const UP = 2
const DOWN = 3

class Change implements Operator {
  readonly #window: SampleWindow
  readonly #sorted: Sorted
  readonly #warmup: number
  readonly #min: number
  /** [time, z, up, down] after each sample that had a z. */
  readonly #recent = new Recent(4)

  constructor(constants: Constants, context: OperatorContext) {
    const w = constant(constants, 'w', 0)
    this.#window = context.window(w)
    this.#sorted = trackSorted(this.#window)
    this.#warmup = constant(constants, 'warmup', w / 2)
    this.#min = constant(constants, 'min', 0)
  }

  push(time: number): void {
    const window = this.#window
    const range = window.select(time)
    if (range === GONE || window.count <= SAMPLES_MIN || !window.warm(this.#warmup)) return
    const z = robustZOf(window, this.#sorted, range, time, this.#min)
    const recent = this.#recent
    let at = recent.insert(time)
    if (at < 0) return
    recent.set(at, Z, z)
    for (; at < recent.size; at++) {
      const step = recent.get(at, Z)
      const up = at === 0 ? 0 : recent.get(at - 1, UP)
      const down = at === 0 ? 0 : recent.get(at - 1, DOWN)
      const known = !Number.isNaN(step)
      recent.set(at, UP, known ? Math.max(0, up + step - K) : up)
      recent.set(at, DOWN, known ? Math.max(0, down - step - K) : down)
    }
  }

  read(time: number, field: string): number {
    const at = this.#recent.at(time)
    if (at < 0) return Number.NaN
    const up = this.#recent.get(at, UP)
    const down = this.#recent.get(at, DOWN)
    return field === 'sign' ? Math.sign(up - down) : Math.max(up, down) / H
  }

  save(out: StateWriter): void {
    this.#recent.save(out)
  }
  load(input: StateReader): void {
    this.#recent.load(input)
  }
}

export const change: OperatorKind = {
  signature: signature(
    'change',
    'succession',
    [METRIC, WINDOW, MIN_SPREAD, WARMUP],
    'number',
    'O(log n) and a shift of 8·n bytes at most, n ≤ 4 096',
    'the shared window and 8 B a sample for its sorted values',
    { sign: 'number' },
  ),
  create: (constants, context) => new Change(constants, context),
}
