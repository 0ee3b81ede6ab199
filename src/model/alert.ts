/**
 * An alert is one rule × one key from opening to closing; a transition is one change of it. These are the names and
 * shapes of replay's NDJSON, the wall's socket, webhooks, the log and ClickHouse's `transitions`.
 */
export const LEVELS = ['none', 'low', 'medium', 'high', 'critical'] as const
export type Level = (typeof LEVELS)[number]
/** Index into LEVELS: 0 none … 4 critical. */
export type LevelIndex = 0 | 1 | 2 | 3 | 4

/** The rule's half (`firing unknown resolved`) is printed by replay; the people's half comes from commands. */
export type TransitionStatus =
  | 'firing'
  | 'unknown'
  | 'resolved'
  | 'acknowledged'
  | 'confirmed'
  | 'shelved'
  | 'unshelved'
  | 'assigned'
  | 'note'
export type ResolveReason = 'expired' | 'removed' | 'disabled'

export interface Bilingual {
  readonly en: string
  readonly vi: string
}

export interface Transition {
  readonly type: 'alert'
  /** Record that caused it. */
  seq: number
  /** `a_` + hash(rule, key, n): the same whatever order redelivery brings. */
  readonly id: string
  readonly rule: string
  /** Attributes in the rule's order. */
  readonly key: Readonly<Record<string, string>>
  readonly category: string
  readonly status: TransitionStatus
  readonly level: Level
  readonly previous: Level
  /** Event time of this change, ms UTC. */
  readonly time: number
  /** Arrival of the record that caused it, ms UTC. */
  readonly received: number
  /** When the core decided, ms UTC (replay: `received`). */
  raised: number
  /** Event time of the alert's first transition. */
  readonly opened: number
  readonly title: Bilingual
  readonly short: Bilingual
  readonly device: string
  readonly site: string
  readonly ward: string
  readonly agency: string
  readonly lat: number | null
  readonly lon: number | null
  readonly values: Readonly<Record<string, number>>
  readonly eta_ms: number | null
  readonly unconfirmed: boolean
  /** Level at which people hear it, null where they do not. */
  readonly announced: Level | null
  readonly flapping: boolean
  readonly shadow: boolean
  readonly reason?: ResolveReason
  /** Who did it, for the people's half. */
  readonly by?: string
  readonly note?: string
  readonly until?: number
}
