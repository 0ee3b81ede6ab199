import { DEGREE_METRES, metresBetween, RADIANS } from './distance.js'
import { HaidangError } from './errors.js'

/**
 * Zones: named places of a GeoJSON file (RFC 7946), shared by rules, the wall and SQL. Areas are Polygons and
 * MultiPolygons with holes, routes are LineStrings; a name that stands on several features is all of them together.
 *
 * Vertices are rounded to Float32 like the positions that are tested, so that a position equal to a vertex, or on an edge
 * along a meridian or a parallel, is on the edge to the last bit. The edge is inside, a hole's edge too.
 */
export interface Zone {
  readonly name: string
  /** A line has no inside. */
  readonly kind: 'area' | 'line'
  /** Rings (closed: the last point is the first again) or lines: [lat, lon, lat, lon, …]. */
  readonly paths: readonly Float64Array[]
  /** Lines alone: metres from the beginning at each vertex, one array a path. */
  readonly metres: readonly Float64Array[]
  readonly box: Box
  /** `properties` of the first feature of that name. */
  readonly properties: Readonly<Record<string, unknown>>
  /** Edges by latitude, for areas. */
  readonly bands: Bands
}

export interface Box {
  readonly south: number
  readonly west: number
  readonly north: number
  readonly east: number
}

interface Bands {
  readonly south: number
  /** Bands a degree. */
  readonly scale: number
  /** Edges that reach into each band: [latA, lonA, latB, lonB, …]. */
  readonly edges: readonly Float64Array[]
}

/** Vertices of one file; refused beyond. */
const VERTICES_MAX = 1_000_000
/** Edges of one latitude band, about. */
const EDGES_A_BAND = 8
const BANDS_MAX = 512

/**
 * Zones by name of a GeoJSON text: a FeatureCollection or a Feature; '' has none. Features without `properties.name` and
 * Points are left out. Throws HD_CONFIG_SYNTAX or HD_CONFIG_VALUE, naming the feature.
 */
export function zones(text: string): ReadonlyMap<string, Zone> {
  if (text.trim() === '') return new Map()
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (cause) {
    throw new HaidangError('HD_CONFIG_SYNTAX', `zones: ${(cause as Error).message}`, { cause })
  }
  const gathered = new Map<string, Gathered>()
  let vertices = 0
  for (const [i, feature] of featuresOf(document).entries()) {
    const properties = isObject(feature['properties']) ? feature['properties'] : {}
    const name = properties['name']
    if (name === undefined || name === null) continue
    if (typeof name !== 'string' || name === '') throw wrong(`feature ${i}`, 'properties.name must be a text')
    let zone = gathered.get(name)
    if (zone === undefined) {
      zone = { rings: [], lines: [], properties }
      gathered.set(name, zone)
    }
    vertices += gather(feature['geometry'], zone, `feature '${name}'`)
    if (vertices > VERTICES_MAX) throw wrong(`feature '${name}'`, `more than ${VERTICES_MAX} vertices in all`)
  }
  const found = new Map<string, Zone>()
  for (const [name, { rings, lines, properties }] of gathered) {
    if (rings.length > 0 && lines.length > 0) throw wrong(`'${name}'`, 'is both an area and a line')
    const paths = rings.length > 0 ? rings : lines
    if (paths.length === 0) continue
    found.set(name, {
      name,
      kind: rings.length > 0 ? 'area' : 'line',
      paths,
      metres: lines.map(lengths),
      box: boxOf(paths),
      properties,
      bands: bandsOf(rings),
    })
  }
  return found
}

/**
 * Whether the position (degrees, taken as Float32) is inside the area or on its edge; a line holds nothing. Even–odd over
 * all rings, so holes are out. O(edges of its latitude), a comparison or two where the box already says no.
 */
export function inZone(zone: Zone, latitude: number, longitude: number): boolean {
  const lat = Math.fround(latitude)
  const lon = Math.fround(longitude)
  const { box, bands } = zone
  if (!(lat >= box.south && lat <= box.north && lon >= box.west && lon <= box.east)) return false
  const edges = bands.edges[Math.min(bands.edges.length - 1, Math.floor((lat - bands.south) * bands.scale))]
  if (edges === undefined) return false
  let inside = false
  for (let i = 0; i < edges.length; i += 4) {
    const latA = edges[i]!
    const lonA = edges[i + 1]!
    const latB = edges[i + 2]!
    const lonB = edges[i + 3]!
    // Twice the signed area of (A, B, position): of Float32 coordinates, so its sign is right.
    const side = (lonB - lonA) * (lat - latA) - (latB - latA) * (lon - lonA)
    if (
      side === 0 &&
      lat >= Math.min(latA, latB) &&
      lat <= Math.max(latA, latB) &&
      lon >= Math.min(lonA, lonB) &&
      lon <= Math.max(lonA, lonB)
    )
      return true
    if (latA > lat !== latB > lat && side > 0 === latB > latA) inside = !inside
  }
  return inside
}

/** Metres to the nearest edge: 0 inside an area; to the line for a route. O(edges). */
export function distanceTo(zone: Zone, latitude: number, longitude: number): number {
  if (inZone(zone, latitude, longitude)) return 0
  return nearest(zone, latitude, longitude).distance
}

export interface Along {
  /** Metres from the beginning of its path to the point of the line nearest to the position. */
  readonly along: number
  /** Metres from the position to that point. */
  readonly distance: number
  /** Which of the zone's paths that is. */
  readonly path: number
}

/** Where along a line the position is. O(edges). NaN along for an area. */
export function along(zone: Zone, latitude: number, longitude: number): Along {
  return nearest(zone, latitude, longitude)
}

/**
 * Nearest point of a zone's edges, on a plane that touches the earth at the position: right to 0.1 % within 50 km, which
 * is where distances matter.
 */
function nearest(zone: Zone, latitude: number, longitude: number): Along {
  const lat = Math.fround(latitude)
  const lon = Math.fround(longitude)
  const x1 = DEGREE_METRES * Math.cos(lat * RADIANS)
  let best = Number.POSITIVE_INFINITY
  let bestPath = 0
  let bestAt = Number.NaN
  for (const [p, path] of zone.paths.entries()) {
    const metres = zone.metres[p]
    let ay = (path[0]! - lat) * DEGREE_METRES
    let ax = (path[1]! - lon) * x1
    for (let i = 2; i < path.length; i += 2) {
      const by = (path[i]! - lat) * DEGREE_METRES
      const bx = (path[i + 1]! - lon) * x1
      const dx = bx - ax
      const dy = by - ay
      const squared = dx * dx + dy * dy
      const t = squared > 0 ? Math.min(1, Math.max(0, -(ax * dx + ay * dy) / squared)) : 0
      const distance = Math.hypot(ax + t * dx, ay + t * dy)
      if (distance < best) {
        best = distance
        bestPath = p
        if (metres !== undefined) bestAt = metres[i / 2 - 1]! + t * (metres[i / 2]! - metres[i / 2 - 1]!)
      }
      ax = bx
      ay = by
    }
  }
  return { along: bestAt, distance: best, path: bestPath }
}

interface Gathered {
  readonly rings: Float64Array[]
  readonly lines: Float64Array[]
  readonly properties: Readonly<Record<string, unknown>>
}

function featuresOf(document: unknown): Record<string, unknown>[] {
  if (!isObject(document)) throw wrong('the file', 'must be a GeoJSON object')
  if (document['type'] === 'Feature') return [document]
  if (document['type'] !== 'FeatureCollection' || !Array.isArray(document['features']))
    throw wrong('the file', 'must be a GeoJSON FeatureCollection')
  return document['features'].map((feature, i) => {
    if (!isObject(feature)) throw wrong(`feature ${i}`, 'must be an object')
    return feature
  })
}

/** Adds the paths of a geometry and returns the number of their vertices. */
function gather(geometry: unknown, into: Gathered, what: string): number {
  if (!isObject(geometry)) throw wrong(what, 'has no geometry')
  const coordinates = geometry['coordinates']
  switch (geometry['type']) {
    case 'Polygon':
      return addRings(coordinates, into, what)
    case 'MultiPolygon':
      return list(coordinates, what).reduce((sum: number, polygon) => sum + addRings(polygon, into, what), 0)
    case 'LineString':
      return addLine(coordinates, into, what)
    case 'MultiLineString':
      return list(coordinates, what).reduce((sum: number, line) => sum + addLine(line, into, what), 0)
    case 'GeometryCollection':
      return list(geometry['geometries'], what).reduce((sum: number, one) => sum + gather(one, into, what), 0)
    default:
      return 0
  }
}

function addRings(coordinates: unknown, into: Gathered, what: string): number {
  let vertices = 0
  for (const ring of list(coordinates, what)) {
    const path = pathOf(ring, what)
    const end = path.length - 2
    const closed = path[0] === path[end] && path[1] === path[end + 1]
    const whole = closed ? path : Float64Array.from([...path, path[0]!, path[1]!])
    if (whole.length < 8) throw wrong(what, 'a ring needs at least three corners')
    into.rings.push(whole)
    vertices += whole.length / 2
  }
  return vertices
}

function addLine(coordinates: unknown, into: Gathered, what: string): number {
  const path = pathOf(coordinates, what)
  if (path.length < 4) throw wrong(what, 'a line needs at least two points')
  into.lines.push(path)
  return path.length / 2
}

function pathOf(points: unknown, what: string): Float64Array {
  const found = list(points, what)
  if (found.length === 0) throw wrong(what, 'has a path without points')
  const path = new Float64Array(found.length * 2)
  for (const [i, point] of found.entries()) {
    const [lon, lat] = list(point, what)
    if (typeof lon !== 'number' || typeof lat !== 'number' || Math.abs(lat) > 90 || Math.abs(lon) > 180)
      throw wrong(what, `point ${i} must be [longitude, latitude] in degrees`)
    path[2 * i] = Math.fround(lat)
    path[2 * i + 1] = Math.fround(lon)
  }
  return path
}

function lengths(path: Float64Array): Float64Array {
  const metres = new Float64Array(path.length / 2)
  for (let i = 1; i < metres.length; i++)
    metres[i] =
      metres[i - 1]! + metresBetween(path[2 * i - 2]!, path[2 * i - 1]!, path[2 * i]!, path[2 * i + 1]!)
  return metres
}

function boxOf(paths: readonly Float64Array[]): Box {
  let south = 90
  let west = 180
  let north = -90
  let east = -180
  for (const path of paths)
    for (let i = 0; i < path.length; i += 2) {
      south = Math.min(south, path[i]!)
      north = Math.max(north, path[i]!)
      west = Math.min(west, path[i + 1]!)
      east = Math.max(east, path[i + 1]!)
    }
  return { south, west, north, east }
}

function bandsOf(rings: readonly Float64Array[]): Bands {
  const { south, north } = boxOf(rings)
  const edges = rings.reduce((sum, ring) => sum + ring.length / 2 - 1, 0)
  const count = Math.max(1, Math.min(BANDS_MAX, Math.ceil(edges / EDGES_A_BAND)))
  const scale = north > south ? count / (north - south) : 0
  const bands: number[][] = Array.from({ length: count }, () => [])
  for (const ring of rings)
    for (let i = 2; i < ring.length; i += 2) {
      const [latA, lonA, latB, lonB] = [ring[i - 2]!, ring[i - 1]!, ring[i]!, ring[i + 1]!]
      const from = Math.min(count - 1, Math.floor((Math.min(latA, latB) - south) * scale))
      const to = Math.min(count - 1, Math.floor((Math.max(latA, latB) - south) * scale))
      for (let band = from; band <= to; band++) bands[band]!.push(latA, lonA, latB, lonB)
    }
  return { south, scale, edges: bands.map((band) => Float64Array.from(band)) }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function list(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw wrong(what, 'has coordinates that are no list')
  return value
}

function wrong(what: string, fault: string): HaidangError {
  return new HaidangError('HD_CONFIG_VALUE', `zones: ${what}: ${fault}`)
}
