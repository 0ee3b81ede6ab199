/** JSON Schemas of the texts beside `haidang.yaml`: the registry of devices and sites, and a city's own metrics. */

const text = { type: ['string', 'number', 'boolean', 'null'] } as const
const degrees = {
  type: ['number', 'null'],
  minimum: -180,
  maximum: 180,
  description: 'Degrees, WGS 84.',
} as const

export const SITE_SCHEMA = {
  type: 'object',
  required: ['site'],
  description: 'A place with devices, which take ward and position from it.',
  properties: { site: { type: ['string', 'number'] }, name: text, ward: text, lat: degrees, lon: degrees },
} as const

export const DEVICE_SCHEMA = {
  type: 'object',
  required: ['device'],
  description: 'Further keys are attributes (text, number, true or false): rules read them as device.<key>.',
  properties: {
    device: { type: ['string', 'number'], description: 'Unique in the city.' },
    kind: text,
    site: { ...text, description: 'A `site` of `sites`.' },
    ward: text,
    agency: { ...text, description: 'Who must answer.' },
    lat: degrees,
    lon: degrees,
    limit: {
      type: ['object', 'null'],
      additionalProperties: { type: ['number', 'null'] },
      description: 'Named thresholds: rules read them as limit.<name>.',
    },
    expected_interval: {
      type: ['string', 'null'],
      format: 'duration',
      description: 'How often it speaks; `absent` and `for` go by it.',
    },
  },
} as const

export const DEVICE_LIST_SCHEMA = { type: 'array', items: DEVICE_SCHEMA } as const

export const REGISTRY_SCHEMA = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Hải Đăng registry',
  type: 'object',
  properties: {
    devices: { type: ['array', 'null'], items: DEVICE_SCHEMA },
    sites: { type: ['array', 'null'], items: SITE_SCHEMA },
  },
} as const

const number = { type: ['number', 'null'] } as const
export const METRICS_SCHEMA = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Hải Đăng metrics',
  type: 'object',
  propertyNames: { type: 'string', format: 'metric' },
  additionalProperties: {
    type: ['object', 'null'],
    additionalProperties: false,
    properties: {
      unit: { ...text, description: 'Decoders convert to it.' },
      min: { ...number, description: 'Below it a sample is out_of_range.' },
      max: { ...number, description: 'Above it a sample is out_of_range.' },
      danger: {
        enum: ['up', 'down', 'both', null],
        default: 'up',
        description: 'The side on which out of range is a danger.',
      },
      decimals: { type: ['integer', 'null'], minimum: 0, maximum: 15, default: 2 },
      counter: { type: ['boolean', 'null'], default: false, description: 'Ever-growing; what rate() takes.' },
      en: text,
      vi: text,
    },
  },
} as const
