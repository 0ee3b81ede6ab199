import t from 'tap'
import { metresBetween } from '../../src/model/distance.js'
import { Neighbours } from '../../src/model/neighbours.js'

t.test('great-circle metres', async (t) => {
  // Hải Phòng to Hà Nội, about 88 km; a degree of the meridian.
  t.ok(Math.abs(metresBetween(20.865, 106.684, 21.028, 105.854) - 88_100) < 500)
  t.ok(Math.abs(metresBetween(20, 106, 21, 106) - 111_195) < 1)
  t.equal(metresBetween(20.8, 106.6, 20.8, 106.6), 0)
})

t.test('devices within a radius, nearest first, as by looking at all of them', async (t) => {
  let seed = 5
  const next = (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return seed / 4_294_967_296
  }
  const devices = Array.from({ length: 500 }, (_, i) => ({
    id: 3 * i + 1,
    lat: 20.7 + 0.3 * next(),
    lon: 106.5 + 0.4 * next(),
  }))
  devices.push({ id: 9000, lat: Number.NaN, lon: Number.NaN })
  const neighbours = new Neighbours(devices)
  for (const device of devices.slice(0, 50))
    for (const radius of [500, 3000, 20_000]) {
      const expected = devices
        .filter(
          (other) =>
            other !== device && metresBetween(device.lat, device.lon, other.lat, other.lon) <= radius,
        )
        .sort(
          (a, b) =>
            metresBetween(device.lat, device.lon, a.lat, a.lon) -
            metresBetween(device.lat, device.lon, b.lat, b.lon),
        )
        .map((other) => other.id)
      t.same([...neighbours.of(device.id, radius)], expected)
      t.equal(neighbours.of(device.id, radius), neighbours.of(device.id, radius), 'found once')
    }
  t.equal(neighbours.of(9000, 1e6).length, 0, 'no position')
  t.equal(neighbours.of(77_777, 1e6).length, 0, 'not registered')
  t.equal(new Neighbours([]).within(20, 106, 1e6).length, 0)
})
