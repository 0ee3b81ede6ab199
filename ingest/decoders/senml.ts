/**
 * SenML [RFC 8428, 2018; units of RFC 8798], JSON and CBOR (the first byte tells: `[` or an array head).
 *
 *   [{"bn":"urn:dev:ow:10e2073a0108006:","bt":1276020076.001,"bu":"A","n":"voltage","u":"V","v":120.1},
 *    {"n":"current","t":-5,"v":1.2}]
 *
 * - `bn bt bu bv bs bver` hold for their record and all later ones. name = bn + n, time = bt + t, value = bv + v,
 *   sum = bs + s, unit = u else bu. A resolved time below 2^28 is relative to arrival, else unix seconds.
 * - `bver` above 10 refuses the message (HD_DECODE_VERSION); an unknown field is ignored, one that ends in `_` refuses it
 *   [RFC 8428 4.4]. A record needs exactly one of `v vs vb vd`, or `s`; a bad record is refused by itself.
 * - Device and metric: the base name is the device and `n` the metric, where both stand; else the name's last segment
 *   (after `:` or `/`) is the metric if it is a word, and else the whole name is the device and the unit names the
 *   metric (`Cel` → `temp_c`). A metric carries its unit's suffix: `voltage` in V is `voltage_v`.
 * - Records in `lat` and `lon` are the position of the records of the same device and time. `vs` goes to `attrs` (alone
 *   it is an `event` with that label), `vb` is 1 or 0, `vd` is not used. `ut` (longest time to the next report) goes to
 *   `attrs.expected_interval_ms`.
 */
import { BOUNDS } from '../../src/model/bounds.js'
import type { Decoder, RawMessage, SampleWriter, SourceProfile } from '../../src/model/decoder.js'
import { HaidangError } from '../../src/model/errors.js'
import { type CborValue, parseCbor } from './cbor.js'
import { profileDevice } from './device.js'
import { isObject, type JsonObject, parseJson } from './json.js'
import { isName, metricName } from './names.js'
import { attrsText, kindOf } from './native.js'
import { isPersonal } from './personal.js'
import { TIME_MAX } from './writer.js'

export const senml: Decoder<null> = {
  id: 'senml',
  vendor: 'IETF',
  models: ['RFC 8428 JSON', 'RFC 8428 CBOR'],
  reference:
    'https://www.rfc-editor.org/rfc/rfc8428, version 10; units https://www.rfc-editor.org/rfc/rfc8798',
  createState: () => null,
  decode(message, profile, out) {
    const pack = packOf(message)
    write(resolveSenml(pack, message.received / 1000, out), message, profile, out)
  },
}

/** One record after resolution, in SenML's own terms: `t` in unix s, `ut` in s. */
export interface SenmlRecord {
  readonly bn: string
  readonly n: string
  readonly u: string
  readonly t: number
  readonly v: number | undefined
  readonly vs: string | undefined
  readonly vb: boolean | undefined
  readonly s: number | undefined
  readonly ut: number | undefined
}

const VERSION_MAX = 10
const RELATIVE_BELOW_S = 2 ** 28
const NAME = /^[A-Za-z0-9][A-Za-z0-9:./_-]*$/

/** CBOR labels [RFC 8428, table 4]. */
const LABELS: ReadonlyMap<number, string> = new Map([
  [-1, 'bver'],
  [-2, 'bn'],
  [-3, 'bt'],
  [-4, 'bu'],
  [-5, 'bv'],
  [-6, 'bs'],
  [0, 'n'],
  [1, 'u'],
  [2, 'v'],
  [3, 'vs'],
  [4, 'vb'],
  [5, 's'],
  [6, 't'],
  [7, 'ut'],
  [8, 'vd'],
])

const BASE_FIELDS = ['bn', 'bt', 'bu', 'bv', 'bs', 'bver'] as const

/** Fields of one record; a wrong type costs this record alone, a wrong base field the pack. */
const RECORD_FIELDS = [
  ['n', 'string'],
  ['u', 'string'],
  ['v', 'number'],
  ['vs', 'string'],
  ['vb', 'boolean'],
  ['s', 'number'],
  ['t', 'number'],
  ['ut', 'number'],
] as const

/** The pack's records by JSON labels. */
function packOf(message: RawMessage): readonly JsonObject[] {
  const first = message.bytes[0]
  const cbor = first !== undefined && first >= 0x80 && first <= 0x9f
  const pack = cbor ? parseCbor(message.bytes) : parseJson(message.bytes, Number.POSITIVE_INFINITY)
  if (!Array.isArray(pack))
    throw new HaidangError('HD_DECODE_SHAPE', `a SenML pack is an array, not ${kindOf(pack)}`)
  if (pack.length === 0) throw new HaidangError('HD_DECODE_NO_SAMPLES', 'the SenML pack is empty')
  return (pack as unknown[]).map((record) => {
    if (record instanceof Map) return labelled(record as Map<number | string, CborValue>)
    if (isObject(record)) return record
    throw new HaidangError('HD_DECODE_SHAPE', `a SenML record is a map, not ${kindOf(record)}`)
  })
}

/** A CBOR record under JSON's labels; an unknown number keeps its own and is ignored like any unknown label. */
function labelled(record: ReadonlyMap<number | string, CborValue>): JsonObject {
  const fields: Record<string, unknown> = Object.create(null)
  for (const [key, value] of record)
    fields[typeof key === 'string' ? key : (LABELS.get(key) ?? `#${key}`)] = value
  return fields
}

/**
 * Resolves base fields, times and names [RFC 8428 4.6]. `now` in unix s. Records that cannot be used are refused to
 * `out` and left out; `vd` records are left out silently. Throws HD_DECODE_VERSION or HD_DECODE_SHAPE for the pack.
 */
export function resolveSenml(
  pack: readonly JsonObject[],
  now: number,
  out: Pick<SampleWriter, 'refuse'>,
): SenmlRecord[] {
  let bn = ''
  let bt = 0
  let bu = ''
  let bv = 0
  let bs = 0
  const records: SenmlRecord[] = []
  for (const fields of pack) {
    const version = fields['bver']
    if (version !== undefined && !(typeof version === 'number' && version >= 1 && version <= VERSION_MAX))
      throw new HaidangError(
        'HD_DECODE_VERSION',
        `SenML version ${String(version).slice(0, 20)}; up to ${VERSION_MAX} is read`,
      )
    for (const label in fields)
      if (label.endsWith('_'))
        throw new HaidangError(
          'HD_DECODE_VERSION',
          `the field '${label.slice(0, 40)}' must be understood and is not`,
        )
    bn = text(fields, 'bn') ?? bn
    bt = number(fields, 'bt') ?? bt
    bu = text(fields, 'bu') ?? bu
    bv = number(fields, 'bv') ?? bv
    bs = number(fields, 'bs') ?? bs
    const wrong = RECORD_FIELDS.find(
      ([label, type]) => fields[label] !== undefined && typeof fields[label] !== type,
    )
    if (wrong !== undefined) {
      out.refuse('HD_DECODE_TYPE', `SenML '${wrong[0]}' is ${kindOf(fields[wrong[0]])}, not a ${wrong[1]}`)
      continue
    }
    const v = number(fields, 'v')
    const vs = text(fields, 'vs')
    const vb = fields['vb']
    const s = number(fields, 's')
    const values =
      Number(v !== undefined) +
      Number(vs !== undefined) +
      Number(vb !== undefined) +
      Number(fields['vd'] !== undefined)
    if (values === 0 && s === undefined) {
      // A record of base fields alone is legal: it only sets them.
      if (BASE_FIELDS.some((label) => fields[label] !== undefined)) continue
      out.refuse('HD_DECODE_SHAPE', 'a SenML record has no value')
      continue
    }
    if (values > 1) {
      out.refuse('HD_DECODE_SHAPE', 'a SenML record has more than one value')
      continue
    }
    if (fields['vd'] !== undefined) continue
    const n = text(fields, 'n') ?? ''
    if (!NAME.test(bn + n)) {
      out.refuse('HD_DECODE_IDENTITY', `'${(bn + n).slice(0, 100)}' is no SenML name`)
      continue
    }
    const offset = bt + (number(fields, 't') ?? 0)
    records.push({
      bn,
      n,
      u: text(fields, 'u') ?? bu,
      t: offset < RELATIVE_BELOW_S ? now + offset : offset,
      v: v === undefined ? undefined : bv + v,
      vs,
      vb: typeof vb === 'boolean' ? vb : undefined,
      s: s === undefined ? undefined : bs + s,
      ut: number(fields, 'ut'),
    })
  }
  return records
}

function number(fields: JsonObject, label: string): number | undefined {
  const value = fields[label]
  if (value === undefined) return undefined
  if (typeof value !== 'number')
    throw new HaidangError('HD_DECODE_TYPE', `SenML '${label}' is ${kindOf(value)}, not a number`)
  return value
}

function text(fields: JsonObject, label: string): string | undefined {
  const value = fields[label]
  if (value === undefined) return undefined
  if (typeof value !== 'string')
    throw new HaidangError('HD_DECODE_TYPE', `SenML '${label}' is ${kindOf(value)}, not a text`)
  return value
}

/** What the records of one device at one time say together. */
interface Group {
  readonly device: string
  readonly time: number
  readonly rows: [metric: string, value: number][]
  readonly texts: Record<string, string | number>
  label: string
  lat: number
  lon: number
}

function write(
  records: readonly SenmlRecord[],
  message: RawMessage,
  profile: SourceProfile,
  out: SampleWriter,
): void {
  const template = profileDevice(profile, message.topic, message.separator, undefined)
  const groups = new Map<string, Group>()
  for (const record of records) {
    const { device, metric } = identityOf(record)
    const owner = template ?? device
    // ms: seconds with fractions leave binary noise (1276020076.001 s is …000.9999 ms).
    const time = Math.round(record.t * 1000)
    if (!(time >= 0 && time <= TIME_MAX))
      out.refuse('HD_DECODE_TIME', `time ${record.t} is not seconds since 1970`)
    const key = `${time} ${owner}`
    let group = groups.get(key)
    if (group === undefined) {
      group = { device: owner, time, rows: [], texts: {}, label: '', lat: Number.NaN, lon: Number.NaN }
      groups.set(key, group)
    }
    if (record.ut !== undefined && record.ut > 0)
      group.texts['expected_interval_ms'] = Math.round(record.ut * 1000)
    const unit = unitOf(record.u)
    if (record.u === 'lat' && record.v !== undefined) group.lat = record.v
    else if (record.u === 'lon' && record.v !== undefined) group.lon = record.v
    else if (record.v !== undefined) group.rows.push([metric, rounded(record.v * unit.factor)])
    else if (record.vb !== undefined) group.rows.push([metric, record.vb ? 1 : 0])
    else if (record.vs !== undefined) {
      if (isPersonal(metric)) continue
      if (!isName(record.vs, BOUNDS.name_chars))
        out.refuse('HD_DECODE_VALUE', `${metric}: a text of 1 to ${BOUNDS.name_chars} printable characters`)
      else {
        group.texts[metric] = record.vs
        group.label = record.vs
      }
    }
    if (record.s !== undefined) group.rows.push([`${metric}_sum`, rounded(record.s * unit.factor)])
  }
  for (const group of groups.values()) writeGroup(group, out)
}

function writeGroup(group: Group, out: SampleWriter): void {
  const { device, time, rows } = group
  let { lat, lon } = group
  if (Number.isNaN(lat) !== Number.isNaN(lon) || Math.abs(lat) > 90 || Math.abs(lon) > 180) {
    out.refuse('HD_DECODE_VALUE', 'lat and lon must both be degrees on earth')
    lat = Number.NaN
    lon = Number.NaN
  }
  if (rows.length > 0) {
    const attrs = attrsText(group.texts, out)
    for (const [metric, value] of rows) out.sample(device, metric, time, value, '', lat, lon, 0, attrs)
  } else if (group.label !== '')
    out.sample(device, 'event', time, 1, group.label, lat, lon, 0, attrsText(group.texts, out))
  else if (!Number.isNaN(lat))
    out.sample(device, 'position', time, 1, '', lat, lon, 0, attrsText(group.texts, out))
}

/** Device and metric of a resolved name: see the head of this file. */
function identityOf(record: SenmlRecord): { device: string; metric: string } {
  const { bn, n, u } = record
  // A text or a boolean has no unit, whatever base unit is in force.
  const unit = record.v === undefined && record.s === undefined ? NO_UNIT : unitOf(u)
  let device = bn
  let word = n
  if (n === '' || bn === '') {
    const name = bn + n
    const cut = Math.max(name.lastIndexOf(':'), name.lastIndexOf('/'))
    const last = name.slice(cut + 1)
    // A word, not an id: `voltage`, `rain-1h`, but neither `10e2073a01080063` nor `a81758fffe04b1c1`.
    const isWord = cut > 0 && /^[A-Za-z][A-Za-z0-9._-]*$/.test(last) && !/^[0-9a-fA-F]{8,}$/.test(last)
    device = isWord ? name.slice(0, cut) : name
    word = isWord ? last : ''
  }
  return { device: device.replace(/[:/._-]+$/, ''), metric: named(metricName(word), unit) }
}

function named(word: string, unit: Unit): string {
  if (unit.metric !== undefined && (word === '' || unit.words.includes(word))) return unit.metric
  if (word === '') return unit.suffix === '' ? 'value' : `value_${unit.suffix}`
  return unit.suffix === '' || word.endsWith(`_${unit.suffix}`) ? word : `${word}_${unit.suffix}`
}

interface Unit {
  readonly suffix: string
  /** To the suffix' unit. */
  readonly factor: number
  /** The registry's metric for an unnamed or plainly named value of this unit. */
  readonly metric?: string
  readonly words: readonly string[]
}

const unit = (suffix: string, factor = 1, metric?: string, ...words: string[]): Unit =>
  metric === undefined ? { suffix, factor, words } : { suffix, factor, metric, words }

/** SenML units [RFC 8428 12.1; RFC 8798] → suffix and factor of metrics.yaml. Others keep no suffix and their value. */
const UNITS: ReadonlyMap<string, Unit> = new Map(
  Object.entries({
    Cel: unit('c', 1, 'temp_c', 'temp', 'temperature'),
    K: unit('k'),
    '%RH': unit('pct', 1, 'humidity_pct', 'humidity', 'rh'),
    '%EL': unit('pct', 1, 'battery_pct', 'battery'),
    EL: unit('s', 1, 'battery_s'),
    '%': unit('pct'),
    '/': unit(''),
    m: unit('m', 1, undefined),
    mm: unit('mm', 1, undefined),
    km: unit('km'),
    V: unit('v'),
    mV: unit('v', 0.001),
    A: unit('a'),
    mA: unit('a', 0.001),
    W: unit('w', 1, 'power_w', 'power'),
    kW: unit('w', 1000, 'power_w', 'power'),
    J: unit('j'),
    kWh: unit('kwh', 1, 'energy_kwh', 'energy'),
    Wh: unit('kwh', 0.001, 'energy_kwh', 'energy'),
    Pa: unit('hpa', 0.01, 'pressure_hpa', 'pressure'),
    hPa: unit('hpa', 1, 'pressure_hpa', 'pressure'),
    bar: unit('bar', 1, 'pressure_bar', 'pressure'),
    lx: unit('lux', 1, 'light_lux', 'light', 'illuminance'),
    'm/s': unit('ms'),
    'km/h': unit('kmh', 1, 'speed_kmh', 'speed'),
    'm3/s': unit('m3s', 1, 'flow_m3s', 'flow'),
    'l/s': unit('m3s', 0.001, 'flow_m3s', 'flow'),
    m3: unit('m3', 1, 'volume_m3', 'volume'),
    l: unit('m3', 0.001, 'volume_m3', 'volume'),
    pH: unit('', 1, 'ph', 'ph'),
    NTU: unit('ntu', 1, 'turbidity_ntu', 'turbidity'),
    'S/m': unit('uscm', 10_000, 'conductance_uscm', 'conductance', 'conductivity'),
    dBm: unit('dbm', 1, 'rssi_dbm', 'rssi'),
    dB: unit('db'),
    dBW: unit('dbw'),
    ppm: unit('ppm'),
    ppb: unit('ppb'),
    'ug/m3': unit('ugm3'),
    'mg/m3': unit('ugm3', 1000),
    deg: unit('deg'),
    rad: unit('deg', 180 / Math.PI),
    Hz: unit('hz'),
    s: unit('s'),
    min: unit('s', 60),
    h: unit('s', 3600),
    count: unit(''),
    lat: unit(''),
    lon: unit(''),
  } satisfies Record<string, Unit>),
)
const NO_UNIT = unit('')

function unitOf(name: string): Unit {
  return UNITS.get(name) ?? NO_UNIT
}

/** Undoes the noise of a decimal factor. */
function rounded(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(12)) : value
}
