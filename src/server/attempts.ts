/**
 * Wrong tokens by address: after ten in a minute further wrong ones are answered 429. A right token always passes, so
 * nobody can lock the operators out from the proxy they share.
 */
import type { Clock } from '../model/ports.js'

const WINDOW_MS = 60_000
const WRONG_MAX = 10
/** Addresses remembered; the oldest forgotten. */
const ADDRESSES_MAX = 10_000

export class Attempts {
  readonly #clock: Clock
  readonly #wrong = new Map<string, { since: number; count: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts a wrong attempt; true where it was one too many. */
  wrong(address: string): boolean {
    const now = this.#clock.monotonic()
    let entry = this.#wrong.get(address)
    if (entry === undefined || now - entry.since > WINDOW_MS) {
      this.#wrong.delete(address)
      entry = { since: now, count: 0 }
      this.#wrong.set(address, entry)
      if (this.#wrong.size > ADDRESSES_MAX) this.#wrong.delete(this.#wrong.keys().next().value!)
    }
    entry.count++
    return entry.count > WRONG_MAX
  }
}
