/**
 * ChirpStack v4 over MQTT, JSON marshaler [chirpstack/chirpstack-docs, integrations/events.md, 2026-07].
 *
 *   application/{application}/device/{devEui}/event/{up|status|join|ack|txack|log|location|integration}
 *
 * camelCase proto3 JSON: zero, false and empty are left out. `up` carries the codec's output in `object`; without a
 * codec only the link (`rssi_dbm`, `snr_db` of the strongest gateway) is written, and that is counted. `status` gives
 * `battery_pct` and `margin_db`, `location` a position, `join` presence; acks and logs carry no samples. Event time is
 * `time` (ns, +00:00). The device is the topic's devEui; a body that names another is refused. Protobuf bodies
 * (`json=false`) are refused as HD_DECODE_VERSION, and so are v3's (`devEUI`, no `deviceInfo`).
 */
import type { Decoder, RawMessage, SampleWriter, SourceProfile } from '../../src/model/decoder.js'
import { HaidangError } from '../../src/model/errors.js'
import { profileDevice } from './device.js'
import { isObject, type JsonObject, parseJson } from './json.js'
import { bestGateway, decodeObject, locationOf, type Uplink, uplinkAttrs, writeLink } from './lorawan.js'
import { isoTime } from './native.js'

export const chirpstack: Decoder<null> = {
  id: 'chirpstack',
  vendor: 'ChirpStack',
  models: ['v4'],
  reference: 'https://www.chirpstack.io/docs/chirpstack/integrations/events.html, v4, 2026-07',
  createState: () => null,
  decode(message, profile, out) {
    const event = eventOf(message)
    if (event === 'ack' || event === 'txack' || event === 'log' || event === 'integration') return
    const payload = parseBody(message)
    const device = deviceOf(payload, message, profile)
    const uplink: Uplink = {
      device,
      time: timeOf(payload, profile, out),
      ...locationOf(undefined),
      quality: 0,
      attrs: event === 'up' ? { f_cnt: typeof payload['fCnt'] === 'number' ? payload['fCnt'] : 0 } : {},
    }
    if (event === 'up') decodeUp(payload, uplink, profile, out)
    else if (event === 'status') decodeStatus(payload, uplink, out)
    else if (event === 'location') decodeLocation(payload, uplink, out)
    else if (event === 'join') out.liveness(device, 'online')
    else throw new HaidangError('HD_DECODE_TOPIC', `'${event.slice(0, 40)}' is no ChirpStack event`)
  },
}

function decodeUp(payload: JsonObject, uplink: Uplink, profile: SourceProfile, out: SampleWriter): void {
  const object = payload['object']
  if (isObject(object)) decodeObject(object, uplink, profile, out)
  else
    out.refuse(
      'HD_DECODE_NO_SAMPLES',
      `${uplink.device}: the uplink has no object; its device profile has no codec`,
    )
  writeLink(bestGateway(payload['rxInfo'], 'snr'), uplink, uplinkAttrs(uplink), out)
}

function decodeStatus(payload: JsonObject, uplink: Uplink, out: SampleWriter): void {
  const { device, time, lat, lon } = uplink
  const battery = payload['batteryLevel'] ?? 0
  if (payload['externalPowerSource'] !== true && payload['batteryLevelUnavailable'] !== true) {
    if (typeof battery === 'number') out.sample(device, 'battery_pct', time, battery, '', lat, lon, 0, '')
    else out.refuse('HD_DECODE_TYPE', 'batteryLevel is not a number')
  }
  const margin = payload['margin'] ?? 0
  if (typeof margin === 'number') out.sample(device, 'margin_db', time, margin, '', lat, lon, 0, '')
  else out.refuse('HD_DECODE_TYPE', 'margin is not a number')
}

function decodeLocation(payload: JsonObject, uplink: Uplink, out: SampleWriter): void {
  const { lat, lon } = locationOf(payload['location'])
  if (Number.isNaN(lat)) out.refuse('HD_DECODE_VALUE', 'location has no position')
  else out.sample(uplink.device, 'position', uplink.time, 1, '', lat, lon, 0, '')
}

/** Event name from the topic, counted from its end (`application/a/device/d/event/up`): prefixes are allowed. */
function eventOf(message: RawMessage): string {
  const segments = message.topic.split(message.separator)
  if (segments.length < 4 || segments[segments.length - 2] !== 'event')
    throw new HaidangError(
      'HD_DECODE_TOPIC',
      `'${message.topic.slice(0, 200)}' is not …/device/{devEui}/event/{event}`,
    )
  return segments[segments.length - 1]!
}

function parseBody(message: RawMessage): JsonObject {
  // Every protobuf event begins with its deduplication id, a text of 36 bytes: 0x0A 0x24 (`$`), which no JSON does.
  if (message.bytes[0] === 0x0a && message.bytes[1] === 0x24)
    throw new HaidangError(
      'HD_DECODE_VERSION',
      'a protobuf body: set json=true in the ChirpStack integration',
    )
  const payload = parseJson(message.bytes, Number.POSITIVE_INFINITY)
  if (!isObject(payload)) throw new HaidangError('HD_DECODE_SHAPE', 'expected a JSON object')
  if (
    payload['deviceInfo'] === undefined &&
    (payload['devEUI'] !== undefined || payload['applicationID'] !== undefined)
  )
    throw new HaidangError('HD_DECODE_VERSION', 'this is a ChirpStack v3 event; this decoder reads v4')
  return payload
}

function deviceOf(payload: JsonObject, message: RawMessage, profile: SourceProfile): string {
  const own = profileDevice(profile, message.topic, message.separator, payload)
  if (own !== undefined) return own
  const segments = message.topic.split(message.separator)
  const device = segments[segments.length - 3]!
  const info = payload['deviceInfo']
  const named = isObject(info) ? info['devEui'] : undefined
  if (typeof named === 'string' && named.toLowerCase() !== device.toLowerCase())
    throw new HaidangError(
      'HD_DECODE_IDENTITY',
      `the topic says device '${device.slice(0, 64)}', the body '${named.slice(0, 64)}'`,
    )
  return device
}

function timeOf(payload: JsonObject, profile: SourceProfile, out: SampleWriter): number {
  const time = payload['time']
  if (time === undefined) return Number.NaN
  const ms = typeof time === 'string' ? isoTime(time, profile) : Number.NaN
  if (Number.isNaN(ms)) out.refuse('HD_DECODE_TIME', 'time is not ISO 8601 with a zone')
  return ms
}
