/**
 * How a wall gets in without a keyboard: it shows a code of eight digits, an operator types it once, and the wall, asking
 * again with the secret that only it has, receives a cookie of role `wall`. Nothing secret is ever on the screen.
 */
import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import { BOUNDS } from '../model/bounds.js'
import type { Clock } from '../model/ports.js'
import type { Enrolment } from './wire.js'

const LIFE_MS = 10 * 60_000

interface Waiting extends Enrolment {
  /** Token id, once an operator has typed the code. */
  admitted: string | null
}

export class Enrolments {
  readonly #clock: Clock
  readonly #byCode = new Map<string, Waiting>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A new code. The oldest of 100 waiting walls gives way. */
  begin(): Enrolment {
    this.#forgetOld()
    if (this.#byCode.size >= BOUNDS.wall_enrolments) this.#byCode.delete(this.#byCode.keys().next().value!)
    let code: string
    do code = String(randomInt(100_000_000)).padStart(8, '0')
    while (this.#byCode.has(code))
    const waiting: Waiting = {
      code,
      secret: randomBytes(32).toString('base64url'),
      expires: this.#clock.now() + LIFE_MS,
      admitted: null,
    }
    this.#byCode.set(code, waiting)
    return { code, secret: waiting.secret, expires: waiting.expires }
  }

  isWaiting(code: string): boolean {
    this.#forgetOld()
    return this.#byCode.get(code)?.admitted === null
  }

  /** The operator's half. */
  admit(code: string, tokenId: string): void {
    const waiting = this.#byCode.get(code)
    if (waiting !== undefined) waiting.admitted = tokenId
  }

  /** The wall's half: token id once admitted (only once), 'waiting', or null where code or secret are wrong or old. */
  claim(code: string, secret: string): { tokenId: string } | 'waiting' | null {
    this.#forgetOld()
    const waiting = this.#byCode.get(code)
    if (waiting === undefined) return null
    const given = Buffer.from(secret)
    const right = Buffer.from(waiting.secret)
    if (given.length !== right.length || !timingSafeEqual(given, right)) return null
    if (waiting.admitted === null) return 'waiting'
    this.#byCode.delete(code)
    return { tokenId: waiting.admitted }
  }

  #forgetOld(): void {
    const now = this.#clock.now()
    for (const [code, waiting] of this.#byCode) if (waiting.expires <= now) this.#byCode.delete(code)
  }
}
