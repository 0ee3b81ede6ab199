/**
 * The Things Stack v3 over MQTT [TheThingsIndustries/lorawan-stack-docs, integrations/data-formats, 2026-04].
 *
 *   v3/{application}[@{tenant}]/devices/{device}/{up|join|down/…|service/data|location/solved}
 *
 * Zero, false and empty fields of the envelope are left out (`f_cnt`, `snr`, `f_port`); zeros inside `decoded_payload`
 * survive. Event time is the network server's `uplink_message.received_at`, else the application server's. `simulated`
 * marks a test uplink: quality `test`, never a live alarm. Positions come from `locations` (the payload's own before
 * the registry's). The device is the topic's device id; a body that names another is refused. TTS publishes at QoS 0
 * only: loss is possible by its design. v2 messages (`app_id`, `payload_fields`) are refused as HD_DECODE_VERSION.
 */
import type { Decoder, RawMessage, SourceProfile } from '../../src/model/decoder.js'
import { HaidangError } from '../../src/model/errors.js'
import { QUALITY } from '../../src/model/quality.js'
import { profileDevice } from './device.js'
import { isObject, type JsonObject, parseJson } from './json.js'
import { bestGateway, decodeObject, locationOf, type Uplink, uplinkAttrs, writeLink } from './lorawan.js'
import { isoTime } from './native.js'

export const ttn: Decoder<null> = {
  id: 'ttn',
  vendor: 'The Things Industries',
  models: ['The Things Stack v3'],
  reference: 'https://www.thethingsindustries.com/docs/integrations/data-formats/, v3, 2026-04',
  createState: () => null,
  decode(message, profile, out) {
    const { device: topicDevice, event } = addressOf(message)
    if (event.startsWith('down') || event === 'service/data') return
    const payload = parseJson(message.bytes, Number.POSITIVE_INFINITY)
    if (!isObject(payload)) throw new HaidangError('HD_DECODE_SHAPE', 'expected a JSON object')
    const ids = payload['end_device_ids']
    if (!isObject(ids)) {
      if (payload['app_id'] !== undefined || payload['payload_fields'] !== undefined)
        throw new HaidangError(
          'HD_DECODE_VERSION',
          'this is a The Things Network v2 message; this decoder reads v3',
        )
      throw new HaidangError('HD_DECODE_SHAPE', 'end_device_ids is missing')
    }
    const device =
      profileDevice(profile, message.topic, message.separator, payload) ?? checked(topicDevice, ids)
    const simulated = payload['simulated'] === true
    if (event === 'join') {
      if (!simulated) out.liveness(device, 'online')
      return
    }
    const up = payload['uplink_message']
    const quality = simulated ? QUALITY.test : 0
    if (event === 'location/solved') {
      const solved = payload['location_solved']
      const { lat, lon } = locationOf(isObject(solved) ? solved['location'] : undefined)
      if (Number.isNaN(lat)) out.refuse('HD_DECODE_VALUE', 'location_solved has no position')
      else out.sample(device, 'position', timeOf(payload, undefined, profile), 1, '', lat, lon, quality, '')
      return
    }
    if (event !== 'up')
      throw new HaidangError('HD_DECODE_TOPIC', `'${event.slice(0, 40)}' is no event of The Things Stack`)
    if (!isObject(up)) throw new HaidangError('HD_DECODE_SHAPE', 'uplink_message is missing')
    const time = timeOf(payload, up, profile)
    if (Number.isNaN(time)) out.refuse('HD_DECODE_TIME', 'received_at is missing or not ISO 8601 with a zone')
    const uplink: Uplink = {
      device,
      time,
      ...positionOf(up['locations']),
      quality,
      attrs: { f_cnt: typeof up['f_cnt'] === 'number' ? up['f_cnt'] : 0 },
    }
    const object = up['decoded_payload']
    if (isObject(object)) decodeObject(object, uplink, profile, out)
    else
      out.refuse(
        'HD_DECODE_NO_SAMPLES',
        `${device}: the uplink has no decoded_payload; its device has no payload formatter`,
      )
    writeLink(bestGateway(up['rx_metadata'], 'snr'), uplink, uplinkAttrs(uplink), out)
  },
}

/** Device and event of `v3/{app}/devices/{device}/{event…}`; a bridge may have put a prefix in front. */
function addressOf(message: RawMessage): { device: string; event: string } {
  const segments = message.topic.split(message.separator)
  const at = segments.indexOf('devices')
  if (at < 2 || segments[at - 2] !== 'v3' || segments.length < at + 3)
    throw new HaidangError(
      'HD_DECODE_TOPIC',
      `'${message.topic.slice(0, 200)}' is not v3/{application}/devices/{device}/{event}`,
    )
  return { device: segments[at + 1]!, event: segments.slice(at + 2).join('/') }
}

function checked(topicDevice: string, ids: JsonObject): string {
  const named = ids['device_id']
  if (typeof named === 'string' && named !== topicDevice)
    throw new HaidangError(
      'HD_DECODE_IDENTITY',
      `the topic says device '${topicDevice.slice(0, 64)}', the body '${named.slice(0, 64)}'`,
    )
  return topicDevice
}

/** Network server's time, else the application server's; ms UTC, NaN where neither can be read. */
function timeOf(payload: JsonObject, up: JsonObject | undefined, profile: SourceProfile): number {
  for (const text of [up?.['received_at'], payload['received_at']]) {
    const ms = typeof text === 'string' ? isoTime(text, profile) : Number.NaN
    if (!Number.isNaN(ms)) return ms
  }
  return Number.NaN
}

/** The payload's own position before the network's, the registry's (`user`) last. */
function positionOf(locations: unknown): { lat: number; lon: number } {
  if (isObject(locations)) {
    const order = Object.keys(locations).sort((a, b) => rank(a) - rank(b))
    for (const name of order) {
      const found = locationOf(locations[name])
      if (!Number.isNaN(found.lat)) return found
    }
  }
  return locationOf(undefined)
}

function rank(name: string): number {
  if (name === 'frm-payload') return 0
  return name === 'user' ? 2 : 1
}
