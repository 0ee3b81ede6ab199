/** Zones, routes and neighbours as the core asks for them: geometry from src/model, vehicles' last positions here. */
import type { Call } from '../../rules/language/ast.js'
import type { Evaluate, EvaluateText } from '../../rules/language/compile.js'
import { metresBetween } from '../model/distance.js'
import { Neighbours } from '../model/neighbours.js'
import type { DeviceRegistry } from '../model/registry.js'
import { along, distanceTo, inZone, type Zone } from '../model/zones.js'
import type { Judgement } from './judgement.js'

/** A vehicle not heard for longer is not "the next one". */
const VEHICLE_MS = 5 * 60_000

interface Fix {
  time: number
  lat: number
  lon: number
}

export class Places {
  readonly #j: Judgement
  #zones: ReadonlyMap<string, Zone> = new Map()
  #areas: readonly Zone[] = []
  #neighbours = new Neighbours([])
  /** By route: device ids registered on it. */
  #routes = new Map<string, number[]>()
  #routeOf = new Map<number, string>()
  /** Last fix of the vehicles that are registered on a route. */
  #fixes = new Map<number, Fix>()

  constructor(j: Judgement) {
    this.#j = j
  }

  configure(zones: ReadonlyMap<string, Zone>, registry: DeviceRegistry): void {
    this.#zones = zones
    this.#areas = [...zones.values()].filter((zone) => zone.kind === 'area')
    const { devices } = this.#j.index
    this.#neighbours = new Neighbours(
      [...registry.devices.values()].map(({ device, lat, lon }) => ({ id: devices.id(device), lat, lon })),
    )
    this.#routes = new Map()
    this.#routeOf = new Map()
    for (const { device, attributes } of registry.devices.values()) {
      const route = attributes['route']
      if (route === undefined) continue
      const id = devices.id(device)
      this.#routeOf.set(id, String(route))
      const list = this.#routes.get(String(route))
      if (list === undefined) this.#routes.set(String(route), [id])
      else list.push(id)
    }
  }

  /** The zone that holds the position: the first of the file where several do. */
  zoneOf(lat: number, lon: number): string | undefined {
    if (Number.isNaN(lat) || Number.isNaN(lon)) return undefined
    return this.#areas.find((zone) => inZone(zone, lat, lon))?.name
  }

  neighbours(
    device: number,
    k: number,
    radius: number,
    accept: (device: number) => boolean,
  ): readonly number[] {
    const found: number[] = []
    for (const other of this.#neighbours.of(device, radius)) {
      if (found.length === k) break
      if (accept(other)) found.push(other)
    }
    return found
  }

  distance(latA: number, lonA: number, latB: number, lonB: number): number {
    return metresBetween(latA, lonA, latB, lonB)
  }

  zone(name: string | undefined): Zone | undefined {
    return name === undefined ? undefined : this.#zones.get(name)
  }

  /** A position has come in; kept for vehicles on routes alone. */
  fix(device: number, time: number, lat: number, lon: number): void {
    if (!this.#routeOf.has(device)) return
    const known = this.#fixes.get(device)
    if (known === undefined) this.#fixes.set(device, { time, lat, lon })
    else if (time >= known.time) {
      known.time = time
      known.lat = lat
      known.lon = lon
    }
  }

  get follows(): boolean {
    return this.#routeOf.size > 0
  }

  /** Metres to the nearest vehicle ahead on the route; NaN for the leader. O(vehicles of the route). */
  gapToNext(route: EvaluateText): Evaluate {
    const j = this.#j
    return () => {
      const name = route()
      const line = this.zone(name)
      // At a timer there is no message: where the vehicle was last, not where the registry has its depot.
      const { lat, lon } = (j.batch === null ? this.#fixes.get(j.device) : undefined) ?? j
      if (line === undefined || Number.isNaN(lat) || Number.isNaN(lon)) return Number.NaN
      const own = along(line, lat, lon)
      let gap = Number.NaN
      for (const device of this.#routes.get(name!) ?? []) {
        const fix = this.#fixes.get(device)
        if (device === j.device || fix === undefined || j.time - fix.time > VEHICLE_MS) continue
        const other = along(line, fix.lat, fix.lon)
        const ahead = other.along - own.along
        if (other.path === own.path && ahead > 0 && !(ahead >= gap)) gap = ahead
      }
      return gap
    }
  }

  /** Place functions inside `where`: those that need no history. */
  call(call: Call): Evaluate {
    const j = this.#j
    const zone = (): Zone | undefined => this.#zones.get(String(call.constants['zone']))
    if (call.name === 'in_zone')
      return () => {
        const found = zone()
        return found === undefined || Number.isNaN(j.lat) ? Number.NaN : inZone(found, j.lat, j.lon) ? 1 : 0
      }
    if (call.name === 'distance_to')
      return () => {
        const found = zone()
        return found === undefined || Number.isNaN(j.lat) ? Number.NaN : distanceTo(found, j.lat, j.lon)
      }
    return () => Number.NaN
  }

  save(): unknown {
    return this.#fixes
  }

  load(state: unknown): void {
    if (state instanceof Map) this.#fixes = state as Map<number, Fix>
  }
}
