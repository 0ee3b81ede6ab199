import { type Case, type Sample, series, T0 } from './driver.js'

/** zscore robust_z seasonal_z change anomaly spike stuck: RULES.md "z-scores", "`seasonal_z`", "`change`, `anomaly`, …". */
const CALM = [10, 12, 11, 13, 9, 11, 10, 12]
const mean = CALM.reduce((a, b) => a + b, 0) / CALM.length
const deviation = Math.sqrt(CALM.reduce((a, v) => a + (v - mean) ** 2, 0) / CALM.length)
/** median of CALM 11, distances 1 1 0 2 2 0 1 1: median 1. */
const UP = [...CALM, 20]
const DOWN = [...CALM, 2]

/** One sample an hour for some days: 10 + the hour’s own, and a value of its own at the last. */
function daily(days: number, last: number, every = 60): Sample[] {
  const out: Sample[] = []
  for (let i = 0; i <= (days * 1440) / every; i++) {
    const hour = Math.floor((i * every) / 60) % 24
    const day = Math.floor((i * every) / 1440)
    out.push({ at: i * every, metrics: { level_m: hour === 0 ? 10 + (day % 3) : 50 } })
  }
  return out.map((one, i) => (i === out.length - 1 ? { at: one.at, metrics: { level_m: last } } : one))
}

function noise(n: number): number[] {
  let state = 7
  const next = (): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
  return Array.from({ length: n }, () => Math.round((10 + next() + next() + next()) * 1000) / 1000)
}
const NOISE = noise(400)

export const SCORES: readonly Case[] = [
  {
    name: 'zscore is of the newest against the window before it, population deviation',
    probe: 'zscore(level_m, 10m)',
    feed: series('level_m', UP),
    values: [[8, (20 - mean) / deviation]],
  },
  {
    name: 'zscore is signed',
    probe: 'zscore(level_m, 10m)',
    feed: series('level_m', DOWN),
    values: [[8, (2 - mean) / deviation]],
  },
  {
    name: 'zscore of zero spread is missing',
    probe: 'zscore(level_m, 10m)',
    feed: series('level_m', [5, 5, 5, 5, 5, 5, 9]),
    values: [
      [5, 'missing'],
      [6, 'missing'],
    ],
  },
  {
    name: '`min=` sets a smallest spread in the metric’s unit',
    probe: 'zscore(level_m, 10m, min=0.5)',
    feed: series('level_m', [5, 5, 5, 5, 5, 5, 9]),
    values: [
      [5, 0],
      [6, 8],
    ],
  },
  {
    name: '`min=` below the spread changes nothing',
    probe: 'zscore(level_m, 10m, min=0.5)',
    feed: series('level_m', UP),
    values: [[8, (20 - mean) / deviation]],
  },
  {
    name: 'zscore waits for half of its window',
    probe: 'zscore(level_m, 10m)',
    feed: series('level_m', UP),
    values: [
      [4, 'missing'],
      [5, 0],
    ],
  },
  {
    name: 'robust_z = (x − median) / (1.4826 × MAD)',
    probe: 'robust_z(level_m, 10m)',
    feed: series('level_m', UP),
    values: [[8, 9 / 1.4826]],
  },
  {
    name: 'robust_z is signed',
    probe: 'robust_z(level_m, 10m)',
    feed: series('level_m', DOWN),
    values: [[8, -9 / 1.4826]],
  },
  {
    name: 'robust_z of zero spread is missing, though the newest differs',
    probe: 'robust_z(level_m, 10m)',
    feed: series('level_m', [5, 5, 5, 5, 5, 7, 9]),
    values: [[6, 'missing']],
  },
  {
    name: 'robust_z with min=',
    probe: 'robust_z(level_m, 10m, min=2)',
    feed: series('level_m', [5, 5, 5, 5, 5, 5, 9]),
    values: [[6, 2]],
  },
  {
    name: 'a value seen before is left out once, not altogether',
    probe: 'robust_z(level_m, 20m)',
    feed: series('level_m', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 3]),
    values: [[11, -3 / (1.4826 * 3)]],
  },
  {
    name: 'z-scores are of the message’s device at a wider key',
    rule: ['key: [site]'],
    registry: '- { device: d1, site: s }\n- { device: d2, site: s }',
    probe: 'zscore(level_m, 10m)',
    feed: [
      ...series('level_m', [500, 600, 700, 800], { device: 'd2' }),
      ...series('level_m', UP, { from: 3.5 }),
    ],
    values: [[12, (20 - mean) / deviation]],
  },
  {
    name: 'seasonal_z: same hour of the day, newest excluded',
    probe: 'seasonal_z(level_m, 1d, 10d)',
    feed: daily(4, 15),
    values: [[96, (15 - 10.5) / (1.4826 * 0.5)]],
  },
  {
    name: 'seasonal_z needs three periods',
    probe: 'seasonal_z(level_m, 1d, 10d)',
    feed: daily(3, 15),
    values: [
      [48, 'missing'],
      [72, 4 / 1.4826],
    ],
  },
  {
    name: 'seasonal_z looks back no further than w',
    probe: 'seasonal_z(level_m, 1d, 3d)',
    feed: daily(5, 15),
    values: [[120, 'missing']],
  },
  {
    name: 'seasonal_z sees zero spread as missing, or min=',
    probe: 'seasonal_z(level_m, 1d, 10d, min=1)',
    feed: [...daily(4, 10).slice(0, 95), { at: 95 * 60, metrics: { level_m: 53 } }],
    values: [[95, 3]],
  },
  {
    name: 'its hour is the city’s: 17:30 UTC is half past midnight, 16:30 the hour before',
    probe: 'seasonal_z(level_m, 1d, 10d, min=1)',
    feed: Array.from({ length: 5 }, (_, day) => [
      { at: day * 1440 + 16 * 60 + 30, metrics: { level_m: 100 } },
      { at: day * 1440 + 17 * 60 + (day === 4 ? 59 : 0), metrics: { level_m: 10 } },
    ]).flat(),
    values: [[9, 0]],
  },
  {
    name: 'seasonal_z of the week: three weeks of the same hour',
    probe: 'seasonal_z(level_m, 7d, 40d)',
    feed: [1, 2, 3, 7].flatMap((v, week) => [
      { at: week * 7 * 1440, metrics: { level_m: v } },
      { at: week * 7 * 1440 + 1440, metrics: { level_m: 99 } },
    ]),
    values: [
      [4, 'missing'],
      [6, 5 / 1.4826],
    ],
  },
  {
    name: 'change stays below 1 in noise',
    probe: 'change(level_m, 1h) >= 1',
    type: 'boolean',
    feed: series('level_m', NOISE),
    values: [
      [200, false],
      [399, false],
    ],
  },
  {
    name: 'change reaches 1 on a shift upwards; .sign says where to',
    probe: 'if(change(level_m, 1h) >= 1, change(level_m, 1h).sign, 0)',
    feed: series(
      'level_m',
      NOISE.map((v, i) => (i >= 200 ? v + 3 : v)),
    ),
    values: [
      [199, 0],
      [206, 1],
    ],
  },
  {
    name: 'change downwards',
    probe: 'if(change(level_m, 1h) >= 1, change(level_m, 1h).sign, 0)',
    feed: series(
      'level_m',
      NOISE.map((v, i) => (i >= 200 ? v - 3 : v)),
    ),
    values: [[206, -1]],
  },
  {
    name: 'change is missing before its warm-up',
    probe: 'change(level_m, 1h)',
    feed: series('level_m', NOISE),
    values: [
      [0, 'missing'],
      [20, 'missing'],
    ],
  },
  {
    name: 'change by hand: z of 9 / 1.4826 less k, over h',
    probe: 'change(level_m, 16m)',
    feed: series('level_m', [10, 12, 10, 12, 10, 12, 10, 12, 11, 20]),
    // At 8: 11 against a median of 11: z 0. At 9: median 11, MAD 1.
    values: [
      [8, 0],
      [9, (9 / 1.4826 - 0.5) / 8],
    ],
  },
  {
    name: 'anomaly is 0..1 and small on a normal sample',
    probe: 'anomaly(level_m) >= 0 and anomaly(level_m) < 0.99',
    type: 'boolean',
    feed: series('level_m', [...NOISE, 11.5]),
    values: [[400, true]],
  },
  {
    name: 'anomaly above 0.99 on a wild one',
    probe: 'anomaly(level_m) > 0.99 and anomaly(level_m) <= 1',
    type: 'boolean',
    feed: series('level_m', [...NOISE, 40]),
    values: [[400, true]],
  },
  {
    name: 'spike is known when the next sample is back',
    probe: 'spike(level_m)',
    type: 'boolean',
    feed: series('level_m', [...CALM, 60, 11, 12]),
    values: [
      [8, false],
      [9, true],
      [10, false],
    ],
  },
  {
    name: 'a step is no spike',
    probe: 'spike(level_m)',
    type: 'boolean',
    feed: series('level_m', [...CALM, 60, 61, 60, 62]),
    values: [
      [8, false],
      [9, false],
      [10, false],
      [11, false],
    ],
  },
  {
    name: 'a spike downwards',
    probe: 'spike(level_m)',
    type: 'boolean',
    feed: series('level_m', [...CALM, -15, 11]),
    values: [[9, true]],
  },
  {
    name: 'stuck: at least three samples over at least w, all equal',
    probe: 'stuck(level_m, 4m)',
    type: 'boolean',
    feed: series('level_m', [1, 2, 2, 2, 2, 2, 2, 3]),
    values: [
      [0, false],
      [4, false],
      [5, true],
      [6, true],
      [7, false],
    ],
  },
  {
    name: 'two equal samples far apart are not stuck',
    probe: 'stuck(level_m, 10m)',
    type: 'boolean',
    feed: series('level_m', [2, 2, 2], { every: 30 }),
    values: [
      [1, false],
      [2, true],
    ],
  },
  {
    name: 'stuck is of the device',
    rule: ['key: [site]'],
    registry: '- { device: d1, site: s }\n- { device: d2, site: s }',
    probe: 'stuck(level_m, 3m)',
    type: 'boolean',
    feed: [0, 1, 2, 3].flatMap((i) => [
      { at: i, metrics: { level_m: i }, device: 'd2' },
      { at: i, metrics: { level_m: 5 } },
    ]),
    values: [
      [6, false],
      [7, true],
    ],
  },
  {
    name: 'a late sample of another value breaks the run at its time',
    probe: 'stuck(level_m, 6m)',
    type: 'boolean',
    feed: [
      ...series('level_m', [5, 5, 5, 5, 5, 5, 5, 5, 5, 5]),
      { at: 6.5, received: 9.5, metrics: { level_m: 7 } },
      { at: 10, metrics: { level_m: 5 } },
    ],
    values: [
      [9, true],
      [11, false],
    ],
  },
  {
    name: 'and the run since then counts whole',
    probe: 'stuck(level_m, 6m)',
    type: 'boolean',
    feed: [
      ...series('level_m', [5, 5, 5, 5, 5, 5, 5, 5]),
      { at: 3.5, received: 7.5, metrics: { level_m: 7 } },
      ...series('level_m', [5, 5, 5], { from: 8 }),
    ],
    values: [
      [10, false],
      [11, true],
    ],
  },
  {
    name: 'the hour name is of the event time in the city',
    probe: 'hour',
    feed: [
      { at: 0, metrics: { level_m: 1 } },
      { at: 1020, metrics: { level_m: 1 } },
    ],
    rule: ['where: level_m > 0'],
    values: [
      [0, new Date(T0).getUTCHours() + 7],
      [1, 0],
    ],
  },
  {
    name: 'weekday 1 is Monday',
    probe: 'weekday * 100 + month + 0 * level_m',
    feed: [
      { at: 0, metrics: { level_m: 1 } },
      { at: 1019, metrics: { level_m: 1 } },
      { at: 1020, metrics: { level_m: 1 } },
    ],
    values: [
      [0, 101],
      [1, 101],
      [2, 201],
    ],
  },
]
