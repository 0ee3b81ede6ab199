import type { Transition } from './alert.js'
import type { RawMessage } from './decoder.js'
import type { EngineRecord, LoggedRecord } from './record.js'

/** The clock the edges read; the core never does. */
export interface Clock {
  /** Wall clock, ms UTC; may jump. */
  now(): number
  /** Monotonic, ms. */
  monotonic(): number
}

/** What the engine's loop needs of the log; src/log implements it on a disk, the simulation on a simulated one. */
export interface LogPort {
  /**
   * Takes a record (copied before return: the batch is reused) with its transitions; the frame it lands in is written
   * and synced as soon as the previous sync is back. `durable` runs once after that sync, in order of seq. Returns
   * false where the log is full and this record may not use the reserve: it was not taken.
   */
  append(record: EngineRecord, transitions: readonly Transition[], durable: (() => void) | null): boolean
  /** Highest seq known synced. */
  readonly syncedSeq: number
  /** Resolves when everything appended so far is synced. */
  flush(): Promise<void>
  close(): Promise<void>
}

/** Reads the log behind the sync, in order, from `fromSeq` on: the shipper's and the sinks' only input. */
export interface LogReader {
  /** Yields what is synced now, then ends. Batches are valid until the next step. */
  read(fromSeq: number): AsyncIterable<LoggedRecord>
}

/**
 * Where transports hand what arrives: the engine's loop. `feed` is the name of the configured source. Both calls are
 * synchronous and never throw for a message's content: when `message` returns, the message has been judged.
 */
export interface IngestSink {
  /**
   * One message. `identity` is what its redelivery is recognised by (MessageRecord.identity; 0 where there is none);
   * `redelivered` is the broker's own flag, a hint that lies both ways. `durable` must be called exactly once, after
   * the sync that holds the message (or once it is known to be a duplicate of a synced one): the transport then
   * acknowledges it to the broker. It may come in any order, even inside `message`, and is harmless after the
   * transport is closed.
   */
  message(feed: string, raw: RawMessage, identity: number, redelivered: boolean, durable: () => void): void
  /** The feed's connection: it is there, it is gone, what the broker had kept for us has been delivered. */
  state(feed: string, state: 'up' | 'down' | 'caught_up'): void
}

/** What `/readyz`, `/metrics` and the wall show of one transport. */
export interface TransportStatus {
  readonly state: 'closed' | 'connecting' | 'up' | 'down'
  readonly caught_up: boolean
  /** Handed to the sink and not yet durable; at most BOUNDS.unacknowledged. */
  readonly in_flight: number
  readonly messages_total: number
  readonly acknowledged_total: number
  readonly reconnects_total: number
  /** Why it is down or what it last complained of; '' while all is well. */
  readonly last_error: string
}

/** One connection to one broker (or the embedded broker itself). Its bytes are opaque to it. */
export interface Transport {
  /** The configured source's name: `feed` in IngestSink. */
  readonly name: string
  /**
   * Starts receiving. Resolves once the first attempt is under way, not when it has succeeded: a broker that is away
   * at start is retried for ever and reported by `status`. Rejects (HD_INGEST_*) only for what no retry can mend: a
   * certificate file that cannot be read, a port that is taken.
   */
  open(sink: IngestSink): Promise<void>
  /** Stops reading, then waits (bounded) for `durable` of what was handed on, acknowledges it and disconnects. */
  close(): Promise<void>
  readonly status: TransportStatus
}
