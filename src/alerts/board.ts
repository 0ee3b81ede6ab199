/**
 * The alerts as they stand: a fold over transitions. REST and the wall (server and browser alike) show what this says,
 * so that there is one answer to "is anybody on it?".
 *
 *   rule's half    firing ⇄ unknown → resolved
 *   people's half  acknowledged, confirmed, shelved, assigned, notes
 *   status         resolved and nobody acknowledged → `returned`, else the people's half covers the rule's
 *
 * An acknowledgement holds for the level that was seen: a rise above it is news and takes it back.
 */
import { LEVELS, type Level, type Transition } from '../model/alert.js'
import { BOUNDS } from '../model/bounds.js'

export type AlertStatus =
  | 'firing'
  | 'unknown'
  | 'acknowledged'
  | 'confirmed'
  | 'shelved'
  | 'returned'
  | 'resolved'

/** Something a person did: who, when (ms UTC, arrival of the command), with what words. */
export interface Act {
  readonly by: string
  readonly time: number
  readonly note: string
}

/** The columns that an alert takes over from its newest transition of the rule's half. */
type Told = Omit<Transition, 'type' | 'status' | 'by' | 'note' | 'until'>

/** One alert as it stands. `seq` is its version: it grows with every change. */
export interface AlertState extends Told {
  readonly status: AlertStatus
  /** The rule's half alone. */
  readonly condition: 'firing' | 'unknown' | 'resolved'
  /** Level of the row: the announced one while a sensor fault leaves it unconfirmed; of a closed alert the last held. */
  readonly shown_level: Level
  /** Rose inside this alert, and nobody has acknowledged since. */
  readonly escalated: boolean
  readonly acknowledged: (Act & { readonly level: Level }) | null
  readonly confirmed: Act | null
  readonly shelved: (Act & { readonly until: number | null }) | null
  readonly assigned: (Act & { readonly to: string }) | null
  readonly notes: readonly Act[]
  /** When it closed: event time, ms UTC. */
  readonly resolved_at: number | null
}

/** Alerts by id, from opening until closed and acknowledged (then the last 1 000 of those). O(1) a transition. */
export class Board {
  readonly #alerts = new Map<string, AlertState>()
  /** Closed and seen, oldest first. */
  readonly #closed = new Set<string>()
  /** Closed and not seen, oldest first: what gives way when the board is full. */
  readonly #returned = new Set<string>()
  /** Highest seq applied. */
  seq = 0
  /** Alerts pushed out by the bound before anybody had acknowledged them. */
  evicted = 0

  get size(): number {
    return this.#alerts.size
  }

  get(id: string): AlertState | undefined {
    return this.#alerts.get(id)
  }

  /** Every alert, oldest opening first. */
  values(): IterableIterator<AlertState> {
    return this.#alerts.values()
  }

  /** Takes one transition in the order of the log and returns the alert as it is now. */
  apply(t: Transition): AlertState {
    const before = this.#alerts.get(t.id)
    const after = next(before, t)
    this.#put(after)
    return after
  }

  /** Puts back a state that was saved (a snapshot, a checkpoint). */
  put(state: AlertState): void {
    this.#put(state)
  }

  #put(state: AlertState): void {
    const { id } = state
    if (state.seq > this.seq) this.seq = state.seq
    this.#alerts.set(id, state)
    this.#closed.delete(id)
    this.#returned.delete(id)
    if (state.status === 'resolved') {
      this.#closed.add(id)
      if (this.#closed.size > BOUNDS.closed_alerts) this.#forget(this.#closed)
    } else if (state.condition === 'resolved') this.#returned.add(id)
    if (this.#alerts.size > BOUNDS.open_alerts + BOUNDS.closed_alerts && this.#returned.size > 0) {
      this.#forget(this.#returned)
      this.evicted++
    }
  }

  #forget(ids: Set<string>): void {
    for (const oldest of ids) {
      ids.delete(oldest)
      this.#alerts.delete(oldest)
      return
    }
  }
}

function next(before: AlertState | undefined, t: Transition): AlertState {
  const act: Act = { by: t.by ?? '', time: t.received, note: t.note ?? '' }
  // A person's act on an alert that we never saw open (its opening fell to the bound) still shows what it says.
  const base = before ?? opened(t)
  switch (t.status) {
    case 'firing':
    case 'unknown':
    case 'resolved':
      return judged(before, t, t.status)
    case 'acknowledged':
      return seen({ ...base, seq: t.seq, acknowledged: { ...act, level: base.level } })
    case 'confirmed':
      return seen({
        ...base,
        seq: t.seq,
        confirmed: act,
        acknowledged: base.acknowledged ?? { ...act, level: base.level },
      })
    case 'shelved':
      return withStatus({ ...base, seq: t.seq, shelved: { ...act, until: t.until ?? null } })
    case 'unshelved':
      return withStatus({ ...base, seq: t.seq, shelved: null })
    case 'assigned':
      return withStatus({ ...base, seq: t.seq, agency: t.agency, assigned: { ...act, to: t.agency } })
    case 'note':
      return withStatus({ ...base, seq: t.seq, notes: [...base.notes, act].slice(-BOUNDS.alert_notes) })
  }
}

/** The rule's half: what the transition tells replaces what was told before; what people did stays. */
function judged(
  before: AlertState | undefined,
  t: Transition,
  condition: AlertState['condition'],
): AlertState {
  const open = opened(t)
  if (before === undefined) return withStatus({ ...open, condition })
  const rose = condition === 'firing' && rank(t.level) > rank(before.level) && before.level !== 'none'
  const unseen = before.acknowledged !== null && rank(t.level) > rank(before.acknowledged.level)
  const closing = condition === 'resolved'
  return withStatus({
    ...open,
    condition,
    // A closed alert keeps the row of the level it closed from.
    shown_level: closing ? before.shown_level : open.shown_level,
    agency: before.assigned?.to ?? t.agency,
    acknowledged: unseen ? null : before.acknowledged,
    confirmed: unseen ? null : before.confirmed,
    escalated: !closing && (rose ? unseen || before.acknowledged === null : before.escalated && !unseen),
    shelved: before.shelved,
    assigned: before.assigned,
    notes: before.notes,
    resolved_at: closing ? t.time : null,
  })
}

function opened(t: Transition): AlertState {
  const { type: _type, status: _status, by: _by, note: _note, until: _until, ...told } = t
  const state: AlertState = {
    ...told,
    status: 'firing',
    condition: 'firing',
    shown_level:
      t.level === 'none' ? t.previous : t.unconfirmed && t.announced !== null ? t.announced : t.level,
    escalated: false,
    acknowledged: null,
    confirmed: null,
    shelved: null,
    assigned: null,
    notes: [],
    resolved_at: t.status === 'resolved' ? t.time : null,
  }
  return state
}

function seen(state: AlertState): AlertState {
  return withStatus({ ...state, escalated: false })
}

function withStatus(state: AlertState): AlertState {
  return { ...state, status: statusOf(state) }
}

function statusOf(state: AlertState): AlertStatus {
  if (state.condition === 'resolved') return state.acknowledged === null ? 'returned' : 'resolved'
  if (state.shelved !== null) return 'shelved'
  if (state.confirmed !== null) return 'confirmed'
  if (state.acknowledged !== null) return 'acknowledged'
  return state.condition
}

/** Waiting for a person: not acknowledged, not shelved, still up or up until lately. */
export function isUnacknowledged(alert: AlertState): boolean {
  return alert.acknowledged === null && alert.status !== 'shelved'
}

/**
 * Order of the wall and of REST: unacknowledged first, then what still stands before what has closed, then severity;
 * inside unacknowledged critical the oldest first (nothing new may push an unhandled critical off the screen), else the
 * newest first. The id decides ties, so the order is total.
 */
export function byUrgency(a: AlertState, b: AlertState): number {
  const unseen = Number(isUnacknowledged(b)) - Number(isUnacknowledged(a))
  if (unseen !== 0) return unseen
  const closed = Number(a.condition === 'resolved') - Number(b.condition === 'resolved')
  if (closed !== 0) return closed
  const severity = rank(b.shown_level) - rank(a.shown_level)
  if (severity !== 0) return severity
  const age = a.opened - b.opened
  const oldestFirst = isUnacknowledged(a) && a.shown_level === 'critical'
  if (age !== 0) return oldestFirst ? age : -age
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}

function rank(level: Level): number {
  return LEVELS.indexOf(level)
}
