/**
 * An IngestSink that stands where the engine's loop will: it keeps what arrives and makes it durable by group commit (a
 * sync takes `syncMs`, everything that arrived before it started is durable after it), or by hand.
 */
import type { RawMessage } from '../../src/model/decoder.js'
import type { Clock, IngestSink } from '../../src/model/ports.js'

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

export interface Arrived {
  readonly topic: string
  readonly text: string
  readonly identity: number
  readonly redelivered: boolean
  readonly retained: boolean
  readonly received: number
}

export class Recorder implements IngestSink {
  readonly messages: Arrived[] = []
  readonly states: string[] = []
  inFlight = 0
  inFlightMax = 0
  /** Messages that came while their feed was not said to be up. */
  unannounced = 0
  /** Syncs that were waited for. */
  syncs = 0
  readonly #syncMs: number
  #waiting: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined
  #held: boolean

  /** `syncMs` NaN: nothing becomes durable until `release`. */
  constructor(syncMs: number) {
    this.#syncMs = syncMs
    this.#held = Number.isNaN(syncMs)
  }

  message(_feed: string, raw: RawMessage, identity: number, redelivered: boolean, durable: () => void): void {
    this.messages.push({
      topic: raw.topic,
      text: Buffer.from(raw.bytes).toString(),
      identity,
      redelivered,
      retained: raw.retained,
      received: raw.received,
    })
    if (this.states.length === 0 || this.states.at(-1) === 'down') this.unannounced++
    this.inFlight++
    this.inFlightMax = Math.max(this.inFlightMax, this.inFlight)
    this.#waiting.push(durable)
    if (!this.#held) this.#sync()
  }

  state(_feed: string, state: 'up' | 'down' | 'caught_up'): void {
    this.states.push(state)
  }

  /** From now on everything becomes durable. */
  release(): void {
    this.#held = false
    this.#sync()
  }

  hold(): void {
    this.#held = true
  }

  texts(): string[] {
    return this.messages.map((message) => message.text)
  }

  distinct(): number {
    return new Set(this.texts()).size
  }

  #sync(): void {
    if (this.#timer !== undefined || this.#waiting.length === 0) return
    const batch = this.#waiting
    this.#waiting = []
    const done = (): void => {
      this.#timer = undefined
      this.syncs++
      this.inFlight -= batch.length
      for (const durable of batch) durable()
      if (!this.#held) this.#sync()
    }
    this.#timer = setTimeout(done, Number.isNaN(this.#syncMs) ? 0 : this.#syncMs)
  }
}
