import { mkdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import type { Chdb, Session } from './chdb.js'
import { DbException, exceptionOf } from './exception.js'
import { PipePool } from './pipes.js'
import { DATABASE } from './protocol.js'

/** Settings of one reading query; names are the caller's to have checked. */
export interface ReadOptions {
  readonly queryId: string
  readonly format: string
  readonly parameters: ReadonlyMap<string, string>
  readonly settings: ReadonlyMap<string, string | number>
  readonly database: string
}

export interface ReadStats {
  readonly elapsed_s: number
  readonly rows_read: number
  readonly bytes_read: number
}

/** A running query: its bytes, and its end (rejects with DbException). */
export interface RunningRead {
  readonly stream: Readable
  readonly settled: Promise<ReadStats>
  /** Ends it at once. */
  cancel(): void
}

/** Of five gigabytes by default; marks of 100 M rows are about 1 MB. */
const MARK_CACHE_BYTES = 256 * 1024 ** 2

/**
 * chDB as the store needs it. One session writes, one statement at a time. Every reading query gets a session of its
 * own (0.5 ms to open and bind): limits, parameters and `readonly=1` are set there, nothing of one query is seen by
 * the next, and a light one never waits behind a heavy one.
 */
export class Database {
  readonly version: string
  readonly #chdb: Chdb
  readonly #directory: string
  readonly #writer: Session
  readonly #pipes: PipePool
  #tail: Promise<unknown> = Promise.resolve()

  private constructor(chdb: Chdb, directory: string, writer: Session, pipes: PipePool, version: string) {
    this.#chdb = chdb
    this.#directory = directory
    this.#writer = writer
    this.#pipes = pipes
    this.version = version
  }

  /** Opens (or makes) the database in `directory`; throws DbException, among others where another process holds it. */
  static async open(
    chdb: Chdb,
    directory: string,
    scratch: string,
    pipes: number,
    memoryBytes: number,
  ): Promise<Database> {
    await mkdir(directory, { recursive: true })
    try {
      const writer = new chdb.Session(directory, {
        // Of the whole process; chDB's own default is nine tenths of the machine, which the engine shares.
        connectionArgs: [`--max_server_memory_usage=${memoryBytes}`, `--mark_cache_size=${MARK_CACHE_BYTES}`],
      })
      await writer.queryAsync(`CREATE DATABASE IF NOT EXISTS ${DATABASE} ENGINE = Atomic`)
      await writer.queryAsync(`USE ${DATABASE}`)
      const version = (await writer.queryAsync('SELECT version()', { format: 'TSVRaw' })).text().trim()
      return new Database(chdb, directory, writer, await PipePool.open(scratch, pipes), version)
    } catch (error) {
      throw exceptionOf(error)
    }
  }

  /** Runs a writing statement after those before it. Settings are set for it alone. */
  write(sql: string, settings: ReadonlyMap<string, string | number> = new Map()): Promise<ReadStats> {
    const run = async (): Promise<ReadStats> => {
      try {
        const names = [...settings.keys()]
        if (names.length > 0) await this.#writer.queryAsync(`SET ${assignments(settings)}`)
        try {
          const result = await this.#writer.queryAsync(sql, { format: 'TabSeparated' })
          return { elapsed_s: result.elapsed, rows_read: result.rowsRead, bytes_read: result.bytesRead }
        } finally {
          if (names.length > 0)
            await this.#writer.queryAsync(`SET ${names.map((n) => `${n} = DEFAULT`).join(', ')}`)
        }
      } catch (error) {
        throw exceptionOf(error)
      }
    }
    const done = this.#tail.then(run, run)
    this.#tail = done.catch(() => undefined)
    return done
  }

  /** Starts a reading statement (without FORMAT) and streams its result. Throws DbException before the first byte. */
  async read(sql: string, options: ReadOptions): Promise<RunningRead> {
    const session = new this.#chdb.Session(this.#directory)
    try {
      await session.queryAsync(`USE ${quotedName(options.database)}`)
      const settings = new Map<string, string | number>([['readonly', 1]])
      const before = new Map<string, string | number>(options.settings)
      for (const [name, value] of options.parameters) before.set(`param_${name}`, value)
      if (before.size > 0) await session.queryAsync(`SET ${assignments(before)}`)
      // Last and alone: from here on nothing can be set.
      await session.queryAsync(`SET ${assignments(settings)}`)
    } catch (error) {
      session.close()
      throw exceptionOf(error)
    }
    const pipe = this.#pipes.take()
    // The id as a comment in front: chDB gives no query id, and KILL QUERY finds it by this.
    const mark = `/* ${options.queryId.replace(/[^A-Za-z0-9_.-]/g, '_')} */`
    let running = true
    const settled = session
      .queryAsync(`${mark} ${sql}\nINTO OUTFILE ${literal(pipe.file)} APPEND FORMAT ${options.format}`)
      .then((r) => ({ elapsed_s: r.elapsed, rows_read: r.rowsRead, bytes_read: r.bytesRead }))
      .catch(async (error: unknown) => {
        const exception = exceptionOf(error)
        // A fault of syntax speaks of the text with our own clause behind it: ask again for the text alone.
        throw exception.code === 62 ? ((await syntaxFault(session, sql)) ?? exception) : exception
      })
      .finally(() => {
        running = false
        pipe.finish()
        session.close()
      })
    settled.catch(() => undefined)
    pipe.stream.on('error', () => undefined)
    return {
      stream: pipe.stream,
      settled,
      cancel: () => {
        if (running) this.#kill(mark)
        pipe.stream.destroy()
      },
    }
  }

  /** Ends queries whose id is `queryId`; ASYNC, because SYNC never comes back in chDB. */
  kill(queryId: string): void {
    this.#kill(`/* ${queryId.replace(/[^A-Za-z0-9_.-]/g, '_')} */`)
  }

  #kill(mark: string): void {
    const session = new this.#chdb.Session(this.#directory)
    session
      .queryAsync(`KILL QUERY WHERE startsWith(query, ${literal(mark)}) ASYNC`)
      .catch(() => undefined)
      .finally(() => session.close())
  }

  /** Waits for the statement under way and closes. */
  async close(): Promise<void> {
    await this.#tail
    this.#writer.close()
  }
}

/** What the parser says to `sql` itself; undefined where it finds nothing wrong. Nothing is run. */
async function syntaxFault(session: Session, sql: string): Promise<DbException | undefined> {
  const prefix = 'EXPLAIN AST '
  try {
    await session.queryAsync(`${prefix}${sql}`)
    return undefined
  } catch (error) {
    const { code, codeName, message } = exceptionOf(error)
    const shift = (_: string, word: string, n: string): string =>
      `${word} ${Math.max(1, Number(n) - prefix.length)}`
    const own = message
      .replace(/(position) (\d+)/, shift)
      .replace(/(line 1, col) (\d+)/, (_, word, n) => shift(_, word, n))
    return new DbException(code, codeName, own)
  }
}

/** Removes what an earlier start left in `scratch` and makes it anew, mode 0700. */
export async function freshDirectory(scratch: string): Promise<void> {
  const old = `${scratch}.old`
  await rm(old, { recursive: true, force: true })
  await rename(scratch, old).catch(() => undefined)
  await mkdir(scratch, { recursive: true, mode: 0o700 })
  await rm(old, { recursive: true, force: true })
}

/** File of a request body, unique in this process. */
export function bodyFile(scratch: string, n: number): string {
  return path.join(scratch, `body-${n}`)
}

export function literal(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

function quotedName(name: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    throw new DbException(81, 'UNKNOWN_DATABASE', `Database ${name} does not exist`)
  return `\`${name}\``
}

function assignments(settings: ReadonlyMap<string, string | number>): string {
  return [...settings]
    .map(([name, value]) => `${name} = ${typeof value === 'number' ? value : literal(value)}`)
    .join(', ')
}
