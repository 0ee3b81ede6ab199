/**
 * Question: what do the rollups, the exactly-once settings and the fsyncs cost on the way from the log to ClickHouse?
 * Baseline: the same Arrow files into a table with the same columns and nothing behind it, in the same run, the kinds
 * interleaved.
 *
 *   bare      Arrow into samples' columns; no views, no fsync, no deduplication window
 *   samples   the same with fsync and the window, as `samples` has them
 *   rollups   the final schema: samples, samples_1m, samples_1h with its quantile sketch
 *
 * Also: encoding alone (worker), bytes a row on disk with and without rollups after a final merge, and the delay of this
 * process' event loop while it ships (in place of the engine's). It does not show: reading the log, an outside
 * ClickHouse, disks slower than this one, or a store that serves analysts at the same time.
 *
 *   node dist/bench/pipeline/store-insert.js [--seconds 20] [--rows 100000] [--devices 300] [--out bench/results/x.json]
 */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Readable } from 'node:stream'
import { parseArgs } from 'node:util'
import { SampleBatch } from '../../src/model/columns.js'
import { SeriesIndex } from '../../src/model/series.js'
import { SAMPLE_COLUMNS } from '../../src/store/arrow.js'
import { StoreChild } from '../../src/store/child.js'
import { storeClient } from '../../src/store/client.js'
import { ColumnBuilder, type SampleColumns } from '../../src/store/columns.js'
import { EncodingThread } from '../../src/store/encoding-thread.js'
import { migrate, migrations } from '../../src/store/schema.js'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    rows: { type: 'string', default: '100000' },
    devices: { type: 'string', default: '300' },
    out: { type: 'string' },
  },
})
const SECONDS = Number(values.seconds)
const ROWS = Number(values.rows)
const DEVICES = Number(values.devices)
const KINDS = ['bare', 'samples', 'rollups'] as const
type Kind = (typeof KINDS)[number]

/** The demo's mix: each device says three metrics every 5 s, seeded walks with two decimals. */
class City {
  readonly index = new SeriesIndex()
  readonly #batch = new SampleBatch()
  readonly #walk: Float64Array
  #seq = 0
  #time = Date.UTC(2026, 8, 1)
  #seed = 1

  readonly devices: number

  constructor(devices: number) {
    this.devices = devices
    this.#walk = new Float64Array(devices * 3).fill(50)
  }

  shipment(rows: number): SampleColumns {
    const builder = new ColumnBuilder(rows)
    const { index } = this
    const streams = ['sensor', 'air', 'flood', 'gps', 'camera'].map((s) => index.streams.id(s))
    const source = index.sources.id('haiphong')
    const metrics = [
      'temp_c',
      'humidity_pct',
      'pm25_ugm3',
      'level_m',
      'rain_mm',
      'speed_kmh',
      'heading_deg',
      'battery_v',
      'confidence',
    ].map((m) => index.metrics.id(m))
    while (builder.rows < rows) {
      const n = this.#seq++ % this.devices
      this.#time += 5000 / this.devices
      const batch = this.#batch
      batch.clear()
      const device = index.devices.id(`hp-${String(n).padStart(4, '0')}`)
      const kind = n % 5
      for (let m = 0; m < 3 && builder.rows + m < rows; m++) {
        const at = n * 3 + m
        this.#walk[at] = this.#walk[at]! + this.#random() - 0.5
        const position = kind === 3
        batch.append(
          index.series(device, metrics[(kind + m) % metrics.length]!),
          Math.floor(this.#time - this.#random() * 300),
          Math.round(this.#walk[at]! * 100) / 100,
          0,
          position ? 20.8 + this.#random() / 10 : Number.NaN,
          position ? 106.6 + this.#random() / 10 : Number.NaN,
          0,
          '',
        )
      }
      builder.add(
        {
          kind: 'message',
          seq: this.#seq,
          received: Math.floor(this.#time),
          feed: source,
          source,
          stream: streams[kind]!,
          identity: 0,
          batch,
          from: 0,
          to: batch.length,
        },
        index,
      )
    }
    return builder.columns()
  }

  #random(): number {
    this.#seed = (this.#seed * 16807) % 2147483647
    return this.#seed / 2147483647
  }
}

const directory = await mkdtemp(path.join(os.tmpdir(), 'haidang-bench-store-'))
const city = new City(DEVICES)
const child = await StoreChild.open({ directory, checkToken: async () => null })
const client = storeClient({ socket: child.socket }, { connections: 2, request_timeout_ms: 60_000 })
const thread = new EncodingThread(city.index)
try {
  // The final schema in its own database; the two baselines beside it, made from it.
  await migrate(client, await migrations())
  const create = (
    await (
      await client.query({ query: 'SHOW CREATE TABLE samples', format: 'JSONEachRow' })
    ).json<{ statement: string }>()
  )[0]!.statement
  const named = (name: string): string =>
    create.replace(/CREATE TABLE haidang\.samples/, `CREATE TABLE haidang.${name}`)
  await client.command({ query: named('only_samples') })
  await client.command({
    query: named('bare')
      .replace(/SETTINGS .*/s, '')
      .replace(/TTL[\s\S]*?(?=SETTINGS|$)/, ''),
  })
  const tables: Record<Kind, string> = { bare: 'bare', samples: 'only_samples', rollups: 'samples' }

  const rates: Record<Kind, number[]> = { bare: [], samples: [], rollups: [] }
  const encoding: number[] = []
  const rows: Record<Kind, number> = { bare: 0, samples: 0, rollups: 0 }
  const insert = async (kind: Kind, payload: Uint8Array, token: string): Promise<number> => {
    const started = performance.now()
    const { stream } = await client.exec({
      query: `INSERT INTO ${tables[kind]} (${SAMPLE_COLUMNS.join(', ')}) FORMAT ArrowStream`,
      values: Readable.from([payload], { objectMode: false }),
      clickhouse_settings: {
        insert_deduplication_token: token,
        deduplicate_blocks_in_dependent_materialized_views: 1,
      },
    })
    for await (const _ of stream);
    return performance.now() - started
  }
  for (const kind of KINDS) {
    await insert(kind, await thread.encode(city.shipment(ROWS)), `warm-${kind}`)
    rows[kind] += ROWS
  }
  const idle = monitorEventLoopDelay({ resolution: 1 })
  idle.enable()
  await new Promise((resolve) => setTimeout(resolve, 2000))
  idle.disable()
  const busy = monitorEventLoopDelay({ resolution: 1 })
  const until = performance.now() + SECONDS * 1000
  for (let round = 0; performance.now() < until; round++) {
    const columns = city.shipment(ROWS)
    busy.enable()
    const started = performance.now()
    const payload = await thread.encode(columns)
    encoding.push(performance.now() - started)
    // Another order each round: what one leaves behind (merges, page cache) is not always the same one's burden.
    for (let k = 0; k < KINDS.length; k++) {
      const kind = KINDS[(k + round) % KINDS.length]!
      const ms = await insert(kind, payload.slice(), `${round}-${kind}`)
      rates[kind].push((ROWS / ms) * 1000)
      rows[kind] += ROWS
    }
    busy.disable()
  }
  for (const table of ['bare', 'only_samples', 'samples', 'samples_1m', 'samples_1h'])
    await client.command({ query: `OPTIMIZE TABLE ${table} FINAL` })
  const sizes = Object.fromEntries(
    (
      await (
        await client.query({
          query:
            "SELECT table, sum(rows) AS n, sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND database = 'haidang' GROUP BY table",
          format: 'JSONEachRow',
        })
      ).json<{ table: string; n: string; bytes: string }>()
    ).map((r) => [r.table, { rows: Number(r.n), bytes: Number(r.bytes) }]),
  )
  const [rolled] = await (
    await client.query({
      query:
        'SELECT (SELECT countMerge(count) FROM samples_1m) AS m, (SELECT countMerge(count) FROM samples_1h) AS h',
      format: 'JSONEachRow',
    })
  ).json<{ m: string; h: string }>()
  for (const kind of KINDS)
    if (sizes[tables[kind]]?.rows !== rows[kind])
      throw new Error(`${kind}: ${sizes[tables[kind]]?.rows} rows, inserted ${rows[kind]}`)
  if (Number(rolled?.m) !== rows.rollups || Number(rolled?.h) !== rows.rollups)
    throw new Error('rollups count otherwise')

  const perRow = (bytes: number): number => Math.round((bytes / rows.rollups) * 100) / 100
  const result = {
    bench: 'pipeline/store-insert',
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(),
    date: new Date().toISOString(),
    node: process.version,
    cpu: `${os.cpus().length} × ${os.cpus()[0]?.model}`,
    load_average: os.loadavg()[0],
    rows_a_shipment: ROWS,
    devices: DEVICES,
    rounds: rates.bare.length,
    rows_per_second: Object.fromEntries(
      KINDS.map((kind) => [
        kind,
        { p50: Math.round(quantile(rates[kind], 0.5)), p10: Math.round(quantile(rates[kind], 0.1)) },
      ]),
    ),
    rollups_to_bare: Math.round((quantile(rates.rollups, 0.5) / quantile(rates.bare, 0.5)) * 1000) / 1000,
    encode_ns_a_row: Math.round((quantile(encoding, 0.5) / ROWS) * 1e6),
    bytes_a_row: {
      samples: perRow(sizes['samples']!.bytes),
      samples_1m: perRow(sizes['samples_1m']!.bytes),
      samples_1h: perRow(sizes['samples_1h']!.bytes),
    },
    event_loop_ms: {
      idle_p99: round(idle.percentile(99) / 1e6),
      shipping_p99: round(busy.percentile(99) / 1e6),
      shipping_max: round(busy.max / 1e6),
    },
  }
  const text = `${JSON.stringify(result, null, 2)}\n`
  process.stdout.write(text)
  if (values.out !== undefined) await writeFile(values.out, text)
} finally {
  await thread.close()
  await client.close()
  await child.close()
  await rm(directory, { recursive: true, force: true })
}

function quantile(list: readonly number[], q: number): number {
  const sorted = [...list].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

function round(x: number): number {
  return Math.round(x * 100) / 100
}
