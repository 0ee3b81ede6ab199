import { type Case, merged, type Sample, series, title } from './driver.js'

/** Other devices and other rules: RULES.md "Neighbours and the unit of radius", "Keys of several devices", "`alert('rule')`". */
const M = 6_371_008.8 * (Math.PI / 180)
/** Devices on a meridian, so many metres north of d1. */
function registry(places: Readonly<Record<string, number>>, more = ''): string {
  return Object.entries(places)
    .map(
      ([device, m]) => `- { device: ${device}, site: s1, ward: w1, lat: ${20.8 + m / M}, lon: 106.7${more} }`,
    )
    .join('\n')
}
const ROW = registry({ d1: 0, n1: 100, n2: 200, n3: 300, n4: 400, far: 5000 })
function each(values: Readonly<Record<string, number>>, at = 0, metric = 'pm25_ugm3'): Sample[] {
  return Object.entries(values).map(([device, value], i) => ({
    at: at + i * 0.01,
    device,
    metrics: { [metric]: value },
  }))
}
const CITY = registry({ d1: 0, d2: 100, d3: 200 }, ', expected_interval: 10m')
const FLOOD = [
  'rule: flood',
  title('flood'),
  'category: flood',
  'key: [device]',
  'levels:',
  '  medium: { when: level_m > 2 }',
  '  critical: { when: level_m > 4 }',
].join('\n')
const SITE_FLOOD = FLOOD.replace('key: [device]', 'key: [site]')
const SHADOW = FLOOD.replace('levels:', 'mode: shadow\nlevels:')
const ZONE = JSON.stringify({
  type: 'FeatureCollection',
  features: ['A', 'B'].map((name, i) => ({
    type: 'Feature',
    properties: { name },
    geometry: {
      type: 'Polygon',
      coordinates: [
        [
          [106 + i, 20],
          [107 + i, 20],
          [107 + i, 21],
          [106 + i, 21],
          [106 + i, 20],
        ],
      ],
    },
  })),
})
const BUS = (at: number, device: string, lon: number, speed_kmh: number): Sample => ({
  at,
  device,
  lat: 20.5,
  lon,
  metrics: { speed_kmh },
})

export const OTHERS: readonly Case[] = [
  // n1..n4: 10 12 11 17 → the three nearest 10 12 11: median 11, MAD 1.
  {
    name: 'disagrees is the robust z against the k nearest',
    registry: ROW,
    probe: 'disagrees(pm25_ugm3, 3, 1000)',
    feed: each({ n1: 10, n2: 12, n3: 11, n4: 17, far: 900, d1: 20 }),
    values: [[5, 9 / 1.4826]],
  },
  {
    name: 'with k 4 the fourth counts',
    registry: ROW,
    probe: 'disagrees(pm25_ugm3, 4, 1000)',
    feed: each({ n1: 10, n2: 12, n3: 11, n4: 17, far: 900, d1: 20 }),
    values: [[5, (20 - 11.5) / 1.4826]],
  },
  {
    name: 'disagrees is signed',
    registry: ROW,
    probe: 'disagrees(pm25_ugm3, 3, 1000)',
    feed: each({ n1: 10, n2: 12, n3: 11, d1: 2 }),
    values: [[3, -9 / 1.4826]],
  },
  {
    name: 'disagrees is missing under three neighbours',
    registry: ROW,
    probe: 'disagrees(pm25_ugm3, 5, 250)',
    feed: each({ n1: 10, n2: 12, n3: 11, d1: 20 }),
    values: [[3, 'missing']],
  },
  {
    name: 'the radius is metres: just in, just out',
    registry: ROW,
    probe: 'disagrees(pm25_ugm3, 5, 300.5)',
    feed: each({ n1: 10, n2: 12, n3: 11, d1: 20 }),
    values: [[3, 9 / 1.4826]],
  },
  {
    name: 'one without a value gives its place to the next',
    registry: ROW,
    probe: 'disagrees(pm25_ugm3, 3, 1000)',
    feed: each({ n2: 12, n3: 10, n4: 11, d1: 20 }),
    values: [[3, 9 / 1.4826]],
  },
  {
    name: 'zero spread is missing, min= a smallest one',
    registry: ROW,
    probe: 'disagrees(pm25_ugm3, 3, 1000, min=4)',
    feed: each({ n1: 10, n2: 10, n3: 10, d1: 20 }),
    values: [[3, 2.5]],
  },
  {
    name: 'zero spread without min=',
    registry: ROW,
    probe: 'disagrees(pm25_ugm3, 3, 1000)',
    feed: each({ n1: 10, n2: 10, n3: 10, d1: 20 }),
    values: [[3, 'missing']],
  },
  {
    name: 'a value older than an hour is none where the interval is unknown',
    registry: ROW,
    probe: 'disagrees(pm25_ugm3, 3, 1000)',
    feed: [...each({ n1: 10 }), ...each({ n2: 12, n3: 11, d1: 20 }, 60), ...each({ d1: 21 }, 60.5)],
    values: [
      [3, 'missing'],
      [4, 'missing'],
    ],
  },
  {
    name: 'exactly three expected intervals old is not older',
    registry: registry({ d1: 0, n1: 100, n2: 200, n3: 300 }, ', expected_interval: 10m'),
    probe: 'disagrees(pm25_ugm3, 3, 1000)',
    feed: [
      { at: 0, device: 'n1', metrics: { pm25_ugm3: 10 } },
      { at: 5, device: 'n2', metrics: { pm25_ugm3: 12 } },
      { at: 6, device: 'n3', metrics: { pm25_ugm3: 11 } },
      { at: 30, device: 'd1', metrics: { pm25_ugm3: 20 } },
      { at: 30.1, device: 'd1', metrics: { pm25_ugm3: 20 } },
    ],
    values: [
      [3, 9 / 1.4826],
      [4, 'missing'],
    ],
  },
  {
    name: 'disagrees of a message out of order is of its own value',
    registry: ROW,
    levels: ['levels:', '  low: { when: "disagrees(pm25_ugm3, 3, 1000) > 5" }'],
    feed: [
      ...each({ n1: 10, n2: 12, n3: 11, d1: 11 }),
      { at: 2, device: 'd1', metrics: { pm25_ugm3: 11 } },
      { at: 1, received: 2.5, device: 'd1', metrics: { pm25_ugm3: 20 } },
    ],
    lines: ['1 d1 none>low'],
  },
  {
    name: 'arguments by name, in any order',
    registry: ROW,
    probe: 'disagrees(pm25_ugm3, radius=1000, k=3)',
    feed: each({ n1: 10, n2: 12, n3: 11, d1: 20 }),
    values: [[3, 9 / 1.4826]],
  },
  {
    name: 'a device that is not registered has no neighbours',
    registry: ROW,
    probe: 'disagrees(pm25_ugm3, 3, 1000)',
    feed: each({ n1: 10, n2: 12, n3: 11, stranger: 20 }),
    values: [[3, 'missing']],
  },
  {
    name: 'a radius in minutes is a load error that says so',
    refused: 'disagrees(pm25_ugm3, 3, 500m) > 3',
    says: /metres, a plain number/,
  },
  {
    name: 'agree counts devices, once each, itself not',
    registry: ROW,
    probe: 'agree(temp_c > 57, 4, 1000, 10m)',
    feed: [
      ...each({ n1: 60, n2: 20, d1: 60 }, 0, 'temp_c'),
      ...each({ n1: 61, n3: 70, d1: 62 }, 1, 'temp_c'),
    ],
    values: [
      [2, 1],
      [5, 2],
    ],
  },
  {
    name: 'agree within (t − w, t]',
    registry: ROW,
    probe: 'agree(temp_c > 57, 4, 1000, 10m)',
    feed: [
      ...each({ n1: 60 }, 0, 'temp_c'),
      ...each({ n1: 20 }, 1, 'temp_c'),
      ...each({ d1: 20 }, 9, 'temp_c'),
      ...each({ d1: 21 }, 10, 'temp_c'),
    ],
    values: [
      [2, 1],
      [3, 0],
    ],
  },
  {
    name: 'agree of the k nearest alone',
    registry: ROW,
    probe: 'agree(temp_c > 57, 2, 1000, 10m)',
    feed: each({ n1: 20, n2: 60, n3: 60, n4: 60, d1: 60 }, 0, 'temp_c'),
    values: [[4, 1]],
  },
  {
    name: 'agree: a neighbour without a value gives its place to the next',
    registry: ROW,
    probe: 'agree(temp_c > 57, 2, 1000, 10m)',
    feed: each({ n2: 60, n3: 60, n4: 60, d1: 60 }, 0, 'temp_c'),
    values: [[3, 2]],
  },
  {
    name: 'agree: met twice, the later after the message out of order',
    registry: ROW,
    probe: 'agree(temp_c > 57, 4, 1000, 10m) + 0 * temp_c',
    feed: [
      ...each({ n1: 60 }, 0, 'temp_c'),
      ...each({ n1: 60 }, 5, 'temp_c'),
      { at: 3, received: 5.5, device: 'd1', metrics: { temp_c: 60 } },
    ],
    values: [[2, 1]],
  },
  {
    name: 'agree of labels',
    registry: ROW,
    probe: "agree(label == 'smoke', 4, 1000, 10m)",
    feed: [
      { at: 0, device: 'n1', label: 'smoke' },
      { at: 0.1, device: 'n2', label: 'person' },
      { at: 1, device: 'd1', label: 'smoke' },
    ],
    values: [[2, 1]],
  },
  {
    name: 'across is over the area’s devices',
    registry: CITY,
    rule: ['key: [ward]'],
    probe: 'across(max, level_m) + 100 * across(min, level_m) + 10000 * across(count, level_m)',
    feed: each({ d1: 1, d2: 3, d3: 2 }, 0, 'level_m'),
    values: [
      [0, 10_101],
      [1, 20_103],
      [2, 30_103],
    ],
  },
  {
    name: 'across avg median sum range stddev',
    registry: CITY,
    rule: ['key: [ward]'],
    probe:
      'across(avg, level_m) + 10 * across(median, level_m) + 100 * across(sum, level_m) + 10000 * across(range, level_m) + 1000000 * across(stddev, level_m)',
    feed: each({ d1: 1, d2: 7, d3: 4 }, 0, 'level_m'),
    values: [[2, 4 + 40 + 1200 + 60_000 + 1e6 * Math.sqrt(6)]],
  },
  {
    name: 'across: newest values, heard within three expected intervals',
    registry: CITY,
    rule: ['key: [ward]'],
    probe: 'across(max, level_m)',
    feed: [
      ...each({ d1: 9 }, 0, 'level_m'),
      ...each({ d2: 1 }, 30, 'level_m'),
      { at: 30.1, device: 'd2', metrics: { level_m: 1.5 } },
    ],
    values: [
      [1, 9],
      [2, 1.5],
    ],
  },
  {
    name: 'across sees what `where` lets pass',
    registry: CITY,
    rule: ['key: [ward]', 'where: confidence > 0.5'],
    probe: 'across(max, people_count)',
    feed: [
      { at: 0, device: 'd1', metrics: { people_count: 5, confidence: 0.9 } },
      { at: 1, device: 'd1', metrics: { people_count: 50, confidence: 0.1 } },
      { at: 2, device: 'd2', metrics: { people_count: 7, confidence: 0.9 } },
    ],
    values: [[2, 7]],
  },
  {
    name: 'and what its streams bring',
    registry: CITY,
    rule: ['key: [ward]', 'stream: flood'],
    probe: 'across(max, level_m)',
    feed: [
      { at: 0, device: 'd1', metrics: { level_m: 5 } },
      { at: 1, device: 'd1', stream: 'sensor', metrics: { level_m: 50 } },
      { at: 2, device: 'd2', metrics: { level_m: 7 } },
    ],
    values: [[2, 7]],
  },
  {
    name: 'count_devices: how many meet it now',
    registry: CITY,
    rule: ['key: [ward]'],
    probe: 'count_devices(level_m > 2)',
    feed: [
      ...each({ d1: 1, d2: 3, d3: 4 }, 0, 'level_m'),
      ...each({ d2: 1 }, 5, 'level_m'),
      ...each({ d1: 1 }, 34, 'level_m'),
    ],
    values: [
      [0, 0],
      [2, 2],
      [3, 1],
      [4, 0],
    ],
  },
  {
    name: 'count_devices with each device’s own limits',
    registry:
      '- { device: d1, ward: w, limit: { alarm1: 1 } }\n- { device: d2, ward: w, limit: { alarm1: 5 } }\n- { device: d3, ward: w }',
    rule: ['key: [ward]'],
    probe: 'count_devices(level_m > device.limit.alarm1)',
    feed: each({ d1: 3, d2: 3, d3: 3 }, 0, 'level_m'),
    values: [[2, 1]],
  },
  {
    name: 'count_devices with a function of each device',
    registry: CITY,
    rule: ['key: [ward]'],
    probe: 'count_devices(delta(level_m, 10m) > 1)',
    feed: merged(
      series('level_m', [1, 2, 3, 4, 5, 6], { device: 'd1' }),
      series('level_m', [5, 5, 5, 5, 5, 5], { device: 'd2' }),
      series('level_m', [1, 3, 5, 7, 9, 11], { device: 'd3' }),
    ),
    values: [
      [15, 1],
      [17, 2],
    ],
  },
  {
    name: 'count_devices(stuck(…)) of a site',
    registry: CITY,
    rule: ['key: [site]'],
    levels: ['levels:', '  low: { when: "count_devices(stuck(level_m, 4m)) >= 2" }'],
    feed: merged(
      series('level_m', [1, 1, 1, 1, 1, 1], { device: 'd1' }),
      series('level_m', [2, 2, 2, 2, 2, 2], { device: 'd2' }),
    ),
    lines: ['4 s1 none>low'],
  },
  {
    name: 'a device that has left the zone is not of it',
    zones: ZONE,
    rule: ['key: [zone]'],
    key: 'A',
    probe: 'count_devices(speed_kmh < 5)',
    feed: [BUS(0, 'b1', 106.5, 1), BUS(1, 'b2', 106.5, 2), BUS(2, 'b1', 107.5, 1), BUS(3, 'b2', 106.5, 3)],
    values: [
      [1, 2],
      [3, 1],
    ],
  },
  {
    name: 'alert: the level of another rule for the same key',
    others: [FLOOD],
    levels: [
      'levels:',
      '  low: { when: "alert(\'flood\') >= 2" }',
      '  high: { when: "alert(\'flood\') >= 4" }',
    ],
    feed: series('level_m', [1, 3, 5, 1]),
    lines: [
      'case: 1 d1 none>low',
      'flood: 1 d1 none>medium',
      'case: 2 d1 low>high',
      'flood: 2 d1 medium>critical',
      'case: 3 d1 high>low',
      'case: 3 d1 low>none',
      'flood: 3 d1 critical>medium',
      'flood: 3 d1 medium>none',
    ],
  },
  {
    name: 'alert is of that device’s key alone',
    others: [FLOOD],
    probe: "alert('flood') + 0 * level_m",
    feed: [...each({ d1: 5, d2: 1 }, 0, 'level_m')],
    values: [
      [0, 4],
      [1, 0],
    ],
  },
  {
    name: 'alert at a key that agrees on the shared attributes: the highest',
    registry: CITY,
    rule: ['key: [site]'],
    others: [FLOOD],
    probe: "alert('flood') + 0 * level_m",
    feed: each({ d1: 3, d2: 5, d3: 1 }, 0, 'level_m'),
    values: [
      [0, 2],
      [1, 4],
      [2, 4],
    ],
  },
  {
    name: 'alert of a site’s rule at one of its devices',
    registry: CITY,
    others: [SITE_FLOOD],
    probe: "alert('flood') + 0 * level_m",
    feed: each({ d1: 5 }, 0, 'level_m'),
    values: [[0, 4]],
  },
  {
    name: 'a shadow rule is 0 outside shadow rules',
    others: [SHADOW],
    probe: "alert('flood') + 0 * level_m",
    feed: each({ d1: 5 }, 0, 'level_m'),
    values: [[0, 0]],
  },
  {
    name: 'a cycle of alert is a load error',
    others: [FLOOD.replace('level_m > 2', '"alert(\'refused\') > 0"')],
    refused: "alert('flood') > 1",
    says: /cycle|itself/,
  },
  { name: 'an unknown rule is one', refused: "alert('floood') > 1", says: /no rule 'floood'/ },
  {
    name: 'near_alert: the highest within metres of the message’s position',
    registry: CITY,
    others: [FLOOD],
    probe: "near_alert('flood', 150) + 0 * level_m",
    feed: [
      ...each({ d1: 3 }, 0, 'level_m'),
      ...each({ d3: 5 }, 1, 'level_m'),
      ...each({ d2: 0 }, 2, 'level_m'),
      ...each({ d1: 3.5 }, 3, 'level_m'),
    ],
    values: [
      [0, 2],
      [1, 4],
      [2, 4],
      [3, 2],
    ],
  },
  {
    name: 'near_alert without a position is missing',
    others: [FLOOD],
    probe: "near_alert('flood', 150) + 0 * level_m",
    feed: each({ d1: 3 }, 0, 'level_m'),
    values: [[0, 'missing']],
  },
]
