/** `haidang sql` and the history queries over real chDB. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import type { Io } from '../../src/cli/command.js'
import { sql } from '../../src/cli/sql.js'
import { lockDirectory } from '../../src/log/lock.js'
import { SeriesHistory } from '../../src/store/history.js'
import { openStore } from '../../src/store/store.js'
import { MemoryLog, rolledUp, T0 } from '../store/city.js'

const directory = await mkdtemp(path.join(os.tmpdir(), 'haidang-test-sql-'))
t.teardown(() => rm(directory, { recursive: true, force: true }))
const log = new MemoryLog(21)
log.grow(4000)
const open = () =>
  openStore({
    directory,
    log,
    index: log.index,
    door: { host: '127.0.0.1', port: 0 },
    checkToken: async (token) =>
      token === 'token-of-ana-0123456789' ? { who: 'ana', role: 'analyst' } : null,
  })

async function run(
  env: Record<string, string>,
  args: string[],
  stdin = '',
): Promise<{ code: number; out: string; err: string }> {
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const io: Io = {
    stdin: Readable.from([stdin]),
    stdout,
    stderr,
    env: { HAIDANG_DATA: directory, ...env },
    cwd: directory,
    signal: new AbortController().signal,
  }
  let out = ''
  let err = ''
  stdout.on('data', (c) => {
    out += c
  })
  stderr.on('data', (c) => {
    err += c
  })
  const code = await sql.run(args, io)
  await new Promise((resolve) => setImmediate(resolve))
  return { code, out, err }
}

t.test('history: min and max of every pixel, from the rollup that fits', async (t) => {
  const store = await open()
  t.teardown(() => store.close())
  await store.drained()
  const server = createServer((request, response) => {
    const query = Object.fromEntries(new URL(request.url ?? '/', 'http://x').searchParams)
    new SeriesHistory(store, () => T0 + 3_600_000).pipe(query, response).catch((error: Error) => {
      if (!response.headersSent) response.writeHead(400).end(error.message)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  t.teardown(() => server.close())
  const port = (server.address() as { port: number }).port
  const ask = async (query: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}/?device=dev-7&metric=temp_c&${query}`)
    const text = await answer.text()
    return { status: answer.status, body: answer.ok ? (JSON.parse(text) as Record<string, number[]>) : text }
  }
  const mine = rolledUp(log.samples).filter((s) => s.device === 'dev-7' && s.metric === 'temp_c')
  const from = T0 - 3_600_000
  const to = T0 + 3_600_000
  for (const [width, resolution] of [
    [1000, 'auto'],
    [60, 'auto'],
    [2, 'auto'],
    [1, '1m'],
    [40, 'raw'],
  ] as const) {
    const { body } = (await ask(`from=${from}&to=${to}&width=${width}&resolution=${resolution}`)) as {
      body: Record<string, number[]>
    }
    t.same(Object.keys(body), ['time', 'min', 'max', 'avg', 'last', 'count'])
    const inSpan = mine.filter((s) => s.time >= from && s.time < to)
    t.equal(Math.max(...body['max']!), Math.max(...inSpan.map((s) => s.value)), `max at ${width}`)
    t.equal(Math.min(...body['min']!), Math.min(...inSpan.map((s) => s.value)), `min at ${width}`)
    t.equal(
      body['count']!.reduce((a, b) => a + b, 0),
      inSpan.length,
      `count at ${width}`,
    )
    t.ok(body['time']!.length <= width + 1, `${body['time']!.length} points for ${width} pixels`)
    t.same(
      [...body['time']!].sort((a, b) => a - b),
      body['time'],
      'in order',
    )
  }
  t.match(await ask('width=0'), { status: 400, body: /width: expected a whole number/ })
  t.match(await ask('from=yesterday'), { status: 400, body: /from: expected ms UTC/ })
  t.match(await ask('metric=x%27'), { status: 400, body: /metric: expected the name/ })
  const odd = await fetch(
    `http://127.0.0.1:${port}/?device=${encodeURIComponent("'; DROP TABLE samples")}&metric=temp_c`,
  )
  t.same(Object.values((await odd.json()) as object), [[], [], [], [], [], []], 'a device id is a value')

  const env = { HAIDANG_SQL: new URL(store.sql_url!).host, HAIDANG_TOKEN: 'token-of-ana-0123456789' }
  t.match(await run(env, ['SELECT count() AS n FROM samples', '--format', 'csv']), {
    code: 0,
    out: `"n"\n${log.samples.length}\n`,
    err: /^\d+ ms, \d+ bytes\n$/,
  })
  t.match(await run(env, ['-', '--param', 'd=dev-1', '-f', 'ndjson'], 'SELECT {d:String} AS d'), {
    code: 0,
    out: '{"d":"dev-1"}\n',
  })
  t.match(await run(env, ['SELECT 1 AS one']), { code: 0, out: /┌─one─┐/ })
  t.match(await run(env, ['SELECT * FROM samples LIMIT 10', '-o', 'x.parquet']), { code: 0, out: '' })
  t.equal((await readFile(path.join(directory, 'x.parquet'))).subarray(0, 4).toString(), 'PAR1')
  t.match(await run(env, ['DROP TABLE samples']), { code: 1, err: /Code: 497/ })
  t.match(await run({ ...env, HAIDANG_TOKEN: 'nobodys-token-0123456789' }, ['SELECT 1']), {
    code: 1,
    err: /Code: 516/,
  })
  t.match(await run({ HAIDANG_SQL: env.HAIDANG_SQL }, ['SELECT 1']), { code: 1, err: /HAIDANG_TOKEN/ })
  t.match(await run(env, ['SELECT 1', '--format', 'xls']), { code: 2, err: /usage: haidang sql/ })
  t.match(await run(env, []), { code: 2 })
})

t.test('haidang sql without an engine opens the store itself, if nobody has it', async (t) => {
  const env = { HAIDANG_SQL: '127.0.0.1:1' }
  t.match(await run(env, ['SELECT count() AS n FROM samples', '-f', 'csv']), {
    code: 0,
    out: `"n"\n${log.samples.length}\n`,
  })
  const lock = await lockDirectory(directory)
  t.match(await run(env, ['SELECT 1']), { code: 1, err: /an engine has .* HAIDANG_SQL/ })
  await lock.release()
  t.match(await run({ ...env, HAIDANG_DATA: path.join(directory, 'nothing') }, ['SELECT 1']), {
    code: 1,
    err: /holds no store/,
  })
})
