import type { Case, Sample } from './driver.js'

/** Zones, GPS, positions: RULES.md "Zones", "GPS", "Positions". 0.001° of latitude is 111.195 m. */
const M = 6_371_008.8 * (Math.PI / 180)
/** A square of 0.01°, its corners exact in Float32 steps of 1/128°. */
const S = 20.75
const N = 20.8125
const W = 106.5
const E = 106.5625
const ZONES = JSON.stringify({
  type: 'FeatureCollection',
  features: [
    {
      type: 'Feature',
      properties: { name: 'port' },
      geometry: {
        type: 'Polygon',
        coordinates: [
          [
            [W, S],
            [E, S],
            [E, N],
            [W, N],
            [W, S],
          ],
        ],
      },
    },
    {
      type: 'Feature',
      properties: { name: 'ring' },
      geometry: {
        type: 'Polygon',
        coordinates: [
          [
            [106, 20],
            [106.5, 20],
            [106.5, 20.5],
            [106, 20.5],
            [106, 20],
          ],
          [
            [106.125, 20.125],
            [106.375, 20.125],
            [106.375, 20.375],
            [106.125, 20.375],
            [106.125, 20.125],
          ],
        ],
      },
    },
    {
      type: 'Feature',
      properties: { name: 'L1' },
      geometry: {
        type: 'LineString',
        coordinates: [
          [W, 20.7],
          [W, 20.9],
        ],
      },
    },
  ],
})
const OUT = { lat: 20.9, lon: 106.53 }
const IN = { lat: 20.78, lon: 106.53 }
function fixes(...places: readonly ({ lat: number; lon: number } | null)[]): Sample[] {
  return places.map((place, at) =>
    place === null ? { at, metrics: { speed_kmh: 10 } } : { at, stream: 'gps', ...place },
  )
}
const PASS = fixes(OUT, IN, IN, OUT, IN)
/** Along the line, so many metres from its beginning. */
function on(metres: number): { lat: number; lon: number } {
  return { lat: Math.fround(Math.fround(20.7) + metres / M), lon: W }
}
const BUSES =
  'devices:\n- { device: b1, route: L1 }\n- { device: b2, route: L1 }\n- { device: b3, route: L1 }\n- { device: x1, route: L9 }'
/** Metres from b to a as the stored Float32 positions have them. */
function gap(a: number, b: number): number {
  return (on(b).lat - on(a).lat) * M
}

export const PLACES: readonly Case[] = [
  {
    name: 'in_zone',
    zones: ZONES,
    probe: "in_zone('port')",
    type: 'boolean',
    feed: PASS,
    values: [
      [0, false],
      [1, true],
      [3, false],
    ],
  },
  {
    name: 'the edge is inside, on all four sides and at the corners',
    zones: ZONES,
    probe: "in_zone('port')",
    type: 'boolean',
    feed: fixes(
      { lat: S, lon: 106.53 },
      { lat: N, lon: 106.53 },
      { lat: 20.78, lon: W },
      { lat: 20.78, lon: E },
      { lat: S, lon: W },
      { lat: N, lon: E },
    ),
    values: [0, 1, 2, 3, 4, 5].map((i) => [i, true] as const),
  },
  {
    name: 'a Float32 beyond the edge is outside',
    zones: ZONES,
    probe: "in_zone('port')",
    type: 'boolean',
    feed: fixes({ lat: S - 4e-6, lon: 106.53 }, { lat: 20.78, lon: E + 16e-6 }),
    values: [
      [0, false],
      [1, false],
    ],
  },
  {
    name: 'a position nearer to the edge than a Float32 can tell is on it',
    zones: ZONES,
    probe: "in_zone('port')",
    type: 'boolean',
    feed: fixes({ lat: S - 1e-9, lon: 106.53 }),
    values: [[0, true]],
  },
  {
    name: 'a hole is outside, its edge inside',
    zones: ZONES,
    probe: "in_zone('ring')",
    type: 'boolean',
    feed: fixes({ lat: 20.25, lon: 106.25 }, { lat: 20.125, lon: 106.25 }, { lat: 20.06, lon: 106.25 }),
    values: [
      [0, false],
      [1, true],
      [2, true],
    ],
  },
  {
    name: 'entered holds at that one message',
    zones: ZONES,
    probe: "entered('port')",
    type: 'boolean',
    feed: PASS,
    values: [
      [0, false],
      [1, true],
      [2, false],
      [3, false],
      [4, true],
    ],
  },
  {
    name: 'the first position is no entry',
    zones: ZONES,
    probe: "entered('port')",
    type: 'boolean',
    feed: fixes(IN, IN, OUT, IN),
    values: [
      [0, false],
      [1, false],
      [3, true],
    ],
  },
  {
    name: 'left holds at that one message',
    zones: ZONES,
    probe: "left('port')",
    type: 'boolean',
    feed: PASS,
    values: [
      [0, false],
      [2, false],
      [3, true],
      [4, false],
    ],
  },
  {
    name: 'dwell counts from the first position inside, 0 outside',
    zones: ZONES,
    probe: "dwell('port')",
    type: 'duration',
    feed: fixes(OUT, IN, IN, IN, OUT, IN),
    values: [
      [0, 0],
      [1, 0],
      [3, 2],
      [4, 0],
      [5, 0],
    ],
  },
  {
    name: 'dwell of one that was inside from the first',
    zones: ZONES,
    probe: "dwell('port')",
    type: 'duration',
    feed: fixes(IN, IN, IN),
    values: [[2, 2]],
  },
  {
    name: 'a long stay without a next message: in_zone with for',
    zones: ZONES,
    registry: '- { device: d1, expected_interval: 10m }',
    levels: ['levels:', '  low: { when: "in_zone(\'port\')", for: 10m }'],
    feed: [...fixes(OUT, IN), { at: 12, device: 'other', stream: 'gps', ...OUT }],
    lines: ['11 d1 none>low'],
  },
  {
    name: 'a message without a position, of a device without one: missing',
    zones: ZONES,
    probe: "in_zone('port')",
    type: 'boolean',
    feed: fixes(IN, null, IN),
    values: [
      [0, true],
      [1, 'missing'],
      [2, true],
    ],
  },
  {
    name: 'a message without a position does not end the stay',
    zones: ZONES,
    probe: "dwell('port')",
    type: 'duration',
    feed: fixes(IN, null, IN),
    values: [
      [1, 'missing'],
      [2, 2],
    ],
  },
  {
    name: 'the registry’s position where the message has none',
    zones: ZONES,
    registry: `- { device: d1, lat: ${IN.lat}, lon: ${IN.lon} }`,
    probe: "in_zone('port')",
    type: 'boolean',
    feed: fixes(null, OUT),
    values: [
      [0, true],
      [1, false],
    ],
  },
  {
    name: 'distance_to is 0 inside, metres to the edge outside',
    zones: ZONES,
    probe: "distance_to('port')",
    feed: fixes(IN, { lat: N + 0.0625, lon: 106.53 }, { lat: S - 0.03125, lon: 106.53 }),
    values: [
      [0, 0],
      [1, 0.0625 * M],
      [2, 0.03125 * M],
    ],
    within: 1e-6,
  },
  {
    name: 'distance_to from a hole is to its edge',
    zones: ZONES,
    probe: "distance_to('ring')",
    feed: fixes({ lat: 20.25, lon: 106.25 }),
    values: [[0, 0.125 * M * Math.cos((20.25 * Math.PI) / 180)]],
    within: 1e-3,
  },
  {
    name: 'an unknown zone is a load error',
    zones: ZONES,
    refused: "in_zone('prt')",
    says: /zone 'prt'.*port/,
  },
  { name: 'so is an unknown route', zones: ZONES, refused: "off_route('L2') > 5", says: /L2/ },
  {
    name: 'places are of the device at a wider key',
    zones: ZONES,
    registry: '- { device: d1, site: s }\n- { device: d2, site: s }',
    rule: ['key: [site]'],
    probe: "entered('port')",
    type: 'boolean',
    feed: [
      { at: 0, device: 'd1', ...OUT },
      { at: 1, device: 'd2', ...IN },
      { at: 2, device: 'd1', ...IN },
    ],
    values: [
      [1, false],
      [2, true],
    ],
  },
  {
    name: 'a position out of order is put in its place',
    zones: ZONES,
    probe: "dwell('port')",
    type: 'duration',
    feed: [
      { at: 0, ...IN },
      { at: 4, ...IN },
      { at: 2, received: 4.5, ...OUT },
      { at: 5, ...IN },
    ],
    values: [
      [1, 4],
      [3, 1],
    ],
  },
  {
    name: 'where: in_zone(…)',
    zones: ZONES,
    rule: ["where: in_zone('port')"],
    levels: ['levels:', '  low: { when: "count(speed_kmh, 10m) >= 2" }'],
    feed: [
      { at: 0, ...IN, metrics: { speed_kmh: 1 } },
      { at: 1, ...OUT, metrics: { speed_kmh: 2 } },
      { at: 2, ...IN, metrics: { speed_kmh: 3 } },
    ],
    lines: ['2 d1 none>low'],
  },
  {
    name: 'key zone: the zone of the message’s position, none outside all',
    zones: ZONES,
    rule: ['key: [zone]'],
    levels: ['levels:', '  low: { when: "count(position, 10m) >= 2" }'],
    feed: [
      { at: 0, device: 'a', ...IN },
      { at: 1, device: 'a', ...OUT },
      { at: 2, device: 'b', ...OUT },
      { at: 3, device: 'b', ...IN },
    ],
    lines: ['3 port none>low'],
  },
  {
    name: 'moved is the path over steps longer than 15 m',
    zones: ZONES,
    probe: 'moved(10m)',
    feed: [0, 100, 200, 300, 305, 300, 296, 400].map((m, at) => ({ at, ...on(m) })),
    values: [
      [4, 'missing'],
      [5, 300],
      [6, 300],
      [7, 400],
    ],
    within: 1e-2,
  },
  {
    name: 'steps to and fro add up, the way back counts',
    zones: ZONES,
    probe: 'moved(4m)',
    feed: [0, 500, 0, 500].map((m, at) => ({ at, ...on(m) })),
    values: [
      [2, 1000],
      [3, 1500],
    ],
    within: 1e-2,
  },
  {
    name: 'a parked vehicle’s scatter is nothing',
    zones: ZONES,
    probe: 'moved(4m)',
    feed: [100, 108, 95, 103, 99].map((m, at) => ({ at, ...on(m) })),
    values: [[4, 0]],
  },
  {
    name: 'only steps inside the window count',
    zones: ZONES,
    probe: 'moved(3m)',
    feed: [0, 1000, 1100, 1200, 1300].map((m, at) => ({ at, ...on(m) })),
    values: [
      [2, 1100],
      [3, 200],
      [4, 200],
    ],
    within: 2e-2,
  },
  {
    name: 'a position out of order lengthens the path',
    zones: ZONES,
    probe: 'moved(10m)',
    feed: [
      { at: 0, ...on(0) },
      { at: 5, ...on(100) },
      { at: 3, received: 5.5, ...on(600) },
      { at: 6, ...on(200) },
    ],
    values: [
      [1, 100],
      [3, 1200],
    ],
    within: 2e-2,
  },
  {
    name: 'off_route is metres to the line',
    zones: ZONES,
    probe: "off_route('L1')",
    feed: fixes({ lat: 20.8, lon: W + 0.03125 }, { lat: 20.8, lon: W }),
    values: [
      [0, 0.03125 * M * Math.cos((20.8 * Math.PI) / 180)],
      [1, 0],
    ],
    within: 1e-6,
  },
  {
    name: 'off_route beyond the line’s end',
    zones: ZONES,
    probe: "off_route('L1')",
    feed: fixes({ lat: 21, lon: W }),
    values: [[0, (Math.fround(21) - Math.fround(20.9)) * M]],
    within: 1e-6,
  },
  {
    name: 'off_route(device.route), missing for a device without one',
    zones: ZONES,
    registry: BUSES,
    probe: 'off_route(device.route)',
    feed: [
      { at: 0, device: 'b1', lat: 20.8, lon: W + 0.03125 },
      { at: 1, device: 'd1', lat: 20.8, lon: W },
      { at: 2, device: 'x1', lat: 20.8, lon: W },
    ],
    values: [
      [0, 0.03125 * M * Math.cos((20.8 * Math.PI) / 180)],
      [1, 'missing'],
      [2, 'missing'],
    ],
    within: 1e-6,
  },
  {
    name: 'gap_to_next is to the nearest vehicle ahead on the route, missing for the leader',
    zones: ZONES,
    registry: BUSES,
    probe: 'gap_to_next(device.route)',
    feed: [
      { at: 0, device: 'b1', ...on(100) },
      { at: 0.1, device: 'b2', ...on(900) },
      { at: 0.2, device: 'b3', ...on(2000) },
      { at: 0.3, device: 'b1', ...on(200) },
      { at: 0.4, device: 'b2', ...on(950) },
    ],
    values: [
      [0, 'missing'],
      [2, 'missing'],
      [3, gap(200, 900)],
      [4, gap(950, 2000)],
    ],
    within: 1e-4,
  },
  {
    name: 'heard within 5 min, the end included',
    zones: ZONES,
    registry: BUSES,
    probe: 'gap_to_next(device.route)',
    feed: [
      { at: 0, device: 'b2', ...on(900) },
      { at: 5, device: 'b1', ...on(100) },
      { at: 5.1, device: 'b1', ...on(120) },
    ],
    values: [
      [1, gap(100, 900)],
      [2, 'missing'],
    ],
    within: 1e-4,
  },
  {
    name: 'a vehicle of another route is none',
    zones: ZONES,
    registry: BUSES,
    probe: "gap_to_next('L1')",
    feed: [
      { at: 0, device: 'x1', ...on(900) },
      { at: 1, device: 'b1', ...on(100) },
    ],
    values: [[1, 'missing']],
  },
  {
    name: 'a marked position is none',
    zones: ZONES,
    registry: BUSES,
    probe: 'gap_to_next(device.route)',
    feed: [
      { at: 0, device: 'b2', ...on(900) },
      { at: 0.5, device: 'b2', ...on(300), quality: ['test'] },
      { at: 0.6, device: 'b3', ...on(400), quality: ['bad'] },
      { at: 1, device: 'b1', ...on(100) },
    ],
    values: [[3, gap(100, 900)]],
    within: 1e-4,
  },
  {
    name: 'metres are a number; a duration says so',
    zones: ZONES,
    others: [],
    refused: "near_alert('refused', 500m) > 0",
    says: /metres, a plain number/,
  },
]
