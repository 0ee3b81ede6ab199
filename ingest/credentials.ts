/**
 * Who may speak to the embedded broker, and on which topics. Passwords are kept as scrypt hashes
 * (`scrypt$16384$8$1$<salt base64>$<hash base64>`, RFC 7914); the check runs in libuv's threads, and a password that was
 * right once is remembered for the process as a keyed hash, so that ten thousand devices that come back at once cost
 * one scrypt per vendor and not ten thousand.
 */
import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { HaidangError } from '../src/model/errors.js'

/** Topic filters (`+` and `#` as in MQTT) that a client may publish to and subscribe to. */
export interface BrokerRights {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

export interface Vendor extends BrokerRights {
  readonly username: string
  readonly password_hash: string
}

/** Rights of these credentials, or undefined where they are wrong. Never rejects. */
export type CredentialCheck = (username: string, password: Uint8Array) => Promise<BrokerRights | undefined>

const COST = 16_384
const BLOCK = 8
const PARALLEL = 1
const HASH_BYTES = 32
const REMEMBERED_MAX = 10_000

/** Hash of a new password, to be stored. About 50 ms of another thread. */
export async function passwordHash(password: Uint8Array | string): Promise<string> {
  const salt = randomBytes(16)
  const hash = await derive(password, salt, COST, BLOCK, PARALLEL)
  return `scrypt$${COST}$${BLOCK}$${PARALLEL}$${salt.toString('base64')}$${hash.toString('base64')}`
}

/** A check against a list of vendors. Throws HD_CONFIG_VALUE where a name or hash of the list is none. */
export function vendorCredentials(vendors: readonly Vendor[]): CredentialCheck {
  const known = new Map<string, Vendor>()
  for (const vendor of vendors) {
    if (!isClientName(vendor.username))
      throw new HaidangError(
        'HD_CONFIG_VALUE',
        `vendor '${vendor.username}': a name has no + # / $ and is not empty`,
      )
    if (!/^scrypt\$\d+\$\d+\$\d+\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+$/.test(vendor.password_hash))
      throw new HaidangError(
        'HD_CONFIG_VALUE',
        `vendor '${vendor.username}': password_hash is no scrypt hash`,
      )
    known.set(vendor.username, vendor)
  }
  const key = randomBytes(32)
  const remembered = new Map<string, Buffer>()
  return async (username, password) => {
    const vendor = known.get(username)
    if (vendor === undefined) return undefined
    const mark = createHmac('sha256', key).update(password).digest()
    const earlier = remembered.get(username)
    if (earlier !== undefined && timingSafeEqual(earlier, mark)) return vendor
    const [, cost, block, parallel, salt, hash] = vendor.password_hash.split('$')
    const expected = Buffer.from(hash!, 'base64')
    try {
      const found = await derive(
        password,
        Buffer.from(salt!, 'base64'),
        Number(cost),
        Number(block),
        Number(parallel),
        expected.length,
      )
      if (!timingSafeEqual(found, expected)) return undefined
    } catch {
      // Costs that OpenSSL refuses: as good as a wrong password, and `haidang check` names the entry.
      return undefined
    }
    if (remembered.size < REMEMBERED_MAX) remembered.set(username, mark)
    return vendor
  }
}

/** Names that could act as wildcards or paths in a rights file are none (CVE-2017-7650). */
export function isClientName(name: string): boolean {
  return name.length > 0 && name.length <= 256 && !/[+#/$\p{Cc}]/u.test(name)
}

/** Whether `topic` (of a PUBLISH, or a filter that a client asks for) is within `filter`. */
export function topicWithin(topic: string, filter: string): boolean {
  const have = topic.split('/')
  const allowed = filter.split('/')
  for (let i = 0; i < allowed.length; i++) {
    if (allowed[i] === '#') return true
    const segment = have[i]
    if (segment === undefined || segment === '#') return false
    if (allowed[i] === '+') continue
    if (segment !== allowed[i]) return false
  }
  return have.length === allowed.length
}

function derive(
  password: Uint8Array | string,
  salt: Buffer,
  cost: number,
  block: number,
  parallel: number,
  bytes = HASH_BYTES,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(
      password,
      salt,
      bytes,
      { N: cost, r: block, p: parallel, maxmem: 256 * cost * block },
      (error, hash) => (error === null ? resolve(hash) : reject(error)),
    )
  })
}
