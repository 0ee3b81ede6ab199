/**
 * `haidang sql`: one question to the SQL door of the running engine; with no engine running, to the store that it left
 * behind, started for this one question. Results stream; a file is never held in memory.
 */
import { randomBytes } from 'node:crypto'
import { createWriteStream, existsSync } from 'node:fs'
import path from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { readSettings, type Settings } from '../config/settings.js'
import { lockDirectory } from '../log/lock.js'
import { formatFault, HaidangError } from '../model/errors.js'
import { StoreChild } from '../store/child.js'
import { parseArguments } from './arguments.js'
import { type Command, EXIT_FAULTS, EXIT_FINE, type Io, wrongUsage } from './command.js'

/** `--format` → ClickHouse's name. */
const FORMATS: Readonly<Record<string, string>> = {
  table: 'PrettyCompactMonoBlock',
  csv: 'CSVWithNames',
  json: 'JSON',
  ndjson: 'JSONEachRow',
  parquet: 'Parquet',
  arrow: 'ArrowStream',
}
const BINARY = new Set(['parquet', 'arrow'])
/** A question from standard input. */
const QUERY_CHARS_MAX = 256 * 1024

interface Question {
  readonly sql: string
  readonly format: string
  readonly parameters: readonly (readonly [string, string])[]
  readonly output: string | undefined
}

/** Where it goes: an HTTP address and what to show there. */
interface Door {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  close(): Promise<void>
}

export const sql: Command = {
  name: 'sql',
  summary: 'ask the store a question in ClickHouse SQL',
  usage:
    'haidang sql [--format table|csv|json|ndjson|parquet|arrow] [--output FILE] [--param name=value]… ["SELECT …"|-]',
  async run(args, io) {
    const parsed = parseArguments(args, {
      format: { type: 'string', short: 'f' },
      output: { type: 'string', short: 'o' },
      param: { type: 'string', multiple: true },
    })
    if (typeof parsed === 'string') return wrongUsage(sql, parsed, io)
    const { values, positionals } = parsed
    if (positionals.length > 1) return wrongUsage(sql, 'one query, in quotes', io)
    const output = values['output'] as string | undefined
    const format = String(values['format'] ?? formatOf(output))
    if (!Object.hasOwn(FORMATS, format))
      return wrongUsage(sql, `--format is ${Object.keys(FORMATS).join(', ')}; not '${format}'`, io)
    if (BINARY.has(format) && output === undefined && (io.stdout as { isTTY?: boolean }).isTTY === true)
      return wrongUsage(sql, `${format} is for a file: --output FILE`, io)
    const parameters: (readonly [string, string])[] = []
    for (const param of (values['param'] as string[] | undefined) ?? []) {
      const match = /^([A-Za-z_][A-Za-z0-9_]*)=/.exec(param)
      if (match === null) return wrongUsage(sql, `--param takes name=value, not '${param}'`, io)
      parameters.push([match[1]!, param.slice(match[0].length)])
    }
    const text =
      positionals[0] === undefined || positionals[0] === '-' ? await readAll(io.stdin) : positionals[0]
    if (text === undefined || text.trim() === '') return wrongUsage(sql, 'the query is empty or too long', io)
    const { settings, faults } = await readSettings(io.env, io.cwd)
    for (const fault of faults) io.stderr.write(`${formatFault(fault)}\n`)
    if (faults.some((fault) => fault.severity === 'error')) return EXIT_FAULTS
    try {
      const door = await findDoor(settings)
      try {
        return await ask(
          door,
          {
            sql: text,
            format,
            parameters,
            output: output === undefined ? undefined : path.resolve(io.cwd, output),
          },
          io,
        )
      } finally {
        await door.close()
      }
    } catch (error) {
      if (!(error instanceof HaidangError)) throw error
      io.stderr.write(`haidang sql: ${error.message} [${error.code}]\n`)
      return EXIT_FAULTS
    }
  },
}

async function findDoor(settings: Settings): Promise<Door> {
  const none = async (): Promise<void> => undefined
  if (settings.clickhouse !== null) {
    const url = new URL(settings.clickhouse)
    const { username, password } = url
    url.username = ''
    url.password = ''
    const headers: Record<string, string> = {}
    if (username !== '') headers['X-ClickHouse-User'] = decodeURIComponent(username)
    if (password !== '') headers['X-ClickHouse-Key'] = decodeURIComponent(password)
    const database = url.pathname.replaceAll('/', '')
    if (database !== '') headers['X-ClickHouse-Database'] = decodeURIComponent(database)
    return { url: `${url.origin}/`, headers, close: none }
  }
  const { host, port } = settings.sql
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/`
  const ping = port === 0 ? undefined : await fetch(`${url}ping`).catch(() => undefined)
  if (ping?.ok === true) {
    if (ping.headers.get('x-clickhouse-server-display-name') !== 'haidang')
      throw new HaidangError(
        'HD_STORE_CONNECT',
        `${url} answers, but is not haidang's SQL door: set HAIDANG_SQL, or HAIDANG_CLICKHOUSE_URL for a ClickHouse server`,
      )
    if (settings.token === null)
      throw new HaidangError(
        'HD_SERVE_AUTH',
        `the SQL door at ${url} needs a token with the role analyst or admin: set HAIDANG_TOKEN`,
      )
    return { url, headers: { Authorization: `Bearer ${settings.token}` }, close: none }
  }
  return openLeft(settings, url)
}

/** The store of a data directory that no engine uses now. Whoever can read its files may ask it anything. */
async function openLeft(settings: Settings, url: string): Promise<Door> {
  if (!existsSync(path.join(settings.data, 'clickhouse')))
    throw new HaidangError(
      'HD_STORE_CONNECT',
      `no engine answers at ${url}, and ${settings.data} holds no store: start one with haidang run, or set HAIDANG_SQL or HAIDANG_DATA`,
    )
  const lock = await lockDirectory(settings.data).catch((cause: unknown) => {
    if (!(cause instanceof HaidangError) || cause.code !== 'HD_LOG_LOCKED') throw cause
    throw new HaidangError(
      'HD_STORE_CONNECT',
      `an engine has ${settings.data}, but its SQL door is not at ${url}: set HAIDANG_SQL to the address of its ready line`,
      { cause },
    )
  })
  try {
    const secret = randomBytes(32).toString('hex')
    const child = await StoreChild.open({
      directory: settings.data,
      checkToken: async (token) => (token === secret ? { who: 'haidang sql', role: 'admin' } : null),
    })
    try {
      const port = await child.openDoor('127.0.0.1', 0)
      return {
        url: `http://127.0.0.1:${port}/`,
        headers: { Authorization: `Bearer ${secret}` },
        close: async () => {
          await child.close()
          await lock.release()
        },
      }
    } catch (error) {
      await child.close()
      throw error
    }
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function ask(door: Door, question: Question, io: Io): Promise<number> {
  const url = new URL(door.url)
  url.searchParams.set('default_format', FORMATS[question.format]!)
  for (const [name, value] of question.parameters) url.searchParams.set(`param_${name}`, value)
  if (question.format === 'table') url.searchParams.set('output_format_pretty_color', '0')
  const started = performance.now()
  let answer: Response
  try {
    answer = await fetch(url, {
      method: 'POST',
      body: question.sql,
      headers: door.headers,
      signal: io.signal,
    })
  } catch (cause) {
    if (io.signal.aborted) return EXIT_FAULTS
    throw new HaidangError('HD_STORE_CONNECT', `${door.url}: ${(cause as Error).message}`, { cause })
  }
  if (!answer.ok) {
    io.stderr.write(`${(await answer.text()).trim()}\n`)
    return EXIT_FAULTS
  }
  let bytes = 0
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      done(null, chunk)
    },
  })
  const source = answer.body === null ? Readable.from([]) : Readable.fromWeb(answer.body as never)
  try {
    if (question.output === undefined)
      await pipeline(source, counted, io.stdout, { end: false, signal: io.signal })
    else await pipeline(source, counted, createWriteStream(question.output), { signal: io.signal })
  } catch (cause) {
    io.stderr.write(`haidang sql: the result ended early after ${bytes} bytes: ${(cause as Error).message}\n`)
    return EXIT_FAULTS
  }
  io.stderr.write(
    `${Math.round(performance.now() - started)} ms, ${bytes} bytes${question.output === undefined ? '' : ` in ${question.output}`}\n`,
  )
  return EXIT_FINE
}

function formatOf(output: string | undefined): string {
  const extension = output === undefined ? '' : path.extname(output).slice(1).toLowerCase()
  return Object.hasOwn(FORMATS, extension) ? extension : 'table'
}

async function readAll(stdin: Readable): Promise<string | undefined> {
  let text = ''
  for await (const chunk of stdin) {
    text += String(chunk)
    if (text.length > QUERY_CHARS_MAX) return undefined
  }
  return text
}
