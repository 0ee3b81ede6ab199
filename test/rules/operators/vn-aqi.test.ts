import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { subIndex } from '../../../rules/operators/vn-aqi.js'
import { HOUR, MINUTE, OFFSET, Rig } from './harness.js'

const EXAMPLE = '/work/shared/payloads/ref-vn-aqi-worked-example.json'
/** 2026-11-21T00:00+07:00. */
const MIDNIGHT = Date.UTC(2026, 10, 21) - OFFSET

interface Example {
  readonly nowcast_pm25_09h_to_20h: number[]
  readonly nowcast: number
  readonly hourly: Record<string, { c: number; aqi: number; rounded?: number }>
  readonly daily: Record<string, { c: number; aqi: number; rounded: number }>
}

/** One sample in the middle of each hour, the last in the hour before `end`. */
function hours(rig: Rig, means: readonly number[], end: number, input = 0): void {
  for (const [i, c] of means.entries())
    if (!Number.isNaN(c)) rig.push(end - (means.length - i) * HOUR + 30 * MINUTE, c, input)
}

t.test(
  'the worked example of Decision 1459/QĐ-TCMT',
  { skip: existsSync(EXAMPLE) ? false : `no ${EXAMPLE}` },
  async (t) => {
    const { payload } = JSON.parse(readFileSync(EXAMPLE, 'utf8')) as { payload: Example }
    const end = MIDNIGHT + 21 * HOUR
    const rig = new Rig('nowcast', {})
    hours(rig, payload.nowcast_pm25_09h_to_20h, end)
    t.ok(Math.abs(rig.read(end) - payload.nowcast) < 1e-12, `nowcast ${rig.read(end)}`)
    t.ok(Math.abs(rig.read(end + 59 * MINUTE) - payload.nowcast) < 1e-12, 'until the next hour is complete')

    const metrics = { O3_1h: 'o3_ugm3', NO2_1h: 'no2_ugm3', PM25_nowcast: 'pm25_ugm3' } as const
    for (const [name, metric] of Object.entries(metrics))
      t.ok(Math.abs(subIndex(metric, payload.hourly[name]!.c) - payload.hourly[name]!.aqi) < 1e-9, name)
    t.equal(
      Math.floor(subIndex('pm25_ugm3', payload.daily['PM25_24h']!.c) + 0.5 + 1e-9),
      110,
      '109.5 goes up',
    )

    const aqi = new Rig('vn_aqi', {})
    hours(aqi, payload.nowcast_pm25_09h_to_20h, end)
    t.equal(aqi.read(end), 41, 'by PM2.5 alone')
    hours(aqi, [payload.hourly['O3_1h']!.c], end, 2)
    t.equal(aqi.read(end), 43, 'by O3')
    hours(aqi, [payload.hourly['NO2_1h']!.c], end, 3)
    t.equal(aqi.read(end), 59, 'by NO2: the formula’s 59.35, not the printed 60')
  },
)

t.test('half weights are not normalised; two of the last three hours must be there', async (t) => {
  const end = MIDNIGHT + 12 * HOUR
  const steep = new Rig('nowcast', {})
  hours(steep, [10, 10, 100], end)
  t.ok(Math.abs(steep.read(end) - (50 + 2.5 + 1.25)) < 1e-12, 'w = ½: Σ (½)^i c_i')
  const gap = new Rig('nowcast', {})
  hours(gap, [20, Number.NaN, 16], end)
  t.ok(
    Math.abs(gap.read(end) - (16 + 0.64 * 20) / (1 + 0.64)) < 1e-12,
    'a missing hour drops out of both sums',
  )
  const few = new Rig('nowcast', {})
  hours(few, [20, 20, Number.NaN, Number.NaN, 16], end)
  t.ok(Number.isNaN(few.read(end)))
  t.ok(Number.isNaN(new Rig('nowcast', {}).read(end)))
  const clean = new Rig('nowcast', {})
  hours(clean, [0, 0, 0], end)
  t.equal(clean.read(end), 0)
})

t.test('an hour is the mean of its samples and counts once it is complete', async (t) => {
  const rig = new Rig('nowcast', {})
  for (const [minute, value] of [
    [1, 10],
    [59, 30],
    [61, 20],
    [119, 20],
    [121, 500],
  ] as const)
    rig.push(MIDNIGHT + minute * MINUTE, value)
  t.equal(rig.read(MIDNIGHT + 2 * HOUR + 2 * MINUTE), 20)
  t.ok(Number.isNaN(rig.read(MIDNIGHT + 2 * HOUR - 1)), 'one complete hour is not enough')
})

t.test('vn_aqi is missing without dust, and 500 at most', async (t) => {
  const end = MIDNIGHT + 12 * HOUR
  const gases = new Rig('vn_aqi', {})
  hours(gases, [100], end, 2)
  t.ok(Number.isNaN(gases.read(end)))
  const smog = new Rig('vn_aqi', {})
  hours(smog, [5000, 5000], end, 1)
  t.equal(smog.read(end), 500)
  t.equal(subIndex('co_ugm3', 10_000), 50)
  t.equal(subIndex('so2_ugm3', 350), 100)
  t.equal(subIndex('pm10_ugm3', -1), 0)
  t.ok(Number.isNaN(subIndex('pm10_ugm3', Number.NaN)))
})
