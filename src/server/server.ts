/**
 * The HTTP server: pages, REST, the wall's socket, probes and metrics, behind one guard. Everything of the outside (the
 * engine's commands, the city, the store's history, tokens) comes by options.
 */
import { statSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import fastifyStatic from '@fastify/static'
import { Ajv } from 'ajv'
import fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import { Counter, Histogram, type Registry } from 'prom-client'
import { type ErrorCode, HaidangError } from '../model/errors.js'
import type { Clock } from '../model/ports.js'
import { Access, type AccessMode, mayAct } from './access.js'
import { alertRoutes } from './alert-routes.js'
import { Attempts } from './attempts.js'
import { cityRoutes } from './city-routes.js'
import { Enrolments } from './enrolment.js'
import { openapi } from './openapi.js'
import type { City, Commands, History } from './ports.js'
import { PROBLEM_TYPE, problem, problemOf, tooMany } from './problem.js'
import { sessionRoutes } from './session-routes.js'
import type { Wall } from './wall.js'
import { WallSocket } from './wall-socket.js'

export interface ServerOptions {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  readonly wall: Wall
  readonly access: AccessMode
  /** Further origins pages may come from, as a proxy shows them; if one is https, cookies are Secure. */
  readonly origins?: readonly string[]
  readonly commands: Commands
  readonly city: City
  /** null: no store. */
  readonly history: History | null
  /** Why the engine does not (yet) do its work: a source is down, the log is not recovered. Empty: ready. */
  readonly ready: () => readonly string[]
  readonly metrics: Registry
  readonly clock: Clock
  /** `{version, build, node, …}` of GET /api/v1/version. */
  readonly version: Readonly<Record<string, string>>
  /** Folder of the built pages (dist/ui). */
  readonly pages: string
  /** Told of every error that is our fault (answered 500). */
  readonly onError: (error: unknown) => void
}

export interface HaidangServer {
  /** http://host:port */
  readonly url: string
  readonly wall: Wall
  close(): Promise<void>
}

/** Bytes of one REST body: alerts are acted upon with a few words. */
const BODY_BYTES = 64 * 1024
const REQUEST_MS = 10_000
const REFRESH_TOKENS_MS = 2000

/** No inline script or style, nothing from elsewhere, in nobody's frame. */
const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const HEADERS = {
  'content-security-policy': CSP,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
} as const

/** Listens, and resolves once it does. Throws HD_SERVE_PORT where the port is taken, HD_CONFIG_VALUE where `open` would
 * be open to more than this machine. */
export async function createServer(options: ServerOptions): Promise<HaidangServer> {
  const { wall, clock } = options
  if (options.access.kind === 'open' && !/^(127\.\d+\.\d+\.\d+|localhost|::1)$/.test(options.host))
    throw new HaidangError(
      'HD_CONFIG_VALUE',
      `a server without tokens may listen on loopback only, not on ${options.host}`,
    )

  const access = new Access(options.access, options.origins ?? [])
  const meters = new ServerMetrics(options.metrics)
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES,
    requestTimeout: REQUEST_MS,
    connectionTimeout: 0,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 512 },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    return503OnClosing: true,
  })
  app.decorateRequest('principal', null)
  checkStrictly(app)
  takeEmptyBodies(app)
  const attempts = new Attempts(clock)
  guard(app, access, attempts, meters)
  describeErrors(app, options.onError)

  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => {
    routes.push(route)
  })
  const context = {
    app,
    wall,
    access,
    attempts,
    enrolments: new Enrolments(clock),
    commands: options.commands,
    city: options.city,
    history: options.history,
    clock,
    version: options.version,
    secureCookies: (options.origins ?? []).some((origin) => origin.startsWith('https:')),
  }
  alertRoutes(context)
  sessionRoutes(context)
  cityRoutes(context)
  probeRoutes(app, options)
  app.get('/api/v1/openapi.json', { config: { roles: 'anyone', summary: 'This description' } }, async () =>
    openapi(routes, options.version['version'] ?? ''),
  )
  await pageRoutes(app, options.pages)

  const socket = new WallSocket(wall, access, attempts, (reason) => {
    meters.refused.inc({ code: reason })
  })
  socket.attach(app.server)
  await listen(app, options)
  wall.start()
  const { mode } = access
  const refresh =
    mode.kind === 'tokens'
      ? setInterval(() => {
          mode.tokens.refresh().catch(options.onError)
        }, REFRESH_TOKENS_MS)
      : undefined

  const { port } = app.server.address() as AddressInfo
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return {
    url: `http://${host}:${port}`,
    wall,
    async close() {
      clearInterval(refresh)
      await wall.close()
      await socket.close()
      await app.close()
    },
  }
}

class ServerMetrics {
  readonly refused: Counter<'code'>
  readonly requests: Histogram<'route' | 'method' | 'status'>

  constructor(registry: Registry) {
    this.refused = new Counter({
      name: 'haidang_http_refused_total',
      help: 'Requests and sockets refused, by error code',
      labelNames: ['code'],
      registers: [registry],
    })
    this.requests = new Histogram({
      name: 'haidang_http_request_seconds',
      help: 'Requests answered, by route',
      labelNames: ['route', 'method', 'status'],
      buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10],
      registers: [registry],
    })
  }
}

/** Bodies exactly as their schema says: no coercion, nothing unknown. Query texts become what their schema says. */
function checkStrictly(app: FastifyInstance): void {
  const strict = new Ajv({ coerceTypes: false, useDefaults: true, allErrors: false, strict: false })
  const texts = new Ajv({ coerceTypes: true, useDefaults: true, allErrors: false, strict: false })
  app.setValidatorCompiler(({ schema, httpPart }) => (httpPart === 'body' ? strict : texts).compile(schema))
}

/** No body is an empty one: `acknowledge` needs no words. */
function takeEmptyBodies(app: FastifyInstance): void {
  app.addHook('preValidation', async (request) => {
    if (request.method === 'POST') request.body ??= {}
  })
}

/** Every request passes here: where from, who, and whether that role may. A route that says nothing is for nobody. */
function guard(app: FastifyInstance, access: Access, attempts: Attempts, meters: ServerMetrics): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS)
    if (request.url.startsWith('/api/')) reply.header('cache-control', 'no-store')
    const refusal = access.refusal(request.headers, request.socket.remoteAddress)
    if (refusal !== null) {
      meters.refused.inc({ code: refusal.code })
      throw new HaidangError(refusal.code, refusal.detail)
    }
    const { roles } = request.routeOptions.config
    if (roles === 'anyone' || request.is404) return
    const principal = access.principal(request.headers)
    if (principal === null) {
      meters.refused.inc({ code: 'HD_SERVE_AUTH' })
      if (request.headers.authorization !== undefined && attempts.wrong(request.ip)) throw tooMany()
      reply.header('www-authenticate', 'Bearer realm="haidang"')
      throw new HaidangError(
        'HD_SERVE_AUTH',
        'give a token as Authorization: Bearer, or log in at /api/v1/session',
      )
    }
    if (roles === undefined || !mayAct(principal, roles)) {
      meters.refused.inc({ code: 'HD_SERVE_RIGHTS' })
      throw new HaidangError('HD_SERVE_RIGHTS', `role '${principal.role}' may not do this`)
    }
    request.principal = principal
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none'
    const labels = { route, method: request.method, status: String(reply.statusCode) }
    meters.requests.observe(labels, reply.elapsedTime / 1000)
  })
}

function describeErrors(app: FastifyInstance, onError: (error: unknown) => void): void {
  app.setErrorHandler(async (error, request, reply) => {
    const body = problemOf(error, request.url)
    if (body.status >= 500 && !(error instanceof HaidangError)) onError(error)
    if (body.status === 429) reply.header('retry-after', '60')
    return reply.code(body.status).type(PROBLEM_TYPE).send(JSON.stringify(body))
  })
  app.setNotFoundHandler(async (request, reply) => {
    const detail = `nothing answers ${request.method} ${request.url.split('?', 1)[0]}`
    const body = problem(404, 'HD_SERVE_NOT_FOUND' satisfies ErrorCode, detail, request.url)
    return reply.code(404).type(PROBLEM_TYPE).send(JSON.stringify(body))
  })
}

/** Probes carry counts and names of sources, never readings; whoever reaches the port may read them. */
function probeRoutes(app: FastifyInstance, { ready, metrics }: ServerOptions): void {
  app.get('/healthz', { config: { roles: 'anyone' } }, async () => ({ status: 'ok' }))
  app.get('/readyz', { config: { roles: 'anyone' } }, async (_request, reply) => {
    const reasons = ready()
    return reply.code(reasons.length === 0 ? 200 : 503).send({ ready: reasons.length === 0, reasons })
  })
  app.get('/metrics', { config: { roles: 'anyone' } }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.metrics()),
  )
}

/** The pages hold no data, so anybody may load them: what they ask for then needs a token. */
async function pageRoutes(app: FastifyInstance, pages: string): Promise<void> {
  const root = path.resolve(pages)
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new HaidangError('HD_CONFIG_VALUE', `${root} is no folder: build the pages first (npm run build)`)
  await app.register(async (scope) => {
    scope.addHook('onRoute', (route) => {
      route.config = { ...route.config, roles: 'anyone' }
    })
    await scope.register(fastifyStatic, {
      root,
      prefix: '/ui/',
      preCompressed: true,
      index: false,
      cacheControl: false,
      setHeaders: (response) => response.header('cache-control', 'no-cache'),
    })
    scope.get('/wall', async (_request, reply) => reply.sendFile('wall/index.html'))
    scope.get('/', async (_request, reply) => reply.redirect('/wall', 302))
  })
}

async function listen(app: FastifyInstance, { host, port }: ServerOptions): Promise<void> {
  try {
    await app.listen({ host, port })
  } catch (cause) {
    await app.close()
    if ((cause as NodeJS.ErrnoException).code === 'EADDRINUSE')
      throw new HaidangError('HD_SERVE_PORT', `${host}:${port} is taken by another process`, { cause })
    throw cause
  }
}
