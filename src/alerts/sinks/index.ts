/**
 * The sinks there are, by the name that configuration calls them: one file and one line here each. The schema is that
 * of the sink's section; secrets arrive resolved (from a file or the environment), never from the configuration's text.
 */
import { isIP } from 'node:net'
import type { NodeConnectionOptions } from 'nats'
import { HaidangError } from '../../model/errors.js'
import { NatsSink } from './nats.js'
import type { Sink } from './sink.js'
import { isWithinReach, WebhookSink } from './webhook.js'

export interface SinkContext {
  readonly name: string
  /** ms UTC. */
  readonly now: () => number
  /** What the section's `secret` or `credentials` refer to; '' where it names none. */
  readonly secret: string
}

export interface SinkKind {
  readonly kind: string
  /**
   * JSON Schema of the settings, unknown keys refused; a `format` is one of src/config/formats.ts. The section has
   * `name`, `kind`, `secret_file` and `secret_env` besides.
   */
  readonly schema: object
  /** `settings` have passed the schema. Throws HD_CONFIG_VALUE for what a schema cannot see. */
  create(settings: Readonly<Record<string, unknown>>, context: SinkContext): Sink
}

const webhook: SinkKind = {
  kind: 'webhook',
  schema: {
    type: 'object',
    additionalProperties: false,
    required: ['url'],
    properties: {
      url: {
        type: 'string',
        format: 'http_url',
        description: 'http(s) address that takes a POST for each transition; without user and password',
      },
      reach: {
        enum: ['public', 'private', 'loopback'],
        default: 'public',
        description: 'how far it may go: the internet, also the own network, also this machine',
      },
      timeout_ms: { type: 'integer', minimum: 100, maximum: 60_000, default: 10_000 },
    },
  },
  create: (settings, { name, now, secret }) => {
    const url = settings['url'] as string
    const reach = (settings['reach'] ?? 'public') as 'public' | 'private' | 'loopback'
    const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
    // A name is looked up at each delivery; an address that can never be reached is a fault now.
    if (isIP(host) !== 0 && !isWithinReach(host, reach))
      throw new HaidangError('HD_CONFIG_VALUE', `sink '${name}': ${host} is not within reach '${reach}'`)
    return new WebhookSink({
      name,
      now,
      secret,
      url,
      reach,
      timeout_ms: (settings['timeout_ms'] ?? 10_000) as number,
    })
  },
}

const nats: SinkKind = {
  kind: 'nats',
  schema: {
    type: 'object',
    additionalProperties: false,
    required: ['servers'],
    properties: {
      servers: { type: 'array', minItems: 1, items: { type: 'string', format: 'nats_url' } },
      user: {
        type: 'string',
        description: 'with the secret as its password; without a user the secret is a token',
      },
      delivery: {
        enum: ['core', 'jetstream'],
        default: 'core',
        description: 'jetstream: a stream has to acknowledge; core: whoever listens hears it',
      },
      timeout_ms: { type: 'integer', minimum: 100, maximum: 60_000, default: 5000 },
    },
  },
  create: (settings, { name, secret }) => {
    const { user } = settings as { user?: string }
    const connection: NodeConnectionOptions = { servers: settings['servers'] as string[], name: 'haidang' }
    if (user !== undefined) Object.assign(connection, { user, pass: secret })
    else if (secret !== '') connection.token = secret
    return new NatsSink({
      name,
      connection,
      delivery: (settings['delivery'] ?? 'core') as 'core' | 'jetstream',
      timeout_ms: (settings['timeout_ms'] ?? 5000) as number,
    })
  },
}

export const SINKS: ReadonlyMap<string, SinkKind> = new Map([webhook, nats].map((kind) => [kind.kind, kind]))
