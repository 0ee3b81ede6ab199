/** The plain value of `haidang.yaml` after its schema has been satisfied: what schema.ts says, as types. */

export interface TlsDocument {
  readonly ca_file?: string
  readonly cert_file?: string
  readonly key_file?: string
  readonly servername?: string
}

export interface ConnectionDocument {
  readonly url: string
  readonly username?: string
  readonly password_file?: string
  readonly password_env?: string
  readonly token_file?: string
  readonly creds_file?: string
  readonly tls?: TlsDocument
  readonly server_config?: string
}

export interface SourceDocument {
  readonly name: string
  readonly transport: 'mqtt' | 'nats' | 'jetstream' | 'http_poll' | 'http_post' | 'folder'
  readonly decoder: string
  readonly stream: string
  readonly topics?: readonly string[]
  readonly subjects?: readonly string[]
  readonly device?: string
  readonly rename?: Readonly<Record<string, string>>
  readonly factor?: Readonly<Record<string, number>>
  readonly zone?: string
  readonly late?: string
  readonly clock?: 'arrival' | 'event'
  readonly qos: 0 | 1
  readonly jetstream?: { readonly stream?: string; readonly durable?: string }
  readonly connection?: ConnectionDocument
}

/** With the keys of its kind. */
export interface SinkDocument extends Readonly<Record<string, unknown>> {
  readonly name: string
  readonly kind: string
  readonly secret_file?: string
  readonly secret_env?: string
}

export interface SettingsDocument {
  readonly timezone: string
  readonly clock: 'arrival' | 'event'
  readonly data?: string
  readonly http: string
  readonly sql: string
  readonly broker?: string
  readonly mqtt?: ConnectionDocument
  readonly nats?: ConnectionDocument
  readonly jetstream?: { readonly stream: string; readonly durable: string }
  readonly clickhouse?: ConnectionDocument
  readonly rules?: string | readonly string[]
  readonly devices?: string
  readonly zones?: string
  readonly metrics?: string
  readonly log_bytes: string | number
  readonly late: string
  readonly sources?: readonly SourceDocument[]
  readonly sinks?: readonly SinkDocument[]
}
