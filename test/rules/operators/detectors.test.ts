import * as ss from 'simple-statistics'
import t from 'tap'
import { close, DAY, HOUR, MINUTE, normal, OFFSET, Rig, random, type Sample, START } from './harness.js'

const robust = (x: number, numbers: readonly number[]): number => {
  const spread = 1.4826 * ss.medianAbsoluteDeviation([...numbers])
  return spread > 0 ? (x - ss.median([...numbers])) / spread : Number.NaN
}

t.test('change is a two-sided CUSUM of the robust z, 1 at its limit', async (t) => {
  const w = 30 * MINUTE
  const rig = new Rig('change', { w })
  const gauss = normal(random(1))
  const samples: Sample[] = []
  let up = 0
  let down = 0
  for (let i = 0; i < 300; i++) {
    const time = START + i * MINUTE
    const value = gauss() + (i >= 200 ? 4 : 0)
    samples.push({ time, value })
    const found = rig.feed(time, value)
    const inside = samples.filter((x) => x.time > time - w)
    const warm = inside.length > 8 && time - inside[0]!.time >= w / 2
    if (warm) {
      const z = robust(
        value,
        inside.slice(0, -1).map((x) => x.value),
      )
      up = Math.max(0, up + z - 0.5)
      down = Math.max(0, down - z - 0.5)
    }
    const expected = warm ? Math.max(up, down) / 8 : Number.NaN
    if (!close(found, expected)) {
      t.fail(`at ${i}: ${found}, not ${expected}`)
      return
    }
    if (i === 205) {
      t.ok(found >= 1, 'a shift of four deviations is found within six samples')
      t.equal(rig.read(time, 'sign'), 1)
    }
    if (i > 20 && i < 200 && found >= 1) t.fail(`a false alarm at ${i}`)
  }
  const fall = new Rig('change', { w })
  for (let i = 0; i < 60; i++) fall.push(START + i * MINUTE, i < 40 ? (i % 5) / 5 : -6)
  t.equal(fall.read(START + 59 * MINUTE, 'sign'), -1)
  const flat = new Rig('change', { w })
  for (let i = 0; i < 60; i++) flat.push(START + i * MINUTE, 2)
  t.equal(flat.read(START + 59 * MINUTE), 0, 'no spread, no shift')
  t.equal(flat.read(START + 59 * MINUTE, 'sign'), 0)
})

t.test('seasonal_z compares with the same local hour of earlier days', async (t) => {
  const w = 14 * DAY
  const rig = new Rig('seasonal_z', { period: DAY, w })
  const gauss = normal(random(2))
  const samples: Sample[] = []
  let known = 0
  let copy: Rig | undefined
  for (let i = 0; i < 24 * 2 * 25; i++) {
    const time = START + i * 30 * MINUTE
    const hour = Math.floor((time + OFFSET) / HOUR) % 24
    const value = 20 + 10 * Math.sin(hour / 4) + gauss()
    samples.push({ time, value })
    const found = rig.feed(time, value)
    copy?.push(time, value)
    if (copy !== undefined && !Object.is(copy.read(time), found)) t.fail('differs after load')
    if (i === 700) copy = rig.reborn()
    const same = samples.filter(
      (x) => x.time > time - w && x.time < time && Math.floor((x.time + OFFSET) / HOUR) % 24 === hour,
    )
    const day = (x: number): number => Math.floor((x + OFFSET) / DAY)
    const days = new Set(same.map((x) => day(x.time)).filter((x) => x !== day(time)))
    const expected =
      days.size < 3
        ? Number.NaN
        : robust(
            value,
            same.map((x) => x.value),
          )
    if (!Number.isNaN(expected)) known++
    if (!close(found, expected)) {
      t.fail(`at ${i}: ${found}, not ${expected}`)
      return
    }
  }
  t.ok(known > 900, `${known} compared`)
  const later = START + 24 * 25 * HOUR
  t.ok(rig.feed(later, 90) > 10, 'an afternoon value at the wrong hour stands out')
})

t.test('seasonal_z of a week takes the same hour of the same weekday', async (t) => {
  const rig = new Rig('seasonal_z', { period: 7 * DAY, w: 60 * DAY })
  let found = Number.NaN
  for (let i = 0; i < 24 * 7 * 5; i++) {
    const time = START + i * HOUR
    const weekday = Math.floor((time + OFFSET) / DAY) % 7
    found = rig.feed(time, weekday * 100 + ((i * 7919) % 10))
    if (i < 24 * 21) t.ok(Number.isNaN(found)) || t.end()
  }
  t.ok(Math.abs(found) < 5)
  t.ok(rig.feed(START + 24 * 7 * 5 * HOUR, 5000) > 100)
})

t.test('at a sample a second seasonal_z stays small and sane', async (t) => {
  const rig = new Rig('seasonal_z', { period: DAY, w: 7 * DAY })
  const gauss = normal(random(6))
  let last = Number.NaN
  for (let i = 0; i < 5 * 86_400; i += 20) last = rig.feed(START + i * 1000, gauss())
  t.ok(Math.abs(last) < 5, `${last}`)
  t.ok(Math.abs(rig.feed(START + 5 * DAY, 20) - 20) < 5, 'twenty deviations, of a MAD of some 300 samples')
})

t.test(
  'anomaly exceeds 0.99 about once in a thousand normal samples, whatever their distribution',
  async (t) => {
    const kinds: Record<string, (gauss: () => number, next: () => number, last: number) => number> = {
      normal: (gauss) => gauss(),
      uniform: (_gauss, next) => next(),
      'heavy-tailed': (gauss, next) => gauss() / Math.sqrt(next() + 0.05),
      skewed: (_gauss, next) => -Math.log(1 - next()),
      autocorrelated: (gauss, _next, last) => 0.9 * last + gauss(),
      'a random walk': (gauss, _next, last) => last + gauss(),
      digits: (gauss) => Math.round(gauss() * 2) / 10,
    }
    for (const [name, kind] of Object.entries(kinds)) {
      const next = random(31)
      const gauss = normal(next)
      const rig = new Rig('anomaly', {})
      let last = 0
      let over = 0
      const n = 40_000
      for (let i = 0; i < n; i++) {
        last = kind(gauss, next, last)
        const score = rig.feed(START + i * 10_000, last)
        if (i > 1000 && score > 0.99) over++
        if (score < 0 || score > 1) t.fail(`${name}: ${score}`)
      }
      const perThousand = (1000 * over) / (n - 1000)
      t.ok(perThousand > 0.3 && perThousand < 2.5, `${name}: ${perThousand.toFixed(2)} in a thousand`)
    }
  },
)

t.test('anomaly sees a spike, a step and a break out of silence', async (t) => {
  const gauss = normal(random(8))
  const rig = new Rig('anomaly', {})
  for (let i = 0; i < 31; i++) t.ok(Number.isNaN(rig.feed(START + i * 1000, gauss()))) || t.end()
  for (let i = 31; i < 1000; i++) rig.push(START + i * 1000, gauss())
  t.ok(rig.feed(START + 1_000_000, 12) > 0.999)
  t.ok(rig.feed(START + 1_001_000, gauss()) < 1)
  const silent = new Rig('anomaly', {})
  for (let i = 0; i < 100; i++) silent.push(START + i * 1000, 0)
  t.ok(silent.read(START + 99_000) < 0.5, 'equal values are normal')
  t.ok(silent.feed(START + 100_000, 1) > 0.99)
})
