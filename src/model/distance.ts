/** Mean radius of the earth, metres (IUGG R1). */
const RADIUS = 6_371_008.8
export const RADIANS = Math.PI / 180
/** Metres of one degree of latitude. */
export const DEGREE_METRES = RADIUS * RADIANS

/** Great-circle metres between two positions in degrees (haversine: right to 0.5 %, exact at small distances). */
export function metresBetween(latA: number, lonA: number, latB: number, lonB: number): number {
  const dLat = Math.sin(((latB - latA) * RADIANS) / 2)
  const dLon = Math.sin(((lonB - lonA) * RADIANS) / 2)
  const h = dLat * dLat + Math.cos(latA * RADIANS) * Math.cos(latB * RADIANS) * dLon * dLon
  return 2 * RADIUS * Math.asin(Math.min(1, Math.sqrt(h)))
}
