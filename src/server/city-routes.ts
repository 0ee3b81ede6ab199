/** Reading the city: devices, sources, rules, dead letters, history. Lists are bounded; history is piped through. */
import { BOUNDS } from '../model/bounds.js'
import { ERROR_CODES, HaidangError } from '../model/errors.js'
import type { DeadLetterSelection } from './ports.js'
import { PROBLEM_TYPE, problemOf } from './problem.js'
import { ADMINS, caller, READERS, type RouteContext } from './routes.js'

const PAGE_MAX = 1000

export function cityRoutes({ app, city, commands, history, version }: RouteContext): void {
  app.get<{ Querystring: { after: string; limit: number; search: string } }>(
    '/api/v1/devices',
    {
      config: {
        roles: READERS,
        summary: 'Devices in order of id, a page after the id `after`',
        answers: 'DeviceStatus',
      },
      schema: {
        querystring: {
          type: 'object',
          additionalProperties: false,
          properties: {
            after: { type: 'string', maxLength: BOUNDS.device_chars, default: '' },
            limit: { type: 'integer', minimum: 1, maximum: PAGE_MAX, default: 100 },
            search: { type: 'string', maxLength: BOUNDS.device_chars, default: '' },
          },
        },
      },
    },
    async (request) => {
      const { devices, total } = city.devices(request.query)
      const last = devices[devices.length - 1]
      const next = last !== undefined && devices.length === request.query.limit ? last.device : null
      return { devices, total, next }
    },
  )

  app.get(
    '/api/v1/sources',
    { config: { roles: READERS, summary: 'Feeds and whether they are up', answers: 'SourceStatus' } },
    async () => ({ sources: city.sources() }),
  )

  app.get(
    '/api/v1/rules',
    { config: { roles: READERS, summary: 'Rules in force', answers: 'RuleStatus' } },
    async () => ({ rules: city.rules() }),
  )

  app.get<{ Querystring: { limit: number; before?: number } }>(
    '/api/v1/dead-letters',
    {
      config: {
        roles: ADMINS,
        summary: 'Messages that could not be used, newest first',
        answers: 'DeadLetterStatus',
      },
      schema: {
        querystring: {
          type: 'object',
          additionalProperties: false,
          properties: {
            limit: { type: 'integer', minimum: 1, maximum: PAGE_MAX, default: 100 },
            before: { type: 'integer', minimum: 0, description: 'seq: only older ones' },
          },
        },
      },
    },
    async (request) => {
      const { limit, before } = request.query
      return { dead_letters: await city.deadLetters({ limit, before: before ?? null }) }
    },
  )

  app.post<{ Body: DeadLetterSelection }>(
    '/api/v1/dead-letters/retry',
    {
      config: {
        roles: ADMINS,
        summary: 'Sends dead letters again, oldest first: their samples are historical',
        answers: 'DeadLettersRetried',
      },
      schema: {
        body: {
          type: 'object',
          additionalProperties: false,
          properties: {
            code: { enum: [...ERROR_CODES], description: 'HD_DECODE_POISON only where it is named' },
            source: { type: 'string', minLength: 1, maxLength: BOUNDS.name_chars },
            from: { type: 'integer', minimum: 0, description: 'seq, inclusive' },
            to: { type: 'integer', minimum: 0, description: 'seq, inclusive' },
            limit: { type: 'integer', minimum: 1, maximum: PAGE_MAX, default: PAGE_MAX },
          },
        },
      },
    },
    async (request) => await commands.retryDeadLetters(request.body, caller(request).name),
  )

  app.get<{ Querystring: Record<string, string> }>(
    '/api/v1/series',
    {
      config: { roles: READERS, summary: 'History of series, as columnar JSON or ArrowStream' },
      schema: {
        querystring: {
          type: 'object',
          maxProperties: 16,
          additionalProperties: { type: 'string', maxLength: BOUNDS.text_chars },
        },
      },
    },
    async (request, reply) => {
      if (history === null)
        throw new HaidangError('HD_STORE_CONNECT', 'the store is off: there is no history', {
          retryable: true,
        })
      // The store's answer goes to the socket as it comes; fastify must not touch the reply any more.
      reply.hijack()
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) reply.raw.setHeader(name, value)
      try {
        await history.pipe(request.query, reply.raw)
      } catch (error) {
        if (reply.raw.headersSent) reply.raw.destroy(error as Error)
        else {
          const body = problemOf(error, request.url)
          reply.raw.writeHead(body.status, { 'content-type': PROBLEM_TYPE }).end(JSON.stringify(body))
        }
      }
    },
  )

  app.get('/api/v1/version', { config: { roles: 'anyone', summary: 'What is running' } }, async () => version)
}
