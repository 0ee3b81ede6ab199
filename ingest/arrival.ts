/**
 * The arrival clock of one source: the wall clock read once, carried on by the monotonic one. It never goes back and
 * never jumps when somebody sets the wall clock; on Linux the monotonic clock is itself kept in step by NTP's slewing,
 * so it does not drift away either.
 */
import type { Clock } from '../src/model/ports.js'

export class ArrivalClock {
  readonly #clock: Clock
  readonly #anchor: number
  #last = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#anchor = clock.now() - clock.monotonic()
  }

  /** ms UTC, whole, never below an earlier answer. */
  now(): number {
    const now = Math.floor(this.#anchor + this.#clock.monotonic())
    if (now > this.#last) this.#last = now
    return this.#last
  }
}
