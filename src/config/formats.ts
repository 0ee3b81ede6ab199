/** Texts of configuration that stand for something else: what they mean, and the sentence for one that is none. */
import { deviceTemplate } from '../../ingest/decoders/device.js'
import { parseDuration } from '../model/time.js'
import type { Address } from './shape.js'

/** `127.0.0.1:8080`, `[::1]:0`, `ops.example.vn:8080`; undefined where it is none. */
export function parseAddress(text: string): Address | undefined {
  const m = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/@[\]]+)):(\d{1,5})$/.exec(text)
  if (m === null || Number(m[3]) > 65_535) return undefined
  return { host: (m[1] ?? m[2])!, port: Number(m[3]) }
}

/** Only this machine can reach it. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
}

/** `512MiB`, `10GiB`, `1048576` to bytes; undefined where it is none. */
export function parseSize(text: string): number | undefined {
  const m = /^(\d{1,15}(?:\.\d{1,6})?) ?(|B|KiB|MiB|GiB|TiB)$/.exec(text)
  if (m === null) return undefined
  const bytes = Math.floor(Number(m[1]) * SIZE_UNITS[m[2]!]!)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

export function isTimeZone(text: string): boolean {
  // Offsets (+07:00) are zones for Intl and know no summer time; a city has a name.
  if (!/^[A-Za-z]/.test(text)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: text })
    return true
  } catch {
    return false
  }
}

/** Every IANA name, for a hint. */
export function timeZones(): readonly string[] {
  // `supportedValuesOf` has the canonical names alone, and for some versions that is Saigon.
  return [...Intl.supportedValuesOf('timeZone'), 'Asia/Ho_Chi_Minh', 'UTC']
}

/** A URL of one of the schemes and with a host, or undefined. */
export function parseUrl(text: string, schemes: readonly string[]): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.hostname === '' || /\s/.test(text)) return undefined
  return schemes.includes(url.protocol.slice(0, -1)) ? url : undefined
}

export const MQTT_SCHEMES = ['mqtt', 'mqtts', 'ws', 'wss'] as const
export const NATS_SCHEMES = ['nats', 'tls'] as const
export const HTTP_SCHEMES = ['http', 'https'] as const

/** Bytes; no size of ours makes sense below. */
export const SIZE_MIN = 1024 ** 2
/** Longest `late` and longest time anywhere in configuration. */
const DURATION_MAX = 400 * 86_400_000

export interface Format {
  readonly is: (text: string) => boolean
  /** `'late' is …, not '5 minutes'`. */
  readonly says: string
}

function duration(text: string): number | undefined {
  return text.length > 40 ? undefined : parseDuration(text)
}

function url(schemes: readonly string[]): Format {
  return {
    is: (text) => {
      const found = parseUrl(text, schemes)
      return found !== undefined && found.username === '' && found.password === ''
    },
    says: `a URL (${schemes.map((scheme) => `${scheme}://`).join(' ')}) without user and password`,
  }
}

/** Every `format` that a schema of this room may name. */
export const FORMATS: Readonly<Record<string, Format>> = {
  address: {
    is: (text) => parseAddress(text) !== undefined,
    says: 'host:port with a port of 0 to 65535, IPv6 in brackets',
  },
  address_or_off: {
    is: (text) => text === 'off' || parseAddress(text) !== undefined,
    says: "host:port with a port of 0 to 65535, IPv6 in brackets, or 'off'",
  },
  duration: {
    is: (text) => {
      const ms = duration(text)
      return ms !== undefined && ms > 0 && ms <= DURATION_MAX
    },
    says: 'a duration like 30s 10m 2h 7d, more than 0 and at most 400d',
  },
  size: {
    is: (text) => (parseSize(text) ?? 0) >= SIZE_MIN,
    says: 'a size like 512MiB or 10GiB or whole bytes, at least 1MiB',
  },
  time_zone: { is: isTimeZone, says: 'an IANA time zone like Asia/Ho_Chi_Minh' },
  mqtt_url: url(MQTT_SCHEMES),
  nats_url: url(NATS_SCHEMES),
  http_url: url(HTTP_SCHEMES),
  any_url: url([...MQTT_SCHEMES, ...NATS_SCHEMES, ...HTTP_SCHEMES]),
  /** Goes into client ids and consumer names, so nothing that a broker gives a meaning. */
  name: {
    is: (text) => /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(text),
    says: 'a name of at most 64 letters a-z, digits, - and _',
  },
  metric: {
    is: (text) => /^[a-z][a-z0-9_]{0,127}$/.test(text),
    says: 'a metric in snake_case with its unit last, like pm25_ugm3',
  },
  variable: { is: (text) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(text), says: 'the name of a variable' },
  device_template: {
    is: (text) => {
      try {
        deviceTemplate(text)
        return true
      } catch {
        return false
      }
    },
    says: 'made of text, {topic.N}, {topic.N+} and {payload.field}',
  },
  text: { is: (text) => text.trim() !== '' && !text.includes('\0'), says: 'a text that is not empty' },
}
