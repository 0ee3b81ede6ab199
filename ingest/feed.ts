/**
 * What every transport counts and reports: in flight, up or down, caught up. The transport itself is left with its
 * protocol alone.
 */
import { BOUNDS } from '../src/model/bounds.js'
import type { RawMessage } from '../src/model/decoder.js'
import type { IngestSink, TransportStatus } from '../src/model/ports.js'

export class Feed {
  readonly name: string
  #sink: IngestSink | undefined
  #state: TransportStatus['state'] = 'closed'
  #caughtUp = false
  #inFlight = 0
  #messages = 0
  #acknowledged = 0
  #reconnects = 0
  #everUp = false
  #lastError = ''
  #drained: (() => void) | undefined

  constructor(name: string) {
    this.name = name
  }

  get status(): TransportStatus {
    return {
      state: this.#state,
      caught_up: this.#caughtUp,
      in_flight: this.#inFlight,
      messages_total: this.#messages,
      acknowledged_total: this.#acknowledged,
      reconnects_total: this.#reconnects,
      last_error: this.#lastError,
    }
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get isFull(): boolean {
    return this.#inFlight >= BOUNDS.unacknowledged
  }

  get isCaughtUp(): boolean {
    return this.#caughtUp
  }

  open(sink: IngestSink): void {
    this.#sink = sink
    this.#state = 'connecting'
  }

  up(): void {
    if (this.#everUp) this.#reconnects++
    this.#everUp = true
    this.#state = 'up'
    this.#caughtUp = false
    this.#lastError = ''
    this.#sink?.state(this.name, 'up')
  }

  /** Tells the sink once for each loss, the first failed attempt included: a source that never came is down too. */
  down(reason: string): void {
    if (reason !== '') this.#lastError = reason
    if (this.#state === 'down' || this.#state === 'closed') return
    this.#state = 'down'
    this.#caughtUp = false
    this.#sink?.state(this.name, 'down')
  }

  /** What went wrong without costing the connection. */
  complain(reason: string): void {
    this.#lastError = reason
  }

  caughtUp(): void {
    if (this.#caughtUp || this.#state !== 'up') return
    this.#caughtUp = true
    this.#sink?.state(this.name, 'caught_up')
  }

  /** Hands on a message that nobody waits for (QoS 0, core NATS). */
  best(raw: RawMessage): void {
    this.#messages++
    this.#sink?.message(this.name, raw, 0, false, nothing)
  }

  /** Hands on a message; `acknowledge` runs once, after its sync. */
  message(raw: RawMessage, identity: number, redelivered: boolean, acknowledge: () => void): void {
    this.#messages++
    this.#inFlight++
    let waits = true
    this.#sink?.message(this.name, raw, identity, redelivered, () => {
      if (!waits) return
      waits = false
      this.#inFlight--
      this.#acknowledged++
      acknowledge()
      if (this.#inFlight === 0) this.#drained?.()
    })
  }

  /** Resolves when nothing is in flight any more, or after `timeoutMs`: what is then left comes again at the next start. */
  async drained(timeoutMs: number): Promise<void> {
    if (this.#inFlight === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#drained = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#drained = undefined
  }

  closed(): void {
    this.#state = 'closed'
    this.#caughtUp = false
  }
}

function nothing(): void {}

/** An address as it may be shown: without user and password. */
export function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//')
}

/** Resolves when `work` has ended, well or badly, or after `ms`. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  // Whoever is saying goodbye has no use for the reason why it failed.
  await Promise.race([work.then(nothing, nothing), late])
  clearTimeout(timer)
}
