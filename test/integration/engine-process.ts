/**
 * A real engine for the tests: `haidang run` as its own process, killed and started again on the same data and ports.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freePort } from './servers.js'

const PROGRAM = path.resolve(import.meta.dirname, '../../../bin/haidang.js')
export const TOKEN = 'test-token-of-the-engine'

export interface EngineAddresses {
  readonly http: string
  readonly mqtt: string | null
  readonly sql: string
}

export class EngineProcess {
  readonly folder: string
  readonly env: Record<string, string>
  addresses: EngineAddresses = { http: '', mqtt: null, sql: '' }
  /** Everything it said, for a test that fails. */
  output = ''
  #process: ChildProcess | undefined
  #exited: Promise<number | null> = Promise.resolve(null)

  private constructor(folder: string, env: Record<string, string>) {
    this.folder = folder
    this.env = env
  }

  /** Fixed ports, so that a restarted engine is where clients look for it. `HAIDANG_MQTT` 'off' unless given. */
  static async create(env: Record<string, string>): Promise<EngineProcess> {
    const folder = mkdtempSync(path.join(tmpdir(), 'haidang-test-'))
    return new EngineProcess(folder, {
      HAIDANG_DATA: path.join(folder, 'data'),
      HAIDANG_HTTP: `127.0.0.1:${await freePort()}`,
      HAIDANG_SQL: `127.0.0.1:${await freePort()}`,
      HAIDANG_MQTT: 'off',
      HAIDANG_TOKEN: TOKEN,
      ...env,
    })
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  /** Its exit code, once it has ended. */
  get exited(): Promise<number | null> {
    return this.#exited
  }

  /** Resolves when it has printed its `ready` line. */
  async start(ms = 60_000): Promise<void> {
    const child = spawn(process.execPath, [PROGRAM, 'run'], {
      cwd: this.folder,
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/tmp', ...this.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = child
    this.#exited = new Promise((resolve) => child.once('exit', (code) => resolve(code)))
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the engine was not ready within ${ms} ms:\n${this.output}`)),
        ms,
      )
      const read = (chunk: Buffer): void => {
        this.output += chunk.toString()
        const ready = /^ready (\{.*\})$/m.exec(this.output.slice(this.output.lastIndexOf('ready {')))
        if (ready === null) return
        this.addresses = JSON.parse(ready[1]!) as EngineAddresses
        clearTimeout(timer)
        resolve()
      }
      child.stdout!.on('data', read)
      child.stderr!.on('data', read)
      child.once('exit', (code) => {
        clearTimeout(timer)
        reject(new Error(`the engine ended with ${code} before it was ready:\n${this.output}`))
      })
    })
  }

  /** `kill -9`, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#process?.kill('SIGKILL')
    await this.#exited
    this.output = ''
  }

  /** SIGTERM; its exit code. */
  async stop(): Promise<number | null> {
    this.#process?.kill('SIGTERM')
    return await this.#exited
  }

  async storePid(): Promise<number> {
    const text = await readFile(path.join(this.env['HAIDANG_DATA']!, 'store.pid'), 'utf8')
    return (
      (text.trim().startsWith('{')
        ? (JSON.parse(text) as { pid: number }).pid
        : Number(text.trim().split(/\s/)[0])) || 0
    )
  }

  async get(route: string): Promise<unknown> {
    const answer = await fetch(`${this.addresses.http}${route}`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    })
    if (!answer.ok) throw new Error(`${route}: ${answer.status} ${await answer.text()}`)
    return (answer.headers.get('content-type') ?? '').includes('json')
      ? await answer.json()
      : await answer.text()
  }

  /** One gauge or counter of /metrics, NaN where it is not there. */
  async metric(name: string): Promise<number> {
    const text = String(await this.get('/metrics'))
    return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
  }

  /** Rows of a query at the door. */
  async sql(query: string): Promise<Record<string, unknown>[]> {
    const answer = await fetch(`${this.addresses.sql}/?default_format=JSONEachRow`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}` },
      body: query,
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(text)
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** Resolves when everything that the log has synced is in the store. */
  async shipped(ms = 60_000): Promise<void> {
    const deadline = performance.now() + ms
    for (;;) {
      const [synced, shipped] = await Promise.all([
        this.metric('haidang_log_synced_seq'),
        this.metric('haidang_store_shipped_seq'),
      ]).catch(() => [1, 0] as const)
      if (shipped >= synced) return
      if (performance.now() > deadline) throw new Error(`shipped ${shipped} of ${synced} after ${ms} ms`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async close(): Promise<void> {
    if (this.#process?.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGTERM')
      const timer = setTimeout(() => this.#process?.kill('SIGKILL'), 12_000)
      await this.#exited
      clearTimeout(timer)
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}
