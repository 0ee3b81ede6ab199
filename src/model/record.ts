import type { Transition } from './alert.js'
import type { SampleBatch } from './columns.js'

/**
 * A record is one step of the state: everything the engine's state depends on is one ordered sequence of these, and
 * `seq` (one per record, from 1, no holes) is its position. The core takes records and returns transitions; the log
 * stores both; replaying the log gives the state again.
 */
export type EngineRecord =
  | MessageRecord
  | TickRecord
  | CommandRecord
  | TextRecord
  | DeadLetterRecord
  | FeedRecord

/** One message of one feed: rows [from, to) of `batch` share this record's `seq`. */
export interface MessageRecord {
  readonly kind: 'message'
  seq: number
  /** Arrival, ms UTC. */
  received: number
  /** Id (SeriesIndex.sources) of the configured subscription it came through: it owns the arrival clock. */
  feed: number
  /** Id (SeriesIndex.sources) of the sample column `source`. */
  source: number
  /** Id (SeriesIndex.streams). */
  stream: number
  /**
   * What redelivery is recognised by: JetStream's stream sequence (with the stream's incarnation), or 53 bits of the
   * hash of an MQTT message's topic and payload; 0 where the transport has neither (core NATS, HTTP).
   */
  identity: number
  batch: SampleBatch
  from: number
  to: number
}

/** The arrival clock went past a due timer while nothing arrived. */
export interface TickRecord {
  readonly kind: 'tick'
  seq: number
  received: number
}

/** A person's act, from REST, the console or a signed link. */
export interface CommandRecord {
  readonly kind: 'command'
  seq: number
  received: number
  /** `acknowledge confirm assign shelve unshelve note release`, or an audit entry (`session token rules …`). */
  readonly name: string
  readonly who: string
  /** Alert id or other target. */
  readonly target: string
  /** Arguments as they came, JSON-safe. */
  readonly body: Readonly<Record<string, unknown>>
}

/** A configuration text that came into force: the whole text, so that the log alone can repeat what happened. */
export interface TextRecord {
  readonly kind: 'rules' | 'registry' | 'zones' | 'metrics'
  seq: number
  received: number
  /** SHA-256 of `text`, hex. */
  readonly hash: string
  readonly text: string
}

/** A message that could not be used: kept, counted, acknowledged, able to be sent again after a fix. */
export interface DeadLetterRecord {
  readonly kind: 'dead_letter'
  seq: number
  received: number
  readonly feed: number
  readonly identity: number
  readonly topic: string
  /** First 64 KiB. */
  readonly bytes: Uint8Array
  /** An ErrorCode. */
  readonly code: string
  readonly reason: string
}

/** A feed went up (`up`), down, or has caught up with its backlog: `absent` counts only while its feed is up. */
export interface FeedRecord {
  readonly kind: 'feed'
  seq: number
  received: number
  readonly feed: number
  readonly state: 'up' | 'down' | 'caught_up'
}

/** A record with the transitions it caused, as the log gives it back. */
export interface LoggedRecord {
  readonly record: EngineRecord
  readonly transitions: readonly Transition[]
}
