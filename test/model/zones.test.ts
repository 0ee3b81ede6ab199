import fc from 'fast-check'
import t from 'tap'
import { metresBetween } from '../../src/model/distance.js'
import { along, distanceTo, inZone, zones } from '../../src/model/zones.js'

const feature = (name: string, type: string, coordinates: unknown): unknown => ({
  type: 'Feature',
  properties: { name },
  geometry: { type, coordinates },
})
const parse = (...features: unknown[]): ReturnType<typeof zones> =>
  zones(JSON.stringify({ type: 'FeatureCollection', features }))

const SQUARE = [
  [106.6, 20.8],
  [106.7, 20.8],
  [106.7, 20.9],
  [106.6, 20.9],
  [106.6, 20.8],
]
const HOLE = [
  [106.64, 20.84],
  [106.66, 20.84],
  [106.66, 20.86],
  [106.64, 20.86],
  [106.64, 20.84],
]

t.test('inside, on the edge, in a hole, outside', async (t) => {
  const all = parse(
    feature('port', 'Polygon', [SQUARE, HOLE]),
    feature('other', 'MultiPolygon', [[HOLE], [SQUARE.map(([x, y]) => [x! + 1, y])]]),
  )
  const port = all.get('port')!
  t.ok(inZone(port, 20.82, 106.65))
  t.notOk(inZone(port, 20.85, 106.65), 'the hole')
  t.notOk(inZone(port, 20.95, 106.65))
  for (const [lon, lat] of [...SQUARE, ...HOLE]) t.ok(inZone(port, lat!, lon!), `corner ${lon} ${lat}`)
  for (const lat of [20.81, 20.87, 20.8999])
    for (const lon of [106.6, 106.7]) t.ok(inZone(port, lat, lon), `on the edge at ${lat} ${lon}`)
  for (const lon of [106.61, 106.6999])
    for (const lat of [20.8, 20.9]) t.ok(inZone(port, lat, lon), `on the edge at ${lat} ${lon}`)
  t.ok(inZone(port, 20.84, 106.65), 'the hole’s edge')
  t.notOk(inZone(port, 20.85, 106.70002))
  t.ok(inZone(all.get('other')!, 20.85, 106.65))
  t.ok(inZone(all.get('other')!, 20.85, 107.65), 'the second polygon')
  t.notOk(inZone(port, Number.NaN, Number.NaN))
})

t.test('a star of 2 000 corners: by latitude bands as by all edges', async (t) => {
  const corners = Array.from({ length: 2000 }, (_, i) => {
    const r = i % 2 === 0 ? 0.1 : 0.05 + 0.03 * Math.sin(i)
    const angle = (2 * Math.PI * i) / 2000
    return [106.65 + r * Math.cos(angle), 20.85 + r * Math.sin(angle)]
  })
  const zone = parse(feature('star', 'Polygon', [corners])).get('star')!
  const ring = zone.paths[0]!
  const plain = (lat: number, lon: number): boolean => {
    let inside = false
    for (let i = 2; i < ring.length; i += 2) {
      const [ya, xa, yb, xb] = [ring[i - 2]!, ring[i - 1]!, ring[i]!, ring[i + 1]!]
      if (ya > lat !== yb > lat && lon < xa + ((lat - ya) / (yb - ya)) * (xb - xa)) inside = !inside
    }
    return inside
  }
  let inside = 0
  fc.assert(
    fc.property(
      fc.double({ min: 20.74, max: 20.96, noNaN: true }),
      fc.double({ min: 106.54, max: 106.76, noNaN: true }),
      (lat, lon) => {
        const found = inZone(zone, lat, lon)
        if (found) inside++
        return found === plain(Math.fround(lat), Math.fround(lon))
      },
    ),
    { seed: 7, numRuns: 5000 },
  )
  t.ok(inside > 500)
})

t.test('metres to the edge, and along a line', async (t) => {
  const all = parse(
    feature('port', 'Polygon', [SQUARE]),
    feature('route', 'LineString', [
      [106.6, 20.8],
      [106.7, 20.8],
      [106.7, 20.9],
    ]),
  )
  t.equal(distanceTo(all.get('port')!, 20.85, 106.65), 0)
  const east = distanceTo(all.get('port')!, 20.85, 106.71)
  t.ok(Math.abs(east / metresBetween(20.85, 106.7, 20.85, 106.71) - 1) < 1e-3, `${east} m`)
  const route = all.get('route')!
  t.equal(route.kind, 'line')
  t.notOk(inZone(route, 20.8, 106.65), 'a line holds nothing')
  const first = metresBetween(20.8, 106.6, 20.8, 106.7)
  const half = along(route, 20.801, 106.65)
  t.ok(Math.abs(half.along - first / 2) < 2)
  t.ok(Math.abs(half.distance - 111.2) < 0.5)
  const later = along(route, 20.85, 106.7)
  t.ok(Math.abs(later.along - (first + metresBetween(20.8, 106.7, 20.85, 106.7))) < 2)
  t.ok(
    Math.abs(along(route, 20.95, 106.7).along - route.metres[0]!.at(-1)!) < 1e-6,
    'past the end is the end',
  )
})

t.test('files with faults say which feature', async (t) => {
  t.equal(zones('').size, 0)
  t.throws(() => zones('{'), { code: 'HD_CONFIG_SYNTAX' })
  t.throws(() => zones('[]'), { code: 'HD_CONFIG_VALUE' })
  t.throws(() => parse(feature('a', 'Polygon', [[[1, 2]]])), { code: 'HD_CONFIG_VALUE', message: /'a'/ })
  t.throws(
    () =>
      parse(
        feature('a', 'Polygon', [
          [
            [1, 'x'],
            [2, 2],
            [3, 3],
          ],
        ]),
      ),
    { message: /longitude, latitude/ },
  )
  t.throws(
    () =>
      parse(
        feature('a', 'LineString', [
          [20.8, 106.6],
          [1, 1],
        ]),
      ),
    { message: /point 0/ },
    'swapped',
  )
  t.throws(() => parse(feature('a', 'Polygon', [SQUARE]), feature('a', 'LineString', SQUARE)), {
    message: /both/,
  })
  t.throws(() => parse(feature(5 as unknown as string, 'Polygon', [SQUARE])), { message: /text/ })
  t.equal(parse({ type: 'Feature', properties: null, geometry: null }).size, 0, 'no name, no zone')
  t.equal(parse(feature('pump', 'Point', [106.6, 20.8])).size, 0)
})
