/** The shape of the settings: everything that the rest of the engine may know of configuration. */
import type { SourceProfile } from '../model/decoder.js'
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
  /** Who outside is told of alerts. */
  readonly sinks: readonly SinkSettings[]
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

export interface SinkSettings {
  readonly name: string
  /** Key of SINKS. */
  readonly kind: string
  /** As the kind's own schema says, defaults filled in. */
  readonly options: Readonly<Record<string, unknown>>
  /** From `secret_file` or `secret_env`; '' where there is none. */
  readonly secret: string
}
