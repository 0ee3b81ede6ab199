/**
 * Who a request comes from and whether it may come at all: one answer for REST and for the wall's socket. Pure: headers
 * and the address go in, a principal or a refusal comes out.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { ErrorCode } from '../model/errors.js'
import type { Principal, Tokens } from './tokens.js'
import type { Role } from './wire.js'

export const SESSION_COOKIE = 'haidang_session'

export interface Refusal {
  readonly status: 401 | 403 | 429
  readonly code: ErrorCode
  readonly detail: string
}

/** `open`: a demo on loopback, where everybody at this machine is admin. */
export type AccessMode = { readonly kind: 'tokens'; readonly tokens: Tokens } | { readonly kind: 'open' }

const OPEN: Principal = { id: 'open', name: 'demo', role: 'admin' }
/** A request that came through a proxy is not from this machine, whatever its socket says. */
const FORWARDED = [
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
]

export class Access {
  readonly mode: AccessMode
  readonly #origins: ReadonlySet<string>

  /** `origins`: further origins that pages may have (a proxy's public address), `https://wall.example`. */
  constructor(mode: AccessMode, origins: readonly string[]) {
    this.mode = mode
    this.#origins = new Set(origins)
  }

  /** Why this request may not come at all, whoever it is; null where it may. */
  refusal(headers: IncomingHttpHeaders, remote: string | undefined): Refusal | null {
    if (this.mode.kind === 'open') {
      const forwarded = FORWARDED.find((name) => headers[name] !== undefined)
      if (forwarded !== undefined)
        return forbidden(`this demo is open to this machine only and takes no request with '${forwarded}'`)
      if (remote === undefined || !isLoopbackAddress(remote))
        return forbidden('this demo is open to this machine only')
      if (!isLoopbackHost(headers.host))
        return forbidden(`Host '${headers.host ?? ''}' is not this machine (127.0.0.1, localhost, [::1])`)
    }
    const { origin } = headers
    if (origin !== undefined && !this.#isOwn(origin, headers.host))
      return forbidden(`Origin '${origin}' is not this server`)
    return null
  }

  /** Who it is: by `Authorization: Bearer`, else by cookie; null where nobody we know. Never by the URL. */
  principal(headers: IncomingHttpHeaders): Principal | null {
    if (this.mode.kind === 'open') return OPEN
    const bearer = bearerOf(headers.authorization)
    if (bearer !== null) return this.mode.tokens.verify(bearer)
    const cookie = cookieOf(headers.cookie, SESSION_COOKIE)
    return cookie === null ? null : this.mode.tokens.verifySession(cookie)
  }

  /** Still true for somebody who came in earlier. */
  stillKnown(principal: Principal): boolean {
    return this.mode.kind === 'open' || this.mode.tokens.holds(principal.id)
  }

  #isOwn(origin: string, host: string | undefined): boolean {
    if (this.#origins.has(origin)) return true
    return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`)
  }
}

/** `admin` includes the other roles. */
export function mayAct(principal: Principal, roles: readonly Role[]): boolean {
  return principal.role === 'admin' || roles.includes(principal.role)
}

export function bearerOf(authorization: string | undefined): string | null {
  const match = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(authorization ?? '')
  return match === null ? null : match[1]!
}

/** A cookie's value; null where it is not there. The first of equal names counts, as in RFC 6265 5.4. */
function cookieOf(header: string | undefined, name: string): string | null {
  for (const pair of (header ?? '').split(';')) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim()
  }
  return null
}

export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}

function isLoopbackHost(host: string | undefined): boolean {
  return /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/i.test(host ?? '')
}

function forbidden(detail: string): Refusal {
  return { status: 403, code: 'HD_SERVE_RIGHTS', detail }
}
