/**
 * Whether the wall may be believed: decided by the page itself, from what it last heard and its own monotonic clock
 * (WALL.md 7). The computer's clock takes no part: it may be wrong, and then the wall says so. Pure.
 */
import type { Heartbeat } from '../../src/server/wire.js'

export type WallState =
  | 'waiting'
  | 'resync'
  | 'live'
  | 'delayed'
  | 'backlog'
  | 'no_heartbeat'
  | 'disconnected'
  | 'replay'

export const THRESHOLDS = {
  /** Heartbeat age, ms, up to which all is well; beyond `lost` the connection counts as lost. */
  heartbeat: 2000,
  lost: 3000,
  /** A socket closed for longer than this is a lost connection; a shorter one is a reconnect that nobody need see. */
  closed: 1000,
  delayed: 5000,
  backlog: 60_000,
  skew: 2000,
} as const

/** What the page knows. Times `…At` are monotonic ms of the page. */
export interface Pulse {
  readonly startedAt: number
  readonly heartbeat: Heartbeat | null
  readonly heartbeatAt: number
  /** Since when the socket is not open; null while it is. */
  readonly closedAt: number | null
  /** The snapshot (or what was missed) has arrived on this connection. */
  readonly greeted: boolean
}

export interface Verdict {
  readonly state: WallState
  /** Server's clock now, ms UTC; NaN before the first heartbeat. */
  readonly serverNow: number
  /** Time that the picture is about: the server's clock, or the recording's while one is played. */
  readonly modelNow: number
  /** How far judging is behind, ms. */
  readonly lag: number
  /** Age of the last heartbeat, ms. */
  readonly silence: number
  /** Age of the newest sample, ms; null where there is none. */
  readonly dataAge: number | null
  /** Browser's clock minus server's, ms; 0 while within bounds. */
  readonly skew: number
}

/** `now` monotonic, `wallClock` the computer's clock, ms. */
export function judge(pulse: Pulse, now: number, wallClock: number): Verdict {
  const { heartbeat } = pulse
  if (heartbeat === null) {
    const nothing = { serverNow: Number.NaN, modelNow: Number.NaN, lag: 0, dataAge: null, skew: 0 }
    return { state: 'waiting', silence: now - pulse.startedAt, ...nothing }
  }
  const silence = now - pulse.heartbeatAt
  const serverNow = heartbeat.server_time + silence
  const newest = heartbeat.newest_event_time
  const isReplay = heartbeat.clock === 'event'
  const modelNow = isReplay && newest !== null ? newest : serverNow
  const lag =
    heartbeat.backlog > 0 && newest !== null && !isReplay ? Math.max(0, heartbeat.server_time - newest) : 0
  const off = wallClock - serverNow
  return {
    state: stateOf(pulse, now, silence, lag, isReplay),
    serverNow,
    modelNow,
    lag,
    silence,
    dataAge: newest === null || isReplay ? null : Math.max(0, serverNow - newest),
    skew: Math.abs(off) > THRESHOLDS.skew ? off : 0,
  }
}

function stateOf(pulse: Pulse, now: number, silence: number, lag: number, isReplay: boolean): WallState {
  if (silence > THRESHOLDS.lost) return 'disconnected'
  if (pulse.closedAt !== null && now - pulse.closedAt > THRESHOLDS.closed) return 'disconnected'
  if (silence > THRESHOLDS.heartbeat) return 'no_heartbeat'
  if (!pulse.greeted) return 'resync'
  if (isReplay) return 'replay'
  if (lag > THRESHOLDS.backlog) return 'backlog'
  return lag > THRESHOLDS.delayed ? 'delayed' : 'live'
}
