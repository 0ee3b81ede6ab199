import Flatbush from 'flatbush'
import { DEGREE_METRES, metresBetween, RADIANS } from './distance.js'

/**
 * Neighbours among the registered devices with a position: a static R-tree (flatbush), built anew with the registry.
 * What is near a device within a radius is found once and remembered, nearest first.
 */
export class Neighbours {
  readonly #lat: Float64Array
  readonly #lon: Float64Array
  readonly #ids: Uint32Array
  readonly #placeOf = new Map<number, number>()
  readonly #tree: Flatbush | null
  /** By radius, then by place. */
  readonly #known = new Map<number, Map<number, Uint32Array>>()

  /** Devices by id (SeriesIndex.devices); those without a position (NaN) are left out. O(n log n). */
  constructor(devices: Iterable<{ readonly id: number; readonly lat: number; readonly lon: number }>) {
    const placed = [...devices].filter(({ lat, lon }) => !Number.isNaN(lat) && !Number.isNaN(lon))
    this.#lat = Float64Array.from(placed, (device) => device.lat)
    this.#lon = Float64Array.from(placed, (device) => device.lon)
    this.#ids = Uint32Array.from(placed, (device) => device.id)
    for (const [place, { id }] of placed.entries()) this.#placeOf.set(id, place)
    if (placed.length === 0) {
      this.#tree = null
      return
    }
    const tree = new Flatbush(placed.length)
    for (const { lat, lon } of placed) tree.add(lon, lat, lon, lat)
    tree.finish()
    this.#tree = tree
  }

  /**
   * Ids of the devices within `radius` metres (great circle) of a device, nearest first, equal distances by id, itself
   * left out; empty where it has no position. The caller takes the first k that have a fresh value. O(1) after the first
   * time; 4 B a neighbour. Not to be changed.
   */
  of(id: number, radius: number): Uint32Array {
    const place = this.#placeOf.get(id)
    if (place === undefined) return NONE
    let byPlace = this.#known.get(radius)
    if (byPlace === undefined) {
      byPlace = new Map()
      this.#known.set(radius, byPlace)
    }
    let found = byPlace.get(place)
    if (found === undefined) {
      found = this.within(this.#lat[place]!, this.#lon[place]!, radius).filter((other) => other !== id)
      byPlace.set(place, found)
    }
    return found
  }

  /** Ids of the devices within `radius` metres of a position, nearest first. O(log n + found · log found). */
  within(lat: number, lon: number, radius: number): Uint32Array {
    if (this.#tree === null || !(radius >= 0)) return NONE
    const dLat = radius / DEGREE_METRES
    // The box is widest at its side towards the pole.
    const towards = Math.cos(Math.min(89.9, Math.abs(lat) + dLat) * RADIANS)
    const dLon = dLat / towards
    const found: { id: number; metres: number }[] = []
    for (const place of this.#tree.search(lon - dLon, lat - dLat, lon + dLon, lat + dLat)) {
      const metres = metresBetween(lat, lon, this.#lat[place]!, this.#lon[place]!)
      if (metres <= radius) found.push({ id: this.#ids[place]!, metres })
    }
    found.sort((a, b) => a.metres - b.metres || a.id - b.id)
    return Uint32Array.from(found, (one) => one.id)
  }
}

const NONE = new Uint32Array(0)
