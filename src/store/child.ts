import { type ChildProcess, fork } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { HaidangError } from '../model/errors.js'
import {
  DEFAULT_LIMITS,
  type DoorMessage,
  type EngineMessage,
  OWN_AT_ONCE,
  PID_FILE,
  type QueryAudit,
  type QueryLimits,
  type StoreMessage,
} from './embedded/protocol.js'
import { endLeftover } from './leftover.js'

export interface Caller {
  readonly who: string
  readonly role: string
}

export interface ChildOptions {
  /** HAIDANG_DATA; chDB lives in `<directory>/clickhouse`. */
  readonly directory: string
  readonly limits?: QueryLimits
  /** Whose token is this? null: nobody's. */
  checkToken(token: string): Promise<Caller | null>
  /** One query at the door. */
  onAudit?(entry: QueryAudit): void
  /** The process is up (again) or has gone; `pid` is the new one's. */
  onState?(state: 'up' | 'down', pid: number | undefined, reason: string): void
}

/** After a death in service: soon (the door must be back within 2 s), but not in a loop that eats a core. */
const BACKOFF_SERVING_MS = [0, 250, 500, 1000]
/** After a death before its database was open: what stops it will not be gone at once. */
const BACKOFF_STARTING_MS = [250, 500, 1000, 2000, 5000, 10_000]
/** Up this long: the next death counts as the first. */
const STABLE_MS = 30_000
/** Half of the machine is the store's, but never less than merges and one query need. */
const MEMORY_BYTES_MIN = 1024 ** 3
/** A close that takes longer is ended: the data is safe against that, a hanging shutdown is not. */
const CLOSE_MS = 5000
/** sun_path holds 107 bytes; '/store.sock' is 11 of them. */
const RUN_PATH_BYTES_MAX = 90
const LAST_WORDS_CHARS = 1000
/** Loading 546 MB from a cold disk. */
const READY_MS = 60_000

/**
 * The store process as the engine holds it: starts it, starts it again when it dies, ends it. The engine never waits
 * for it: what needs the store meets a refused connection and tries again later.
 */
export class StoreChild {
  readonly socket: string
  readonly #options: ChildOptions
  readonly #directory: string
  #process: ChildProcess | undefined
  #door: DoorMessage | undefined
  #doorWaiting: { resolve(port: number): void; reject(error: Error): void } | undefined
  #deaths = 0
  #closing = false
  #timer: NodeJS.Timeout | undefined
  #ready: Promise<void>

  private constructor(options: ChildOptions, directory: string) {
    this.#options = options
    this.#directory = directory
    this.socket = path.join(directory, 'store.sock')
    this.#ready = this.#start()
  }

  /** Ends a leftover, starts the process, waits until its database is open. Throws HD_STORE_CONNECT. */
  static async open(options: ChildOptions): Promise<StoreChild> {
    await mkdir(options.directory, { recursive: true })
    await endLeftover(options.directory)
    const child = new StoreChild(options, await runDirectory(options.directory))
    try {
      await child.#ready
    } catch (error) {
      await child.close()
      throw error
    }
    return child
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Opens the SQL door; resolves with its port (0 picks one, kept across restarts). Throws HD_SERVE_PORT. */
  async openDoor(host: string, port: number): Promise<number> {
    const opened = new Promise<number>((resolve, reject) => {
      this.#doorWaiting = { resolve, reject }
    })
    this.#door = { type: 'door', host, port }
    await this.#ready
    this.#send(this.#door)
    try {
      return await opened
    } catch (error) {
      this.#door = undefined
      throw error
    }
  }

  /** Asks it to close, ends it after five seconds; takes its socket and pid file away. */
  async close(): Promise<void> {
    this.#closing = true
    clearTimeout(this.#timer)
    const child = this.#process
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
      this.#send({ type: 'close' })
      const late = setTimeout(() => child.kill('SIGKILL'), CLOSE_MS)
      await gone
      clearTimeout(late)
    }
    await rm(this.#directory, { recursive: true, force: true })
    await rm(path.join(this.#options.directory, PID_FILE), { force: true })
  }

  #start(): Promise<void> {
    const limits = this.#options.limits ?? DEFAULT_LIMITS
    const child = fork(path.join(import.meta.dirname, 'embedded', 'main.js'), [], {
      // Nothing of the engine's environment: analysts could read it through the store (FAULTS.md 2.1, row 30).
      env: { UV_THREADPOOL_SIZE: String(limits.at_once + OWN_AT_ONCE + 8), TZ: 'UTC', PATH: '/usr/bin:/bin' },
      cwd: this.#directory,
      execArgv: ['--max-old-space-size=512'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'json',
    })
    this.#process = child
    const startedAt = performance.now()
    let served = false
    // Its last words, for the reason of its death.
    let words = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      words = (words + chunk.toString('utf8')).slice(-LAST_WORDS_CHARS)
    })
    const ready = new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => {
        reject(
          new HaidangError(
            'HD_STORE_CONNECT',
            `the store process did not open its database within ${READY_MS / 1000} s`,
          ),
        )
        child.kill('SIGKILL')
      }, READY_MS)
      child.on('message', (message: StoreMessage) => {
        if (message.type === 'ready') {
          clearTimeout(late)
          served = true
          resolve()
          this.#options.onState?.('up', child.pid, '')
          if (this.#door !== undefined) this.#send(this.#door)
        } else if (message.type === 'failed') {
          clearTimeout(late)
          reject(new HaidangError(message.code, message.message))
          child.kill('SIGKILL')
        } else {
          this.#hear(message)
        }
      })
      child.once('exit', (code, signal) => {
        clearTimeout(late)
        const last = words.trim() === '' ? '' : `: ${words.trim().replaceAll('\n', ' | ')}`
        const reason = `the store process ended (${signal ?? `exit code ${code}`})${last}`
        reject(new HaidangError('HD_STORE_CONNECT', reason, { retryable: true }))
        this.#died(child, served, performance.now() - startedAt, reason)
      })
      child.once('error', (cause) =>
        reject(
          new HaidangError('HD_STORE_CONNECT', `the store process cannot be started: ${cause.message}`, {
            cause,
          }),
        ),
      )
    })
    this.#send({
      type: 'open',
      directory: path.resolve(this.#options.directory, 'clickhouse'),
      scratch: path.resolve(this.#options.directory, 'store-scratch'),
      socket: this.socket,
      memory_bytes: Math.max(MEMORY_BYTES_MIN, Math.floor(os.totalmem() / 2)),
      limits,
    })
    return ready
  }

  #died(child: ChildProcess, served: boolean, aliveMs: number, reason: string): void {
    if (child !== this.#process) return
    this.#options.onState?.('down', undefined, reason)
    if (this.#closing) return
    if (aliveMs > STABLE_MS) this.#deaths = 0
    const backoff = served ? BACKOFF_SERVING_MS : BACKOFF_STARTING_MS
    const wait = backoff[Math.min(this.#deaths++, backoff.length - 1)]!
    this.#timer = setTimeout(() => {
      this.#ready = rm(this.socket, { force: true }).then(() => this.#start())
      // A failed restart is met by the exit that follows it.
      this.#ready.catch(() => undefined)
    }, wait)
  }

  #hear(message: StoreMessage): void {
    switch (message.type) {
      case 'door':
        // The same port after a restart, whoever picked it.
        if (this.#door !== undefined) this.#door = { ...this.#door, port: message.port }
        this.#doorWaiting?.resolve(message.port)
        break
      case 'door_failed':
        this.#doorWaiting?.reject(new HaidangError('HD_SERVE_PORT', `SQL door: ${message.message}`))
        break
      case 'token':
        this.#options.checkToken(message.token).then(
          (caller) =>
            this.#send({ type: 'token', id: message.id, who: caller?.who ?? '', role: caller?.role ?? null }),
          () => this.#send({ type: 'token', id: message.id, who: '', role: null }),
        )
        break
      case 'audit':
        this.#options.onAudit?.(message.entry)
    }
  }

  #send(message: EngineMessage): void {
    const child = this.#process
    if (child?.connected === true) child.send(message, () => undefined)
  }
}

/**
 * A directory of this user's alone for the socket: in the data, where the next start cleans up after a killed engine;
 * in the temporary one where the data's path is longer than a socket's may be.
 */
async function runDirectory(data: string): Promise<string> {
  const directory = path.resolve(data, 'store-run')
  if (Buffer.byteLength(directory) > RUN_PATH_BYTES_MAX)
    return mkdtemp(path.join(os.tmpdir(), 'haidang-store-'))
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { mode: 0o700 })
  return directory
}
