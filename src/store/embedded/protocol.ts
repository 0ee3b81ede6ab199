/** What the engine and its store process say to each other over the IPC channel. Everything else goes over HTTP. */

/** The engine's first message: open this. */
export interface OpenMessage {
  readonly type: 'open'
  /** chDB's data directory (absolute). */
  readonly directory: string
  /** Empty working directory, also for request bodies and pipes. */
  readonly scratch: string
  /** Unix socket of the engine's own queries and inserts; its directory is readable by this user only. */
  readonly socket: string
  /** Of the whole process; queries beyond it end with MEMORY_LIMIT_EXCEEDED. */
  readonly memory_bytes: number
  readonly limits: QueryLimits
}

/** Opens the SQL door: sent when the schema stands, so that no analyst meets half of it. */
export interface DoorMessage {
  readonly type: 'door'
  readonly host: string
  readonly port: number
}

/** The engine's answer to a `token` question; role null: unknown. */
export interface TokenAnswer {
  readonly type: 'token'
  readonly id: number
  readonly who: string
  readonly role: string | null
}

export type EngineMessage = OpenMessage | DoorMessage | TokenAnswer | { readonly type: 'close' }

export type StoreMessage =
  | { readonly type: 'ready'; readonly version: string }
  | { readonly type: 'failed'; readonly code: 'HD_STORE_CONNECT'; readonly message: string }
  | { readonly type: 'door'; readonly port: number }
  | { readonly type: 'door_failed'; readonly message: string }
  /** Whose token is this? Answered by TokenAnswer. */
  | { readonly type: 'token'; readonly id: number; readonly token: string }
  | { readonly type: 'audit'; readonly entry: QueryAudit }

/** One query at the door, for the audit. */
export interface QueryAudit {
  readonly who: string
  readonly query: string
  readonly query_id: string
  /** `done`, `refused`, `failed`, `cancelled`. */
  readonly outcome: 'done' | 'refused' | 'failed' | 'cancelled'
  readonly reason: string
  readonly elapsed_ms: number
}

/** What one analyst's query may cost (DESIGN.md 12). */
export interface QueryLimits {
  readonly time_s: number
  readonly memory_bytes: number
  readonly at_once: number
  readonly waiting: number
}

export const DEFAULT_LIMITS: QueryLimits = {
  time_s: 10,
  memory_bytes: 2 * 1024 ** 3,
  at_once: 4,
  waiting: 50,
}

/** Title of the store process, by which a leftover of a killed engine is known in /proc. */
export const PROCESS_TITLE = 'haidang-store'
/** File in the data directory: pid and start time of the store process. */
export const PID_FILE = 'store.pid'
/** Own queries of the engine (history, quality) run beside the analysts' and never wait for them. */
export const OWN_AT_ONCE = 8
export const DATABASE = 'haidang'
