/**
 * POSTs each transition as JSON (DESIGN.md 7) to one URL.
 *
 *   Content-Type: application/json
 *   Idempotency-Key: <alert id>:<seq>:<status>:<level>
 *   X-Haidang-Timestamp: ms UTC of this attempt
 *   X-Haidang-Signature: sha256=<hex of HMAC-SHA256(secret, timestamp + "." + body)>
 *
 * A receiver checks the signature over the raw body, refuses timestamps older than a few minutes, and drops keys it
 * knows. Redirects are not followed, and addresses are checked after the name is resolved, so that a URL (or its DNS)
 * cannot point the engine at the machine itself or a cloud's metadata.
 */
import { createHmac } from 'node:crypto'
import { lookup as resolveName } from 'node:dns'
import { type ClientRequest, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import type { Transition } from '../../model/alert.js'
import { HaidangError } from '../../model/errors.js'
import type { Delivery, Sink } from './sink.js'

export interface WebhookOptions {
  readonly name: string
  readonly url: string
  /** Key of the signature; '' sends none. */
  readonly secret: string
  /** How far it may go: the internet, also the city's own network, also this machine. Never link-local (metadata). */
  readonly reach: 'public' | 'private' | 'loopback'
  /** Whole exchange, ms. */
  readonly timeout_ms?: number
  /** ms UTC, for the timestamp. */
  readonly now: () => number
}

const TIMEOUT_MS = 10_000
/** The receiver says that this content is wrong; everything else may be mended on its side. */
const REFUSED = new Set([400, 406, 413, 415, 422])

const NEVER = new BlockList()
NEVER.addSubnet('169.254.0.0', 16, 'ipv4')
NEVER.addSubnet('fe80::', 10, 'ipv6')
NEVER.addSubnet('224.0.0.0', 4, 'ipv4')
NEVER.addSubnet('ff00::', 8, 'ipv6')
const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addSubnet('0.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')
LOOPBACK.addAddress('::', 'ipv6')
const PRIVATE = new BlockList()
PRIVATE.addSubnet('10.0.0.0', 8, 'ipv4')
PRIVATE.addSubnet('172.16.0.0', 12, 'ipv4')
PRIVATE.addSubnet('192.168.0.0', 16, 'ipv4')
PRIVATE.addSubnet('100.64.0.0', 10, 'ipv4')
PRIVATE.addSubnet('fc00::', 7, 'ipv6')

/** Whether an address lies within `reach`. IPv4 written as IPv6 counts as what it is. */
export function isWithinReach(address: string, reach: WebhookOptions['reach']): boolean {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  if (isIP(address) === 0 || NEVER.check(address, family)) return false
  if (LOOPBACK.check(address, family)) return reach === 'loopback'
  if (PRIVATE.check(address, family)) return reach !== 'public'
  return true
}

export class WebhookSink implements Sink {
  readonly name: string
  readonly #options: WebhookOptions
  readonly #url: URL
  readonly #underway = new Set<ClientRequest>()

  /** Throws HD_CONFIG_VALUE where the URL is none, is not http(s), or carries a password. */
  constructor(options: WebhookOptions) {
    this.name = options.name
    this.#options = options
    if (!URL.canParse(options.url))
      throw new HaidangError('HD_CONFIG_VALUE', `sink ${options.name}: '${options.url}' is no URL`)
    this.#url = new URL(options.url)
    const { protocol, username, password } = this.#url
    if ((protocol !== 'http:' && protocol !== 'https:') || username !== '' || password !== '')
      throw new HaidangError(
        'HD_CONFIG_VALUE',
        `sink ${options.name}: url must be http(s) without user and password`,
      )
  }

  async open(): Promise<void> {}

  async write(transition: Transition, key: string): Promise<Delivery> {
    const body = Buffer.from(JSON.stringify(transition))
    const timestamp = String(this.#options.now())
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      'content-length': String(body.length),
      'user-agent': 'haidang',
      'idempotency-key': key,
      'x-haidang-timestamp': timestamp,
    }
    const { secret } = this.#options
    if (secret !== '') {
      const signature = createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest('hex')
      headers['x-haidang-signature'] = `sha256=${signature}`
    }
    const status = await this.#post(headers, body)
    if (status >= 200 && status < 300) return 'ok'
    if (REFUSED.has(status)) return 'dead'
    throw new Error(`webhook ${this.name}: ${this.#url.host} answers ${status}`)
  }

  async close(): Promise<void> {
    for (const request of this.#underway) request.destroy(new Error(`webhook ${this.name} is closed`))
  }

  #post(headers: Record<string, string>, body: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      // A literal address is never looked up, so it is checked here.
      const literal = this.#url.hostname.replace(/^\[|\]$/g, '')
      if (isIP(literal) !== 0 && !isWithinReach(literal, this.#options.reach)) {
        reject(outOfReach(this.name, literal, this.#options.reach))
        return
      }
      const send = this.#url.protocol === 'https:' ? httpsRequest : httpRequest
      const request = send(this.#url, { method: 'POST', headers, lookup: this.#lookup, agent: false })
      this.#underway.add(request)
      const timeout_ms = this.#options.timeout_ms ?? TIMEOUT_MS
      const timer = setTimeout(() => {
        request.destroy(new Error(`webhook ${this.name}: no answer within ${timeout_ms} ms`))
      }, timeout_ms)
      request.once('close', () => {
        clearTimeout(timer)
        this.#underway.delete(request)
      })
      request.once('error', reject)
      request.once('response', (response) => {
        // The status is the answer; a body without end must not hold the connection.
        response.once('error', () => {})
        resolve(response.statusCode ?? 0)
        response.destroy()
      })
      request.end(body)
    })
  }

  readonly #lookup: LookupFunction = (hostname, options, callback) => {
    resolveName(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, '', 4)
        return
      }
      const allowed = addresses.filter(({ address }) => isWithinReach(address, this.#options.reach))
      const first = allowed[0]
      if (first === undefined) {
        const refused = addresses.map(({ address }) => address).join(', ')
        callback(outOfReach(this.name, refused, this.#options.reach), '', 4)
      } else if (options.all === true) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}

function outOfReach(name: string, address: string, reach: string): Error {
  return new Error(`webhook ${name}: ${address} is not within reach '${reach}'`)
}
