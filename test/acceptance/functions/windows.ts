import { type Case, merged, series } from './driver.js'

/** Windows (t − w, t], warm-up, late, equal times, keys: RULES.md "Functions", "Warm-up", "late", "Two samples of one time". */
const LEVEL = series('level_m', [1, 2, 4, 8, 16])
const SITES =
  '- { device: a, site: s1, ward: w1, agency: g1 }\n- { device: b, site: s1, ward: w1, agency: g1 }\n- { device: c, site: s2, ward: w1, agency: g2 }'

export const WINDOWS: readonly Case[] = [
  {
    name: 'a window is (t − w, t]: the sample exactly w ago is out',
    probe: 'sum(level_m, 2m)',
    feed: LEVEL,
    values: [
      [0, 1],
      [1, 3],
      [2, 6],
      [3, 12],
      [4, 24],
    ],
  },
  {
    name: 'one millisecond longer takes the sample exactly w ago in',
    probe: 'sum(level_m, 120001ms)',
    feed: LEVEL,
    values: [
      [2, 7],
      [3, 14],
      [4, 28],
    ],
  },
  {
    name: 'count has no warm-up',
    probe: 'count(level_m, 1h)',
    feed: LEVEL,
    values: [
      [0, 1],
      [4, 5],
    ],
  },
  {
    name: 'count is 0 from the key’s first sample, of whatever metric',
    probe: 'count(rain_mm, 10m)',
    feed: [...series('level_m', [1], {}), ...series('rain_mm', [3], { from: 1 })],
    rule: ['let: { other: "level_m" }', 'where: level_m > -100 or rain_mm > -100'],
    values: [[1, 1]],
  },
  {
    name: 'count and sum of an empty window are 0',
    probe: 'count(rain_mm, 5m) + 10 * sum(rain_mm, 5m) + 0 * level_m',
    feed: [
      ...series('level_m', [1, 1, 1]),
      { at: 4, metrics: { rain_mm: 2, level_m: 1 } },
      ...series('level_m', [1, 1], { from: 8 }),
    ],
    values: [
      [0, 0],
      [2, 0],
      [3, 21],
      [4, 21],
      [5, 0],
    ],
  },
  {
    name: 'avg waits for half of its window',
    probe: 'avg(level_m, 4m)',
    feed: LEVEL,
    values: [
      [0, 'missing'],
      [1, 'missing'],
      [2, 7 / 3],
      [3, 15 / 4],
      [4, 30 / 4],
    ],
  },
  {
    name: 'warm-up looks at what is in the window: after a gap it begins again',
    probe: 'avg(level_m, 4m)',
    feed: series('level_m', [1, 2, 3, null, null, null, null, null, 9, 11, 13]),
    values: [
      [2, 2],
      [3, 'missing'],
      [4, 'missing'],
      [5, 11],
    ],
  },
  {
    name: 'a window never reached by its samples’ spacing stays missing',
    probe: 'avg(level_m, 1m)',
    feed: series('level_m', [1, 2, 3], { every: 5 }),
    values: [
      [0, 'missing'],
      [1, 'missing'],
      [2, 'missing'],
    ],
  },
  {
    name: 'warmup= of a duration takes the place of w/2',
    probe: 'avg(level_m, 1h, warmup=1m)',
    feed: LEVEL,
    values: [
      [0, 'missing'],
      [1, 1.5],
      [4, 31 / 5],
    ],
  },
  {
    name: 'warmup= makes count wait too',
    probe: 'count(level_m, 1h, warmup=3m)',
    feed: LEVEL,
    values: [
      [2, 'missing'],
      [3, 4],
    ],
  },
  {
    name: 'min of a window',
    probe: 'min(level_m, 3m)',
    feed: series('level_m', [5, 3, 4, 6, 7]),
    values: [
      [2, 3],
      [3, 3],
      [4, 4],
    ],
  },
  {
    name: 'max of a window',
    probe: 'max(level_m, 3m)',
    feed: series('level_m', [5, 9, 4, 6, 7]),
    values: [
      [2, 9],
      [3, 9],
      [4, 7],
    ],
  },
  {
    name: 'range is max − min',
    probe: 'range(level_m, 3m)',
    feed: series('level_m', [5, 9, 4, 6, 7]),
    values: [
      [2, 5],
      [3, 5],
      [4, 3],
    ],
  },
  {
    name: 'first is the oldest inside the window alone',
    probe: 'first(level_m, 3m)',
    feed: LEVEL,
    values: [
      [2, 1],
      [3, 2],
      [4, 4],
    ],
  },
  {
    name: 'last is the newest inside the window',
    probe: 'last(level_m, 3m)',
    feed: LEVEL,
    values: [
      [2, 4],
      [4, 16],
    ],
  },
  {
    name: 'delta is last − first inside the window; the sample just before it takes no part',
    probe: 'delta(level_m, 3m)',
    feed: LEVEL,
    values: [
      [1, 'missing'],
      [2, 3],
      [3, 6],
      [4, 12],
    ],
  },
  {
    name: 'delta of a falling level is negative',
    probe: 'delta(level_m, 2m)',
    feed: series('level_m', [3, 2.5, 1]),
    values: [
      [1, -0.5],
      [2, -1.5],
    ],
  },
  {
    name: 'stddev is the population’s',
    probe: 'stddev(level_m, 10m)',
    feed: series('level_m', [2, 4, 4, 4, 5, 5, 7, 9]),
    values: [[7, 2]],
  },
  {
    name: 'var is the population’s',
    probe: 'var(level_m, 10m)',
    feed: series('level_m', [2, 4, 4, 4, 5, 5, 7, 9]),
    values: [[7, 4]],
  },
  {
    name: 'stddev of equal values is 0',
    probe: 'stddev(level_m, 4m)',
    feed: series('level_m', [0.1, 0.1, 0.1]),
    values: [[2, 0]],
  },
  {
    name: 'median of four is the mean of the middle two',
    probe: 'median(level_m, 6m)',
    feed: series('level_m', [10, 1, 3, 2]),
    values: [[3, 2.5]],
  },
  {
    name: 'quantile is interpolated between ranks',
    probe: 'quantile(level_m, 8m, 0.9)',
    feed: series('level_m', [1, 2, 3, 4, 10]),
    values: [[4, 4 + 0.6 * 6]],
  },
  {
    name: 'quantile 0 and 1 are least and greatest',
    probe: 'quantile(level_m, 8m, 0) + 100 * quantile(level_m, 8m, 1)',
    feed: series('level_m', [3, 1, 5, 4, 2]),
    values: [[4, 501]],
  },
  {
    name: 'mad is 1.4826 × the median distance from the median',
    probe: 'mad(level_m, 10m)',
    feed: series('level_m', [1, 1, 2, 2, 4, 6, 9]),
    values: [[6, 1.4826]],
  },
  {
    name: 'a sample out of order stands at its place in the window',
    probe: 'first(level_m, 4m) * 100 + last(level_m, 4m)',
    feed: [
      ...series('level_m', [1, 2]),
      { at: 4, metrics: { level_m: 5 } },
      { at: 3, received: 4.5, metrics: { level_m: 4 } },
      { at: 5, metrics: { level_m: 6 } },
    ],
    values: [
      [2, 205],
      [4, 406],
    ],
  },
  {
    name: 'a message out of order is judged over the window that ended at its own time',
    probe: 'sum(level_m, 3m)',
    feed: [
      ...series('level_m', [1, 2, 4]),
      { at: 4, metrics: { level_m: 16 } },
      { at: 3, received: 4.5, metrics: { level_m: 8 } },
      { at: 5, metrics: { level_m: 32 } },
    ],
    values: [
      [3, 20],
      [5, 56],
    ],
  },
  {
    name: 'out of order may raise, at its own time, never lower',
    levels: ['levels:', '  low: { when: "sum(level_m, 2m) >= 9" }'],
    feed: [
      ...series('level_m', [1, 1, 1, 1, 1]),
      { at: 1.5, received: 4.5, metrics: { level_m: 9 } },
      { at: 2.5, received: 4.6, metrics: { level_m: 0 } },
    ],
    lines: ['1.5 d1 none>low'],
  },
  {
    name: 'a sample as far behind as `late` enters the windows',
    probe: 'sum(level_m, 1h)',
    feed: [
      { at: 0, metrics: { level_m: 1 } },
      { at: 10, metrics: { level_m: 2 } },
      { at: 5, received: 10.5, metrics: { level_m: 4 } },
      { at: 11, metrics: { level_m: 8 } },
    ],
    values: [[3, 15]],
  },
  {
    name: 'one millisecond further it does not',
    probe: 'sum(level_m, 1h)',
    feed: [
      { at: 0, metrics: { level_m: 1 } },
      { at: 10, metrics: { level_m: 2 } },
      { at: 5 - 1 / 60_000, received: 10.5, metrics: { level_m: 4 } },
      { at: 11, metrics: { level_m: 8 } },
    ],
    values: [[3, 11]],
  },
  {
    name: '`late` of the rule widens it',
    rule: ['late: 30m'],
    probe: 'sum(level_m, 1h)',
    feed: [
      { at: 0, metrics: { level_m: 1 } },
      { at: 20, metrics: { level_m: 2 } },
      { at: 1, received: 20.5, metrics: { level_m: 4 } },
      { at: 21, metrics: { level_m: 8 } },
    ],
    values: [[3, 15]],
  },
  {
    name: 'later than `late`: judged by its own values, window functions missing',
    levels: [
      'levels:',
      '  low: { when: "level_m > 3" }',
      '  high: { when: "count(level_m, 1h) >= 0 and level_m > 3" }',
    ],
    feed: [
      { at: 0, metrics: { level_m: 1 } },
      { at: 20, metrics: { level_m: 2 } },
      { at: 10, received: 20.5, metrics: { level_m: 4 } },
    ],
    lines: ['10 d1 none>low'],
  },
  {
    name: 'two samples of one time are both in the window, the later arrival is the newest',
    probe: 'count(level_m, 5m) * 100 + level_m',
    feed: [
      { at: 0, metrics: { level_m: 1 } },
      { at: 0, metrics: { level_m: 2 } },
      { at: 0, metrics: { level_m: 3 } },
    ],
    values: [
      [0, 101],
      [1, 202],
      [2, 303],
    ],
  },
  {
    name: 'a duplicate is in no window',
    probe: 'count(level_m, 5m)',
    feed: [
      { at: 0, metrics: { level_m: 1 } },
      { at: 0, received: 0.1, metrics: { level_m: 1 } },
      { at: 1, metrics: { level_m: 1 } },
    ],
    values: [[2, 2]],
  },
  {
    name: 'a marked sample is in no window, one out of range is',
    probe: 'count(level_m, 9m)',
    feed: [
      { at: 0, metrics: { level_m: 1 } },
      { at: 1, metrics: { level_m: 2 }, quality: ['calibrating'] },
      { at: 2, metrics: { level_m: 3 }, quality: ['bad'] },
      { at: 3, metrics: { level_m: 999 } },
      { at: 4, metrics: { level_m: 3 }, quality: ['spike', 'stuck', 'no_time'] },
    ],
    values: [[4, 3]],
  },
  {
    name: 'set functions run over all samples of the key',
    rule: ['key: [site]'],
    registry: SITES,
    probe: 'sum(level_m, 5m)',
    feed: [
      { at: 0, device: 'a', metrics: { level_m: 1 } },
      { at: 0, device: 'b', metrics: { level_m: 2 } },
      { at: 1, device: 'b', metrics: { level_m: 4 } },
    ],
    values: [
      [0, 1],
      [1, 3],
      [2, 7],
    ],
  },
  {
    name: 'avg min max median stddev of a site are of its devices together',
    rule: ['key: [site]'],
    registry: SITES,
    probe:
      'avg(level_m, 5m) + 10 * min(level_m, 5m) + 100 * max(level_m, 5m) + 1000 * median(level_m, 5m) + 10000 * stddev(level_m, 5m)',
    feed: merged(
      series('level_m', [1, 1, 1, 1], { device: 'a' }),
      series('level_m', [3, 3, 3, 3], { device: 'b' }),
    ),
    values: [[7, 2 + 10 + 300 + 2000 + 10_000]],
  },
  {
    name: 'functions of succession are of the message’s device',
    rule: ['key: [site]'],
    registry: SITES,
    probe: 'delta(level_m, 5m)',
    feed: merged(
      series('level_m', [1, 2, 3, 4], { device: 'a' }),
      series('level_m', [50, 40, 30, 20], { device: 'b' }),
    ),
    values: [
      [6, 3],
      [7, -30],
    ],
  },
  {
    name: 'a key of two attributes is printed in the rule’s order',
    rule: ['key: [ward, agency]'],
    registry: SITES,
    levels: ['levels:', '  low: { when: "count(level_m, 10m) >= 2" }'],
    feed: [
      { at: 0, device: 'a', metrics: { level_m: 1 } },
      { at: 1, device: 'c', metrics: { level_m: 1 } },
      { at: 2, device: 'b', metrics: { level_m: 1 } },
      { at: 3, device: 'nobody', metrics: { level_m: 1 } },
      { at: 4, device: 'nobody', metrics: { level_m: 1 } },
    ],
    lines: ['2 w1/g1 none>low'],
  },
  {
    name: 'what fails `where` does not exist: not in windows, not as newest value',
    rule: ['where: "confidence > 0.5"'],
    probe: 'sum(people_count, 10m) * 100 + people_count',
    feed: [
      { at: 0, metrics: { people_count: 1, confidence: 0.9 } },
      { at: 1, metrics: { people_count: 2, confidence: 0.2 } },
      { at: 2, metrics: { people_count: 4, confidence: 0.9 } },
    ],
    values: [
      [0, 101],
      [2, 504],
    ],
  },
  {
    name: 'count_if counts messages at which the condition is true',
    probe: 'count_if(level_m > 3, 3m)',
    feed: LEVEL,
    values: [
      [0, 0],
      [2, 1],
      [3, 2],
      [4, 3],
    ],
  },
  {
    name: 'share is of those at which it is true or false, after half of the window',
    probe: 'share(level_m > 3, 4m)',
    feed: LEVEL,
    values: [
      [1, 'missing'],
      [2, 1 / 3],
      [3, 2 / 4],
      [4, 3 / 4],
    ],
  },
  {
    name: 'messages at which the condition is missing count on neither side',
    probe: 'share(level_m > limit.alarm1 + 0 * rain_mm, 8m)',
    registry: '- { device: d1, limit: { alarm1: 3 } }',
    feed: [
      { at: 0, metrics: { level_m: 9 } },
      { at: 1, metrics: { level_m: 9 } },
      { at: 2, metrics: { level_m: 9, rain_mm: 0 } },
      { at: 4, metrics: { level_m: 1 } },
      { at: 7, metrics: { level_m: 9 } },
    ],
    values: [[4, 2 / 3]],
  },
  {
    name: 'count_if of a condition over a label and a confidence',
    probe: "count_if(label == 'smoke' and confidence > 0.6, 10m)",
    feed: [
      { at: 0, label: 'smoke', metrics: { confidence: 0.9 } },
      { at: 1, label: 'smoke', metrics: { confidence: 0.5 } },
      { at: 2, label: 'person', metrics: { confidence: 0.9 } },
      { at: 3, label: 'smoke', metrics: { confidence: 0.7 } },
      { at: 4, label: 'smoke' },
    ],
    values: [
      [0, 1],
      [1, 1],
      [2, 1],
      [3, 2],
      [4, 2],
    ],
  },
  {
    name: 'distinct labels of the window; none is no value',
    probe: 'distinct(label, 3m)',
    feed: [
      { at: 0, label: 'smoke' },
      { at: 1, label: 'flame' },
      { at: 2, label: 'smoke' },
      { at: 3, metrics: { temp_c: 20 } },
      { at: 4, metrics: { temp_c: 20 } },
      { at: 5, metrics: { temp_c: 20 } },
    ],
    values: [
      [0, 1],
      [1, 2],
      [2, 2],
      [3, 2],
      [4, 1],
      [5, 0],
    ],
  },
  {
    name: 'distinct devices of a site',
    rule: ['key: [site]'],
    registry: SITES,
    probe: 'distinct(device, 5m)',
    feed: [
      { at: 0, device: 'a', metrics: { temp_c: 1 } },
      { at: 1, device: 'a', metrics: { temp_c: 1.5 } },
      { at: 2, device: 'b', metrics: { temp_c: 1 } },
      { at: 6, device: 'b', metrics: { temp_c: 2 } },
    ],
    values: [
      [1, 1],
      [2, 2],
      [3, 1],
    ],
  },
  {
    name: 'distinct of an attribute, numbers and texts',
    probe: 'distinct(attrs.track, 5m)',
    feed: [
      { at: 0, label: 'person', attrs: { track: 7 } },
      { at: 1, label: 'person', attrs: { track: 7 } },
      { at: 2, label: 'person', attrs: { track: 'b' } },
      { at: 3, label: 'person', attrs: { track: '' } },
      { at: 4, label: 'person' },
    ],
    values: [
      [1, 1],
      [2, 2],
      [3, 2],
      [4, 2],
    ],
  },
  {
    name: 'a label without a number counts as event',
    probe: 'count(event, 5m)',
    feed: [
      { at: 0, label: 'smoke' },
      { at: 1, label: 'smoke', metrics: { confidence: 0.5 } },
      { at: 2, label: 'flame' },
    ],
    values: [
      [0, 1],
      [2, 2],
    ],
  },
  {
    name: 'all samples of one message are applied before it is judged',
    probe: 'sum(level_m, 5m) + 100 * sum(rain_mm, 5m)',
    feed: [
      { at: 0, metrics: { level_m: 1, rain_mm: 2 } },
      { at: 1, metrics: { rain_mm: 3, level_m: 4 } },
    ],
    values: [
      [0, 201],
      [1, 505],
    ],
  },
  {
    name: 'a window is taken at the message’s time though its metric was last heard earlier',
    probe: 'sum(rain_mm, 3m) + 0 * level_m',
    feed: [
      { at: 0, metrics: { rain_mm: 1, level_m: 0 } },
      { at: 2, metrics: { level_m: 0 } },
      { at: 3, metrics: { level_m: 0 } },
    ],
    values: [
      [1, 1],
      [2, 0],
    ],
  },
  {
    name: 'a time ahead of its arrival is taken at its arrival',
    probe: 'sum(level_m, 2m)',
    feed: [
      { at: 0, metrics: { level_m: 1 } },
      { at: 300_000, received: 1, metrics: { level_m: 2 } },
      { at: 2, metrics: { level_m: 4 } },
    ],
    values: [
      [1, 3],
      [2, 6],
    ],
  },
  {
    name: 'a window’s length may be a let, or worked out of literals',
    rule: ['let: { w: 2m }'],
    probe: 'sum(level_m, w) + 1000 * sum(level_m, 2 * 1m)',
    feed: LEVEL,
    values: [[4, 24_024]],
  },
  {
    name: 'a window’s length that is computed from values is a load error',
    refused: 'sum(level_m, level_m * 1m) > 2',
    says: /must be known when the rule is loaded/,
  },
  {
    name: 'a rule of another file does not change what is late for this one',
    others: [
      'rule: battery\ntitle: { en: b, vi: b }\ncategory: flood\nlevels: { low: { when: "avg(battery_v, 5m) < 0" } }',
    ],
    probe: 'count(level_m, 1h)',
    feed: [
      { at: 0, metrics: { level_m: 1 } },
      { at: 20, metrics: { battery_v: 3 } },
      { at: 10, received: 20.5, metrics: { level_m: 2 } },
      { at: 21, metrics: { level_m: 3 } },
    ],
    values: [[3, 3]],
  },
]
