/** `/api/v1/alerts`: the board as it stands, and what people do about it. An act is answered when it is durable. */
import { byUrgency } from '../alerts/board.js'
import { LEVELS, type Level } from '../model/alert.js'
import { BOUNDS } from '../model/bounds.js'
import { HaidangError } from '../model/errors.js'
import { parseDuration } from '../model/time.js'
import { caller, OPERATORS, READERS, type RouteContext } from './routes.js'
import type { AlertList, AlertState, AlertStatus, Done } from './wire.js'

const STATUSES: readonly AlertStatus[] = [
  'firing',
  'unknown',
  'acknowledged',
  'confirmed',
  'shelved',
  'returned',
  'resolved',
]
/** Longest shelving: nobody remembers why after a week. */
const SHELVE_MS_MAX = 7 * 86_400_000
/** Text of people; control characters would forge lines in the SOC's log. */
const TEXT = {
  type: 'string',
  maxLength: BOUNDS.text_chars,
  pattern: '^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f]*$',
}
const WORDS = { ...TEXT, minLength: 1 }
/** The version (`seq`) that the person saw: if it has changed since, the act is refused (409), not done blindly. */
const VERSION = { type: 'integer', minimum: 0 }
const ID = { type: 'object', properties: { id: { type: 'string', maxLength: 64 } }, required: ['id'] }

interface Body {
  readonly version?: number
  readonly note?: string
  readonly result?: string
  readonly to?: string
  readonly until?: number
  readonly for?: string
}

/** Each act: the properties of its body, and which of them it needs. */
const ACTS: Readonly<Record<string, { summary: string; properties: object; required: readonly string[] }>> = {
  acknowledge: { summary: 'Seen', properties: { note: TEXT }, required: [] },
  confirm: {
    summary: 'Handled; the result is written down',
    properties: { result: WORDS, note: TEXT },
    required: ['result'],
  },
  assign: {
    summary: 'Given to an agency or person',
    properties: { to: WORDS, note: TEXT },
    required: ['to'],
  },
  shelve: {
    summary: 'Silenced until a time (ms UTC) or for a duration (15m, 1h, 8h)',
    properties: {
      until: { type: 'integer', minimum: 0 },
      for: { type: 'string', maxLength: 32 },
      note: TEXT,
    },
    required: [],
  },
  unshelve: { summary: 'No longer silenced', properties: { note: TEXT }, required: [] },
  note: { summary: 'A remark', properties: { note: WORDS }, required: ['note'] },
}

interface ListQuery {
  readonly status?: string
  readonly level?: Level
  readonly category?: string
  readonly device?: string
  readonly rule?: string
  readonly shadow?: boolean
  readonly limit: number
}

export function alertRoutes({ app, wall, commands, clock }: RouteContext): void {
  app.get<{ Querystring: ListQuery }>(
    '/api/v1/alerts',
    {
      config: { roles: READERS, summary: 'Alerts as they stand, most urgent first', answers: 'AlertList' },
      schema: {
        querystring: {
          type: 'object',
          additionalProperties: false,
          properties: {
            status: { type: 'string', description: `one or more of ${STATUSES.join(',')}` },
            level: { type: 'string', enum: LEVELS.slice(1), description: 'this level or a higher one' },
            category: { type: 'string', maxLength: BOUNDS.name_chars },
            device: { type: 'string', maxLength: BOUNDS.device_chars },
            rule: { type: 'string', maxLength: BOUNDS.name_chars },
            shadow: { type: 'boolean', default: false, description: 'also those of shadow rules' },
            limit: { type: 'integer', minimum: 1, maximum: 10_000, default: 1000 },
          },
        },
      },
    },
    async (request): Promise<AlertList> => {
      const found = [...wall.board.values()].filter(selects(request.query)).sort(byUrgency)
      return {
        alerts: found.slice(0, request.query.limit),
        total: found.length,
        seq: wall.board.seq,
        epoch: wall.epoch,
      }
    },
  )

  app.get<{ Params: { id: string } }>(
    '/api/v1/alerts/:id',
    { config: { roles: READERS, summary: 'One alert', answers: 'AlertState' }, schema: { params: ID } },
    async (request): Promise<AlertState> => known(request.params.id),
  )

  for (const [act, { summary, properties, required }] of Object.entries(ACTS))
    app.post<{ Params: { id: string }; Body: Body | undefined }>(
      `/api/v1/alerts/:id/${act}`,
      {
        config: { roles: OPERATORS, summary, answers: 'Done' },
        schema: {
          params: ID,
          body: {
            type: 'object',
            additionalProperties: false,
            properties: { ...properties, version: VERSION },
            required,
          },
        },
      },
      async (request): Promise<Done> => {
        const { version, ...given } = request.body ?? {}
        const alert = known(request.params.id)
        if (version !== undefined && version !== alert.seq) throw conflict(alert, version)
        const body = act === 'shelve' ? shelving(given, clock.now()) : given
        const { seq } = await commands.submit(act, caller(request).name, alert.id, body)
        return { seq, id: alert.id }
      },
    )

  function known(id: string): AlertState {
    const alert = wall.board.get(id)
    if (alert === undefined) throw new HaidangError('HD_SERVE_NOT_FOUND', `there is no alert '${id}'`)
    return alert
  }
}

function selects(query: ListQuery): (alert: AlertState) => boolean {
  const statuses = query.status?.split(',')
  for (const status of statuses ?? [])
    if (!STATUSES.includes(status as AlertStatus))
      throw new HaidangError('HD_SERVE_REQUEST', `status '${status}' is none of ${STATUSES.join(', ')}`)
  const lowest = query.level === undefined ? 0 : LEVELS.indexOf(query.level)
  return (alert) =>
    (query.shadow === true || !alert.shadow) &&
    (statuses === undefined || statuses.includes(alert.status)) &&
    LEVELS.indexOf(alert.shown_level) >= lowest &&
    (query.category === undefined || alert.category === query.category) &&
    (query.device === undefined || alert.device === query.device) &&
    (query.rule === undefined || alert.rule === query.rule)
}

/** `until` of a shelving, from a time or a duration; one of both is needed. */
function shelving(body: Body, now: number): Record<string, unknown> {
  const { for: duration, until: given, ...rest } = body
  if ((given === undefined) === (duration === undefined))
    throw new HaidangError('HD_SERVE_REQUEST', "shelve needs either 'until' (ms UTC) or 'for' (15m, 1h, 8h)")
  const ms = duration === undefined ? given! - now : parseDuration(duration)
  if (ms === undefined || ms <= 0 || ms > SHELVE_MS_MAX)
    throw new HaidangError('HD_SERVE_REQUEST', 'an alert is shelved for more than 0 s and at most 7 days')
  return { ...rest, until: now + ms }
}

function conflict(alert: AlertState, version: number): HaidangError {
  const last = [alert.confirmed, alert.acknowledged, alert.shelved, alert.assigned, ...alert.notes]
    .filter((act) => act !== null)
    .sort((a, b) => b.time - a.time)[0]
  const who = last === undefined ? '' : `, last by ${last.by} at ${new Date(last.time).toISOString()}`
  return new HaidangError(
    'HD_SERVE_CONFLICT',
    `you saw version ${version}, it is ${alert.seq} now: '${alert.status}'${who}`,
  )
}
