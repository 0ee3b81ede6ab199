import type { Transition } from '../model/alert.js'
import { metricRegistry } from '../model/metrics.js'
import type { CommandRecord, DeadLetterRecord, TextRecord } from '../model/record.js'
import { deviceRegistry } from '../model/registry.js'
import { zones } from '../model/zones.js'

/** Rows of the small tables as ClickHouse takes them: one line of JSON each (`dead_letters`: RowBinary). Pure. */

/** ms UTC as JSONEachRow reads it into DateTime64(3) without doubt: `1795294958.123` (a bare 1000 would be seconds). */
export function dateTime(ms: number): string {
  return (ms / 1000).toFixed(3)
}

/** `n`: place among the transitions of its record. */
export function transitionRow(transition: Transition, seq: number, n: number): string {
  const t = transition
  return JSON.stringify({
    seq,
    n,
    id: t.id,
    rule: t.rule,
    key: t.key,
    category: t.category,
    status: t.status,
    level: t.level,
    previous: t.previous,
    time: dateTime(t.time),
    received: dateTime(t.received),
    raised: dateTime(t.raised),
    opened: dateTime(t.opened),
    title: t.title,
    short: t.short,
    device: t.device,
    site: t.site,
    ward: t.ward,
    agency: t.agency,
    lat: t.lat,
    lon: t.lon,
    values: t.values,
    eta_ms: t.eta_ms,
    unconfirmed: t.unconfirmed,
    announced: t.announced ?? '',
    flapping: t.flapping,
    shadow: t.shadow,
    reason: t.reason ?? '',
    by: t.by ?? '',
    note: t.note ?? '',
    until: t.until === undefined ? null : dateTime(t.until),
  })
}

export function auditRow(record: CommandRecord): string {
  return JSON.stringify({
    seq: record.seq,
    received: dateTime(record.received),
    name: record.name,
    who: record.who,
    target: record.target,
    body: JSON.stringify(record.body),
  })
}

export function configurationRow(record: TextRecord): string {
  const { seq, received, kind, hash, text } = record
  return JSON.stringify({ seq, received: dateTime(received), kind, hash, text })
}

/** Table of the rows that a configuration text holds. */
export type TextTable = 'device_versions' | 'metric_versions' | 'zone_versions'

export interface TextRows {
  readonly table: TextTable
  readonly rows: number
  /** Lines of JSON. */
  readonly bytes: Uint8Array
}

/** Rows of a registry, metrics or zones text; null where there are none. About 1 s for 10 000 devices in YAML. */
export function textRows(record: TextRecord): TextRows | null {
  const [table, lines] = tableOf(record)
  return lines.length === 0
    ? null
    : { table, rows: lines.length, bytes: Buffer.from(`${lines.join('\n')}\n`) }
}

function tableOf(record: TextRecord): [TextTable, string[]] {
  switch (record.kind) {
    case 'registry':
      return ['device_versions', deviceRows(record)]
    case 'metrics':
      return ['metric_versions', metricRows(record)]
    case 'zones':
      return ['zone_versions', zoneRows(record)]
    case 'rules':
      return ['metric_versions', []]
  }
}

/** Devices of a registry text; none where it cannot be read (it would not have come into force). */
function deviceRows(record: TextRecord): string[] {
  return readable(() =>
    [...deviceRegistry(record.text).devices.values()].map((d) =>
      JSON.stringify({
        seq: record.seq,
        device: d.device,
        kind: d.kind ?? '',
        site: d.site ?? '',
        ward: d.ward ?? '',
        agency: d.agency ?? '',
        lat: finite(d.lat),
        lon: finite(d.lon),
        limit: d.limit,
        expected_interval_ms: d.expected_interval ?? null,
        attributes: Object.fromEntries(Object.entries(d.attributes).map(([k, v]) => [k, String(v)])),
      }),
    ),
  )
}

/** Metrics of a record, whose text is a JSON list of YAML texts: the product's, then the city's. */
function metricRows(record: TextRecord): string[] {
  return readable(() =>
    [...metricRegistry(JSON.parse(record.text) as string[]).values()].map((m) =>
      JSON.stringify({
        seq: record.seq,
        metric: m.metric,
        unit: m.unit,
        min: finite(m.min),
        max: finite(m.max),
        danger: m.danger,
        decimals: m.decimals,
        counter: m.counter,
        en: m.name.en,
        vi: m.name.vi,
      }),
    ),
  )
}

/**
 * Zones of a GeoJSON text, by the same reading as the rules': areas as a MultiPolygon in which a hole is a ring after
 * its outer one, routes as a line.
 */
function zoneRows(record: TextRecord): string[] {
  return readable(() =>
    [...zones(record.text).values()].map((zone) =>
      JSON.stringify({
        seq: record.seq,
        zone: zone.name,
        name: String(zone.properties['title'] ?? zone.name),
        kind: zone.kind,
        polygons: zone.kind === 'area' ? polygonsOf(zone.paths.map(lonLat)) : [],
        line: zone.kind === 'line' ? zone.paths.flatMap(lonLat) : [],
        properties: JSON.stringify(zone.properties),
      }),
    ),
  )
}

type Ring = [lon: number, lat: number][]

/**
 * Rings as polygons with holes. Zones count even–odd over all their rings: one that lies within an odd number of others
 * is a hole of the innermost of them, the rest are outlines, islands in a hole too. O(rings² × vertices).
 */
function polygonsOf(rings: readonly Ring[]): Ring[][] {
  const around = rings.map((ring) => rings.filter((other) => other !== ring && inside(ring[0]!, other)))
  const polygons = new Map<Ring, Ring[]>()
  for (const [i, ring] of rings.entries()) if (around[i]!.length % 2 === 0) polygons.set(ring, [ring])
  for (const [i, ring] of rings.entries()) {
    const depth = around[i]!.length
    if (depth % 2 === 0) continue
    const outline = around[i]!.find((other) => around[rings.indexOf(other)]!.length === depth - 1)
    polygons.get(outline!)?.push(ring)
  }
  return [...polygons.values()]
}

/** Even–odd: the ray to the east crosses an odd number of edges. */
function inside([lon, lat]: [number, number], ring: Ring): boolean {
  let within = false
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [lonA, latA] = ring[i]!
    const [lonB, latB] = ring[j]!
    if (latA > lat !== latB > lat && lon < ((lonB - lonA) * (lat - latA)) / (latB - latA) + lonA)
      within = !within
  }
  return within
}

function lonLat(path: Float64Array): Ring {
  const ring: Ring = []
  for (let i = 0; i + 1 < path.length; i += 2) ring.push([path[i + 1]!, path[i]!])
  return ring
}

/** Columns of deadLetterRow, in order. */
export const DEAD_LETTER_COLUMNS = [
  'seq',
  'received',
  'source',
  'topic',
  'identity',
  'code',
  'reason',
  'bytes',
] as const

/** RowBinary: the payload is bytes, not text, and JSON could not hold it. */
export function deadLetterRow(record: DeadLetterRecord, source: string): Buffer {
  return Buffer.concat([
    uint64(record.seq),
    int64(record.received),
    binary(source),
    binary(record.topic),
    uint64(Math.max(0, record.identity)),
    binary(record.code),
    binary(record.reason),
    binary(record.bytes),
  ])
}

function uint64(x: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(Math.trunc(x)))
  return bytes
}

function int64(x: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(BigInt(Math.trunc(x)))
  return bytes
}

/** Length as LEB128, then the bytes. */
function binary(value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  const length: number[] = []
  let rest = bytes.length
  while (rest >= 0x80) {
    length.push((rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  length.push(rest)
  return Buffer.concat([Buffer.from(length), bytes])
}

function finite(x: number): number | null {
  return Number.isFinite(x) ? x : null
}

function readable(rows: () => string[]): string[] {
  try {
    return rows()
  } catch {
    // The loader refuses such a text with its faults; an old one that this version cannot read costs its rows alone.
    return []
  }
}
