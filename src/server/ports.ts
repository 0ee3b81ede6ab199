/** What the server asks of the rest of the engine: given in by main.ts, so that the server imports no edge. */
import type { ServerResponse } from 'node:http'
import type { Bilingual } from '../model/alert.js'

/** A person's act becomes a record of the log. */
export interface Commands {
  /**
   * Resolves when the record is durable. `name` as in CommandRecord; `target` an alert's id, or '' for what is only
   * written down (`session`, `walls`). Rejects with HaidangError:
   * HD_LOG_FULL, HD_SERVE_NOT_FOUND, HD_SERVE_CONFLICT.
   */
  submit(
    name: string,
    who: string,
    target: string,
    body: Readonly<Record<string, unknown>>,
  ): Promise<{ seq: number }>
  /**
   * Decodes dead letters again, each at most once for ever, and resolves when that is in the store. HD_SERVE_CONFLICT
   * while another one is under way, HD_STORE_CONNECT where the store is away.
   */
  retryDeadLetters(selection: DeadLetterSelection, who: string): Promise<DeadLettersRetried>
}

/** Which dead letters are sent again: all of these hold. */
export interface DeadLetterSelection {
  readonly code?: string
  /** Feed. */
  readonly source?: string
  /** seq, both inclusive. */
  readonly from?: number
  readonly to?: number
  readonly limit: number
}

/** What became of them. */
export interface DeadLettersRetried {
  /** Samples now. */
  readonly retried: number
  /** Still cannot be used, by code; they stay where they are. */
  readonly refused: Readonly<Record<string, number>>
  /** Only their first 64 KiB were kept. */
  readonly cut: number
  /** There are more that were selected: ask again with `from`. */
  readonly next: number | null
}

/** One configured feed as it is now. */
export interface SourceStatus {
  readonly name: string
  readonly transport: string
  readonly address: string
  readonly state: 'up' | 'down' | 'caught_up'
  /** ms UTC of the last change of state. */
  readonly since: number
  readonly messages: number
  readonly dead_letters: number
  readonly unacknowledged: number
  readonly last_message: number | null
  readonly error: string | null
}

export interface RuleStatus {
  readonly rule: string
  readonly title: Bilingual
  readonly category: string
  readonly mode: 'live' | 'shadow' | 'disabled'
  readonly streams: readonly string[] | null
  readonly key: readonly string[]
  readonly metrics: readonly string[]
  readonly file: string
  readonly line: number
}

export interface DeviceStatus {
  readonly device: string
  readonly kind: string | null
  readonly site: string | null
  readonly ward: string | null
  readonly agency: string | null
  readonly lat: number | null
  readonly lon: number | null
  readonly limit: Readonly<Record<string, number>>
  readonly expected_interval_ms: number | null
  /** False: it publishes and stands in no registry. */
  readonly registered: boolean
  /** Newest event time, ms UTC; null where it never spoke. */
  readonly last_time: number | null
}

export interface DeadLetterStatus {
  readonly seq: number
  readonly received: number
  readonly feed: string
  readonly topic: string
  readonly code: string
  readonly reason: string
  readonly size: number
  /** First bytes, base64: may hold plates and faces, so admin only. */
  readonly bytes: string
}

/** What the city consists of, as far as the engine knows. */
export interface City {
  /** Up to `limit` devices after the id `after`, in order of id. */
  devices(query: { after: string; limit: number; search: string }): {
    devices: readonly DeviceStatus[]
    total: number
  }
  sources(): readonly SourceStatus[]
  rules(): readonly RuleStatus[]
  deadLetters(query: { limit: number; before: number | null }): Promise<readonly DeadLetterStatus[]>
}

/** History, made by the store's process and piped through as bytes: nothing of it is parsed here. */
export interface History {
  /** Answers on `reply` in whole, status and headers included. `query` as it came, already checked for its shape. */
  pipe(query: Readonly<Record<string, string>>, reply: ServerResponse): Promise<void>
}
