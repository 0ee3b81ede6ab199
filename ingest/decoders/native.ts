/**
 * The native form, for those who can choose.
 *
 *   MQTT  haidang/v1/<stream>/<source>/<device…>      NATS  haidang.v1.<stream>.<source>.<device…>
 *   {"time":1795294958123,"metrics":{"pm25_ugm3":35.2,"temp_c":28.1},"label":"","lat":20.86,"lon":106.68,"attrs":{}}
 *
 * `time` is ms UTC or ISO 8601 with a zone; an array of such objects is a batch. The device is all that follows
 * <source>, as it stands. Strict: a metric is a finite number or it is refused by itself, text is never read as a
 * number. A label without a number is one sample of `event` = 1, a position without a number one of `position` = 1.
 * `quality` is a list of names or the mask; `attrs` an object, kept as JSON text without personal data.
 */
import { BOUNDS } from '../../src/model/bounds.js'
import type { Decoder, RawMessage, SampleWriter, SourceProfile } from '../../src/model/decoder.js'
import { HaidangError } from '../../src/model/errors.js'
import { QUALITY, QUALITY_NAMES, qualityMask } from '../../src/model/quality.js'
import { parseIsoTime, ZoneClock } from '../../src/model/time.js'
import { profileDevice } from './device.js'
import { isObject, type JsonObject, parseJson } from './json.js'
import { isName } from './names.js'
import { withoutPersonal } from './personal.js'
import { TIME_MAX } from './writer.js'

export const native: Decoder<null> = {
  id: 'native',
  vendor: 'Hải Đăng',
  models: ['anything that can choose its payload'],
  reference: 'DESIGN.md 5, version 1',
  createState: () => null,
  decode(message, profile, out) {
    const payload = parseJson(message.bytes, Number.POSITIVE_INFINITY)
    const address = nativeAddress(message)
    if (address !== undefined) out.from(address.stream, address.source)
    const device = profileDevice(profile, message.topic, message.separator, payload) ?? address?.device
    if (device === undefined)
      throw new HaidangError(
        'HD_DECODE_TOPIC',
        `'${message.topic.slice(0, 200)}' is not haidang/v1/<stream>/<source>/<device>`,
      )
    decodeNative(payload, device, profile, out)
  },
}

export interface NativeAddress {
  readonly stream: string
  readonly source: string
  readonly device: string
}

/**
 * Stream, source and device of a native topic or subject; undefined where it is none of ours (the profile must then
 * name the device). Throws HD_DECODE_TOPIC where it begins as ours and lacks a part.
 */
export function nativeAddress(message: Pick<RawMessage, 'topic' | 'separator'>): NativeAddress | undefined {
  const { topic, separator } = message
  if (!topic.startsWith(separator === '/' ? 'haidang/v1/' : 'haidang.v1.')) return undefined
  const streamEnd = topic.indexOf(separator, 11)
  const sourceEnd = streamEnd < 0 ? -1 : topic.indexOf(separator, streamEnd + 1)
  if (sourceEnd < 0 || streamEnd === 11 || sourceEnd === streamEnd + 1 || sourceEnd + 1 === topic.length)
    throw new HaidangError('HD_DECODE_TOPIC', `'${topic.slice(0, 200)}' lacks its stream, source or device`)
  return {
    stream: topic.slice(11, streamEnd),
    source: topic.slice(streamEnd + 1, sourceEnd),
    device: topic.slice(sourceEnd + 1),
  }
}

/** A parsed native payload (one object or an array of them) of one device. Stream and source are set by the caller. */
export function decodeNative(
  payload: unknown,
  device: string,
  profile: SourceProfile,
  out: SampleWriter,
): void {
  if (isObject(payload)) {
    decodeObject(payload, device, profile, out)
    return
  }
  if (!Array.isArray(payload))
    throw new HaidangError(
      'HD_DECODE_SHAPE',
      `expected an object or an array of objects, not ${kindOf(payload)}`,
    )
  if (payload.length === 0) throw new HaidangError('HD_DECODE_NO_SAMPLES', 'the batch is empty')
  for (const entry of payload)
    if (isObject(entry)) decodeObject(entry, device, profile, out)
    else out.refuse('HD_DECODE_SHAPE', `an entry of the batch is ${kindOf(entry)}, not an object`)
}

function decodeObject(object: JsonObject, device: string, profile: SourceProfile, out: SampleWriter): void {
  const time = timeOf(object['time'], profile, out)
  const label = labelOf(object['label'], out)
  let lat = Number.NaN
  let lon = Number.NaN
  if (object['lat'] !== undefined || object['lon'] !== undefined) {
    const y = object['lat']
    const x = object['lon']
    if (typeof y === 'number' && typeof x === 'number' && Math.abs(y) <= 90 && Math.abs(x) <= 180) {
      lat = y
      lon = x
    } else
      out.refuse(
        typeof y === 'number' && typeof x === 'number' ? 'HD_DECODE_VALUE' : 'HD_DECODE_TYPE',
        'lat and lon must both be degrees on earth',
      )
  }
  const quality = object['quality'] === undefined ? 0 : qualityOf(object['quality'], out)
  const attrs = object['attrs'] === undefined ? '' : attrsText(object['attrs'], out)
  const metrics = object['metrics']
  let numbers = 0
  if (isObject(metrics)) {
    for (const name in metrics) {
      const value = metrics[name]
      if (typeof value === 'number' && Number.isFinite(value)) {
        out.sample(device, name, time, value, label, lat, lon, quality, attrs)
        numbers++
      } else if (typeof value === 'number')
        out.refuse('HD_DECODE_VALUE', `metrics.${name}: the number is too large`)
      else out.refuse('HD_DECODE_TYPE', `metrics.${name}: expected a number, not ${kindOf(value)}`)
    }
  } else if (metrics !== undefined)
    out.refuse('HD_DECODE_TYPE', `metrics: expected an object, not ${kindOf(metrics)}`)
  if (numbers > 0) return
  if (label !== '') out.sample(device, 'event', time, 1, label, lat, lon, quality, attrs)
  else if (!Number.isNaN(lat)) out.sample(device, 'position', time, 1, '', lat, lon, quality, attrs)
  else {
    let found = 'nothing'
    for (const name in object) {
      found = `'${name.slice(0, 60)}' and others`
      break
    }
    out.refuse('HD_DECODE_NO_SAMPLES', `neither a metric, a label nor a position (found ${found})`)
  }
}

/** Event time, ms UTC; NaN where there is none or it cannot be one (then refused). Never guessed from its size. */
function timeOf(value: unknown, profile: SourceProfile, out: SampleWriter): number {
  if (typeof value === 'number') {
    if (value >= 0 && value <= TIME_MAX) return value
    out.refuse('HD_DECODE_TIME', `time ${value} is not ms since 1970`)
    return Number.NaN
  }
  if (value === undefined || value === null) return Number.NaN
  if (typeof value === 'string') {
    const time = isoTime(value, profile)
    if (time >= 0) return time
    out.refuse('HD_DECODE_TIME', `time '${value.slice(0, 60)}' is not ISO 8601 with a zone`)
    return Number.NaN
  }
  out.refuse('HD_DECODE_TIME', `time: expected ms or ISO 8601, not ${kindOf(value)}`)
  return Number.NaN
}

/** ISO 8601 to ms UTC; a text without zone is read in the profile's zone where it has one, else NaN. */
export function isoTime(text: string, profile: SourceProfile): number {
  const time = parseIsoTime(text)
  if (!Number.isNaN(time) || profile.zone === undefined) return time
  let clock = zones.get(profile.zone)
  if (clock === undefined) {
    clock = new ZoneClock(profile.zone)
    zones.set(profile.zone, clock)
  }
  const wall = parseIsoTime(text, 0)
  // Twice: the offset belongs to the instant, which is known only after the first correction.
  return wall - clock.offset(wall - clock.offset(wall))
}
const zones = new Map<string, ZoneClock>()

function labelOf(value: unknown, out: SampleWriter): string {
  if (value === undefined || value === null || value === '') return ''
  if (typeof value !== 'string') out.refuse('HD_DECODE_TYPE', `label: expected text, not ${kindOf(value)}`)
  else if (isName(value, BOUNDS.name_chars)) return value
  else out.refuse('HD_DECODE_VALUE', `label: expected 1 to ${BOUNDS.name_chars} printable characters`)
  return ''
}

/** Mask of `quality`; an unknown mark is refused and the known ones kept. */
function qualityOf(value: unknown, out: SampleWriter): number {
  const mask = qualityMask(value)
  if (mask !== undefined) return mask
  out.refuse('HD_DECODE_TYPE', `quality: expected a list of ${QUALITY_NAMES.join(' ')}`)
  if (!Array.isArray(value)) return 0
  let known = 0
  for (const name of value)
    if (typeof name === 'string' && Object.hasOwn(QUALITY, name))
      known |= QUALITY[name as keyof typeof QUALITY]
  return known
}

/** `attrs` as JSON text without personal data; '' where it is empty or refused. */
export function attrsText(value: unknown, out: SampleWriter): string {
  if (!isObject(value)) {
    if (value !== null) out.refuse('HD_DECODE_TYPE', `attrs: expected an object, not ${kindOf(value)}`)
    return ''
  }
  const text = JSON.stringify(withoutPersonal(value))
  if (text === '{}') return ''
  if (text.length <= BOUNDS.text_chars) return text
  out.refuse('HD_DECODE_VALUE', `attrs: ${text.length} characters; at most ${BOUNDS.text_chars}`)
  return ''
}

/** What a value is, for a refusal's words: its kind, never its content. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
