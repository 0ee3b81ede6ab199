import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip, constants as zlib } from 'node:zlib'
import { bodyFile, type Database, literal, type RunningRead } from './database.js'
import { DbException, exceptionOf } from './exception.js'
import { contentType } from './formats.js'
import { judge } from './gate.js'
import { LexerFault } from './lexer.js'
import { DATABASE, type QueryAudit, type QueryLimits } from './protocol.js'
import type { Slots } from './slots.js'
import { parseStatement, type Statement } from './statement.js'

/** Whoever asks, as the listener has established it. */
export interface Caller {
  readonly who: string
  readonly role: string
}

export interface Access {
  /** `own`: the engine on its Unix socket, everything allowed. `door`: analysts, behind the gate. */
  readonly kind: 'own' | 'door'
  /** Caller of a request, or null where it is not known. Not asked for /ping. */
  caller(request: IncomingMessage): Promise<Caller | null>
  readonly slots: Slots
  readonly limits: QueryLimits
  audit(entry: QueryAudit): void
}

/** Text of a query; its payload, where it has one, is not counted. */
const QUERY_BYTES_MAX = 256 * 1024
/** One insert; the shipper's largest is about 20 MiB. */
const BODY_BYTES_MAX = 1024 ** 3

/** URL parameters of the HTTP interface that are no settings. */
const PROTOCOL = new Set([
  'query',
  'database',
  'default_format',
  'query_id',
  'session_id',
  'session_timeout',
  'session_check',
  'user',
  'password',
  'quota_key',
  'compress',
  'decompress',
  'role',
  'client_protocol_version',
  'enable_http_compression',
  'wait_end_of_query',
  'buffer_size',
  'send_progress_in_http_headers',
  'http_headers_progress_interval_ms',
  'http_zlib_compression_level',
  'cancel_http_readonly_queries_on_client_close',
  'http_write_exception_in_output_format',
  'log_queries',
  'connect_timeout',
  'receive_timeout',
  'send_timeout',
  'http_receive_timeout',
  'http_send_timeout',
  'use_client_time_zone',
  'async',
  'log_comment',
]) // prettier-ignore

/** Settings that only shape a result: an analyst may set them. Others are refused with ClickHouse's own code. */
const SHAPING =
  /^(date_time_output_format|output_format_(json|csv|tsv|pretty|arrow|parquet|write_statistics|decimal|markdown|xml)[a-z0-9_]*|bool_(true|false)_representation|format_csv_delimiter|session_timezone|join_use_nulls|extremes|max_result_rows|max_result_bytes|result_overflow_mode|enable_analyzer|allow_experimental_analyzer|limit|offset)$/

/**
 * The ClickHouse HTTP interface over chDB: /ping, queries by GET and POST, parameters, formats, compression, query ids,
 * INSERT with a payload, errors with ClickHouse's codes. Results stream; a client that goes away ends its query.
 */
export function serve(db: Database, scratch: string, access: Access): RequestListener {
  let bodies = 0
  return (request, response) => {
    answer(request, response).catch((error: unknown) => fail(response, db, exceptionOf(error)))
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('X-ClickHouse-Server-Display-Name', 'haidang')
    response.setHeader('X-ClickHouse-Timezone', 'UTC')
    const url = new URL(request.url ?? '/', 'http://store')
    if (request.method !== 'GET' && request.method !== 'POST' && request.method !== 'HEAD')
      throw new DbException(501, 'NOT_IMPLEMENTED', `method ${request.method}`)
    if (url.pathname === '/ping' || url.pathname === '/replicas_status') return text(response, 200, 'Ok.\n')
    if (url.pathname !== '/') return text(response, 404, `There is no handle ${url.pathname}\n`)
    const caller = await access.caller(request)
    if (caller === null) {
      response.setHeader('WWW-Authenticate', 'Basic realm="haidang"')
      throw new DbException(
        516,
        'AUTHENTICATION_FAILED',
        'a token with the role analyst or admin is needed: Authorization: Bearer, X-ClickHouse-Key or the Basic password.',
      )
    }
    const queryId = url.searchParams.get('query_id') || randomUUID()
    response.setHeader('X-ClickHouse-Query-Id', queryId)
    const body = bodyOf(request)
    const inUrl = url.searchParams.get('query') ?? ''
    if (inUrl === '' && request.method !== 'POST') return text(response, 200, 'Ok.\n')
    const started = performance.now()
    const entry = (sql: string, outcome: QueryAudit['outcome'], reason: string): void => {
      if (access.kind === 'door')
        access.audit({
          who: caller.who,
          query: sql.slice(0, 4096),
          query_id: queryId,
          outcome,
          reason,
          elapsed_ms: Math.round(performance.now() - started),
        })
    }
    // The text, or its head where a payload follows in the same body.
    const head = await headOf(body, inUrl)
    try {
      if (access.kind === 'door') {
        if (head.rest !== null)
          throw new DbException(62, 'SYNTAX_ERROR', `a query of more than ${QUERY_BYTES_MAX} bytes`)
        const verdict = judge(head.text, caller.role)
        if ('refused' in verdict)
          throw new DbException(497, 'ACCESS_DENIED', `not allowed here: ${verdict.refused}.`)
        await read(verdict.statement, url, queryId, response, request)
      } else {
        await own(head, inUrl !== '', url, queryId, response, request)
      }
      entry(head.text, response.destroyed && !response.writableFinished ? 'cancelled' : 'done', '')
    } catch (error) {
      const exception = exceptionOf(error)
      entry(head.text, exception.code === 497 ? 'refused' : 'failed', exception.message)
      throw exception
    }
  }

  async function own(
    head: Head,
    separate: boolean,
    url: URL,
    queryId: string,
    response: ServerResponse,
    request: IncomingMessage,
  ): Promise<void> {
    let statement: Statement
    try {
      statement = parseStatement(head.text)
    } catch (fault) {
      if (!(fault instanceof LexerFault)) throw fault
      // A payload of another alphabet behind an INSERT … VALUES, or a statement that we cannot read: chDB judges.
      statement = { kind: 'other', sql: head.text, tokens: [], format: undefined, payload: 0 }
    }
    if (statement.kind === 'read') return read(statement, url, queryId, response, request)
    const settings = settingsOf(url)
    let stats: { elapsed_s: number; rows_read: number }
    if (statement.kind === 'insert') {
      const file = bodyFile(scratch, bodies++)
      try {
        await pipeline(payloadOf(head, statement, separate), createWriteStream(file, { mode: 0o600 }))
        settings.set('max_insert_block_size', 1_048_576)
        settings.set('min_insert_block_size_rows', 1_048_576)
        settings.set('min_insert_block_size_bytes', 1_073_741_824)
        stats = await db.write(
          `${statement.sql} SELECT * FROM file(${literal(file)}, ${literal(statement.format!)})`,
          settings,
        )
      } finally {
        await rm(file, { force: true })
      }
    } else {
      if (head.rest !== null)
        throw new DbException(62, 'SYNTAX_ERROR', `a statement of more than ${QUERY_BYTES_MAX} bytes`)
      stats = await db.write(head.text, settings)
    }
    response.setHeader('X-ClickHouse-Summary', summary(stats.elapsed_s, stats.rows_read, 0, stats.rows_read))
    text(response, 200, '')
  }

  async function read(
    statement: Statement,
    url: URL,
    queryId: string,
    response: ServerResponse,
    request: IncomingMessage,
  ): Promise<void> {
    const format =
      statement.format ??
      url.searchParams.get('default_format') ??
      String(request.headers['x-clickhouse-format'] ?? 'TabSeparated')
    if (!/^[A-Za-z0-9]+$/.test(format))
      throw new DbException(73, 'UNKNOWN_FORMAT', `Unknown format ${format}`)
    const parameters = new Map<string, string>()
    for (const [name, value] of url.searchParams) {
      if (!name.startsWith('param_')) continue
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
        throw new DbException(456, 'UNKNOWN_QUERY_PARAMETER', `parameter name ${name}`)
      parameters.set(name.slice(6), value)
    }
    const settings = settingsOf(url)
    if (access.kind === 'door') {
      for (const name of settings.keys())
        if (!SHAPING.test(name))
          throw new DbException(164, 'READONLY', `Cannot modify '${name}' setting in readonly mode.`)
      settings.set('max_execution_time', access.limits.time_s)
      settings.set('max_memory_usage', access.limits.memory_bytes)
      settings.set('max_threads', 1)
    }
    if (!settings.has('output_format_arrow_compression_method'))
      settings.set('output_format_arrow_compression_method', 'none')
    const named = url.searchParams.get('database') ?? request.headers['x-clickhouse-database'] ?? DATABASE
    const database = named === 'default' || named === '' ? DATABASE : String(named)
    if (
      access.kind === 'door' &&
      ![DATABASE, 'system', 'information_schema', 'INFORMATION_SCHEMA'].includes(database)
    )
      throw new DbException(81, 'UNKNOWN_DATABASE', `Database ${database} does not exist.`)
    let gone = response.destroyed
    response.once('close', () => {
      gone = true
    })
    if (!(await access.slots.acquire()))
      throw new DbException(
        202,
        'TOO_MANY_SIMULTANEOUS_QUERIES',
        `Too many queries: ${access.limits.at_once} run and ${access.limits.waiting} wait.`,
      )
    try {
      if (gone) return
      const run = await db.read(statement.sql, { queryId, format, parameters, settings, database })
      await send(run, format, request, response)
    } finally {
      access.slots.release()
    }
  }

  async function send(
    run: RunningRead,
    format: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const cancel = (): void => run.cancel()
    response.once('close', cancel)
    // A client that stops reading would keep its slot for ever: execution time does not run while chDB waits to write.
    const slow = access.kind === 'door' ? setTimeout(cancel, access.limits.time_s * 6000) : undefined
    try {
      // The status is known when the first byte is there, or when the query has settled without one.
      const first = await Promise.race([readable(run.stream), run.settled.then(() => undefined)])
      response.setHeader('Content-Type', contentType(format))
      response.setHeader('X-ClickHouse-Format', format)
      if (first === undefined) {
        const stats = await run.settled
        response.setHeader(
          'X-ClickHouse-Summary',
          summary(stats.elapsed_s, stats.rows_read, stats.bytes_read, 0),
        )
      }
      if (request.method === 'HEAD') {
        run.cancel()
        response.end()
        return
      }
      const gzip =
        /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? '')) &&
        new URL(request.url ?? '/', 'http://store').searchParams.get('enable_http_compression') === '1'
      if (gzip) {
        response.setHeader('Content-Encoding', 'gzip')
        await pipeline(run.stream, createGzip({ level: 3, flush: zlib.Z_SYNC_FLUSH }), response, {
          end: false,
        })
      } else {
        await pipeline(run.stream, response, { end: false })
      }
      await run.settled
      response.end()
    } catch (error) {
      run.cancel()
      // What the query itself says is the reason; a broken pipe only its echo.
      const exception = await run.settled.then(
        () => undefined,
        (e: unknown) => e,
      )
      throw exception ?? error
    } finally {
      clearTimeout(slow)
      response.off('close', cancel)
      await run.settled.catch(() => undefined)
    }
  }

  function settingsOf(url: URL): Map<string, string | number> {
    const settings = new Map<string, string | number>()
    for (const [name, value] of url.searchParams) {
      if (PROTOCOL.has(name) || name.startsWith('param_')) continue
      if (!/^[a-z][a-z0-9_]*$/.test(name))
        throw new DbException(115, 'UNKNOWN_SETTING', `Unknown setting ${name}`)
      settings.set(name, value)
    }
    return settings
  }
}

/** The text of the query as far as it was read, and what of the body is left. */
interface Head {
  /** As UTF-8; for an insert the payload's first bytes are in it, garbled or not. */
  readonly text: string
  readonly bytes: Buffer
  readonly rest: AsyncIterable<Buffer> | null
}

async function headOf(body: Readable, inUrl: string): Promise<Head> {
  // With the text of an INSERT in the URL the whole body is payload; otherwise it goes on with the text.
  if (inUrl !== '' && /^\s*INSERT\b/i.test(inUrl))
    return { text: inUrl, bytes: Buffer.from(inUrl), rest: body as AsyncIterable<Buffer> }
  const chunks: Buffer[] = inUrl === '' ? [] : [Buffer.from(`${inUrl}\n`)]
  let length = chunks[0]?.length ?? 0
  const rest: AsyncIterator<Buffer> = body[Symbol.asyncIterator]()
  for (;;) {
    const { value, done } = await rest.next()
    if (done === true) {
      const bytes = Buffer.concat(chunks)
      return { text: bytes.toString('utf8'), bytes, rest: null }
    }
    chunks.push(value)
    length += value.length
    if (length > QUERY_BYTES_MAX) {
      const bytes = Buffer.concat(chunks)
      return { text: bytes.toString('latin1'), bytes, rest: { [Symbol.asyncIterator]: () => rest } }
    }
  }
}

/** Bytes of an insert's payload: what stands behind its FORMAT clause, then the rest of the body. */
async function* payloadOf(head: Head, statement: Statement, separate: boolean): AsyncGenerator<Buffer> {
  let total = 0
  const counted = (chunk: Buffer): Buffer => {
    total += chunk.length
    if (total > BODY_BYTES_MAX)
      throw new DbException(119, 'TOO_LARGE_ARRAY_SIZE', `a payload of more than ${BODY_BYTES_MAX} bytes`)
    return chunk
  }
  // The statement is ASCII up to its FORMAT clause in all that we are sent; its offset in bytes is found by its text.
  const offset =
    head.bytes.length === head.text.length
      ? statement.payload
      : Buffer.byteLength(head.text.slice(0, statement.payload))
  if (offset < head.bytes.length) yield counted(head.bytes.subarray(offset))
  else if (separate && offset > head.bytes.length)
    throw new DbException(62, 'SYNTAX_ERROR', 'INSERT without a payload')
  if (head.rest !== null) for await (const chunk of head.rest) yield counted(chunk)
}

function bodyOf(request: IncomingMessage): Readable {
  const encoding = request.headers['content-encoding']
  if (encoding === undefined || encoding === 'identity') return request
  if (encoding === 'gzip') return request.on('error', () => undefined).pipe(createGunzip())
  throw new DbException(448, 'UNSUPPORTED_METHOD', `Content-Encoding ${encoding}: only gzip`)
}

/** Resolves true at the first byte; never where there is none (the race is with the query's end). */
function readable(stream: Readable): Promise<true | undefined> {
  return new Promise((resolve) => {
    stream.once('readable', () => resolve(stream.readableLength > 0 ? true : undefined))
  })
}

function text(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=UTF-8' }).end(body)
}

function summary(elapsed_s: number, rows: number, bytes: number, written: number): string {
  return JSON.stringify({
    read_rows: String(rows),
    read_bytes: String(bytes),
    written_rows: String(written),
    written_bytes: '0',
    total_rows_to_read: '0',
    result_rows: '0',
    result_bytes: '0',
    elapsed_ns: String(Math.round(elapsed_s * 1e9)),
  })
}

/** Answers an exception; where bytes have gone out already, writes its text and breaks the connection, as ClickHouse does. */
function fail(response: ServerResponse, db: Database, exception: DbException): void {
  if (response.destroyed) return
  const body = exception.body(db.version)
  if (response.headersSent) {
    response.write(`\n${body}`, () => response.destroy())
    return
  }
  response.removeHeader('Content-Encoding')
  response.writeHead(exception.status, {
    'Content-Type': 'text/plain; charset=UTF-8',
    'X-ClickHouse-Exception-Code': String(exception.code),
    Connection: 'close',
  })
  response.end(body)
}
