/**
 * The alerts that this page shows: the server's own fold (wire.ts) behind a gate that drops what was already taken. The
 * server replays from `since` inclusive, so at the last `seq` a transition may come a second time. Pure.
 */
import { type AlertState, Board, type Snapshot, type Transition } from '../../src/server/wire.js'

export class WallModel {
  /** Of the server's run that the alerts are from; null before the first snapshot. */
  epoch: string | null = null
  /** seq of the newest transition taken: what a reconnecting page asks from. */
  since = -1
  #board = new Board()
  /** Transitions taken at `since`, by what distinguishes them; `id *`: all of that alert, from a snapshot. */
  #takenAtLast = new Set<string>()

  get board(): Board {
    return this.#board
  }

  alerts(): AlertState[] {
    return [...this.#board.values()]
  }

  /** Everything before is forgotten in the same moment. */
  replace(snapshot: Snapshot): void {
    const board = new Board()
    const taken = new Set<string>()
    for (const alert of snapshot.alerts) {
      board.put(alert)
      if (alert.seq === snapshot.seq) taken.add(`${alert.id} *`)
    }
    this.#board = board
    this.#takenAtLast = taken
    this.epoch = snapshot.epoch
    this.since = snapshot.seq
  }

  /** One transition; false where it was old or taken before. */
  take(t: Transition): boolean {
    if (t.seq < this.since) return false
    if (t.seq > this.since) {
      this.since = t.seq
      this.#takenAtLast.clear()
    }
    const key = identity(t)
    if (this.#takenAtLast.has(key) || this.#takenAtLast.has(`${t.id} *`)) return false
    this.#takenAtLast.add(key)
    this.#board.apply(t)
    return true
  }
}

/** Two transitions of one record that are equal in this are one: (id, status, level), and what a person adds. */
function identity(t: Transition): string {
  return [t.id, t.status, t.level, t.previous, t.unconfirmed, t.flapping, t.by, t.note, t.until].join(' ')
}
