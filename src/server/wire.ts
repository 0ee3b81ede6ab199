/**
 * What goes over `/ws/wall` (subprotocol haidang.wall.v1, one JSON object a message) and the shapes of REST: the only
 * file that the pages import. Field names are those of the log, of ClickHouse and of `haidang replay`. The fold over
 * transitions comes through here too, so that browser and server cannot disagree about an alert.
 *
 *   client                       server
 *   hello ───────────────────►   snapshot (or the missed alerts), heartbeat, names, charts
 *                                alert        at once, each transition as it is decided
 *         ◄───────────────────   series       new points, at most one a second …
 *   confirm ─────────────────►                … and the next only after the last was confirmed
 *         ◄───────────────────   heartbeat    every second; the connection is lost at 3 s without one
 *                                charts       when the server chose other charts
 */
import type { AlertState } from '../alerts/board.js'
import type { Bilingual, Level, Transition } from '../model/alert.js'

export {
  type Act,
  type AlertState,
  type AlertStatus,
  Board,
  byUrgency,
  isUnacknowledged,
} from '../alerts/board.js'
export { type Bilingual, LEVELS, type Level, type Transition } from '../model/alert.js'

export const WALL_PROTOCOL = 'haidang.wall.v1'
export const WALL_PATH = '/ws/wall'
/** The server's heartbeat, ms. */
export const HEARTBEAT_MS = 1000
/** Without a heartbeat for so long, ms, a connection counts as lost (browsers do not see half-open ones). */
export const LOST_MS = 3000

/**
 * Longest time between two points, ms, that is still one line: three expected intervals; fast series are drawn as the
 * smallest and largest of each second, which lie up to two seconds apart.
 */
export function gapLimit(interval_ms: number): number {
  return Math.max(3 * interval_ms, 2000 + interval_ms)
}

// -- client to server

/** First message. `epoch` and `since` of what the client last saw, so that it gets only what it missed. */
export interface Hello {
  readonly type: 'hello'
  readonly epoch?: string | null
  readonly since?: number | null
  /** The charts wanted, `{device, metric}` or `"device/metric"`; left out or null: the server chooses. */
  readonly panels?: readonly (PanelRequest | string)[] | null
  /** How many charts to choose, 1 … 24; default 12. */
  readonly slots?: number
}

export interface PanelRequest {
  readonly device: string
  readonly metric: string
}

/**
 * Sent after painting. `frame`: the series frame drawn (gives the credit for the next), null when only alerts were
 * painted. `painted`: `[seq, held_ms]` for each transition painted since the last confirmation, held_ms being the time
 * from its arrival in the page to its pixels, measured by the page's own monotonic clock.
 */
export interface Confirm {
  readonly type: 'confirm'
  readonly frame: number | null
  readonly painted?: readonly (readonly [seq: number, held_ms: number])[]
  /** Milliseconds from the frame's arrival to its drawing. */
  readonly held_ms?: number
}

export type ClientMessage = Hello | Confirm

// -- server to client

/** Replaces all alerts that the client had. A heartbeat follows at once. */
export interface Snapshot {
  readonly type: 'snapshot'
  readonly epoch: string
  readonly seq: number
  readonly alerts: readonly AlertState[]
}

/** Names of the city's sites by id, for alerts (which carry ids, as replay prints them). Follows the snapshot. */
export interface Names {
  readonly type: 'names'
  readonly sites: Readonly<Record<string, string>>
}

/** One charted series with its recent points. Columns are in order of time; a `null` value is a gap, never a zero. */
export interface Chart {
  readonly id: number
  readonly device: string
  readonly metric: string
  readonly stream: string
  readonly name: Bilingual
  readonly unit: string
  readonly decimals: number
  readonly site: string
  readonly ward: string
  /** Lines to draw: the device's own limits that rules compare this metric with. */
  readonly limits: readonly { readonly name: string; readonly value: number }[]
  /** Expected interval of its samples, ms: registered, else observed; null while unknown. */
  readonly interval_ms: number | null
  /** The client has this chart already: the columns are what is new, not the whole. */
  readonly continues: boolean
  readonly time: readonly number[]
  readonly value: readonly (number | null)[]
}

/** The charts and their order; replaces the client's charts. */
export interface Charts {
  readonly type: 'charts'
  readonly charts: readonly Chart[]
}

/** New points of the charts, as columns. */
export interface SeriesFrame {
  readonly type: 'series'
  /** To be confirmed. */
  readonly frame: number
  readonly charts: readonly {
    readonly id: number
    readonly interval_ms: number | null
    readonly time: readonly number[]
    readonly value: readonly (number | null)[]
  }[]
}

export interface Heartbeat {
  readonly type: 'heartbeat'
  readonly epoch: string
  /** Newest record judged. */
  readonly seq: number
  readonly server_time: number
  /** null before the first sample. */
  readonly newest_event_time: number | null
  /** Messages waiting to be judged. */
  readonly backlog: number
  /** Series frames that this client did not get because it had not confirmed the last. */
  readonly dropped: number
  readonly build: string
  /** `event`: recordings are played into the engine; the wall says REPLAY. */
  readonly clock: 'arrival' | 'event'
  /** Feeds that are down now. */
  readonly feeds_down: readonly string[]
}

export type ServerMessage = Snapshot | Names | Transition | Charts | SeriesFrame | Heartbeat

// -- REST

/** RFC 9457. `code` is one of docs/errors.md. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly instance: string
  readonly code: string
}

export interface AlertList {
  readonly alerts: readonly AlertState[]
  /** All that match, also those beyond `limit`. */
  readonly total: number
  readonly seq: number
  readonly epoch: string
}

/** Answer to every act on an alert: it is durable when this comes. */
export interface Done {
  readonly seq: number
  readonly id: string
}

export type Role = 'wall' | 'operator' | 'analyst' | 'admin'

/** Who this browser is. `open`: a demo that needs no token. */
export interface Session {
  readonly name: string
  readonly role: Role
  readonly open: boolean
}

/** A wall asks to be let in: shows `code`, keeps `secret`, and asks again with it until a person has typed the code. */
export interface Enrolment {
  readonly code: string
  readonly secret: string
  readonly expires: number
}

export interface WallStatus {
  readonly name: string
  readonly address: string
  readonly last_paint: number | null
  readonly charts: number
  readonly dropped: number
  readonly backlog_bytes: number
}

/** Levels of severity, most severe last; `none` is no severity. */
export type Severity = Exclude<Level, 'none'>
