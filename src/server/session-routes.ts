/** `/api/v1/session` (a browser's cookie) and `/api/v1/walls` (screens let in by a code). */
import { HaidangError } from '../model/errors.js'
import { bearerOf, SESSION_COOKIE } from './access.js'
import { tooMany } from './problem.js'
import { caller, OPERATORS, READERS, type RouteContext } from './routes.js'
import type { Principal, Tokens } from './tokens.js'
import type { Enrolment, Session } from './wire.js'

const NAME = { type: 'string', minLength: 1, maxLength: 64, pattern: '^[^\\u0000-\\u001f\\u007f]+$' }
const CODE = { type: 'string', pattern: '^[0-9]{8}$' }

export function sessionRoutes(context: RouteContext): void {
  const { app, access, attempts, commands, enrolments, wall } = context

  app.get(
    '/api/v1/session',
    { config: { roles: READERS, summary: 'Who this browser is', answers: 'Session' } },
    async (request, reply): Promise<Session> => {
      const principal = caller(request)
      // A wall's cookie is renewed at every load, so that it does not run out on the ceiling.
      if (principal.role === 'wall' && request.headers.authorization === undefined)
        setCookie(reply, principal)
      return sessionOf(principal)
    },
  )

  app.post<{ Body: { token?: string } | undefined }>(
    '/api/v1/session',
    {
      config: { roles: 'anyone', summary: 'Turns a token into a cookie', answers: 'Session' },
      schema: {
        body: {
          type: 'object',
          additionalProperties: false,
          properties: { token: { type: 'string', maxLength: 512 } },
        },
      },
    },
    async (request, reply): Promise<Session> => {
      if (access.mode.kind === 'open') return sessionOf({ id: 'open', name: 'demo', role: 'admin' })
      const token = request.body?.token ?? bearerOf(request.headers.authorization)
      const principal = token === null ? null : access.mode.tokens.verify(token)
      if (principal === null) {
        if (attempts.wrong(request.ip)) throw tooMany()
        throw new HaidangError('HD_SERVE_AUTH', 'this token is not known')
      }
      await audit('session', principal.name, { role: principal.role, address: request.ip })
      setCookie(reply, principal)
      return sessionOf(principal)
    },
  )

  app.delete(
    '/api/v1/session',
    { config: { roles: 'anyone', summary: 'Forgets the cookie' } },
    async (_request, reply) => {
      reply.header('set-cookie', cookie('', 0))
      return reply.code(204).send()
    },
  )

  app.get(
    '/api/v1/walls',
    { config: { roles: OPERATORS, summary: 'Walls connected and walls let in', answers: 'WallStatus' } },
    async () => ({
      connected: wall.walls(),
      enrolled:
        access.mode.kind === 'tokens' ? access.mode.tokens.list().filter((t) => t.role === 'wall') : [],
    }),
  )

  app.post(
    '/api/v1/walls/enrolments',
    { config: { roles: 'anyone', summary: 'A wall asks for a code to show', answers: 'Enrolment' } },
    async (request): Promise<Enrolment> => {
      tokens()
      // Anybody may ask, and the oldest of the waiting gives way: so not too often from one address.
      if (attempts.wrong(request.ip)) throw tooMany()
      return enrolments.begin()
    },
  )

  app.post<{ Body: { code: string; secret: string } }>(
    '/api/v1/walls/enrolments/claim',
    {
      config: {
        roles: 'anyone',
        summary: 'The wall asks whether its code was typed: 202 not yet, 200 with its cookie',
      },
      schema: {
        body: {
          type: 'object',
          additionalProperties: false,
          properties: { code: CODE, secret: { type: 'string', maxLength: 64 } },
          required: ['code', 'secret'],
        },
      },
    },
    async (request, reply) => {
      const store = tokens()
      const claim = enrolments.claim(request.body.code, request.body.secret)
      if (claim === null) throw new HaidangError('HD_SERVE_NOT_FOUND', 'this code is not waiting any more')
      if (claim === 'waiting') return reply.code(202).send({ waiting: true })
      const enrolled = store.list().find((entry) => entry.id === claim.tokenId)
      if (enrolled === undefined)
        throw new HaidangError('HD_SERVE_NOT_FOUND', 'this wall was removed meanwhile')
      setCookie(reply, enrolled)
      return sessionOf(enrolled)
    },
  )

  app.post<{ Body: { code: string; name: string } }>(
    '/api/v1/walls',
    {
      config: { roles: OPERATORS, summary: 'Lets the wall in that shows this code' },
      schema: {
        body: {
          type: 'object',
          additionalProperties: false,
          properties: { code: CODE, name: NAME },
          required: ['code', 'name'],
        },
      },
    },
    async (request, reply) => {
      const store = tokens()
      const { code, name } = request.body
      if (!enrolments.isWaiting(code)) {
        if (attempts.wrong(request.ip)) throw tooMany()
        throw new HaidangError('HD_SERVE_NOT_FOUND', `no wall shows the code ${code}`)
      }
      await audit('walls', caller(request).name, { act: 'enrol', wall: name })
      const enrolled = await store.enrol(name)
      enrolments.admit(code, enrolled.id)
      return reply.code(201).send({ id: enrolled.id, name })
    },
  )

  app.delete<{ Params: { id: string } }>(
    '/api/v1/walls/:id',
    {
      config: { roles: OPERATORS, summary: 'Shuts a wall out' },
      schema: { params: { type: 'object', properties: { id: { type: 'string', maxLength: 64 } } } },
    },
    async (request, reply) => {
      const { id } = request.params
      const found = tokens()
        .list()
        .find((entry) => entry.id === id && entry.role === 'wall')
      if (found === undefined) throw new HaidangError('HD_SERVE_NOT_FOUND', `there is no wall '${id}'`)
      await audit('walls', caller(request).name, { act: 'remove', wall: found.name, id })
      await tokens().remove(id)
      return reply.code(204).send()
    },
  )

  /** Who came in and who was let in is part of the record: written down before it takes effect. */
  async function audit(name: string, who: string, body: Readonly<Record<string, unknown>>): Promise<void> {
    await commands.submit(name, who, '', body)
  }

  function tokens(): Tokens {
    if (access.mode.kind === 'open')
      throw new HaidangError('HD_SERVE_REQUEST', 'this demo needs no enrolment')
    return access.mode.tokens
  }

  function sessionOf({ name, role }: Principal): Session {
    return { name, role, open: access.mode.kind === 'open' }
  }

  function setCookie(reply: { header(name: string, value: string): unknown }, principal: Principal): void {
    if (access.mode.kind === 'open') return
    const { value, seconds } = access.mode.tokens.session(principal.id)
    reply.header('set-cookie', cookie(value, seconds))
  }

  function cookie(value: string, seconds: number): string {
    const secure = context.secureCookies ? '; Secure' : ''
    return `${SESSION_COOKIE}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${secure}`
  }
}
