/** Real chDB: what the log holds is in ClickHouse exactly once, in the tables and in the rollups, whatever dies. */
import { execFile } from 'node:child_process'
import { appendFile, readdir, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { StoreChild } from '../../src/store/child.js'
import { storeClient } from '../../src/store/client.js'
import { EncodingThread } from '../../src/store/encoding-thread.js'
import { migrate, migrations } from '../../src/store/schema.js'
import { shipmentFiles } from '../../src/store/shipment-files.js'
import { type SetAside, Shipper } from '../../src/store/shipper.js'
import { openStore, storePort } from '../../src/store/store.js'
import { directoryOf, nobody, readerOf, rows, same, until } from '../store/checks.js'
import { type ExpectedSample, MemoryLog } from '../store/city.js'

t.setTimeout(150_000)

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
      type: 'FeatureCollection',
      features: [
        {
          type: 'Feature',
          properties: { name: 'Vùng' },
          geometry: {
            type: 'Polygon',
            coordinates: [
              [
                [106, 20],
                [107, 20],
                [107, 21],
                [106, 20],
              ],
              [
                [106.7, 20.2],
                [106.9, 20.2],
                [106.9, 20.4],
                [106.7, 20.2],
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
  t.same(
    await rows(
      store,
      'SELECT zone, pointInPolygon((106.9, 20.5), polygons) AS inside, pointInPolygon((106.85, 20.25), polygons) AS hole FROM zones',
    ),
    [{ zone: 'Vùng', inside: 1, hole: 0 }],
  )
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

t.test('too many parts: the shipper waits, sends the same again, loses nothing', async (t) => {
  const log = new MemoryLog(8)
  const directory = await directoryOf(t)
  const store = await openStore({ directory, log, index: log.index, door: null, checkToken: nobody })
  t.teardown(() => store.close())
  const client = storeClient(store.address, { connections: 1, request_timeout_ms: 20_000 })
  t.teardown(() => client.close())
  await client.command({
    query:
      'ALTER TABLE samples MODIFY SETTING parts_to_throw_insert = 3, parts_to_delay_insert = 3, max_parts_to_merge_at_once = 2',
  })
  await client.command({ query: 'SYSTEM STOP MERGES samples' })
  for (let i = 0; i < 4; i++) {
    log.grow(50)
    store.wake()
    const seq = log.lastSeq
    await until(() => {
      store.wake()
      const shipper = store.status.shipper
      return shipper !== null && (shipper.shipped_seq >= seq || /Too many parts/.test(shipper.last_error))
    })
  }
  t.match(store.status.shipper?.last_error, /Too many parts/)
  t.equal(store.status.shipper?.refused_total, 0, 'that is no refusal')
  log.grow(2000)
  await client.command({ query: 'SYSTEM START MERGES samples' })
  await client.command({ query: 'OPTIMIZE TABLE samples FINAL' })
  await store.drained()
  await same(t, store, log, 'after too many parts')
})

t.test('no space for ClickHouse: waits with the log, goes on when there is', async (t) => {
  const directory = await directoryOf(t)
  try {
    await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', directory])
  } catch {
    t.pass('a small tmpfs', { skip: 'needs root' })
    return
  }
  t.teardown(() => promisify(execFile)('umount', ['-l', directory]))
  const log = new MemoryLog(9)
  const store = await openStore({ directory, log, index: log.index, door: null, checkToken: nobody })
  t.teardown(() => store.close())
  log.grow(200)
  await store.drained()
  await writeFile(path.join(directory, 'filler'), Buffer.alloc(1))
  let filled = 1024 * 1024
  for (let step = 8 * 1024 * 1024; step >= 4096; step /= 2) {
    for (;;) {
      try {
        await appendFile(path.join(directory, 'filler'), Buffer.alloc(step))
        filled += step
      } catch {
        break
      }
    }
  }
  log.grow(2000)
  await until(() => {
    store.wake()
    return /space|write/i.test(store.status.shipper?.last_error ?? '')
  })
  t.comment(`${Math.round(filled / 1024)} KiB filled; ${store.status.shipper?.last_error.slice(0, 120)}`)
  await rm(path.join(directory, 'filler'))
  await store.drained()
  t.equal(store.status.shipper?.set_aside_total, 0)
  await same(t, store, log, 'after the disk was full')
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
