/**
 * Which charts a wall shows when it did not say: those of the newest alerts' devices first, then a spread over the
 * streams of what rules watch. A chart that is up keeps its place: a wall whose tiles wander cannot be read.
 */
import { type AlertState, byUrgency } from '../alerts/board.js'
import type { LiveSeries, Ring } from './live-series.js'

/** Metrics whose line says nothing to a room (constant 1, angles, the device's own health). */
const DULL =
  /^(event|position|heading_deg|wind_deg|accuracy_m|altitude_m|battery_.*|rssi_dbm|snr_db|linkquality)$/
/** At most this share of the charts belongs to alerts, so that one flood does not hide the rest of the city. */
const ALERT_SHARE = 0.5

/**
 * Rings to show, at most `slots`, places of `current` kept. `alerts` are the open ones in any order.
 * Cost: O(rings + alerts log alerts), once every few seconds a wall.
 */
export function choosePanels(
  current: readonly Ring[],
  slots: number,
  alerts: readonly AlertState[],
  live: LiveSeries,
): Ring[] {
  const wanted = new Set<Ring>()
  const forAlerts = Math.max(1, Math.floor(slots * ALERT_SHARE))
  for (const alert of [...alerts].sort(byUrgency)) {
    if (wanted.size >= forAlerts) break
    for (const metric of Object.keys(alert.values)) {
      if (DULL.test(metric)) continue
      const ring = alert.device === '' ? undefined : live.want(alert.device, metric)
      if (ring !== undefined) {
        wanted.add(ring)
        break
      }
    }
  }
  const alerted = new Set(wanted)
  for (const ring of current) if (wanted.size < slots && live.has(ring)) wanted.add(ring)
  for (const ring of spread(live, wanted)) {
    if (wanted.size >= slots) break
    wanted.add(ring)
  }
  return placed(current, slots, wanted, alerted)
}

/** Keeps the place of every chart that stays; newcomers take the free places in order, alerts' charts first. */
function placed(current: readonly Ring[], slots: number, wanted: Set<Ring>, alerted: Set<Ring>): Ring[] {
  const places: (Ring | undefined)[] = Array.from({ length: slots }, (_, i) => {
    const ring = current[i]
    return ring !== undefined && wanted.has(ring) ? ring : undefined
  })
  const seated = new Set(places)
  const newcomers = [...wanted].filter((ring) => !seated.has(ring))
  newcomers.sort((a, b) => Number(alerted.has(b)) - Number(alerted.has(a)))
  for (const ring of newcomers) {
    const free = places.indexOf(undefined)
    if (free >= 0) places[free] = ring
  }
  return places.filter((ring): ring is Ring => ring !== undefined)
}

/** Rings not yet taken: one of each stream in turn, and within a stream one of each metric in turn. */
function* spread(live: LiveSeries, taken: ReadonlySet<Ring>): Generator<Ring> {
  const groups = new Map<string, Map<string, Ring[]>>()
  for (const ring of live.rings()) {
    if (taken.has(ring) || DULL.test(ring.metric) || ring.written < 2) continue
    const metrics = groups.get(ring.stream) ?? new Map<string, Ring[]>()
    groups.set(ring.stream, metrics)
    const rings = metrics.get(ring.metric)
    if (rings === undefined) metrics.set(ring.metric, [ring])
    else rings.push(ring)
  }
  const queues = [...groups.values()].map((metrics) => interleaved([...metrics.values()]))
  yield* interleaved(queues)
}

/** First of each, second of each, … */
function interleaved<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = lists.reduce((n, list) => Math.max(n, list.length), 0)
  const result: T[] = []
  for (let i = 0; i < longest; i++)
    for (const list of lists) {
      const one = list[i]
      if (one !== undefined) result.push(one)
    }
  return result
}
