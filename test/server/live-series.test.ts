import t from 'tap'
import { BOUNDS } from '../../src/model/bounds.js'
import { SampleBatch } from '../../src/model/columns.js'
import { QUALITY } from '../../src/model/quality.js'
import { SeriesIndex } from '../../src/model/series.js'
import { LiveSeries, Ring } from '../../src/server/live-series.js'
import { choosePanels } from '../../src/server/panels.js'
import { type AlertState, Board } from '../../src/server/wire.js'
import { transition } from './fake-engine.js'

function city(watched: readonly string[] = ['level_m', 'temp_c', 'speed_kmh']) {
  const index = new SeriesIndex()
  const batch = new SampleBatch()
  const live = new LiveSeries({
    watches: (metric) => watched.includes(metric),
    interval: (device) => (device === 'registered' ? 60_000 : undefined),
  })
  const sample = (
    device: string,
    metric: string,
    time: number,
    value: number,
    stream = 'sensor',
    quality = 0,
  ) => {
    batch.clear()
    const series = index.series(index.devices.id(device), index.metrics.id(metric))
    batch.append(series, time, value, 0, Number.NaN, Number.NaN, quality, '')
    live.samples(batch, 0, 1, index, index.streams.id(stream))
  }
  return { index, batch, live, sample }
}

t.test('what rules watch is recorded from its first sample, other series once a chart asks', async (t) => {
  const { live, sample } = city()
  sample('d', 'level_m', 1000, 1)
  sample('d', 'noise_dba', 1000, 50)
  t.equal(live.size, 1)
  t.equal(live.want('nobody', 'level_m'), undefined)
  t.equal(live.want('d', 'nothing'), undefined)
  const noise = live.want('d', 'noise_dba')!
  t.equal(noise.written, 0)
  sample('d', 'noise_dba', 2000, 51)
  live.flush()
  t.strictSame(noise.columns(0), { time: [2000], value: [51] })
  t.equal(live.want('d', 'noise_dba'), noise, 'the same ring')
  t.equal(live.newest, 2000)
})

t.test('marked samples are not readings of now', async (t) => {
  const { live, sample } = city()
  for (const mark of [QUALITY.duplicate, QUALITY.historical, QUALITY.test, QUALITY.calibrating, QUALITY.bad])
    sample('d', 'level_m', 1000, 1, 'flood', mark)
  sample('d', 'level_m', 5000, 5, 'flood', QUALITY.out_of_range | QUALITY.spike)
  sample('d', 'level_m', 2000, 2, 'flood', QUALITY.late)
  live.flush()
  t.strictSame(
    live.want('d', 'level_m')!.columns(0),
    { time: [2000, 5000], value: [2, 5] },
    'late ones in their place',
  )
})

t.test('a fast series keeps the smallest and the largest of each second, in their order', async (t) => {
  const ring = new Ring(1, 0, 'd', 'm', '', Number.NaN)
  for (let i = 0; i < 100; i++) ring.add(10_000 + i * 10, i === 30 ? -5 : i === 60 ? 99 : 10)
  ring.add(11_000, 10)
  ring.flush()
  t.strictSame(ring.columns(0).value, [-5, 99, 10])
  ring.flush()
  t.equal(ring.written, 3, 'nothing twice')
})

t.test(
  'the interval is registered, or the median of the last eight gaps; gaps are marked by it',
  async (t) => {
    const { live, sample } = city()
    sample('registered', 'level_m', 0, 1)
    t.equal(live.want('registered', 'level_m')!.interval(), 60_000)
    const ring = new Ring(1, 0, 'd', 'm', '', Number.NaN)
    for (const time of [0, 10_000, 20_000]) ring.add(time, 1)
    t.equal(ring.interval(), null, 'two gaps say nothing')
    for (const time of [30_000, 40_000, 500_000, 510_000]) ring.add(time, 1)
    ring.flush()
    t.equal(ring.interval(), 10_000)
    t.strictSame(ring.columns(0).time, [0, 10_000, 20_000, 30_000, 40_000, 50_000, 500_000, 510_000])
    t.strictSame(ring.columns(0).value, [1, 1, 1, 1, 1, null, 1, 1])
  },
)

t.test('bounded: a ring overwrites its oldest, and at most 512 series are recorded', async (t) => {
  const ring = new Ring(1, 0, 'd', 'm', '', Number.NaN)
  for (let i = 0; i < 3000; i++) ring.add(i * 1000, i)
  ring.flush()
  const { time } = ring.columns(0)
  t.equal(time.length, BOUNDS.chart_points)
  t.equal(time.at(-1), 2_999_000)
  t.equal(ring.columns(2990).time.length, 10)

  const { live, sample } = city()
  for (let i = 0; i < 2000; i++) sample(`d${i}`, 'level_m', 1000, i)
  t.equal(live.size, BOUNDS.charted_series)
  live.want('d0', 'level_m')
  const asked = live.want('d1999', 'level_m')!
  t.equal(live.size, BOUNDS.charted_series, 'the longest unused gives way')
  t.equal(live.evicted, 1)
  t.ok(live.has(asked))
  sample('d1999', 'level_m', 2000, 7)
  sample('d1', 'level_m', 2000, 7)
  live.flush()
  t.strictSame(asked.columns(0).value, [7], "and its samples go to nobody else's ring")
})

t.test('a sample that nobody charts costs next to nothing', async (t) => {
  const { index, live } = city([])
  const batch = new SampleBatch(10_000)
  for (let i = 0; i < 10_000; i++) {
    const series = index.series(index.devices.id(`d${i}`), index.metrics.id('x'))
    batch.append(series, i, i, 0, Number.NaN, Number.NaN, 0, '')
  }
  const rounds = 200
  live.samples(batch, 0, 10_000, index, 0)
  const begun = performance.now()
  for (let n = 0; n < rounds; n++) live.samples(batch, 0, 10_000, index, 0)
  const nanoseconds = ((performance.now() - begun) * 1e6) / (rounds * 10_000)
  t.comment(`${nanoseconds.toFixed(1)} ns a sample`)
  t.ok(nanoseconds < 100, `${nanoseconds} ns`)
})

t.test(
  'charts: the newest alerts first, then a spread over streams; what is up keeps its place',
  async (t) => {
    const { live, sample } = city(['level_m', 'temp_c', 'speed_kmh', 'battery_pct'])
    for (let at = 0; at < 5; at++) {
      for (let i = 0; i < 6; i++) {
        sample(`fl${i}`, 'level_m', at * 1000, 1, 'flood')
        sample(`bus${i}`, 'speed_kmh', at * 1000, 1, 'gps')
        sample(`bus${i}`, 'battery_pct', at * 1000, 1, 'gps')
      }
      sample('room', 'temp_c', at * 1000, 1, 'sensor')
    }
    live.flush()
    const names = (rings: readonly { device: string }[]) => rings.map((ring) => ring.device)
    const quiet = choosePanels([], 4, [], live)
    t.strictSame(names(quiet), ['fl0', 'bus0', 'room', 'fl1'])
    t.ok(
      choosePanels([], 24, [], live).every((ring) => ring.metric !== 'battery_pct'),
      'a battery is no picture',
    )

    const board = new Board()
    const raise = (device: string, level: 'low' | 'critical', values: Record<string, number>): AlertState =>
      board.apply(transition(`a_${device}`, level, { device, values, seq: 1 }, 0))
    raise('bus5', 'low', { speed_kmh: 90 })
    raise('fl5', 'critical', { level_m: 3 })
    raise('nobody', 'critical', { level_m: 3 })
    const alerted = choosePanels(quiet, 4, [...board.values()], live)
    t.strictSame(
      names(alerted),
      ['fl0', 'bus0', 'fl5', 'bus5'],
      'newcomers take the places of those that left',
    )
    t.strictSame(
      names(choosePanels(alerted, 4, [...board.values()], live)),
      names(alerted),
      'and then nothing moves',
    )
    for (let i = 0; i < 5; i++) raise(`fl${i}`, 'critical', { level_m: 3 })
    const flood = choosePanels([], 4, [...board.values()], live)
    t.equal(
      flood.filter((ring) => ring.stream === 'flood').length <= 3,
      true,
      'a flood does not hide the rest of the city',
    )
  },
)
