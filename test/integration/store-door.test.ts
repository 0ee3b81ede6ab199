/** The SQL door and the HTTP interface over real chDB: clients that know ClickHouse, and those who mean harm. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync, gzipSync } from 'node:zlib'
import { ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { tableFromIPC } from 'apache-arrow'
import t from 'tap'
import type { QueryAudit } from '../../src/store/embedded/protocol.js'
import { openStore, type Store } from '../../src/store/store.js'
import { MemoryLog } from '../store/city.js'

const directory = await mkdtemp(path.join(os.tmpdir(), 'haidang-test-door-'))
const log = new MemoryLog(11)
log.grow(2000)
const audit: QueryAudit[] = []
const TOKENS: Record<string, { who: string; role: string }> = {
  ana: { who: 'ana', role: 'analyst' },
  boss: { who: 'boss', role: 'admin' },
  screen: { who: 'wall-1', role: 'wall' },
}
const store: Store = await openStore({
  directory,
  log,
  index: log.index,
  door: { host: '127.0.0.1', port: 0 },
  checkToken: async (token) => TOKENS[token] ?? null,
  limits: { time_s: 1, memory_bytes: 256 * 1024 ** 2, at_once: 2, waiting: 3 },
  onAudit: (entry) => {
    audit.push(entry)
  },
})
await store.drained()
const url = store.sql_url!
const QUIET = { log: { level: ClickHouseLogLevel.OFF } }
const BEARER = { authorization: 'Bearer ana' }
t.teardown(async () => {
  await store.close()
  await rm(directory, { recursive: true, force: true })
})

async function post(
  sql: string,
  headers: Record<string, string> = BEARER,
  query = '',
): Promise<{ status: number; text: string; headers: Headers }> {
  const answer = await fetch(`${url}/${query}`, { method: 'POST', body: sql, headers })
  return { status: answer.status, text: await answer.text(), headers: answer.headers }
}

t.test('curl: GET, POST, parameters, formats, compression, ping', async (t) => {
  const curl = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)('curl', ['-sS', ...args], { encoding: 'latin1' })).stdout
  t.equal(await curl(`${url}/ping`), 'Ok.\n')
  t.equal(await curl('-H', 'X-ClickHouse-Key: ana', `${url}/?query=SELECT%201`), '1\n')
  t.equal(await curl('-u', 'anyone:ana', `${url}/`, '-d', 'SELECT 1, 2 FORMAT CSV'), '1,2\n')
  t.equal(
    await curl('-u', ':ana', `${url}/?param_d=dev-1&default_format=TSV`, '-d', 'SELECT {d:String}'),
    'dev-1\n',
  )
  const gzip = await curl(
    '-u',
    ':ana',
    '-H',
    'Accept-Encoding: gzip',
    `${url}/?enable_http_compression=1`,
    '-d',
    'SELECT number FROM numbers(1000)',
  )
  t.equal(gunzipSync(Buffer.from(gzip, 'latin1')).toString().trim().split('\n').length, 1000)
  const body = await fetch(url, {
    method: 'POST',
    body: gzipSync('SELECT 7'),
    headers: { ...BEARER, 'content-encoding': 'gzip' },
  })
  t.equal(await body.text(), '7\n', 'a compressed question')
  const error = await curl('-i', '-u', ':ana', `${url}/`, '-d', 'SELECT nope FROM samples')
  t.match(error, /^HTTP\/1\.1 404 /)
  t.match(error, /X-ClickHouse-Exception-Code: 47\r\n/)
  t.match(error, /\nCode: 47\. DB::Exception: .*nope.* \(UNKNOWN_IDENTIFIER\) \(version 26\./)
})

t.test('@clickhouse/client: rows, parameters, streams, query ids, errors', async (t) => {
  const client = createClient({ url, password: 'ana', compression: { response: true }, ...QUIET })
  t.teardown(() => client.close())
  t.same(await client.ping(), { success: true })
  const result = await client.query({
    query: 'SELECT count() AS n FROM samples WHERE device = {device:String}',
    query_params: { device: 'dev-1' },
    format: 'JSON',
    query_id: 'mine-1',
  })
  t.equal(result.query_id, 'mine-1')
  const json = await result.json<{ n: string | number }>()
  t.equal(Number(json.data[0]?.n), log.samples.filter((s) => s.device === 'dev-1').length)
  let rows = 0
  const stream = (
    await client.query({ query: 'SELECT number FROM numbers(300000)', format: 'JSONEachRow' })
  ).stream()
  for await (const batch of stream) rows += batch.length
  t.equal(rows, 300_000)
  await t.rejects(client.query({ query: 'SELECT * FROM nowhere' }), { code: '60', type: 'UNKNOWN_TABLE' })
  await t.rejects(client.query({ query: 'SELEC 1' }), { code: '497' })
  await t.rejects(client.query({ query: 'SELECT 1 +' }), { code: '62', type: 'SYNTAX_ERROR' })
  const fault = await post('SELECT 1 FRM samples WHERE')
  t.match(fault.text, /position 14 /)
  t.notMatch(fault.text, /OUTFILE '|result-|AST/, 'it speaks of the question, not of how it is run')
  const bare = createClient({ url, access_token: 'ana', ...QUIET })
  t.teardown(() => bare.close())
  t.same(await (await bare.query({ query: 'SELECT currentDatabase() AS d', format: 'JSONEachRow' })).json(), [
    { d: 'haidang' },
  ])
})

t.test('Arrow and Parquet come as bytes', async (t) => {
  const arrow = await fetch(url, {
    method: 'POST',
    body: 'SELECT metric, count() AS n FROM samples GROUP BY metric ORDER BY metric FORMAT ArrowStream',
    headers: BEARER,
  })
  t.equal(arrow.headers.get('content-type'), 'application/vnd.apache.arrow.stream')
  const table = tableFromIPC(new Uint8Array(await arrow.arrayBuffer()))
  const expected = new Map<string, number>()
  for (const s of log.samples) expected.set(s.metric, (expected.get(s.metric) ?? 0) + 1)
  t.same(
    table.toArray().map((r) => [String(r.metric), Number(r.n)]),
    [...expected].sort(([a], [b]) => (a < b ? -1 : 1)),
  )
  const parquet = await fetch(url, { method: 'POST', body: 'SELECT 1 AS x FORMAT Parquet', headers: BEARER })
  t.equal(
    Buffer.from(await parquet.arrayBuffer())
      .subarray(0, 4)
      .toString(),
    'PAR1',
  )
})

t.test('who may come in', async (t) => {
  for (const headers of [
    {},
    { authorization: 'Bearer no' },
    { authorization: 'Bearer screen' },
    { 'x-clickhouse-key': '' },
    { authorization: 'Basic !!' },
  ])
    t.match(await post('SELECT 1', headers as Record<string, string>), { status: 401, text: /Code: 516/ })
  t.equal((await fetch(`${url}/?query=SELECT%201&user=x&password=ana`)).status, 401, 'no token in a URL')
  t.equal((await post('SELECT count() FROM dead_letters')).status, 403, 'raw bytes are for admins')
  t.equal(
    (await post('SELECT count() FROM dead_letters', { 'x-clickhouse-key': 'boss' })).text,
    `${log.counts.dead_letters}\n`,
  )
})

/** FAULTS.md 2.1 rows 29–35 and variations: refused with a code, nothing read, nothing written. */
const REFUSED = [
  "SELECT * FROM file('/etc/passwd', 'LineAsString')",
  "SELECT file('/proc/self/environ')",
  "SELECT `file`('/etc/passwd')",
  "SELECT FiLe('/etc/passwd')",
  'SELECT "file" ( \'/etc/passwd\' )',
  "SELECT file/**/('/etc/passwd')",
  "SELECT arrayMap(file, ['/etc/passwd'])",
  "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
  "WITH file('/etc/passwd') AS x SELECT x",
  "SELECT (x -> file(x))('/etc/passwd')",
  "EXPLAIN SELECT file('/etc/passwd')",
  "DESCRIBE TABLE file('/etc/passwd')",
  "SELECT 1 INTO OUTFILE '/tmp/haidang-out' TRUNCATE",
  "SELECT 1 INTO/**/OUTFILE '/tmp/haidang-out'",
  "SELECT * FROM url('http://127.0.0.1:1/', 'CSV')",
  "SELECT * FROM s3('http://127.0.0.1:1/x', 'CSV')",
  "SELECT * FROM remote('127.0.0.1:1', 'default', 'x')",
  "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
  "SELECT * FROM executable('id', 'TSV', 'x String')",
  "SELECT * FROM sqlite('/tmp/x', 't')",
  "SELECT * FROM merge('haidang', 'dead')",
  'SELECT * FROM loop(audit)',
  "SELECT dictGet('d', 'x', 1)",
  'SELECT 1; SELECT 2',
  'SELECT 1;DROP TABLE samples',
  'SELECT 1 SETTINGS readonly = 0, max_execution_time = 0',
  'SET readonly = 0',
  'INSERT INTO samples (seq) VALUES (1)',
  "INSERT INTO FUNCTION file('/tmp/haidang-out', 'CSV') SELECT 1",
  "CREATE TABLE x (a Int8) ENGINE = URL('http://127.0.0.1:1/', 'CSV')",
  "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(HTTP(url 'http://127.0.0.1:1/' format 'CSV')) LAYOUT(FLAT()) LIFETIME(0)",
  'DROP TABLE samples',
  'TRUNCATE TABLE samples',
  'ALTER TABLE samples DELETE WHERE 1',
  'SYSTEM SHUTDOWN',
  'KILL QUERY WHERE 1',
  "BACKUP DATABASE haidang TO File('/tmp/haidang-out')",
  'SELECT * FROM audit',
  'SELECT * FROM `dead_letters`',
  'SELECT * FROM haidang.dead_letters',
  "SELECT 1 WHERE '1' IN audit",
  'SELECT * FROM system.processes',
  'SELECT * FROM system.query_log',
  'SELECT * FROM system . processes',
  'SELECT * FROM `system`.`settings`',
  'SELECT 1 FORMAT JSON SELECT 2',
  'SELECT 1 FORMAT Template',
  'SELECT $$x$$',
  'SELECT 1 \u037e SELECT 2',
  'SELECT\u00a01',
  'SELECT \u2018x\u2019',
  'SELECT `a\\`b`',
  "SELECT 'not closed",
  'SELECT 1 /* not closed',
  'SELECT 1 /* /* */ INTO OUTFILE /* */ */',
  'SHOW GRANTS',
  'SHOW PROCESSLIST',
  'EXPLAIN QUERY TREE run_passes = 1 SELECT file(1)',
  'USE system',
  "SELECT aiGenerate('x')",
  '',
]

t.test('what the gate refuses', async (t) => {
  const before = (await readdir(os.tmpdir())).filter((f) => f === 'haidang-out')
  for (const sql of REFUSED) {
    const answer = await post(sql)
    t.match(
      answer,
      { status: 403, text: /^Code: 497\. DB::Exception: not allowed here/ },
      sql === '' ? 'nothing' : sql,
    )
  }
  t.same(
    (await readdir(os.tmpdir())).filter((f) => f === 'haidang-out'),
    before,
    'nothing was written',
  )
  t.equal(
    audit.filter((a) => a.outcome === 'refused' && a.who === 'ana').length >= REFUSED.length,
    true,
    'each is audited',
  )
  for (const query of [
    '?readonly=0',
    '?max_execution_time=0',
    '?max_memory_usage=0',
    '?user_files_path=%2F',
    '?format_schema=x',
    '?allow_ddl=1',
  ])
    t.match(await post('SELECT 1', BEARER, query), { status: 500, text: /Code: 164\./ }, query)
  t.match(await post('SELECT 1', BEARER, '?database=default;x'), { status: 404, text: /Code: 81\./ })
  t.match(await post('SELECT 1', BEARER, '?param_x%3D1=2'), { status: 400 })
  t.match(
    await post(
      'SELECT {x:String}',
      BEARER,
      `?param_x=${encodeURIComponent("'; SELECT file('/etc/passwd')")}`,
    ),
    { status: 200, text: /SELECT file/ },
    'a parameter is a value',
  )
})

t.test('what it lets through', async (t) => {
  for (const sql of [
    'SELECT 1;',
    '/* a question */ SELECT 1 -- and its end',
    'WITH x AS (SELECT 1 AS a) SELECT a FROM x',
    '(SELECT 1) UNION ALL (SELECT 2)',
    'SHOW TABLES',
    'DESCRIBE samples',
    'EXPLAIN SELECT 1',
    'EXISTS samples',
    'SHOW CREATE TABLE samples',
    "SELECT 'file(''/etc/passwd'')', 'Hải Phòng', 'a\\'b; c'",
    'SELECT name FROM system.tables WHERE database = currentDatabase()',
    'SELECT count() FROM system.columns',
    "SELECT device, `count`, avg FROM series_1m WHERE metric = 'level_m' LIMIT 3",
    'SELECT air.device FROM air LIMIT 1',
    'SELECT quantile(0.5)(value), toStartOfHour(time) AS h FROM samples GROUP BY h ORDER BY h LIMIT 5',
    'SELECT 1 <= 2, 1 != 2, .5, 1e-3, [1,2][1], (1,2).1, x -> x, 3 % 2'.replace(', x -> x', ''),
  ])
    t.match(await post(sql), { status: 200 }, sql)
  t.equal(
    (await post('SELECT 1 AS a FORMAT JSONColumns', BEARER, '?output_format_json_quote_64bit_integers=0'))
      .status,
    200,
  )
})

t.test('limits: time, memory, how many at once', async (t) => {
  t.match(await post('SELECT count() FROM numbers(1e12) WHERE NOT ignore(number)'), {
    status: 408,
    text: /Code: 159/,
  })
  t.match(await post('SELECT max(length(repeat(toString(number), 1000000))) FROM numbers(1000)'), {
    status: 500,
    text: /Code: 241/,
  })
  t.match(await post('SELECT sleep(3)'), { status: 403 })
  const heavy = Array.from({ length: 6 }, () =>
    post('SELECT count() FROM numbers(1e12) WHERE NOT ignore(number)'),
  )
  const statuses = (await Promise.all(heavy)).map((a) => a.status)
  t.equal(statuses.filter((s) => s === 503).length, 1, 'two run, three wait, the sixth is refused')
  t.equal(statuses.filter((s) => s === 408).length, 5)
})

t.test('a client that goes away ends its query', async (t) => {
  const abort = new AbortController()
  const client = createClient({ url, password: 'ana', ...QUIET })
  t.teardown(() => client.close())
  const from = audit.length
  const question = fetch(url, {
    method: 'POST',
    body: 'SELECT count() FROM numbers(1e12) WHERE NOT ignore(number) /* left */',
    headers: BEARER,
    signal: abort.signal,
  })
  const deadline = performance.now() + 900
  const running = async (): Promise<number> => {
    const stream = await store.query({
      sql: "SELECT count() FROM system.processes WHERE query LIKE '%ignore(number)%' AND query NOT LIKE '%processes%'",
      format: 'TSV',
    })
    let text = ''
    for await (const chunk of stream) text += chunk
    return Number(text)
  }
  while ((await running()) === 0 && performance.now() < deadline);
  abort.abort()
  await t.rejects(question)
  const aborted = performance.now()
  while ((await running()) > 0);
  t.ok(performance.now() - aborted < 500, 'ended well before its time limit')
  while (audit.length === from) await new Promise((resolve) => setTimeout(resolve, 5))
  t.match(audit.at(-1), { outcome: /cancelled|failed/ })
})

t.test('the door is back on its port after the store died, with its environment scrubbed', async (t) => {
  const pid = store.status.pid!
  const { readFile } = await import('node:fs/promises')
  const environment = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0').map((e) => e.split('=')[0])
  const known = ['UV_THREADPOOL_SIZE', 'TZ', 'PATH', 'NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE', '']
  // The test runner gives its own to every process that a test starts.
  const runners = (name: string): boolean => name.startsWith('_TAPJS_') || name === 'NODE_OPTIONS'
  t.same(
    environment.filter((name) => !known.includes(name!) && !runners(name!)),
    [],
  )
  t.ok(process.env['HOME'] !== undefined, 'there was something to scrub')
  t.match(await readFile(`/proc/${pid}/cmdline`, 'utf8'), /^haidang-store/)
  const nice = (await readdir(`/proc/${pid}/task`)).map(
    (thread) => readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8').split(') ')[1]!.split(' ')[16]!,
  )
  t.same([...new Set(nice)], ['19'], 'every thread is nice 19')
  process.kill(pid, 'SIGKILL')
  const killed = performance.now()
  for (;;) {
    const answer = await post('SELECT 1').catch(() => undefined)
    if (answer?.status === 200 && store.status.pid !== pid) break
    if (performance.now() - killed > 10_000) throw new Error('the door stays shut')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const back = performance.now() - killed
  t.comment(`back after ${Math.round(back)} ms`)
  t.ok(back < 2000 || os.loadavg()[0]! > 4, 'back within 2 s')
})
