import { type Case, merged, type Sample, series } from './driver.js'

/** rate, lag, changed, since, held, ewma, ewmsd; and which device they are of. */
const LEVEL = series('level_m', [1, 2, 4, 8, 16])
const SITE = 'devices: [{ device: d1, site: s }, { device: d2, site: s }]'
const HOT: readonly Sample[] = [
  { at: 0, metrics: { temp_c: 20 } },
  { at: 1, metrics: { temp_c: 60 } },
  { at: 2, metrics: { temp_c: 61 } },
  { at: 4, metrics: { temp_c: 30 } },
  { at: 7, metrics: { temp_c: 31 } },
  { at: 9, metrics: { temp_c: 70 } },
]

/** Σ over samples of the formula of RULES.md "`ewma`". */
function decayed(
  samples: readonly (readonly [minute: number, x: number])[],
  halflife: number,
): { y: number; sd: number } {
  let [[time, y]] = samples as [readonly [number, number]] as [[number, number]]
  let v = 0
  for (const [at, x] of samples.slice(1)) {
    const a = 1 - 2 ** (-(at - time) / halflife)
    v += a * ((x - y) ** 2 - v)
    y += a * (x - y)
    time = at
  }
  return { y, sd: Math.sqrt(v) }
}
const UNEVEN: readonly (readonly [number, number])[] = [
  [0, 10],
  [1, 20],
  [5, 4],
  [5.5, 30],
  [20, 12],
]
const UNEVEN_FEED = UNEVEN.map(([at, x]) => ({ at, metrics: { level_m: x } }))

export const SUCCESSION: readonly Case[] = [
  {
    name: 'rate is rises per second between the first and the last',
    probe: 'rate(rain_total_mm, 10m)',
    feed: series('rain_total_mm', [0, 6, 12, 18, 24, 60]),
    values: [
      [4, 'missing'],
      [5, 60 / 300],
    ],
  },
  {
    name: 'rate after a fall counts the new value',
    probe: 'rate(rain_total_mm, 4m)',
    feed: series('rain_total_mm', [100, 106, 2, 8]),
    values: [
      [2, 8 / 120],
      [3, 14 / 180],
    ],
  },
  {
    name: 'the rise into the window’s first sample takes no part',
    probe: 'rate(rain_total_mm, 3m)',
    feed: series('rain_total_mm', [0, 600, 606, 612, 618]),
    values: [
      [2, 606 / 120],
      [3, 12 / 120],
      [4, 12 / 120],
    ],
  },
  {
    name: 'a fall that has left the window is forgotten',
    probe: 'rate(rain_total_mm, 3m)',
    feed: series('rain_total_mm', [100, 5, 6, 7, 8]),
    values: [
      [2, 6 / 120],
      [3, 2 / 120],
      [4, 2 / 120],
    ],
  },
  {
    name: 'rate is not extrapolated over a gap at the window’s end',
    probe: 'rate(rain_total_mm, 10m)',
    feed: [...series('rain_total_mm', [0, 60, 120, 180, 240, 300]), { at: 8, metrics: { level_m: 1 } }],
    rule: ['where: rain_total_mm >= 0 or level_m > -100'],
    values: [[5, 1]],
  },
  {
    name: 'rate of a late sample between two',
    probe: 'rate(rain_total_mm, 10m)',
    feed: [
      ...series('rain_total_mm', [0, 10, 20, 30]),
      { at: 6, metrics: { rain_total_mm: 60 } },
      { at: 5, received: 6.5, metrics: { rain_total_mm: 70 } },
      { at: 7, metrics: { rain_total_mm: 65 } },
    ],
    values: [
      [4, 60 / 360],
      [6, (70 + 60 + 5) / 420],
    ],
  },
  {
    name: 'rate at one time alone is missing',
    probe: 'rate(rain_total_mm, 10m, warmup=0s)',
    feed: [
      { at: 0, metrics: { rain_total_mm: 1 } },
      { at: 0, metrics: { rain_total_mm: 2 } },
    ],
    values: [[1, 'missing']],
  },
  { name: 'rate is of counters alone', refused: 'rate(level_m, 10m) > 1', says: /counter/ },
  {
    name: 'a city’s own counter',
    metrics: 'gate_count: { unit: "", min: 0, max: 1000000, counter: true, decimals: 0, en: Gate, vi: Cửa }',
    probe: 'rate(gate_count, 2m)',
    feed: series('gate_count', [0, 60, 180]),
    values: [
      [1, 1],
      [2, 2],
    ],
  },
  {
    name: 'rate is of the device at a wider key',
    rule: ['key: [site]'],
    registry: SITE,
    probe: 'rate(rain_total_mm, 4m)',
    feed: merged(
      series('rain_total_mm', [0, 60, 120, 180], { device: 'd1' }),
      series('rain_total_mm', [9000, 9006, 9012, 9018], { device: 'd2' }),
    ),
    values: [
      [6, 1],
      [7, 0.1],
    ],
  },
  {
    name: 'lag is the newest sample at or before t − w',
    probe: 'lag(level_m, 2m)',
    feed: LEVEL,
    values: [
      [0, 'missing'],
      [1, 'missing'],
      [2, 1],
      [3, 2],
      [4, 4],
    ],
  },
  {
    name: 'lag between samples is the value in force',
    probe: 'lag(level_m, 90s)',
    feed: LEVEL,
    values: [
      [1, 'missing'],
      [2, 1],
      [3, 2],
    ],
  },
  {
    name: 'lag has no age: the last value before a long gap',
    probe: 'lag(level_m, 5m)',
    feed: [
      ...series('level_m', [3, 7]),
      { at: 600, metrics: { level_m: 9 } },
      { at: 603, metrics: { level_m: 9 } },
    ],
    values: [
      [2, 7],
      [3, 7],
    ],
  },
  {
    name: 'lag of two samples of one time is the later arrival',
    probe: 'lag(level_m, 2m)',
    feed: [
      { at: 0, metrics: { level_m: 1 } },
      { at: 0, metrics: { level_m: 2 } },
      { at: 2, metrics: { level_m: 3 } },
    ],
    values: [[2, 2]],
  },
  {
    name: 'lag at a message out of order',
    levels: ['levels:', '  low: { when: "lag(level_m, 2m) == 5" }'],
    feed: [...series('level_m', [5, 1, 1, 1, 1]), { at: 2.5, received: 4.5, metrics: { level_m: 3 } }],
    lines: ['2 d1 none>low', '3 d1 low>none', '2.5 d1 none>low'],
  },
  {
    name: 'changed differs from the device’s sample before; missing at the first',
    probe: 'changed(level_m)',
    type: 'boolean',
    feed: series('level_m', [1, 1, 2, 2, 1]),
    values: [
      [0, 'missing'],
      [1, false],
      [2, true],
      [3, false],
      [4, true],
    ],
  },
  {
    name: 'changed is of the device, not of the key',
    rule: ['key: [site]'],
    registry: SITE,
    probe: 'changed(level_m)',
    type: 'boolean',
    feed: merged(
      series('level_m', [1, 1, 1], { device: 'd1' }),
      series('level_m', [2, 2, 3], { device: 'd2' }),
    ),
    values: [
      [0, 'missing'],
      [1, 'missing'],
      [2, false],
      [3, false],
      [4, false],
      [5, true],
    ],
  },
  {
    name: 'since: 0 while true, missing until it was true once, else the time',
    probe: 'since(temp_c > 57)',
    type: 'duration',
    feed: HOT,
    values: [
      [0, 'missing'],
      [1, 0],
      [2, 0],
      [3, 2],
      [4, 5],
      [5, 0],
    ],
  },
  {
    name: 'held: 0 while false, else the time since the first message of the run',
    probe: 'held(temp_c > 57)',
    type: 'duration',
    feed: HOT,
    values: [
      [0, 0],
      [1, 0],
      [2, 1],
      [3, 0],
      [4, 0],
      [5, 0],
    ],
  },
  {
    name: 'held just reaches its threshold',
    levels: [
      'levels:',
      '  low: { when: "held(level_m > 1) >= 3m" }',
      '  high: { when: "held(level_m > 1) > 3m" }',
    ],
    feed: series('level_m', [1, 2, 2, 2, 2]),
    lines: ['4 d1 none>low'],
  },
  {
    name: 'a missing condition breaks no run',
    probe: 'held(level_m > limit.alarm1 + 0 * confidence)',
    type: 'duration',
    registry: '- { device: d1, limit: { alarm1: 1 } }',
    feed: [
      { at: 0, metrics: { level_m: 2, confidence: 1 } },
      { at: 1, metrics: { level_m: 2 } },
      { at: 3, metrics: { level_m: 2, confidence: 1 } },
    ],
    values: [
      [0, 0],
      [2, 3],
    ],
  },
  {
    name: 'ewma is missing at the first sample',
    probe: 'ewma(level_m, 10m)',
    feed: UNEVEN_FEED,
    values: [[0, 'missing']],
  },
  {
    name: 'ewma of uneven sampling',
    probe: 'ewma(level_m, 10m)',
    feed: UNEVEN_FEED,
    values: [1, 2, 3, 4].map((i) => [i, decayed(UNEVEN.slice(0, i + 1), 10).y] as const),
  },
  {
    name: 'ewma after one halflife is half way',
    probe: 'ewma(level_m, 5m)',
    feed: [
      { at: 0, metrics: { level_m: 0 } },
      { at: 5, metrics: { level_m: 8 } },
    ],
    values: [[1, 4]],
  },
  {
    name: 'ewmsd of uneven sampling',
    probe: 'ewmsd(level_m, 10m)',
    feed: UNEVEN_FEED,
    values: [
      [0, 'missing'],
      ...[1, 2, 3, 4].map((i) => [i, decayed(UNEVEN.slice(0, i + 1), 10).sd] as const),
    ],
  },
  {
    name: 'a sample of the same time has no weight',
    probe: 'ewma(level_m, 5m)',
    feed: [
      { at: 0, metrics: { level_m: 0 } },
      { at: 5, metrics: { level_m: 8 } },
      { at: 5, metrics: { level_m: 80 } },
    ],
    values: [[2, 4]],
  },
  {
    name: 'ewma out of order is as if it had come in order',
    probe: 'ewma(level_m, 10m)',
    feed: [
      UNEVEN_FEED[0]!,
      UNEVEN_FEED[1]!,
      UNEVEN_FEED[3]!,
      { ...UNEVEN_FEED[2]!, received: 6 },
      UNEVEN_FEED[4]!,
    ],
    values: [[4, decayed(UNEVEN, 10).y]],
  },
  {
    name: 'ewma is of the device at a wider key',
    rule: ['key: [site]'],
    registry: SITE,
    probe: 'ewma(level_m, 10m)',
    feed: [...UNEVEN_FEED.slice(0, 4), { at: 6, device: 'd2', metrics: { level_m: 500 } }, UNEVEN_FEED[4]!],
    values: [
      [4, 'missing'],
      [5, decayed(UNEVEN, 10).y],
    ],
  },
  {
    name: 'a let that calls, used in two levels, is one operator',
    rule: ['let: { rise: "delta(level_m, 10m)" }'],
    levels: [
      'levels:',
      '  low: { when: rise > 5 }',
      '  high: { when: rise > 14.9 }',
      '  critical: { when: rise > 15 }',
    ],
    feed: series('level_m', [1, 2, 4, 8, 9, 10, 16]),
    lines: ['5 d1 none>low', '6 d1 low>high'],
  },
]
