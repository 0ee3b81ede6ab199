import t from 'tap'
import { PLACE_OPERATORS } from '../../../rules/operators/index.js'
import type { PlaceOperator } from '../../../rules/operators/operator.js'
import { StateBytes, StateSource } from '../../../src/engine/state-bytes.js'
import { zones } from '../../../src/model/zones.js'
import { MINUTE, random, SECOND, START } from './harness.js'

const ZONES = zones(
  JSON.stringify({
    type: 'FeatureCollection',
    features: [
      area('port', [
        [106.6, 20.8],
        [106.7, 20.8],
        [106.7, 20.9],
        [106.6, 20.9],
      ]),
      {
        type: 'Feature',
        properties: { name: 'line 1' },
        geometry: {
          type: 'LineString',
          coordinates: [
            [106.6, 20.85],
            [106.8, 20.85],
          ],
        },
      },
    ],
  }),
)
const LATE = 5 * MINUTE

function area(name: string, corners: number[][]): unknown {
  return { type: 'Feature', properties: { name }, geometry: { type: 'Polygon', coordinates: [corners] } }
}

function make(name: string, constants: Record<string, number | string> = { zone: 'port' }): PlaceOperator {
  return PLACE_OPERATORS.get(name)!.create(constants, { late: LATE, zones: ZONES })
}

/** Longitudes at one latitude, a position a minute; what the function is at each. */
function along(name: string, longitudes: readonly number[]): number[] {
  const operator = make(name)
  return longitudes.map((lon, i) => {
    operator.place(START + i * MINUTE, 20.85, lon)
    return operator.read(START + i * MINUTE, undefined)
  })
}

t.test('in_zone, entered, left and dwell; the first position is no entry', async (t) => {
  const path = [106.65, 106.66, 106.75, 106.7, 106.65, 106.5]
  t.same(along('in_zone', path), [1, 1, 0, 1, 1, 0], 'the edge is inside')
  t.same(along('entered', path), [0, 0, 0, 1, 0, 0])
  t.same(along('left', path), [0, 0, 1, 0, 0, 1])
  t.same(along('dwell', path), [0, MINUTE, 0, 0, MINUTE, 0])
  const distances = along('distance_to', path)
  t.equal(distances[0], 0)
  // 0.05° of longitude at 20.85° N.
  t.ok(Math.abs(distances[2]! - 0.05 * 111_195 * Math.cos((20.85 * Math.PI) / 180)) < 5, `${distances[2]} m`)
})

t.test('entered and left hold at that one message alone; without a position all are missing', async (t) => {
  for (const name of ['in_zone', 'entered', 'left', 'dwell', 'distance_to']) {
    const operator = make(name)
    t.ok(Number.isNaN(operator.read(START, undefined)))
    operator.place(START, 20.85, 106.5)
    operator.place(START + MINUTE, 20.85, 106.65)
    t.ok(!Number.isNaN(operator.read(START + MINUTE, undefined)))
    t.ok(Number.isNaN(operator.read(START + MINUTE + 1, undefined)), name)
  }
})

t.test('a position out of order is put in its place', async (t) => {
  const operator = make('dwell')
  operator.place(START, 20.85, 106.65)
  operator.place(START + 4 * MINUTE, 20.85, 106.65)
  t.equal(operator.read(START + 4 * MINUTE, undefined), 4 * MINUTE)
  operator.place(START + 2 * MINUTE, 20.85, 106.5)
  t.equal(operator.read(START + 2 * MINUTE, undefined), 0)
  operator.place(START + 5 * MINUTE, 20.85, 106.65)
  t.equal(operator.read(START + 5 * MINUTE, undefined), MINUTE, 'the stay began anew')
})

t.test('moved counts steps longer than 15 m within the window', async (t) => {
  const operator = make('moved', { w: 10 * MINUTE })
  const metre = 1 / 111_195
  // 100 m north a minute.
  for (let i = 0; i <= 20; i++) operator.place(START + i * MINUTE, 20.85 + 100 * i * metre, 106.65)
  const found = operator.read(START + 20 * MINUTE, undefined)
  t.ok(Math.abs(found - 900) < 1, `${found} m: nine steps between ten positions`)
  const parked = make('moved', { w: 10 * MINUTE })
  const next = random(4)
  for (let i = 0; i <= 600; i++)
    parked.place(START + i * SECOND, 20.85 + 5 * next() * metre, 106.65 + 5 * next() * metre)
  t.equal(parked.read(START + 600 * SECOND, undefined), 0, 'scatter is nothing')
  const slow = make('moved', { w: 10 * MINUTE })
  for (let i = 0; i <= 1200; i++) slow.place(START + i * SECOND, 20.85 + 5 * i * metre, 106.65)
  t.ok(Math.abs(slow.read(START + 1200 * SECOND, undefined) - 3000) < 40, 'short steps add up')
  t.ok(Number.isNaN(make('moved', { w: 10 * MINUTE }).read(START, undefined)))
})

t.test('off_route is metres to the line named', async (t) => {
  const operator = make('off_route', {})
  operator.place(START, 20.86, 106.7)
  t.ok(Math.abs(operator.read(START, ZONES.get('line 1')) - 0.01 * 111_195) < 1)
  t.ok(Number.isNaN(operator.read(START, undefined)), 'no such route')
})

t.test('goes on after load as if nothing had happened', async (t) => {
  for (const name of PLACE_OPERATORS.keys()) {
    const next = random(12)
    const constants = { zone: 'port', w: 5 * MINUTE }
    const whole = make(name, constants)
    let copy: PlaceOperator | undefined
    for (let i = 0; i < 300; i++) {
      if (i === 137) {
        const bytes = new StateBytes()
        whole.save(bytes)
        copy = make(name, constants)
        copy.load(new StateSource(bytes.take()))
      }
      const time = START + i * 20 * SECOND - (next() < 0.1 ? 50 * SECOND : 0)
      const lon = 106.65 + 0.08 * Math.sin(i / 9) + 0.001 * next()
      whole.place(time, 20.85, lon)
      copy?.place(time, 20.85, lon)
      const route = ZONES.get('line 1')
      if (copy !== undefined && !Object.is(whole.read(time, route), copy.read(time, route)))
        t.fail(`${name} at ${i}`)
    }
  }
  t.pass()
})
