/** Real chDB: what the log holds is in ClickHouse exactly once, in the tables and in the rollups, whatever dies. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import type { ClickHouseClient } from '@clickhouse/client'
import t, { type Test } from 'tap'
import { StoreChild } from '../../src/store/child.js'
import { storeClient } from '../../src/store/client.js'
import { EncodingThread } from '../../src/store/encoding-thread.js'
import { migrate, migrations } from '../../src/store/schema.js'
import { shipmentFiles } from '../../src/store/shipment-files.js'
import { type SetAside, Shipper } from '../../src/store/shipper.js'
import { openStore, type Store, storePort } from '../../src/store/store.js'
import { type ExpectedSample, MemoryLog, random, rolledUp } from '../store/city.js'

t.setTimeout(150_000)

const nobody = async (): Promise<null> => null

async function directoryOf(test: Test): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'haidang-test-store-'))
  test.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

async function rows<T>(store: Pick<Store, 'query'>, sql: string): Promise<T[]> {
  const stream = await store.query({
    sql,
    format: 'JSONEachRow',
    settings: { output_format_json_quote_64bit_integers: 0 },
  })
  let text = ''
  for await (const chunk of stream) text += chunk
  return text
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as T)
}

interface Totals {
  n: number
  distinct: number
  sum: number
  attrs: number
}

/** Sums with whole numbers: thousandths of the values, so that no order of adding changes them. */
function totals(samples: readonly ExpectedSample[]): Totals {
  let sum = 0
  let attrs = 0
  for (const s of samples) {
    sum += Math.round(s.value * 1000)
    attrs += s.attrs.length
  }
  return { n: samples.length, distinct: new Set(samples.map((s) => s.seq)).size, sum, attrs }
}

async function same(test: Test, store: Pick<Store, 'query'>, log: MemoryLog, what: string): Promise<void> {
  const [stored] = await rows<Totals>(
    store,
    'SELECT count() AS n, uniqExact(seq) AS distinct, sum(toInt64(round(value * 1000))) AS sum, sum(lengthUTF8(attrs)) AS attrs FROM samples',
  )
  test.same(stored, totals(log.samples), `${what}: samples`)
  const rolled = totals(rolledUp(log.samples))
  for (const table of ['samples_1m', 'samples_1h']) {
    const [r] = await rows<{ n: number; sum: number }>(
      store,
      `SELECT countMerge(count) AS n, toInt64(round(sumMerge(sum) * 1000)) AS sum FROM ${table}`,
    )
    test.same(r, { n: rolled.n, sum: rolled.sum }, `${what}: ${table}`)
  }
  for (const [table, n] of Object.entries(log.counts))
    test.same(
      (await rows<{ n: number }>(store, `SELECT count() AS n FROM ${table}`))[0],
      { n },
      `${what}: ${table}`,
    )
}

t.test('rows equal what was logged, in every table', async (t) => {
  const log = new MemoryLog(1)
  log.text(
    'registry',
    '- {device: dev-1, kind: gauge, site: kien-an, lat: 20.8, lon: 106.6, limit: {bd1: 2.5}, expected_interval: 10m, river: Lạch Tray}\n',
  )
  log.text(
    'metrics',
    JSON.stringify([
      'level_m: { unit: m, min: -20, max: 100, decimals: 2, en: Water level, vi: Mực nước }\n',
    ]),
  )
  log.text(
    'zones',
    JSON.stringify({
      features: [
        {
          properties: { id: 'z', name: 'Vùng' },
          geometry: {
            type: 'Polygon',
            coordinates: [
              [
                [106, 20],
                [107, 20],
                [107, 21],
                [106, 20],
              ],
            ],
          },
        },
      ],
    }),
  )
  log.grow(3000)
  log.alert('firing', 'a_x', 'medium')
  log.alert('acknowledged', 'a_x', 'medium', { by: 'lan' })
  log.alert('firing', 'a_x', 'critical')
  log.alert('resolved', 'a_x', 'none')
  const directory = await directoryOf(t)
  const store = await openStore({ directory, log, index: log.index, door: null, checkToken: nobody })
  t.teardown(() => store.close())
  await store.drained()
  await same(t, store, log, 'after one run')
  const some = await rows<ExpectedSample>(
    store,
    'SELECT seq, toUnixTimestamp64Milli(time) AS time, toUnixTimestamp64Milli(received) AS received, device, metric, label, value, quality, attrs FROM samples WHERE seq < 400 ORDER BY ALL',
  )
  const order = (a: ExpectedSample, b: ExpectedSample): number =>
    a.seq - b.seq || a.time - b.time || (a.metric < b.metric ? -1 : 1)
  t.same(some.sort(order), log.samples.filter((s) => s.seq < 400).sort(order), 'value by value')
  t.same(
    await rows(
      store,
      'SELECT stream, source, isNaN(lat) AS nan, count() > 0 AS any FROM samples GROUP BY ALL',
    ),
    [{ stream: 'flood', source: 'gauges', nan: 1, any: 1 }],
  )
  t.same(await rows(store, 'SELECT device, kind, limit, attributes, expected_interval_ms FROM devices'), [
    {
      device: 'dev-1',
      kind: 'gauge',
      limit: { bd1: 2.5 },
      attributes: { river: 'Lạch Tray' },
      expected_interval_ms: 600_000,
    },
  ])
  t.same(await rows(store, 'SELECT metric, vi FROM metrics'), [{ metric: 'level_m', vi: 'Mực nước' }])
  t.same(await rows(store, 'SELECT zone, pointInPolygon((106.9, 20.5), polygons) AS inside FROM zones'), [
    { zone: 'z', inside: 1 },
  ])
  t.same(
    await rows(
      store,
      "SELECT status, level, highest, acknowledged_by, transitions, title.vi AS vi, closed IS NOT NULL AS closed FROM alerts WHERE id = 'a_x'",
    ),
    [
      {
        status: 'resolved',
        level: 'none',
        highest: 'critical',
        acknowledged_by: 'lan',
        transitions: 4,
        vi: 'Nước cao',
        closed: 1,
      },
    ],
  )
  t.same(await rows(store, 'SELECT hex(bytes) AS bytes, source, topic FROM dead_letters LIMIT 1'), [
    { bytes: '00FF0A275C01', source: 'native', topic: 'haidang/v1/flood/x/y' },
  ])
  t.same(await rows(store, 'SELECT body FROM audit LIMIT 1'), [
    { body: JSON.stringify({ note: "o'clock\n" }) },
  ])
})

t.test('kill -9 of the store at twelve random moments', async (t) => {
  const log = new MemoryLog(2)
  const next = random(3)
  const directory = await directoryOf(t)
  const index = log.index
  let up = 0
  const child = await StoreChild.open({
    directory,
    checkToken: nobody,
    onState: (state) => {
      if (state === 'up') up++
    },
  })
  t.teardown(() => child.close())
  const writer = storeClient({ socket: child.socket }, { connections: 2, request_timeout_ms: 20_000 })
  t.teardown(() => writer.close())
  await migrate(writer, await migrations())
  const encoder = new EncodingThread(index)
  t.teardown(() => encoder.close())
  const files = shipmentFiles(path.join(directory, 'shipping'))
  let inserting = 0
  let hit = 0
  const port = storePort(writer)
  const shipper = await Shipper.open({
    log,
    index,
    encoder,
    files,
    interval_ms: 1,
    bounds: { rows: 3000, bytes: 1e9, days: 90 },
    store: {
      ...port,
      insert: async (...args) => {
        inserting++
        await port.insert(...args).finally(() => inserting--)
      },
    },
  })
  for (let kill = 1; kill <= 12; kill++) {
    log.grow(4000)
    shipper.wake()
    await until(() => inserting > 0)
    // Somewhere within an insert of a few tens of milliseconds, or just behind it.
    const moment = performance.now() + next() * 60
    await until(() => performance.now() >= moment)
    hit += inserting
    process.kill(child.pid!, 'SIGKILL')
    await until(() => up === kill + 1)
    shipper.wake()
  }
  await shipper.drained()
  t.ok(hit >= 3, `${hit} of 12 kills fell into an insert`)
  t.equal(shipper.status.doubled_total, 0)
  await shipper.close()
  await same(t, readerOf(writer), log, 'after twelve kills')
})

t.test('an answer lost after the commit, and a restart of the shipper in doubt', async (t) => {
  const log = new MemoryLog(4)
  const directory = await directoryOf(t)
  const child = await StoreChild.open({ directory, checkToken: nobody })
  t.teardown(() => child.close())
  const proxy = await answerDropper(child.socket, path.join(directory, 'proxy.sock'))
  t.teardown(() => proxy.server.close())
  const writer = storeClient(
    { socket: path.join(directory, 'proxy.sock') },
    { connections: 2, request_timeout_ms: 20_000 },
  )
  t.teardown(() => writer.close())
  await migrate(writer, await migrations())
  const encoder = new EncodingThread(log.index)
  t.teardown(() => encoder.close())
  const files = shipmentFiles(path.join(directory, 'shipping'))
  const open = (): Promise<Shipper> =>
    Shipper.open({ log, index: log.index, encoder, files, store: storePort(writer), interval_ms: 1 })
  let shipper = await open()
  for (let round = 0; round < 4; round++) {
    log.grow(500)
    proxy.drop(3)
    await shipper.drained()
    t.ok(shipper.status.retries_total > 0, 'answers were lost')
  }
  // In doubt when the engine dies: only what is written down is known to the next shipper.
  log.grow(500)
  proxy.drop(Number.POSITIVE_INFINITY)
  shipper.wake()
  await until(() => shipper.status.state === 'waiting')
  await shipper.close()
  proxy.drop(0)
  shipper = await open()
  await shipper.drained()
  t.equal(shipper.status.doubled_total, 0)
  await shipper.close()
  await same(t, readerOf(writer), log, 'after lost answers')
})

t.test('a view that throws, a poison record, and the next ones', async (t) => {
  const log = new MemoryLog(5)
  const directory = await directoryOf(t)
  const aside: SetAside[] = []
  const store = await openStore({
    directory,
    log,
    index: log.index,
    door: null,
    checkToken: nobody,
    onSetAside: (entry) => void aside.push(entry),
  })
  t.teardown(() => store.close())
  const child = storeClient(store.address, { connections: 1, request_timeout_ms: 20_000 })
  t.teardown(() => child.close())
  // Throws while the table `bomb` has rows: committed in samples, in no view.
  await child.command({ query: 'CREATE TABLE bomb (x UInt8) ENGINE = Memory' })
  await child.command({ query: 'CREATE TABLE sink (seq UInt64) ENGINE = MergeTree ORDER BY seq' })
  await child.command({
    query:
      'CREATE MATERIALIZED VIEW throws TO sink AS SELECT seq FROM samples WHERE throwIf((SELECT count() FROM bomb) > 0) = 0',
  })
  await child.command({ query: 'INSERT INTO bomb VALUES (1)' })
  log.grow(400)
  store.wake()
  await until(() => (store.status.shipper?.refused_total ?? 0) >= 1)
  await child.command({ query: 'TRUNCATE TABLE bomb' })
  await store.drained()
  await same(t, store, log, 'after a view that threw')
  await child.command({ query: 'DROP TABLE throws' })

  await child.command({ query: 'ALTER TABLE samples ADD CONSTRAINT no_poison CHECK value != 666' })
  log.grow(200)
  const good = log.samples.length
  const poison = log.message(1, 666)
  log.grow(200)
  await store.drained()
  t.equal(aside.length, 1)
  t.match(aside[0], { table: 'samples', first: poison, last: poison, rows: 1, stored: 0 })
  t.same(
    await readdir(path.join(directory, 'shipping', 'set-aside')),
    [`${poison}-${poison}-samples.arrow`],
    'its bytes are kept',
  )
  log.samples.splice(good, log.samples.length, ...log.samples.slice(good).filter((s) => s.value !== 666))
  await same(t, store, log, 'all but the poison')
  t.equal(store.status.shipper?.set_aside_total, 1)
})

t.test('a shipment is cut before it spans ninety days of arrival', async (t) => {
  const log = new MemoryLog(6)
  for (let i = 0; i < 400; i++) log.message(1, undefined, 2 * 86_400_000)
  const directory = await directoryOf(t)
  const store = await openStore({ directory, log, index: log.index, door: null, checkToken: nobody })
  t.teardown(() => store.close())
  await store.drained()
  t.equal(store.status.shipper?.refused_total, 0)
  await same(t, store, log, 'four hundred days')
})

/** The query side of a Store over a bare client. */
function readerOf(client: ClickHouseClient): Pick<Store, 'query'> {
  return {
    query: async ({ sql, format, settings }) =>
      (await client.exec({ query: `${sql} FORMAT ${format}`, clickhouse_settings: settings ?? {} }))
        .stream as Readable,
  }
}

async function until(condition: () => boolean, ms = 30_000): Promise<void> {
  const deadline = performance.now() + ms
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('waited too long')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** Passes everything on, but breaks the connection instead of the answer to the next `n` inserts. */
async function answerDropper(to: string, at: string): Promise<{ server: Server; drop(n: number): void }> {
  let left = 0
  const server = createServer((client: Socket) => {
    const upstream = connect(to)
    let dropping = false
    client.on('data', (chunk: Buffer) => {
      if (left > 0 && chunk.includes('INSERT+INTO')) dropping = true
      upstream.write(chunk)
    })
    upstream.on('data', (chunk: Buffer) => {
      if (dropping) {
        left--
        client.destroy()
        upstream.destroy()
      } else client.write(chunk)
    })
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
    client.on('error', () => undefined)
    upstream.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(at, () => resolve()))
  return {
    server,
    drop: (n) => {
      left = n
    },
  }
}
