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
import { duration, METRIC, signature, WARMUP } from './signatures.js'

/**
 * ewma ewmsd: mean and deviation whose weight of the old is 0.5^(Δt / halflife), for uneven sampling:
 *
 *   a = 1 − 2^(−Δt / halflife)     d = x − y     v += a·(d² − v)     y += a·d          ewma = y, ewmsd = √v
 *
 * The first sample sets y and is no value yet; d is the distance from the mean before the sample. A sample out of order
 * is put in its place among the last 16 and what follows is worked out again; an older one does not count. Infinite
 * memory: what was seen before the start never quite leaves. `warmup=` is the time since the first sample. O(1), 20 ns.
 */
const TIME = 0
const X = 1
const Y = 2
const V = 3

class Decayed implements Operator {
  readonly #halflife: number
  readonly #warmup: number
  readonly #rooted: boolean
  readonly #recent = new Recent(4)
  #first = Number.NaN

  constructor(constants: Constants, _context: OperatorContext, rooted: boolean) {
    this.#halflife = constant(constants, 'halflife', 1)
    this.#warmup = constant(constants, 'warmup', 0)
    this.#rooted = rooted
  }

  push(time: number, value: number): void {
    const recent = this.#recent
    let at = recent.insert(time)
    if (at < 0) return
    recent.set(at, X, value)
    if (recent.size === 1) this.#first = time
    else if (at === 0) {
      // Before everything kept: the beginning, if nothing has left yet.
      this.#first = time
    }
    for (; at < recent.size; at++) {
      const x = recent.get(at, X)
      if (at === 0) {
        recent.set(0, Y, x)
        recent.set(0, V, 0)
        continue
      }
      const y = recent.get(at - 1, Y)
      const v = recent.get(at - 1, V)
      const a = 1 - 2 ** ((recent.get(at - 1, TIME) - recent.get(at, TIME)) / this.#halflife)
      const d = x - y
      recent.set(at, V, v + a * (d * d - v))
      recent.set(at, Y, y + a * d)
    }
  }

  read(time: number): number {
    const recent = this.#recent
    const at = recent.at(time)
    if (at < 0) return Number.NaN
    const now = recent.get(at, TIME)
    // The first sample ever is no mean of anything.
    if (at === 0 && !recent.wrapped) return Number.NaN
    if (now - this.#first < this.#warmup) return Number.NaN
    return this.#rooted ? Math.sqrt(recent.get(at, V)) : recent.get(at, Y)
  }

  save(out: StateWriter): void {
    out.number(this.#first)
    this.#recent.save(out)
  }
  load(input: StateReader): void {
    this.#first = input.number()
    this.#recent.load(input)
  }
}

const MEMORY = '32 B a sample for the last 16'

export const ewma: OperatorKind = {
  signature: signature(
    'ewma',
    'succession',
    [METRIC, duration('halflife'), WARMUP],
    'number',
    'O(1)',
    MEMORY,
  ),
  create: (constants, context) => new Decayed(constants, context, false),
}
export const ewmsd: OperatorKind = {
  signature: signature(
    'ewmsd',
    'succession',
    [METRIC, duration('halflife'), WARMUP],
    'number',
    'O(1)',
    MEMORY,
  ),
  create: (constants, context) => new Decayed(constants, context, true),
}
