/** The schema over real chDB: applied twice, cut off half-way, newer, edited; an outside ClickHouse that comes late. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import t from 'tap'
import { StoreChild } from '../../src/store/child.js'
import { storeClient } from '../../src/store/client.js'
import { endLeftover } from '../../src/store/leftover.js'
import { migrate, migrations } from '../../src/store/schema.js'
import { openStore } from '../../src/store/store.js'
import { MemoryLog } from '../store/city.js'

const directory = await mkdtemp(path.join(os.tmpdir(), 'haidang-test-schema-'))
const child = await StoreChild.open({ directory, checkToken: async () => null })
const client = storeClient({ socket: child.socket }, { connections: 2, request_timeout_ms: 20_000 })
t.teardown(async () => {
  await client.close()
  await child.close()
  await rm(directory, { recursive: true, force: true })
})
const list = await migrations()

async function names(of: ClickHouseClient): Promise<string[]> {
  const rows = await (
    await of.query({
      query: 'SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name',
      format: 'JSONEachRow',
    })
  ).json<{ name: string }>()
  return rows.map((r) => r.name)
}

t.test('a run that is cut off anywhere is run again; a second run changes nothing', async (t) => {
  for (const stop of [1, 4, 3, 2]) {
    let left = stop
    const dying = new Proxy(client, {
      get: (target, name, receiver) =>
        name !== 'command'
          ? Reflect.get(target, name, receiver)
          : async (params: { query: string }) => {
              if (!params.query.includes('schema_version') && left-- <= 0) throw new Error('cut off')
              return target.command(params)
            },
    })
    await t.rejects(migrate(dying, list), { code: 'HD_STORE_SCHEMA' })
  }
  await migrate(client, list)
  const tables = await names(client)
  for (const name of [
    'samples',
    'samples_1m',
    'samples_1h',
    'series_1m',
    'series_1h',
    'transitions',
    'alerts',
    'dead_letters',
    'audit',
    'devices',
    'metrics',
    'zones',
    'sensor',
    'camera',
    'air',
    'flood',
    'gps',
    'schema_version',
  ])
    t.ok(tables.includes(name), name)
  t.same(await migrate(client, list), [], 'nothing left to do')
  t.same(await names(client), tables)
})

t.test(
  'every table that a view feeds, and every one that is shipped to, has its own deduplication window',
  async (t) => {
    const rows = await (
      await client.query({
        query:
          "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name != 'schema_version'",
        format: 'JSONEachRow',
      })
    ).json<{ name: string; engine_full: string }>()
    t.ok(rows.length >= 11)
    for (const row of rows) t.match(row.engine_full, /non_replicated_deduplication_window = \d{4,}/, row.name)
  },
)

t.test('a newer schema and an edited one are refused', async (t) => {
  await t.rejects(migrate(client, list.slice(0, 2)), {
    code: 'HD_STORE_SCHEMA',
    message: /schema version 4 .* knows 2: use a newer haidang/,
  })
  const edited = list.map((m) => (m.version === 2 ? { ...m, hash: 'other' } : m))
  await t.rejects(migrate(client, edited), { code: 'HD_STORE_SCHEMA', message: /version 2 .* another form/ })
  await client.insert({
    table: 'schema_version',
    values: [{ version: 99, name: '099-later.sql', hash: 'x' }],
    format: 'JSONEachRow',
  })
  const log = new MemoryLog(1)
  const other = await mkdtemp(path.join(os.tmpdir(), 'haidang-test-newer-'))
  t.teardown(() => rm(other, { recursive: true, force: true }))
  const proxy = await tcpProxy(child.socket)
  t.teardown(() => proxy.server.close())
  await t.rejects(
    openStore({
      directory: other,
      log,
      index: log.index,
      clickhouse_url: `http://127.0.0.1:${proxy.port}`,
      door: null,
      checkToken: async () => null,
    }),
    { code: 'HD_STORE_SCHEMA' },
  )
  await client.command({ query: 'DROP TABLE schema_version' })
})

t.test('an outside ClickHouse that is not there yet: the store opens, follows, ships', async (t) => {
  const log = new MemoryLog(2)
  log.grow(300)
  const other = await mkdtemp(path.join(os.tmpdir(), 'haidang-test-outside-'))
  t.teardown(() => rm(other, { recursive: true, force: true }))
  const port = await freePort()
  const states: string[] = []
  const store = await openStore({
    directory: other,
    log,
    index: log.index,
    clickhouse_url: `http://user:secret@127.0.0.1:${port}`,
    door: { host: '127.0.0.1', port: 0 },
    checkToken: async () => null,
    onStatus: (status) => {
      states.push(status.state)
    },
  })
  t.teardown(() => store.close())
  t.equal(store.status.state, 'down')
  t.equal(store.sql_url, `http://127.0.0.1:${port}/`, 'no credentials are shown')
  const proxy = await tcpProxy(child.socket, port)
  t.teardown(() => proxy.server.close())
  const deadline = performance.now() + 20_000
  while (store.status.state !== 'up' && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 10))
  await store.drained()
  const rows = await (
    await client.query({ query: 'SELECT count() AS n FROM samples', format: 'JSONEachRow' })
  ).json<{ n: number }>()
  t.equal(Number(rows[0]?.n), log.samples.length)
  t.same([...new Set(states)], ['down', 'up'])
})

t.test('a leftover store is ended; a pid that is somebody else is not', async (t) => {
  const home = await mkdtemp(path.join(os.tmpdir(), 'haidang-test-left-'))
  t.teardown(() => rm(home, { recursive: true, force: true }))
  const stat = await readFile('/proc/self/stat', 'utf8')
  await writeFile(
    path.join(home, 'store.pid'),
    `${process.pid} ${stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[19]}\n`,
  )
  t.equal(await endLeftover(home), false, 'this test is no store')
  const stranger = spawn('sleep', ['60'])
  t.teardown(() => stranger.kill())
  await writeFile(path.join(home, 'store.pid'), `${stranger.pid} 12345\n`)
  t.equal(await endLeftover(home), false)
  t.equal(stranger.exitCode, null)
  // The store of another engine's directory, with its file copied: ended by its pid file alone.
  const left = await StoreChild.open({ directory: home, checkToken: async () => null })
  const pid = left.pid!
  t.equal(await endLeftover(home), true)
  const state = async (): Promise<string | undefined> =>
    (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')).split(') ')[1]?.[0]
  t.ok([undefined, 'Z'].includes(await state()), 'gone, or waiting for its parent to notice')
  await left.close()
})

t.test('kill -9 of the engine: its store ends with it, and the next one opens the data', async (t) => {
  const home = await mkdtemp(path.join(os.tmpdir(), 'haidang-test-orphan-'))
  t.teardown(() => rm(home, { recursive: true, force: true }))
  const engine = spawn(process.execPath, [path.join(import.meta.dirname, '../store/orphan.js'), home], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const pid = Number(await new Promise((resolve) => engine.stdout.once('data', resolve)))
  t.match(await readFile(`/proc/${pid}/cmdline`, 'utf8'), /^haidang-store/)
  engine.kill('SIGKILL')
  const killed = performance.now()
  // Either way: ended by itself, or by the one that follows.
  const next = await StoreChild.open({ directory: home, checkToken: async () => null })
  t.teardown(() => next.close())
  t.comment(`open again ${Math.round(performance.now() - killed)} ms after the kill`)
  t.not(next.pid, pid)
  t.equal((await readFile(path.join(home, 'store.pid'), 'utf8')).split(' ')[0], String(next.pid))
  t.equal(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''), '')
})

async function tcpProxy(to: string, port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer((peer) => {
    const upstream = connect(to)
    peer.pipe(upstream).pipe(peer)
    peer.on('error', () => upstream.destroy())
    upstream.on('error', () => peer.destroy())
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()))
  return { server, port: (server.address() as { port: number }).port }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
