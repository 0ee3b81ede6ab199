/**
 * What this engine is set to: `haidang.yaml` and the variables of DESIGN.md 10, checked, frozen, handed down as
 * arguments. Nothing else reads either.
 */
import path from 'node:path'
import { BOUNDS, LATE_MS } from '../model/bounds.js'
import type { SourceProfile } from '../model/decoder.js'
import type { Fault } from '../model/errors.js'
import type { TextPaths } from './texts.js'

export interface Address {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
}

/** How a broker or server is reached and who we are there. */
export interface BrokerConnection {
  /** Without user and password, whatever stood in it. */
  readonly url: string
  readonly username?: string
  /** From `password_file`, `password_env` or the variable's URL; never in clear from the yaml. */
  readonly password?: string
  readonly token?: string
  /** Text of a NATS creds file. */
  readonly creds?: string
  /** PEM texts. */
  readonly tls?: {
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
    readonly servername?: string
  }
}

export interface Settings {
  /** IANA name of the city's zone. */
  readonly timezone: string
  /** `event`: recordings played into a live engine; of the built-in source. */
  readonly clock: 'arrival' | 'event'
  /** Folder, absolute. */
  readonly data: string
  readonly http: Address
  readonly sql: Address
  /** The embedded MQTT broker; null: none. */
  readonly broker: Address | null
  readonly mqtt: BrokerConnection | null
  readonly nats: BrokerConnection | null
  /** URL; null: the embedded store. */
  readonly clickhouse: string | null
  readonly texts: TextPaths
  readonly token: string | null
  /** Configured ones; the built-in native source comes beside them. */
  readonly sources: readonly SourceSettings[]
  /** Most bytes of log on disk. */
  readonly log_bytes: number
  /** How far behind its key's newest a sample may be and still be judged, ms; of the built-in source. */
  readonly late: number
  /** The built-in native subjects are consumed from this JetStream stream; null: core NATS. */
  readonly jetstream: { readonly stream: string; readonly durable: string } | null
}

export interface SourceSettings {
  readonly name: string
  readonly transport: 'mqtt' | 'nats' | 'jetstream' | 'http_poll' | 'http_post' | 'folder'
  /** Id of a decoder. */
  readonly decoder: string
  /** Topic filters or subjects. */
  readonly topics: readonly string[]
  readonly profile: SourceProfile
  /** ms. */
  readonly late: number
  readonly clock: 'arrival' | 'event'
  /** Of JetStream. */
  readonly stream?: string
  readonly durable?: string
  /** Undefined: the engine's own broker of this transport. */
  readonly connection?: BrokerConnection
  readonly qos: 0 | 1
}

const PRODUCT_RULES = path.resolve(import.meta.dirname, '../../../rules/catalogue')

export async function readSettings(
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): Promise<{ settings: Settings; faults: readonly Fault[] }> {
  const faults: Fault[] = []
  const file = (name: string): string | undefined =>
    env[name] === undefined ? undefined : path.resolve(cwd, env[name])
  const address = (name: string, fallback: string): Address => {
    const text = env[name] ?? fallback
    const m = /^(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})$/.exec(text)
    if (m !== null && Number(m[2]) <= 65_535)
      return { host: m[1]!.replace(/^\[|\]$/g, ''), port: Number(m[2]) }
    faults.push({
      file: name,
      line: 1,
      column: 1,
      code: 'HD_CONFIG_VALUE',
      message: `expected host:port`,
      text,
      severity: 'error',
    })
    return address(`${name} default`, fallback)
  }
  const connection = (name: string): BrokerConnection | null => {
    if (env[name] === undefined) return null
    const url = new URL(env[name])
    const { username, password } = url
    url.username = ''
    url.password = ''
    return {
      url: url.href.replace(/\/$/, ''),
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    }
  }
  const offBroker =
    env['HAIDANG_MQTT'] === 'off' ||
    (env['HAIDANG_MQTT'] === undefined && env['HAIDANG_MQTT_URL'] !== undefined)
  const settings: Settings = {
    timezone: env['HAIDANG_TIMEZONE'] ?? 'Asia/Ho_Chi_Minh',
    clock: 'arrival',
    data: path.resolve(cwd, env['HAIDANG_DATA'] ?? 'data'),
    http: address('HAIDANG_HTTP', '127.0.0.1:8080'),
    sql: address('HAIDANG_SQL', '127.0.0.1:8123'),
    broker: offBroker ? null : address('HAIDANG_MQTT', '127.0.0.1:1883'),
    mqtt: connection('HAIDANG_MQTT_URL'),
    nats: connection('HAIDANG_NATS_URL'),
    clickhouse: env['HAIDANG_CLICKHOUSE_URL'] ?? null,
    texts: {
      rules: [file('HAIDANG_RULES') ?? PRODUCT_RULES],
      devices: file('HAIDANG_DEVICES'),
      zones: file('HAIDANG_ZONES'),
      metrics: file('HAIDANG_METRICS'),
    },
    token: env['HAIDANG_TOKEN'] ?? null,
    sources: [],
    log_bytes: BOUNDS.log_bytes,
    late: LATE_MS,
    jetstream:
      env['HAIDANG_NATS_STREAM'] === undefined
        ? null
        : { stream: env['HAIDANG_NATS_STREAM'], durable: 'haidang' },
  }
  return { settings, faults }
}
