/**
 * JSON Schemas of `haidang.yaml`, one a section. They say what each key is (for editors as well) and what a single value
 * may be; what two values have to do with each other is in cross-check.ts. `format` names one of formats.ts.
 */
import { STREAMS } from '../../rules/language/envelope.js'
import { SIZE_MIN } from './formats.js'

const file = { type: 'string', format: 'text' } as const
const clock = {
  enum: ['arrival', 'event'],
  description:
    'event: recordings played into a live engine; timers follow their times and the wall shows REPLAY.',
} as const
const late = {
  type: 'string',
  format: 'duration',
  description:
    "How far behind its key's newest a sample may be and still be judged; later ones are stored alone.",
} as const
const topics = {
  type: 'array',
  minItems: 1,
  uniqueItems: true,
  items: { type: 'string', format: 'text' },
} as const

export const TLS_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  minProperties: 1,
  description: "The server's certificate is always checked; ca_file where no public authority signed it.",
  properties: {
    ca_file: { ...file, description: 'PEM.' },
    cert_file: { ...file, description: 'PEM, for servers that ask for a certificate; with key_file.' },
    key_file: { ...file, description: 'PEM.' },
    servername: { ...file, description: 'Name in the certificate where it is not the host of the URL.' },
  },
} as const

function connection(format: string) {
  return {
    type: 'object',
    additionalProperties: false,
    required: ['url'],
    properties: {
      url: { type: 'string', format, description: 'Without user and password.' },
      username: { ...file, description: 'With password_file or password_env.' },
      password_file: { ...file, description: 'File whose first line is the password.' },
      password_env: { type: 'string', format: 'variable', description: 'Variable that holds the password.' },
      tls: TLS_SCHEMA,
    },
  } as const
}

function natsConnection(format: string) {
  const { properties, ...rest } = connection(format)
  return {
    ...rest,
    properties: {
      ...properties,
      token_file: { ...file, description: 'NATS: file whose first line is the token.' },
      creds_file: { ...file, description: 'NATS: credentials file (JWT and seed).' },
    },
  } as const
}

const { properties: mqttProperties, ...mqttRest } = connection('mqtt_url')
export const MQTT_SCHEMA = {
  ...mqttRest,
  description:
    'A broker of your own for haidang/v1/#; the embedded one is then off unless `broker` says otherwise.',
  properties: {
    ...mqttProperties,
    server_config: {
      ...file,
      description: 'Its mosquitto.conf, where this machine has it: windows too small are warned of.',
    },
  },
} as const

export const NATS_SCHEMA = {
  ...natsConnection('nats_url'),
  description: 'NATS server for haidang.v1.>.',
} as const

export const CLICKHOUSE_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['url'],
  description: 'A ClickHouse of your own instead of the embedded store.',
  properties: {
    url: {
      type: 'string',
      format: 'http_url',
      description: 'Without user and password; the path is the database.',
    },
    username: file,
    password_file: { ...file, description: 'File whose first line is the password.' },
    password_env: { type: 'string', format: 'variable', description: 'Variable that holds the password.' },
  },
} as const

export const JETSTREAM_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['stream'],
  description: 'Consume haidang.v1.> from this stream, acknowledged after the sync, instead of plain NATS.',
  properties: {
    stream: { type: 'string', format: 'name' },
    durable: {
      type: 'string',
      format: 'name',
      default: 'haidang',
      description: 'Consumer; the server keeps our position under it.',
    },
  },
} as const

export const SOURCE_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'transport', 'decoder', 'stream'],
  description: 'One subscription with its decoder.',
  properties: {
    name: { type: 'string', format: 'name', description: "The sample's `source`; unique." },
    transport: { enum: ['mqtt', 'nats', 'jetstream', 'http_poll', 'http_post', 'folder'] },
    decoder: { type: 'string', format: 'text', description: 'Format of the payload; never guessed.' },
    stream: { enum: STREAMS },
    topics: { ...topics, description: 'MQTT topic filters.' },
    subjects: { ...topics, description: 'NATS subjects.' },
    device: {
      type: 'string',
      format: 'device_template',
      description:
        "How the device id is made: {topic.3} {topic.1+} {payload.devEui}, segments from 0. Default: the format's own way.",
    },
    rename: {
      type: 'object',
      additionalProperties: { type: 'string', format: 'metric' },
      description: 'Field of the payload: metric.',
    },
    factor: {
      type: 'object',
      propertyNames: { type: 'string', format: 'metric' },
      additionalProperties: { type: 'number', minimum: -1e15, maximum: 1e15, not: { const: 0 } },
      description: "Metric (after rename): what its value is multiplied by to come to the metric's unit.",
    },
    zone: {
      type: 'string',
      format: 'time_zone',
      description: 'Zone of clocks that name none; without it such a time is no time.',
    },
    late: { ...late, description: `${late.description} Default: the file's own \`late\`.` },
    clock: { ...clock, description: `${clock.description} Default: the file's own \`clock\`.` },
    qos: {
      enum: [0, 1],
      default: 1,
      description: 'MQTT: 1 is acknowledged after the sync, 0 is best effort.',
    },
    jetstream: {
      type: 'object',
      additionalProperties: false,
      description: 'Transport jetstream alone.',
      properties: {
        stream: {
          type: 'string',
          format: 'name',
          description: 'Default: the one that holds the first subject.',
        },
        durable: { type: 'string', format: 'name', description: 'Consumer. Default: haidang-<name>.' },
      },
    },
    connection: {
      ...natsConnection('any_url'),
      description: "Default: the engine's own `mqtt` (or embedded broker) or `nats`.",
    },
  },
} as const

/** What every sink has; the rest is its kind's own (src/alerts/sinks/index.ts), checked in sinks.ts. */
export const SINK_SCHEMA = {
  type: 'object',
  required: ['name', 'kind'],
  description: 'One receiver of alerts outside, told behind the sync, at least once.',
  properties: {
    name: { type: 'string', format: 'name', description: 'Unique; its place in the log is kept under it.' },
    kind: { type: 'string', format: 'text', description: 'webhook, nats.' },
    secret_file: {
      ...file,
      description: 'File whose first line is the secret: the key of the signature, the password, the token.',
    },
    secret_env: { type: 'string', format: 'variable', description: 'Variable that holds the secret.' },
  },
} as const

export const SETTINGS_SCHEMA = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Hải Đăng configuration',
  type: 'object',
  additionalProperties: false,
  properties: {
    timezone: {
      type: 'string',
      format: 'time_zone',
      default: 'Asia/Ho_Chi_Minh',
      description: "The city's zone: hours, days and laws go by it.",
    },
    clock: { ...clock, default: 'arrival' },
    data: { ...file, description: 'Folder of log, store and tokens; one engine a folder. Default: ./data.' },
    http: {
      type: 'string',
      format: 'address',
      default: '127.0.0.1:8080',
      description: 'Wall and REST; port 0 takes a free one.',
    },
    sql: {
      type: 'string',
      format: 'address',
      default: '127.0.0.1:8123',
      description: 'The SQL door (ClickHouse over HTTP); loopback only.',
    },
    broker: {
      type: 'string',
      format: 'address_or_off',
      description: 'The embedded MQTT broker. Default: 127.0.0.1:1883, and off where `mqtt` is set.',
    },
    mqtt: MQTT_SCHEMA,
    nats: NATS_SCHEMA,
    jetstream: JETSTREAM_SCHEMA,
    clickhouse: CLICKHOUSE_SCHEMA,
    rules: {
      type: ['string', 'array'],
      format: 'text',
      minItems: 1,
      items: file,
      description: "Folder or file of rules, or several. Default: the product's own watch list.",
    },
    devices: {
      ...file,
      description: 'Registry (YAML): device, kind, site, ward, agency, lat, lon, limit, expected_interval.',
    },
    zones: {
      ...file,
      description: 'GeoJSON. Default: zones.geojson beside the registry, where there is one.',
    },
    metrics: {
      ...file,
      description: 'Metrics of your own. Default: metrics.yaml beside the registry, where there is one.',
    },
    log_bytes: {
      type: ['string', 'integer'],
      format: 'size',
      minimum: SIZE_MIN,
      default: '10GiB',
      description:
        'Most that the log may take; when full, judging goes on and acknowledging stops. A day of 2 000 msg/s is about 10 GiB.',
    },
    late: { ...late, default: '1h' },
    sources: { type: 'array', items: SOURCE_SCHEMA, description: 'Beside the built-in native source.' },
    sinks: { type: 'array', items: SINK_SCHEMA, description: 'Who outside is told of alerts.' },
  },
} as const
