/**
 * When to try a lost connection again: full jitter (a uniform draw below a ceiling that doubles), so that a thousand
 * clients of a broker that comes back do not come at once, and a link that flaps costs a bounded number of attempts.
 */
const FIRST_MS = 250
const CEILING_MS = 30_000
/** A connection that held so long counts as good: the next loss starts from the first step again. */
const STABLE_MS = 10_000
/** Not even a lucky draw tries sooner: an attempt costs a socket and a handshake. */
const FLOOR_MS = 20

export class Backoff {
  readonly #random: () => number
  #ceiling = FIRST_MS

  /** `random` as Math.random: 0 ≤ x < 1. */
  constructor(random: () => number) {
    this.#random = random
  }

  /** ms until the next attempt, after a connection that was up for `upMs` (0: it never was). */
  next(upMs: number): number {
    if (upMs >= STABLE_MS) this.#ceiling = FIRST_MS
    const delay = FLOOR_MS + this.#random() * (this.#ceiling - FLOOR_MS)
    this.#ceiling = Math.min(this.#ceiling * 2, CEILING_MS)
    return delay
  }
}
