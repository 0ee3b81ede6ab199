/** Which alerts the list shows and in what order; what does not fit is counted by severity. Pure. */
import { type AlertState, byUrgency, isUnacknowledged, LEVELS, type Severity } from '../../src/server/wire.js'

/** A closed and acknowledged alert stays for so long, ms, so that the room sees that it closed. */
export const CLOSED_MS = 60_000
/** An alert's critical icon blinks for so long after it was raised, ms. */
export const BLINK_MS = 60_000

export interface Rows {
  readonly rows: readonly AlertState[]
  /** Alerts that found no row, by severity. */
  readonly hidden: Readonly<Record<Severity, number>>
  readonly hiddenTotal: number
  /** Of all listed alerts that still stand, by severity. */
  readonly counts: Readonly<Record<Severity, number>>
  readonly shelved: number
}

/**
 * `places` rows at most; where not all alerts fit, the last place is left for the line that says how many more there
 * are. `now` is the server's clock.
 */
export function chooseRows(
  alerts: readonly AlertState[],
  least: Severity,
  places: number,
  now: number,
): Rows {
  const listed: AlertState[] = []
  const counts = { critical: 0, high: 0, medium: 0, low: 0 }
  const hidden = { critical: 0, high: 0, medium: 0, low: 0 }
  let shelved = 0
  for (const alert of alerts) {
    if (alert.status === 'shelved') {
      shelved++
      continue
    }
    if (LEVELS.indexOf(alert.shown_level) < LEVELS.indexOf(least)) continue
    if (alert.status === 'resolved' && now - closedAt(alert) > CLOSED_MS) continue
    listed.push(alert)
    if (alert.condition !== 'resolved') counts[severityOf(alert)]++
  }
  listed.sort(byUrgency)
  const fits = listed.length <= places ? listed.length : Math.max(0, places - 1)
  for (const alert of listed.slice(fits)) hidden[severityOf(alert)]++
  return { rows: listed.slice(0, fits), hidden, hiddenTotal: listed.length - fits, counts, shelved }
}

/** When it left the operators' hands: closed and acknowledged, whichever was later. */
function closedAt(alert: AlertState): number {
  return Math.max(alert.raised, alert.acknowledged?.time ?? 0)
}

/** Severity of the row: a closed alert keeps that of the level it held. */
export function severityOf(alert: AlertState): Severity {
  return alert.shown_level === 'none' ? 'low' : alert.shown_level
}

/** Looks of a row, as classes. Fills belong to unacknowledged critical and high alone (WALL.md 6, 8). */
export function rowClass(alert: AlertState): string {
  const classes = ['alert', severityOf(alert)]
  const unseen = isUnacknowledged(alert)
  if (alert.condition === 'resolved') classes.push(unseen ? 'returned' : 'resolved')
  else if (unseen && !alert.unconfirmed && /^(critical|high)$/.test(alert.shown_level)) classes.push('filled')
  else classes.push(unseen ? 'open' : 'seen')
  if (alert.condition === 'unknown') classes.push('unknown')
  return classes.join(' ')
}

/** True while the icon of this row should blink. */
export function blinks(alert: AlertState, now: number): boolean {
  return (
    alert.condition === 'firing' &&
    alert.shown_level === 'critical' &&
    isUnacknowledged(alert) &&
    now - alert.raised < BLINK_MS
  )
}
