/**
 * Who may come in. A token is 256 random bits, kept only as its SHA-256 (a secret of that size needs no slow hash; it
 * cannot be guessed and appears in no list). A browser's cookie is a statement signed with a key of this file, so that a
 * wall on the ceiling stays logged in when the engine restarts, and is void as soon as its token is gone.
 *
 *   tokens.json (0600)   {version, key, tokens: [{id, name, role, hash, created, expires}]}
 *   token                hd_<43 characters base64url>
 *   cookie               <token id>.<expires ms>.<HMAC-SHA-256 over id, expires and the token's hash>
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Stats } from 'node:fs'
import { open, readFile, rename, stat } from 'node:fs/promises'
import path from 'node:path'
import { HaidangError } from '../model/errors.js'
import type { Clock } from '../model/ports.js'
import type { Role } from './wire.js'

export const ROLES: readonly Role[] = ['wall', 'operator', 'analyst', 'admin']

/** Who a request comes from. */
export interface Principal {
  /** Of the token; 'open' in a demo. */
  readonly id: string
  readonly name: string
  readonly role: Role
}

export interface TokenEntry extends Principal {
  /** SHA-256, hex; '' for an enrolled wall, which has only its cookie. */
  readonly hash: string
  readonly created: number
  /** ms UTC; null: never. */
  readonly expires: number | null
}

const FILE_VERSION = 1
const TOKENS_MAX = 10_000
/** Browsers keep no cookie longer than 400 days; a wall renews its own at every load. */
const WALL_SESSION_MS = 400 * 86_400_000
/** A shift. */
const SESSION_MS = 12 * 3_600_000

export class Tokens {
  readonly #file: string
  readonly #clock: Clock
  #key: Buffer
  /** Which file was read or written last. */
  #version = ''
  readonly #byHash = new Map<string, TokenEntry>()
  readonly #byId = new Map<string, TokenEntry>()
  /** Entries that live only in this process: HAIDANG_TOKEN. */
  readonly #adopted: TokenEntry[] = []

  private constructor(file: string, clock: Clock) {
    this.#file = file
    this.#clock = clock
    this.#key = randomBytes(32)
  }

  /** Reads `file`, or begins an empty one. Throws HD_CONFIG_SYNTAX where the file is none of ours. */
  static async open(file: string, clock: Clock): Promise<Tokens> {
    const tokens = new Tokens(file, clock)
    if (!(await tokens.#read())) await tokens.#write()
    return tokens
  }

  /** Tokens and enrolled walls; hashes are nobody's business. */
  list(): Omit<TokenEntry, 'hash'>[] {
    return [...this.#byId.values()].map(({ hash: _hash, ...entry }) => entry)
  }

  get size(): number {
    return this.#byId.size
  }

  /** A new token. Its text is returned once and kept nowhere. */
  async create(
    name: string,
    role: Role,
    expires: number | null = null,
  ): Promise<{ id: string; token: string }> {
    await this.refresh()
    const token = `hd_${randomBytes(32).toString('base64url')}`
    const entry = this.#entry(name, role, hashOf(token), expires)
    this.#put(entry)
    await this.#write()
    return { id: entry.id, token }
  }

  /** A token from outside (HAIDANG_TOKEN), valid as long as this process. Throws HD_CONFIG_VALUE under 16 characters. */
  adopt(name: string, role: Role, token: string): void {
    if (token.length < 16)
      throw new HaidangError(
        'HD_CONFIG_VALUE',
        `HAIDANG_TOKEN has ${token.length} characters, at least 16 needed`,
      )
    const entry = { ...this.#entry(name, role, hashOf(token), null), id: 'env' }
    this.#adopted.push(entry)
    this.#put(entry)
  }

  /** An enrolled wall: it has no token, only the cookie made from this. */
  async enrol(name: string): Promise<Principal> {
    await this.refresh()
    const entry = this.#entry(name, 'wall', '', null)
    this.#put(entry)
    await this.#write()
    return entry
  }

  async remove(id: string): Promise<boolean> {
    await this.refresh()
    const entry = this.#byId.get(id)
    if (entry === undefined) return false
    this.#byId.delete(id)
    this.#byHash.delete(entry.hash)
    await this.#write()
    return true
  }

  /** Whose token this is; null where it is nobody's or out of date. */
  verify(token: string): Principal | null {
    return this.#current(this.#byHash.get(hashOf(token)))
  }

  /** True while the token of `id` is there and in date. */
  holds(id: string): boolean {
    return this.#current(this.#byId.get(id)) !== null
  }

  /** A cookie's value for the holder of a token, and its life in seconds. */
  session(id: string): { value: string; seconds: number } {
    const entry = this.#byId.get(id)
    if (entry === undefined) throw new HaidangError('HD_SERVE_AUTH', `there is no token '${id}'`)
    const life = entry.role === 'wall' ? WALL_SESSION_MS : SESSION_MS
    const expires = Math.min(this.#clock.now() + life, entry.expires ?? Number.POSITIVE_INFINITY)
    return {
      value: `${id}.${expires}.${this.#mac(entry, expires).toString('base64url')}`,
      seconds: Math.max(0, Math.floor((expires - this.#clock.now()) / 1000)),
    }
  }

  /** Whose cookie this is; null where it is not ours, out of date, or its token is gone. */
  verifySession(value: string): Principal | null {
    const [id, expires, mac, more] = value.split('.')
    if (id === undefined || expires === undefined || mac === undefined || more !== undefined) return null
    const entry = this.#byId.get(id)
    const until = Number(expires)
    if (entry === undefined || !Number.isSafeInteger(until) || until <= this.#clock.now()) return null
    const given = Buffer.from(mac, 'base64url')
    const right = this.#mac(entry, until)
    return given.length === right.length && timingSafeEqual(given, right) ? this.#current(entry) : null
  }

  /**
   * Takes over what `haidang token` wrote meanwhile: one stat where nothing changed. Also before each change of our own,
   * which writes the whole file.
   */
  async refresh(): Promise<void> {
    const found = await stat(this.#file).catch(() => null)
    if (found !== null && versionOf(found) !== this.#version) await this.#read()
  }

  #entry(name: string, role: Role, hash: string, expires: number | null): TokenEntry {
    if (this.#byId.size >= TOKENS_MAX)
      throw new HaidangError('HD_SERVE_REQUEST', `there are ${TOKENS_MAX} tokens already`)
    return {
      id: randomBytes(6).toString('hex'),
      name,
      role,
      hash,
      created: this.#clock.now(),
      expires,
    }
  }

  #put(entry: TokenEntry): void {
    this.#byId.set(entry.id, entry)
    if (entry.hash !== '') this.#byHash.set(entry.hash, entry)
  }

  #current(entry: TokenEntry | undefined): Principal | null {
    if (entry === undefined || (entry.expires !== null && entry.expires <= this.#clock.now())) return null
    return { id: entry.id, name: entry.name, role: entry.role }
  }

  #mac(entry: TokenEntry, expires: number): Buffer {
    return createHmac('sha256', this.#key).update(`${entry.id}.${expires}.${entry.hash}`).digest()
  }

  async #read(): Promise<boolean> {
    let text: string
    try {
      this.#version = versionOf(await stat(this.#file))
      text = await readFile(this.#file, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
    const { key, tokens } = parsed(text, this.#file)
    this.#key = Buffer.from(key, 'base64url')
    this.#byHash.clear()
    this.#byId.clear()
    for (const entry of [...tokens, ...this.#adopted]) this.#put(entry)
    return true
  }

  /** Whole file beside the old one, synced, then renamed: a crash leaves one or the other. */
  async #write(): Promise<void> {
    const tokens = [...this.#byId.values()].filter((entry) => !this.#adopted.includes(entry))
    const document = { version: FILE_VERSION, key: this.#key.toString('base64url'), tokens }
    const beside = `${this.#file}.${randomBytes(4).toString('hex')}.new`
    const handle = await open(beside, 'wx', 0o600)
    try {
      await handle.writeFile(`${JSON.stringify(document, null, 1)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(beside, this.#file)
    const folder = await open(path.dirname(this.#file), 'r')
    await folder.sync().finally(() => folder.close())
    this.#version = versionOf(await stat(this.#file))
  }
}

/** The kernel's clock ticks every 4 ms; two writes within one differ in their inode, each being a file of its own. */
function versionOf({ ino, mtimeMs, size }: Stats): string {
  return `${ino} ${mtimeMs} ${size}`
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

function parsed(text: string, file: string): { key: string; tokens: TokenEntry[] } {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (cause) {
    throw new HaidangError('HD_CONFIG_SYNTAX', `${file}: ${(cause as Error).message}`, { cause })
  }
  const { version, key, tokens } = (document ?? {}) as Record<string, unknown>
  const good =
    version === FILE_VERSION &&
    typeof key === 'string' &&
    Array.isArray(tokens) &&
    tokens.every((entry: unknown) => {
      const { id, name, role, hash } = (entry ?? {}) as Record<string, unknown>
      return (
        typeof id === 'string' &&
        typeof name === 'string' &&
        typeof hash === 'string' &&
        ROLES.includes(role as Role)
      )
    })
  if (!good)
    throw new HaidangError('HD_CONFIG_SYNTAX', `${file}: not a tokens file of version ${FILE_VERSION}`)
  return { key: key as string, tokens: tokens as TokenEntry[] }
}
