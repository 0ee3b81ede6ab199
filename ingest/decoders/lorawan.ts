/**
 * What ChirpStack and The Things Stack share: a flat object that a payload codec made (`object`, `decoded_payload`),
 * whose field names are the sensor vendor's. Rules:
 *
 * - The profile's `rename` names a field's metric and then its `factor` alone sets the unit. Without one, the fields of
 *   the common vendors below are known with their unit [Milesight-IoT/SensorDecoders 2026-07,
 *   dragino/dragino-end-node-decoder 2026-07]; any other number is kept under its own name in snake_case.
 * - `distance` is mm (Milesight EM, Dragino), in Milesight's alarm frames (`distance_alarm`, `distance_mutation`) cm:
 *   same key, other scale. A sensor of another vendor needs a `rename` and `factor`.
 * - Numbers may be text where the vendor's codec makes them so (`"27.50"`, toFixed); `"Invalid Reading"`,
 *   `"No Sensor"` and the like are no sample and are counted, never 0.
 * - `history[]` rows (`timestamp` in unix s) are `historical`: stored, never judged live.
 * - A tilted sensor (`position: "tilt"`) measures nonsense: its `distance` is marked `bad`.
 * - Other text goes to `attrs`; personal data is dropped.
 */
import { BOUNDS } from '../../src/model/bounds.js'
import type { SampleWriter, SourceProfile } from '../../src/model/decoder.js'
import { QUALITY } from '../../src/model/quality.js'
import { isObject, type JsonObject } from './json.js'
import { metricName } from './names.js'
import { isPersonal } from './personal.js'

/** Field of a vendor's codec → metric of metrics.yaml and the factor to its unit. */
const FIELDS: ReadonlyMap<string, readonly [metric: string, factor: number]> = new Map(
  Object.entries({
    // Milesight
    temperature: ['temp_c', 1],
    humidity: ['humidity_pct', 1],
    battery: ['battery_pct', 1],
    distance: ['distance_m', 0.001],
    co2: ['co2_ppm', 1],
    pressure: ['pressure_hpa', 1],
    pm2_5: ['pm25_ugm3', 1],
    pm10: ['pm10_ugm3', 1],
    o3: ['o3_ppm', 1],
    LAeq: ['noise_dba', 1],
    wind_direction: ['wind_deg', 1],
    wind_speed: ['wind_ms', 1],
    rainfall_total: ['rain_total_mm', 1],
    people_count_all: ['people_count', 1],
    // Dragino
    Bat: ['battery_v', 1],
    BatV: ['battery_v', 1],
    Distance: ['distance_m', 0.001],
    TempC_DS18B20: ['temp_c', 1],
    TempC_SHT: ['temp_c', 1],
    Hum_SHT: ['humidity_pct', 1],
    // Elsys and others
    vdd: ['battery_v', 0.001],
    waterleak: ['water_leak', 1],
    water_leak: ['water_leak', 1],
    luminosity: ['light_lux', 1],
    light: ['light_lux', 1],
  } satisfies Record<string, readonly [string, number]>),
)

/** Fields that a vendor sends as text when there is no reading; any text there is a missing value, counted. */
const NUMERIC_FIELDS: ReadonlySet<string> = new Set(
  [...FIELDS.keys()].filter((field) => field !== 'position'),
)
const HISTORY_MAX = 4096
const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)$/

/** What all samples of one uplink share. */
export interface Uplink {
  readonly device: string
  readonly time: number
  readonly lat: number
  readonly lon: number
  readonly quality: number
  /** Goes into `attrs` besides the object's own text (`f_cnt`). */
  readonly attrs: Readonly<Record<string, string | number>>
}

/** Samples of one decoded object; its own `latitude` and `longitude` are the samples' position. */
export function decodeObject(
  object: JsonObject,
  link: Uplink,
  profile: SourceProfile,
  out: SampleWriter,
): void {
  const own = locationOf(object)
  const uplink = Number.isNaN(own.lat) ? link : { ...link, ...own }
  const texts: Record<string, string | number> = { ...uplink.attrs }
  const numbers: [field: string, value: number][] = []
  gather(object, '', numbers, texts, out)
  const attrs = attrsOf(texts)
  const scale = 'distance_alarm' in object || 'distance_mutation' in object ? 10 : 1
  const tilted = object['position'] === 'tilt'
  for (const [field, value] of numbers)
    if (field !== 'latitude' && field !== 'longitude')
      write(field, value, uplink.time, uplink, scale, tilted, attrs, profile, out)
  const history = object['history']
  if (Array.isArray(history)) {
    for (const row of history.slice(0, HISTORY_MAX)) {
      const at = isObject(row) ? row['timestamp'] : undefined
      if (!isObject(row) || typeof at !== 'number') {
        out.refuse('HD_DECODE_TIME', 'a row of history has no timestamp')
        continue
      }
      const past = { ...uplink, quality: uplink.quality | QUALITY.historical }
      for (const [field, value] of Object.entries(row))
        if (field !== 'timestamp' && typeof value === 'number')
          write(field, value, at * 1000, past, 1, tilted, attrs, profile, out)
    }
  }
  if (numbers.length === 2 && !Number.isNaN(own.lat))
    out.sample(uplink.device, 'position', uplink.time, 1, '', own.lat, own.lon, uplink.quality, attrs)
}

function write(
  field: string,
  value: number,
  time: number,
  uplink: Uplink,
  scale: number,
  tilted: boolean,
  attrs: string,
  profile: SourceProfile,
  out: SampleWriter,
): void {
  const quality = tilted && field === 'distance' ? uplink.quality | QUALITY.bad : uplink.quality
  const known = FIELDS.get(field)
  const renamed = profile.rename !== undefined && Object.hasOwn(profile.rename, field)
  let metric = field
  let converted = value
  if (!renamed) {
    metric = known?.[0] ?? metricName(field)
    // A factor that the city configured for the metric replaces ours, it does not multiply it.
    const configured = profile.factor !== undefined && Object.hasOwn(profile.factor, metric)
    if (known !== undefined && !configured) converted = value * known[1] * (field === 'distance' ? scale : 1)
  }
  out.sample(uplink.device, metric, time, rounded(converted), '', uplink.lat, uplink.lon, quality, attrs)
}

/** Numbers and texts of an object; objects inside are joined with `_`, lists are left out (`history` has its own way). */
function gather(
  object: JsonObject,
  prefix: string,
  numbers: [string, number][],
  texts: Record<string, string | number>,
  out: SampleWriter,
): void {
  for (const [name, value] of Object.entries(object)) {
    const field = prefix + name
    if (isPersonal(name)) continue
    if (typeof value === 'number') numbers.push([field, value])
    else if (typeof value === 'boolean') numbers.push([field, value ? 1 : 0])
    else if (typeof value === 'string') {
      if (NUMBER.test(value)) numbers.push([field, Number(value)])
      else if (NUMERIC_FIELDS.has(field))
        out.refuse('HD_DECODE_VALUE', `${field}: '${value.slice(0, 40)}' is no reading`)
      else texts[field] = value.slice(0, 200)
    } else if (isObject(value)) gather(value, `${field}_`, numbers, texts, out)
  }
}

/** Undoes the noise of a decimal factor (30 mm × 0.001 = 0.03, not 0.030000000000000002). */
function rounded(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(12)) : value
}

function attrsOf(texts: Readonly<Record<string, string | number>>): string {
  const text = JSON.stringify(texts)
  if (text === '{}' || text.length > BOUNDS.text_chars) return ''
  return text
}

/** attrs of an uplink without an object, as `decodeObject` would write them. */
export function uplinkAttrs(uplink: Uplink): string {
  return attrsOf(uplink.attrs)
}

/** Strongest gateway: its rssi in dBm and snr in dB (0 where the server leaves out a zero); undefined without any. */
export function bestGateway(list: unknown, snrField: string): { rssi: number; snr: number } | undefined {
  if (!Array.isArray(list)) return undefined
  let best: { rssi: number; snr: number } | undefined
  for (const entry of list) {
    if (!isObject(entry) || typeof entry['rssi'] !== 'number') continue
    const snr = entry[snrField]
    if (best === undefined || entry['rssi'] > best.rssi)
      best = { rssi: entry['rssi'], snr: typeof snr === 'number' ? snr : 0 }
  }
  return best
}

/** Writes the link's quality as `rssi_dbm` and `snr_db`. */
export function writeLink(
  link: { rssi: number; snr: number } | undefined,
  uplink: Uplink,
  attrs: string,
  out: SampleWriter,
): void {
  if (link === undefined) return
  out.sample(
    uplink.device,
    'rssi_dbm',
    uplink.time,
    link.rssi,
    '',
    uplink.lat,
    uplink.lon,
    uplink.quality,
    attrs,
  )
  out.sample(
    uplink.device,
    'snr_db',
    uplink.time,
    link.snr,
    '',
    uplink.lat,
    uplink.lon,
    uplink.quality,
    attrs,
  )
}

/** Degrees of `{latitude, longitude}`; NaN, NaN where there is none. 0, 0 is what servers send for "unset". */
export function locationOf(value: unknown): { lat: number; lon: number } {
  if (isObject(value)) {
    // proto3 JSON leaves out a zero, so one of the two may be absent; both absent is no position.
    const lat = value['latitude'] ?? 0
    const lon = value['longitude'] ?? 0
    if (
      typeof lat === 'number' &&
      typeof lon === 'number' &&
      (lat !== 0 || lon !== 0) &&
      Math.abs(lat) <= 90 &&
      Math.abs(lon) <= 180
    )
      return { lat, lon }
  }
  return { lat: Number.NaN, lon: Number.NaN }
}
