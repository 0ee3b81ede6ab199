/** What every group of routes is given, and what a route says about itself for the guard and for OpenAPI. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Clock } from '../model/ports.js'
import type { Access } from './access.js'
import type { Attempts } from './attempts.js'
import type { Enrolments } from './enrolment.js'
import type { City, Commands, History } from './ports.js'
import type { Principal } from './tokens.js'
import type { Wall } from './wall.js'
import type { Role } from './wire.js'

export interface RouteContext {
  readonly app: FastifyInstance
  readonly wall: Wall
  readonly access: Access
  readonly attempts: Attempts
  readonly enrolments: Enrolments
  readonly commands: Commands
  readonly city: City
  readonly history: History | null
  readonly clock: Clock
  readonly version: Readonly<Record<string, string>>
  /** Cookies only over TLS: the server's public address is https. */
  readonly secureCookies: boolean
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Roles that may call it besides admin; 'anyone': no token needed. Required: a route without it is refused. */
    roles?: readonly Role[] | 'anyone'
    /** One line for OpenAPI. */
    summary?: string
    /** Name of the answer's shape in src/server/wire.ts or ports.ts. */
    answers?: string
  }
  interface FastifyRequest {
    /** Set by the guard; null on routes for anyone. */
    principal: Principal | null
  }
}

export const READERS: readonly Role[] = ['wall', 'operator', 'analyst']
export const OPERATORS: readonly Role[] = ['operator']
export const ADMINS: readonly Role[] = []

/** Who calls: the guard has seen to it that there is somebody. */
export function caller(request: FastifyRequest): Principal {
  return request.principal!
}
