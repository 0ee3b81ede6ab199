/**
 * A sink tells the world outside about alerts, behind the sync: what it tells has been logged, so that it is never
 * taken back. It is told at least once; receivers drop what they know by the idempotency key.
 *
 * To add one: copy webhook.ts, run test/contracts/sink.ts over it, name it in the configuration's list.
 */
import type { Transition } from '../../model/alert.js'

/**
 * `ok`: the receiver has it. `retry`: it may have it or not; the same transition under the same key comes again.
 * `dead`: it refuses this content and always will; it is set aside and the next one comes.
 */
export type Delivery = 'ok' | 'retry' | 'dead'

export interface Sink {
  /** As configured; names its cursor and its metrics. */
  readonly name: string
  /** Connects (the constructor does not). May throw; it is called again with back-off. */
  open(): Promise<void>
  /** Delivers one transition; settles within the sink's own timeout. Throwing counts as `retry`. */
  write(transition: Transition, key: string): Promise<Delivery>
  /** Ends connections; harmless when never opened. */
  close(): Promise<void>
}

/** Which delivery this is, for ever: the same after a crash, a restart or a second engine on the same log. */
export function idempotencyKey({ id, seq, status, level }: Transition): string {
  return `${id}:${seq}:${status}:${level}`
}
