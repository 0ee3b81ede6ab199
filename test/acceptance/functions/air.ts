import type { Case, Sample } from './driver.js'

/** nowcast, vn_aqi: DOMAIN.md B.1, RULES.md "`nowcast`, `vn_aqi`". Two samples an hour, 1 above and 1 below its mean. */
function hours(
  metric: string,
  means: readonly (number | null)[],
  minutes: readonly [number, number] = [10, 40],
): Sample[] {
  return means.flatMap((mean, i) =>
    mean === null
      ? []
      : minutes.map((minute, k) => ({
          at: i * 60 + minute,
          metrics: { [metric]: mean + (k === 0 ? 1 : -1) },
        })),
  )
}
/** Asks at the given minute: the message is of the running hour, which does not count. */
function then(samples: readonly Sample[], at: number, metric = 'pm25_ugm3'): Sample[] {
  return [...samples, { at, metrics: { [metric]: 777 } }]
}
const FLAT = hours('pm25_ugm3', [40, 40, 40])
const GENTLE = [30, 36, 40, 34, 32, 38, 44, 50, 46, 40, 35, 42]
const w = 30 / 50
let top = 0
let bottom = 0
GENTLE.forEach((_, i) => {
  const c = GENTLE[GENTLE.length - 1 - i]!
  top += w ** i * c
  bottom += w ** i
})
const STEEP = [100, 10, 10]

export const AIR: readonly Case[] = [
  {
    name: 'nowcast of complete hours; the running one does not count',
    probe: 'nowcast(pm25_ugm3)',
    feed: then(FLAT, 181),
    values: [[6, 40]],
  },
  {
    name: 'two of the last three hours must be there',
    probe: 'nowcast(pm25_ugm3)',
    feed: then(hours('pm25_ugm3', [40, null, null]), 185),
    values: [
      [0, 'missing'],
      [2, 'missing'],
    ],
  },
  {
    name: 'a missing hour drops out of both sums',
    probe: 'nowcast(pm25_ugm3)',
    feed: then(hours('pm25_ugm3', [40, null, 36]), 185),
    values: [[4, (36 + 0.9 ** 2 * 40) / (1 + 0.9 ** 2)]],
  },
  {
    name: 'weights of twelve hours, w = least / greatest',
    probe: 'nowcast(pm25_ugm3)',
    feed: then(hours('pm25_ugm3', GENTLE), 725),
    values: [[24, top / bottom]],
  },
  {
    name: 'the thirteenth hour has left',
    probe: 'nowcast(pm25_ugm3)',
    feed: then(hours('pm25_ugm3', [300, ...GENTLE]), 785),
    values: [[26, top / bottom]],
  },
  {
    name: 'at w = ½ it is Σ (½)^i c_i, not normalised',
    probe: 'nowcast(pm25_ugm3)',
    feed: then(hours('pm25_ugm3', STEEP), 185),
    values: [[6, 5 + 2.5 + 12.5]],
  },
  {
    name: 'nowcast holds until the hour is over',
    probe: 'nowcast(pm25_ugm3)',
    feed: then(FLAT, 239.9),
    values: [[6, 40]],
  },
  {
    name: 'an hour on, c1 is the hour before',
    probe: 'nowcast(pm25_ugm3)',
    feed: then([...FLAT, { at: 190, metrics: { pm25_ugm3: 40 } }], 241),
    values: [[7, 40]],
  },
  { name: 'vn_aqi by PM2.5', probe: 'vn_aqi()', feed: then(FLAT, 181), values: [[6, 80]] },
  {
    name: 'half up: 10.25 µg/m³ is 20.5 is 21',
    probe: 'vn_aqi()',
    feed: then(hours('pm25_ugm3', [10.25, 10.25, 10.25]), 181),
    values: [[6, 21]],
  },
  {
    name: 'the greatest of the pollutants, gases by their last complete hour',
    probe: 'vn_aqi()',
    feed: then(
      [...FLAT, ...hours('no2_ugm3', [180]).map((one) => ({ ...one, at: one.at + 120 }))].sort(
        (a, b) => a.at - b.at,
      ),
      181,
    ),
    values: [[8, 90]],
  },
  {
    name: 'a gas of the hour before last does not count',
    probe: 'vn_aqi()',
    feed: then(
      [...FLAT, ...hours('no2_ugm3', [180])].sort((a, b) => a.at - b.at),
      181,
    ),
    values: [[8, 80]],
  },
  {
    name: 'missing without PM',
    probe: 'vn_aqi()',
    feed: then(hours('no2_ugm3', [180, 180, 180]), 181, 'no2_ugm3'),
    values: [[6, 'missing']],
  },
  {
    name: '500 above the last breakpoint',
    probe: 'vn_aqi()',
    feed: then(hours('pm10_ugm3', [900, 900, 900]), 181, 'pm10_ugm3'),
    values: [[6, 500]],
  },
  {
    name: 'the city’s hours: in a zone of half hours they begin elsewhere',
    probe: 'nowcast(pm25_ugm3)',
    feed: then(hours('pm25_ugm3', [40, 40, 40], [0, 59.9]), 180),
    values: [[6, 40]],
  },
]
