import {
  CATEGORIES,
  ID_PATTERN,
  MODES,
  NAME_PATTERN,
  REMIND_UNTIL,
  REQUIRED_KEYS,
  RISING_LEVELS,
  type RULE_KEYS,
  STREAMS,
} from './envelope.js'

/**
 * JSON Schema of one rule document, for completion and first checks in editors (draft 2020-12):
 *
 *   # yaml-language-server: $schema=./rule.schema.json
 *
 * The loader reads the same keys beside it (envelope.ts), since it places every fault in the text and goes on after it; a
 * test holds the two together. What expressions mean is the checker's alone.
 */
const duration = {
  type: 'string',
  pattern: '^(\\d+(\\.\\d+)?(ms|s|m|h|d))+$',
  description: 'A duration: 500ms 30s 10m 2h 7d, at most 400d.',
} as const
const expression = {
  type: ['string', 'boolean', 'number'],
  description: 'A condition or value of the rule language. Inside { } put it in quotes where it has a comma.',
} as const
const word = { type: ['string', 'number'] } as const
const bilingual = {
  type: 'object',
  additionalProperties: false,
  minProperties: 1,
  properties: {
    en: { ...word, description: 'English; {level_m}, {site.name} or any expression in braces is filled in.' },
    vi: {
      ...word,
      description:
        'Tiếng Việt; {level_m}, {site.name} hoặc biểu thức trong ngoặc nhọn được thay bằng giá trị.',
    },
  },
} as const
const stream = { enum: STREAMS } as const
const streams = { anyOf: [stream, { type: 'array', items: stream }] } as const
const risingLevel = { enum: RISING_LEVELS } as const
const attribute = { type: 'string', pattern: NAME_PATTERN } as const
const attributes = { anyOf: [attribute, { type: 'array', items: attribute }] } as const
const date = { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}$' } as const

const level = {
  type: 'object',
  additionalProperties: false,
  required: ['when'],
  properties: {
    when: { ...expression, description: 'True for `for`: the alert rises to this level.' },
    clear: { ...expression, description: 'True: it may fall again. Default: when `when` is false.' },
    for: { ...duration, default: '0s', description: 'How long `when` must hold before it counts.' },
    hold: {
      ...duration,
      default: '0s',
      description: 'How long the level stays at least, from when it was reached.',
    },
  },
} as const

// As YAML reads it (a number) or as its text.
const numeric = { type: ['number', 'string'], pattern: '^[-+0-9.eE]+$' } as const

const step = {
  type: 'object',
  minProperties: 1,
  maxProperties: 1,
  propertyNames: { pattern: NAME_PATTERN },
  additionalProperties: {
    type: 'object',
    additionalProperties: false,
    required: ['when'],
    properties: { stream: streams, when: expression },
  },
} as const

const feed = {
  type: ['string', 'number'],
  description: '1.8+0.02x70 every 1m: start+stepxcount; _ is a gap.',
} as const

export const RULE_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'https://haidang.invalid/rule.schema.json',
  title: 'Hải Đăng rule',
  type: 'object',
  additionalProperties: false,
  required: REQUIRED_KEYS,
  properties: {
    rule: { type: 'string', pattern: ID_PATTERN, description: 'Unique id, as flood.gauge.alarm.' },
    title: { ...bilingual, description: 'The alert in one line.' },
    short: { ...bilingual, description: "The wall's line: 36 characters as rendered. Default: title." },
    category: { enum: CATEGORIES },
    owner: { ...word, default: '', description: 'Agency that must answer.' },
    legal: {
      type: 'object',
      additionalProperties: false,
      properties: {
        basis: { ...word, description: 'The act: 05/2020/QĐ-TTg.' },
        from: { ...date, description: 'First day in force, by event time in the city.' },
        to: { ...date, description: 'First day no longer in force.' },
      },
    },
    stream: { ...streams, description: 'Default: every stream. Not in a rule with a sequence.' },
    where: { ...expression, description: 'Which samples exist for this rule: over registry and labels.' },
    key: {
      ...attributes,
      default: ['device'],
      description:
        'One alert per value of these: device site ward agency route zone or any registry attribute.',
    },
    late: {
      ...duration,
      default: '5m',
      description: "How far behind the key's newest a sample still enters windows.",
    },
    let: {
      type: 'object',
      propertyNames: { pattern: NAME_PATTERN },
      additionalProperties: expression,
      description: 'Names for expressions. `eta` is shown as the time left.',
    },
    sequence: {
      type: 'object',
      additionalProperties: false,
      required: ['within', 'steps'],
      properties: {
        within: { ...duration, description: 'Longest time from the first step to the last.' },
        steps: {
          type: 'array',
          minItems: 1,
          prefixItems: [{ allOf: [step, { not: { type: 'object', required: ['not'] } }] }],
          items: step,
          description: 'In order, each with its name; `not` forbids.',
        },
      },
    },
    levels: {
      type: 'object',
      additionalProperties: false,
      minProperties: 1,
      properties: { low: level, medium: level, high: level, critical: level },
    },
    absent: {
      type: 'object',
      additionalProperties: false,
      required: ['after'],
      properties: { after: duration, level: { ...risingLevel, default: 'low' } },
      description: "No sample for so long: the alert's data is unknown.",
    },
    inhibit_by: {
      anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
      description: 'Rules that, while firing for the same device, make this one unconfirmed.',
    },
    group: attributes,
    remind: {
      type: 'object',
      additionalProperties: false,
      required: ['every'],
      properties: { every: duration, until: { enum: REMIND_UNTIL, default: 'acknowledged' } },
    },
    escalate: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['after', 'to'],
        properties: { after: duration, level: { ...risingLevel, default: 'low' }, to: word },
      },
    },
    playbook: { type: 'array', items: bilingual },
    mode: { enum: MODES, default: 'live' },
    tests: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['expect'],
        anyOf: [{ required: ['feed'] }, { required: ['send'] }],
        properties: {
          name: word,
          start: {
            type: 'string',
            description: "The test's zero. Default: midnight of legal.from, else of 2026-01-01.",
          },
          stream,
          device: { type: 'object', description: 'Registry entry of the one device of the test.' },
          feed: {
            type: 'object',
            additionalProperties: { anyOf: [feed, { type: 'array', items: feed }] },
          },
          send: {
            type: 'array',
            description: 'Single messages, for labels, positions and several streams.',
            items: {
              type: 'object',
              additionalProperties: false,
              required: ['at'],
              properties: {
                at: { ...duration, description: "After the test's start." },
                stream,
                label: word,
                metrics: { type: 'object', additionalProperties: numeric },
                lat: numeric,
                lon: numeric,
                attrs: { type: 'object' },
              },
            },
          },
          expect: {
            type: 'array',
            items: {
              type: 'object',
              additionalProperties: false,
              required: ['level'],
              oneOf: [{ required: ['at'] }, { required: ['within'] }],
              properties: {
                at: duration,
                within: { type: 'array', items: duration, minItems: 2, maxItems: 2 },
                level: { enum: ['none', ...RISING_LEVELS, 'unknown'] },
              },
            },
          },
        },
      },
    },
  } satisfies Record<(typeof RULE_KEYS)[number], unknown>,
} as const
