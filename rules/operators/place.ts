import { metresBetween } from '../../src/model/distance.js'
import { along, distanceTo, inZone, type Zone } from '../../src/model/zones.js'
import { type Total, trackTotal } from './moments.js'
import { constant } from './on-window.js'
import type {
  Constants,
  Parameter,
  PlaceContext,
  PlaceKind,
  PlaceOperator,
  Signature,
  StateReader,
  StateWriter,
} from './operator.js'
import { Recent } from './recent.js'
import { signature, text, WARMUP, WINDOW } from './signatures.js'
import { GONE, SampleWindow } from './window.js'

/**
 * Functions of the device's own positions. They are of the message at hand: at a message without a position (its own or
 * the registry's) they are missing. Positions are tested as the Float32 that is stored; the edge of a zone is inside.
 *
 *   in_zone      inside at this message
 *   entered left inside now and outside at the position before, or the other way round; the first position is neither
 *   dwell        time since the first position inside of this stay; 0 outside
 *   distance_to  metres to the edge, 0 inside (to the line of a route)
 *   moved        metres covered within the window: steps longer than 15 m, each from where the last one ended, so that a
 *                parked vehicle's scatter is nothing and a slow vehicle's short steps add up
 *   off_route    metres to the line of the route named; missing without such a zone
 *
 * A position out of order is put in its place among the last 16.
 */
const INSIDE = 1
const SINCE = 2

type Stay = 'in_zone' | 'entered' | 'left' | 'dwell'

class InZone implements PlaceOperator {
  readonly #what: Stay
  readonly #zone: Zone | undefined
  /** [time, inside, start of the stay] of each position. */
  readonly #recent = new Recent(3)

  constructor(what: Stay, constants: Constants, context: PlaceContext) {
    this.#what = what
    this.#zone = context.zones.get(String(constants['zone']))
  }

  place(time: number, lat: number, lon: number): void {
    if (this.#zone === undefined) return
    const recent = this.#recent
    let at = recent.insert(time)
    if (at < 0) return
    recent.set(at, INSIDE, inZone(this.#zone, lat, lon) ? 1 : 0)
    for (; at < recent.size; at++) {
      const inside = recent.get(at, INSIDE) === 1
      const since = at > 0 ? recent.get(at - 1, SINCE) : Number.NaN
      recent.set(at, SINCE, !inside ? Number.NaN : !Number.isNaN(since) ? since : recent.get(at, 0))
    }
  }

  read(time: number): number {
    const recent = this.#recent
    const at = recent.at(time)
    if (at < 0 || recent.get(at, 0) !== time) return Number.NaN
    const inside = recent.get(at, INSIDE)
    switch (this.#what) {
      case 'in_zone':
        return inside
      case 'entered':
        return at > 0 && inside === 1 && recent.get(at - 1, INSIDE) === 0 ? 1 : 0
      case 'left':
        return at > 0 && inside === 0 && recent.get(at - 1, INSIDE) === 1 ? 1 : 0
      default:
        return inside === 1 ? time - recent.get(at, SINCE) : 0
    }
  }

  save(out: StateWriter): void {
    this.#recent.save(out)
  }
  load(input: StateReader): void {
    this.#recent.load(input)
  }
}

const LAT = 1
const LON = 2

/** The position of the message at hand. */
abstract class Here implements PlaceOperator {
  readonly #recent = new Recent(3)

  place(time: number, lat: number, lon: number): void {
    const at = this.#recent.insert(time)
    if (at < 0) return
    this.#recent.set(at, LAT, lat)
    this.#recent.set(at, LON, lon)
  }
  read(time: number, route: Zone | undefined): number {
    const recent = this.#recent
    const at = recent.at(time)
    if (at < 0 || recent.get(at, 0) !== time) return Number.NaN
    return this.value(recent.get(at, LAT), recent.get(at, LON), route)
  }
  protected abstract value(lat: number, lon: number, route: Zone | undefined): number
  save(out: StateWriter): void {
    this.#recent.save(out)
  }
  load(input: StateReader): void {
    this.#recent.load(input)
  }
}

class DistanceTo extends Here {
  readonly #zone: Zone | undefined
  constructor(constants: Constants, context: PlaceContext) {
    super()
    this.#zone = context.zones.get(String(constants['zone']))
  }
  protected value(lat: number, lon: number): number {
    return this.#zone === undefined ? Number.NaN : distanceTo(this.#zone, lat, lon)
  }
}

class OffRoute extends Here {
  protected value(lat: number, lon: number, route: Zone | undefined): number {
    return route === undefined ? Number.NaN : along(route, lat, lon).distance
  }
}

/** Steps shorter than this are the receiver's scatter. */
const STEP_METRES = 15

class Moved implements PlaceOperator {
  readonly #w: number
  readonly #late: number
  /** Positions in order of time, and at each the step that led to it (0 where it was scatter). */
  readonly #lats: SampleWindow
  readonly #lons: SampleWindow
  #steps: SampleWindow
  #total: Total
  readonly #warmup: number
  /** Where the last step ended. */
  #lat = Number.NaN
  #lon = Number.NaN

  constructor(constants: Constants, context: PlaceContext) {
    this.#w = constant(constants, 'w', 0)
    this.#late = context.late
    this.#lats = new SampleWindow(this.#w, this.#late)
    this.#lons = new SampleWindow(this.#w, this.#late)
    this.#steps = new SampleWindow(this.#w, this.#late)
    this.#total = trackTotal(this.#steps)
    this.#warmup = constant(constants, 'warmup', this.#w / 2)
  }

  place(time: number, lat: number, lon: number): void {
    const inOrder = !(time < this.#newest())
    if (!this.#lats.push(time, lat)) return
    this.#lons.push(time, lon)
    if (inOrder) this.#steps.push(time, this.#step(lat, lon))
    else this.#walkAgain()
  }

  #newest(): number {
    const { size } = this.#lats
    return size === 0 ? Number.NEGATIVE_INFINITY : this.#lats.timeAt(size - 1)
  }

  /** Metres from where the last step ended; 0 and no step where that is scatter. */
  #step(lat: number, lon: number): number {
    const metres = Number.isNaN(this.#lat) ? 0 : metresBetween(this.#lat, this.#lon, lat, lon)
    if (metres > STEP_METRES || Number.isNaN(this.#lat)) {
      this.#lat = lat
      this.#lon = lon
    }
    return metres > STEP_METRES ? metres : 0
  }

  /** A position came late: it changes the steps around it, so all that are kept are walked again. O(n), and rare. */
  #walkAgain(): void {
    this.#steps = new SampleWindow(this.#w, this.#late)
    this.#total = trackTotal(this.#steps)
    this.#lat = Number.NaN
    this.#lon = Number.NaN
    for (let i = 0; i < this.#lats.size; i++)
      this.#steps.push(this.#lats.timeAt(i), this.#step(this.#lats.valueAt(i), this.#lons.valueAt(i)))
  }

  read(time: number): number {
    const window = this.#steps
    const range = window.select(time)
    if (range === GONE || !window.warm(this.#warmup)) return Number.NaN
    // The step that led to the window's first position began outside it.
    return Math.max(0, window.content(this.#total, range, time).sum.value - window.firstValue)
  }

  save(out: StateWriter): void {
    out.number(this.#lat)
    out.number(this.#lon)
    for (const window of [this.#lats, this.#lons, this.#steps]) window.save(out)
  }
  load(input: StateReader): void {
    this.#lat = input.number()
    this.#lon = input.number()
    for (const window of [this.#lats, this.#lons, this.#steps]) window.load(input)
  }
}

const ZONE = text('zone')
const ROUTE: Parameter = { name: 'route', type: 'text', constant: false }
const EDGES = 'O(e), the e edges of its latitude'
const MEMORY = '24 B a position for the last 16'

function stay(name: Stay, result: 'boolean' | 'duration'): PlaceKind {
  return {
    signature: signature(name, 'place', [ZONE], result, EDGES, MEMORY),
    create: (constants, context) => new InZone(name, constants, context),
  }
}

export const inZoneNow: PlaceKind = stay('in_zone', 'boolean')
export const entered: PlaceKind = stay('entered', 'boolean')
export const left: PlaceKind = stay('left', 'boolean')
export const dwell: PlaceKind = stay('dwell', 'duration')
export const distanceToZone: PlaceKind = {
  signature: signature('distance_to', 'place', [ZONE], 'number', 'O(e), e edges of the zone', MEMORY),
  create: (constants, context) => new DistanceTo(constants, context),
}
export const moved: PlaceKind = {
  signature: signature(
    'moved',
    'place',
    [WINDOW, WARMUP],
    'number',
    'O(1)',
    'three windows of its own, 48 B a position',
  ),
  create: (constants, context) => new Moved(constants, context),
}
export const offRoute: PlaceKind = {
  signature: signature('off_route', 'place', [ROUTE], 'number', 'O(e), e edges of the line', MEMORY),
  create: () => new OffRoute(),
}

/** gap_to_next: the engine knows the other vehicles; each is where `along(zone, lat, lon)` says. */
export const GAP_TO_NEXT: Signature = signature(
  'gap_to_next',
  'place',
  [ROUTE],
  'number',
  'O(v), v vehicles of the route',
  '16 B a vehicle',
)
