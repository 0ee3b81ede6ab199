import { type Case, type Sample, series } from './driver.js'

/** slope, forecast, time_to: RULES.md "`time_to`, `forecast`, `slope`", "Warm-up". */

/** Rises 0.02 m a minute, 1.2 m an hour. */
const STEADY = Array.from({ length: 31 }, (_, i) => 1.8 + 0.02 * i)
const RISE = series('level_m', STEADY)
const FALL = series(
  'level_m',
  STEADY.map((v) => 4 - v),
)
/** A line with one wild sample: Theil–Sen keeps the line, least squares does not. */
const WILD = [0, 1, 2, 3, 40, 5, 6, 7]
const ALARM = '- { device: d1, limit: { alarm3: 3 } }'

/** Slopes of all pairs, sorted, per minute. */
function pairs(values: readonly number[]): number[] {
  const out: number[] = []
  for (let j = 1; j < values.length; j++)
    for (let i = 0; i < j; i++) out.push((values[j]! - values[i]!) / (j - i))
  return out.sort((a, b) => a - b)
}
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const m = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[m]! : (sorted[m - 1]! + sorted[m]!) / 2
}
/** Ordinary least squares: slope and value at x. */
function line(values: readonly number[]): { slope: number; at: (x: number) => number } {
  const n = values.length
  const mx = (n - 1) / 2
  const my = values.reduce((a, b) => a + b, 0) / n
  let sxy = 0
  let sxx = 0
  values.forEach((y, x) => {
    sxy += (x - mx) * (y - my)
    sxx += (x - mx) ** 2
  })
  return { slope: sxy / sxx, at: (x) => my + (sxy / sxx) * (x - mx) }
}
const ROUGH = [1, 2, 1.5, 4, 3, 5.5, 5, 7.25, 6, 9]
/** One sample in five minutes: its levels go up and down too often for one a minute. */
const FIVE = series('level_m', ROUGH, { every: 5 })
const rough = median(pairs(ROUGH))
const through = median(ROUGH.map((y, x) => y - rough * x))
const SHIFTED: readonly Sample[] = [
  { at: 0, metrics: { level_m: 0 } },
  { at: 2, metrics: { level_m: 2 } },
  { at: 5, metrics: { level_m: 5 } },
  { at: 9, metrics: { level_m: 9 } },
]

export const TREND: readonly Case[] = [
  {
    name: 'slope is per hour',
    probe: 'slope(level_m, 30m)',
    feed: RISE,
    values: [
      [3, 1.2],
      [30, 1.2],
    ],
    within: 1e-6,
  },
  {
    name: 'slope needs four samples',
    probe: 'slope(level_m, 30m)',
    feed: RISE,
    values: [
      [0, 'missing'],
      [1, 'missing'],
      [2, 'missing'],
      [3, 1.2],
    ],
    within: 1e-6,
  },
  {
    name: 'slope does not wait for half of its window',
    probe: 'slope(level_m, 10h)',
    feed: RISE,
    values: [[3, 1.2]],
    within: 1e-6,
  },
  {
    name: 'warmup= makes slope wait',
    probe: 'slope(level_m, 10h, warmup=10m)',
    feed: RISE,
    values: [
      [9, 'missing'],
      [10, 1.2],
    ],
    within: 1e-6,
  },
  {
    name: 'four samples must be in the window',
    probe: 'slope(level_m, 3m)',
    feed: RISE,
    values: [
      [5, 'missing'],
      [30, 'missing'],
    ],
  },
  { name: 'slope of uneven times', probe: 'slope(level_m, 30m)', feed: SHIFTED, values: [[3, 60]] },
  {
    name: 'Theil–Sen does not mind one wild sample',
    probe: 'slope(level_m, 1h)',
    feed: series('level_m', WILD),
    values: [[7, 60]],
  },
  {
    name: 'least squares does',
    probe: "slope(level_m, 1h, method='least_squares')",
    feed: series('level_m', WILD),
    values: [[7, line(WILD).slope * 60]],
  },
  {
    name: 'Theil–Sen is the median of all pair slopes',
    probe: 'slope(level_m, 1h)',
    feed: FIVE,
    values: [[9, rough * 12]],
  },
  {
    name: 'equal times give no pair, and four samples at one time no slope',
    probe: 'slope(level_m, 1h)',
    feed: [1, 2, 3, 4].map((v) => ({ at: 0, metrics: { level_m: v } })),
    values: [[3, 'missing']],
  },
  {
    name: 'forecast is the line at t + horizon',
    probe: 'forecast(level_m, 30m, 30m)',
    feed: RISE,
    values: [
      [2, 'missing'],
      [30, 3],
    ],
    within: 1e-6,
  },
  {
    name: 'forecast through the median residual',
    probe: 'forecast(level_m, 10m, 1h)',
    feed: series('level_m', ROUGH),
    values: [[9, through + rough * 19]],
  },
  {
    name: 'forecast by least squares',
    probe: "forecast(level_m, 10m, 1h, method='least_squares')",
    feed: series('level_m', ROUGH),
    values: [[9, line(ROUGH).at(19)]],
  },
  {
    name: 'on an exact line the bands are the value',
    probe:
      '(slope(level_m, 30m).high - slope(level_m, 30m).low) + (forecast(level_m, 1h, 30m).high - forecast(level_m, 1h, 30m).low)',
    feed: SHIFTED,
    values: [[3, 0]],
  },
  {
    name: 'the band lies around the value',
    probe: 'slope(level_m, 1h).low < slope(level_m, 1h) and slope(level_m, 1h) < slope(level_m, 1h).high',
    type: 'boolean',
    feed: series('level_m', ROUGH),
    values: [[9, true]],
  },
  {
    name: 'the 90 % band of four points is the least and the greatest pair slope',
    probe: 'slope(level_m, 1h).high * 1000 + slope(level_m, 1h).low',
    feed: series('level_m', [0, 1, 3, 3.5]),
    values: [[3, 2 * 60_000 + 0.5 * 60]],
  },
  {
    name: 'time_to of a steady rise',
    probe: 'time_to(level_m, 3, 30m)',
    type: 'duration',
    feed: RISE,
    values: [
      [2, 'missing'],
      [10, 50],
      [30, 30],
    ],
    within: 1e-6,
  },
  {
    name: 'time_to with a limit of the registry',
    probe: 'time_to(level_m, device.limit.alarm3, 30m)',
    registry: ALARM,
    type: 'duration',
    feed: RISE,
    values: [[20, 40]],
    within: 1e-6,
  },
  {
    name: 'limit.x is device.limit.x',
    probe: 'time_to(level_m, limit.alarm3, 30m)',
    registry: ALARM,
    type: 'duration',
    feed: RISE,
    values: [[20, 40]],
    within: 1e-6,
  },
  {
    name: 'without that limit it is missing',
    probe: 'time_to(level_m, limit.alarm3, 30m)',
    registry: '- { device: d2, limit: { alarm3: 3 } }',
    type: 'duration',
    feed: RISE,
    values: [[20, 'missing']],
  },
  {
    name: 'time_to is 0 at the limit and past it',
    probe: 'time_to(level_m, 2, 30m)',
    type: 'duration',
    feed: RISE,
    values: [
      [9, 1],
      [11, 0],
      [30, 0],
    ],
    within: 1e-5,
  },
  {
    name: 'time_to is infinite when falling, which is a value',
    probe: 'time_to(level_m, 3, 30m)',
    type: 'duration',
    feed: FALL,
    values: [
      [3, 'infinite'],
      [30, 'infinite'],
    ],
  },
  {
    name: 'time_to is infinite when level',
    probe: 'time_to(level_m, 3, 30m)',
    type: 'duration',
    feed: series('level_m', [2, 2, 2, 2, 2]),
    values: [[4, 'infinite']],
  },
  {
    name: 'infinite > 2h is true',
    probe: 'time_to(level_m, 3, 30m) > 2h',
    type: 'boolean',
    feed: FALL,
    values: [
      [2, 'missing'],
      [30, true],
    ],
  },
  {
    name: 'infinite < 45m is false',
    probe: 'time_to(level_m, 3, 30m) < 45m',
    type: 'boolean',
    feed: FALL,
    values: [[30, false]],
  },
  {
    name: 'infinite stays infinite in arithmetic',
    probe: 'time_to(level_m, 3, 30m) / 2 + 5m',
    type: 'duration',
    feed: FALL,
    values: [[30, 'infinite']],
  },
  {
    name: 'downwards it mirrors',
    probe: "time_to(level_m, 1, 30m, direction='down')",
    type: 'duration',
    feed: FALL,
    values: [
      [10, 50],
      [30, 30],
    ],
    within: 1e-6,
  },
  {
    name: 'downwards 0 at or below the limit',
    probe: "time_to(level_m, 2, 30m, direction='down')",
    type: 'duration',
    feed: FALL,
    values: [
      [15, 0],
      [30, 0],
    ],
  },
  {
    name: 'downwards infinite when rising',
    probe: "time_to(level_m, 1, 30m, direction='down')",
    type: 'duration',
    feed: RISE,
    values: [[30, 'infinite']],
  },
  {
    name: 'time_to is from the fitted line, not from the newest sample',
    probe: 'time_to(level_m, 10, 1h)',
    type: 'duration',
    feed: series('level_m', WILD),
    values: [[7, 3]],
  },
  {
    name: 'time_to of an outlier at the limit is not 0',
    probe: 'time_to(level_m, 20, 1h) > 0ms',
    type: 'boolean',
    feed: series('level_m', [0, 1, 2, 3, 4, 40]),
    values: [[5, true]],
  },
  {
    name: 'time_to by least squares',
    probe: "time_to(level_m, 20, 1h, method='least_squares')",
    type: 'duration',
    feed: FIVE,
    values: [[9, (5 * (20 - line(ROUGH).at(9))) / line(ROUGH).slope]],
  },
  {
    name: 'time_to .low is the earliest, .high the latest',
    probe:
      'time_to(level_m, 20, 1h).low < time_to(level_m, 20, 1h) and time_to(level_m, 20, 1h) < time_to(level_m, 20, 1h).high',
    type: 'boolean',
    feed: series('level_m', ROUGH),
    values: [[9, true]],
  },
  {
    name: 'its band downwards too',
    probe:
      "time_to(level_m, -20, 1h, direction='down').low <= time_to(level_m, -20, 1h, direction='down') and time_to(level_m, -20, 1h, direction='down') <= time_to(level_m, -20, 1h, direction='down').high",
    type: 'boolean',
    feed: series(
      'level_m',
      ROUGH.map((v) => -v),
    ),
    values: [[9, true]],
  },
  {
    name: 'band equal to the value on an exact line',
    probe: 'time_to(level_m, 20, 1h).high - time_to(level_m, 20, 1h).low',
    type: 'duration',
    feed: SHIFTED,
    values: [[3, 0]],
  },
  {
    name: 'a let carries its band',
    rule: ['let: { eta: "time_to(level_m, 20, 1h)" }'],
    probe: 'eta.low <= eta',
    type: 'boolean',
    feed: series('level_m', ROUGH),
    values: [[9, true]],
  },
  {
    name: 'a steady rise over the threshold: just above, not just below',
    levels: [
      'levels:',
      '  low: { when: "slope(level_m, 30m) > 5.9" }',
      '  high: { when: "slope(level_m, 30m) > 6.1" }',
    ],
    feed: series('level_m', [1, 1.1, 1.2, 1.3, 1.4]),
    lines: ['3 d1 none>low'],
  },
  {
    name: 'the rule of the first page: eta, title, level',
    registry:
      '{ devices: [{ device: d1, site: kien-an, limit: { alarm3: 3 } }], sites: [{ site: kien-an, name: Kiến An }] }',
    rule: ['let: { eta: "time_to(level_m, device.limit.alarm3, 30m)" }'],
    levels: ['levels:', '  high: { when: eta < 44.5m }'],
    feed: RISE,
    title: ['{site.name}: {level_m} m, {eta}', 'Kiến An: 2.12 m, 44 min'],
    lines: ['16 d1 none>high'],
  },
]
