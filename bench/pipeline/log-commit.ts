/**
 * Question: how long does a message wait for its acknowledgement (append → durable) at a fixed rate on this machine's
 * disk, what does the log do at most, and what does it take of the engine's thread? Baseline: append + fdatasync of a
 * file, one at a time, in the same directory. Open loop: a late tick sends what was due. Not shown: decoding, judging,
 * brokers. Counts are verified by reading the log back.
 *
 * `node dist/bench/pipeline/log-commit.js [directory]`; prints JSON.
 */
import { mkdtemp, open, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { realDisk } from '../../src/log/disk.js'
import { openLog } from '../../src/log/log.js'
import { SampleBatch } from '../../src/model/columns.js'
import type { MessageRecord } from '../../src/model/record.js'
import { SeriesIndex } from '../../src/model/series.js'

const parent = process.argv[2] ?? tmpdir()
const SERIES = 10_000
const SECONDS = 4

interface Figures {
  readonly messages: number
  readonly per_second: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly max_ms: number
  readonly syncs: number
  readonly bytes_per_message: number
  readonly loop_delay_p99_ms: number
  readonly cpu_us_per_message: number
}

function quantile(sorted: Float64Array, q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

/** `rate` messages a second; Infinity: as fast as it takes them. */
async function run(rate: number): Promise<Figures> {
  const directory = await mkdtemp(path.join(parent, 'hd-log-bench-'))
  const index = new SeriesIndex()
  for (let d = 0; d < SERIES; d++) index.series(index.devices.id(`device-${d}`), index.metrics.id('level_m'))
  const feed = index.sources.id('mqtt')
  const stream = index.streams.id('flood')
  const log = await openLog({ disk: realDisk, directory, index })
  const batch = new SampleBatch()
  batch.append(0, 0, 1.5, 0, Number.NaN, Number.NaN, 0, '')
  const message: MessageRecord = {
    kind: 'message',
    seq: 0,
    received: 0,
    feed,
    source: feed,
    stream,
    identity: 0,
    batch,
    from: 0,
    to: 1,
  }
  const waits: number[] = []
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const cpu = process.cpuUsage()
  const begun = performance.now()
  let seq = 0
  const send = (): void => {
    batch.series[0] = (seq * 7) % SERIES
    batch.time[0] = seq
    message.seq = seq + 1
    const at = performance.now()
    if (log.append(message, [], () => waits.push(performance.now() - at))) seq++
  }
  while (performance.now() - begun < SECONDS * 1000) {
    if (rate === Number.POSITIVE_INFINITY)
      for (let i = 0; i < 500 && log.status().pending_bytes < 4 << 20; i++) send()
    else for (const due = ((performance.now() - begun) / 1000) * rate; seq < due; ) send()
    await new Promise((resolve) => setImmediate(resolve))
  }
  await log.flush()
  const seconds = (performance.now() - begun) / 1000
  const { user, system } = process.cpuUsage(cpu)
  delay.disable()
  const { syncs_total, bytes } = log.status()
  let read = 0
  const reader = log.reader(new SeriesIndex())
  await reader.replay(1, () => read++)
  await reader.close()
  await log.close()
  await rm(directory, { recursive: true })
  if (read !== seq || waits.length !== seq)
    throw new Error(`${seq} appended, ${waits.length} durable, ${read} read back`)
  const sorted = Float64Array.from(waits).sort()
  return {
    messages: seq,
    per_second: Math.round(seq / seconds),
    p50_ms: quantile(sorted, 0.5),
    p99_ms: quantile(sorted, 0.99),
    max_ms: quantile(sorted, 1),
    syncs: syncs_total,
    bytes_per_message: bytes / seq,
    loop_delay_p99_ms: delay.percentile(99) / 1e6,
    cpu_us_per_message: (user + system) / seq,
  }
}

async function baseline(): Promise<{ p50_ms: number; p99_ms: number }> {
  const directory = await mkdtemp(path.join(parent, 'hd-log-bench-'))
  const file = await open(path.join(directory, 'plain'), 'w')
  const times: number[] = []
  const block = new Uint8Array(4096)
  for (let i = 0; i < 300; i++) {
    const at = performance.now()
    await file.write(block)
    await file.datasync()
    times.push(performance.now() - at)
  }
  await file.close()
  await rm(directory, { recursive: true })
  const sorted = Float64Array.from(times).sort()
  return { p50_ms: quantile(sorted, 0.5), p99_ms: quantile(sorted, 0.99) }
}

await run(2000)
const rounded = (_: string, value: unknown): unknown =>
  typeof value === 'number' ? Number(value.toPrecision(4)) : value
console.log(
  JSON.stringify(
    {
      cpu: cpus()[0]?.model,
      node: process.version,
      date: new Date().toISOString(),
      write_and_fdatasync_4k: await baseline(),
      at_2000_per_second: await run(2000),
      at_20000_per_second: await run(20_000),
      at_most: await run(Number.POSITIVE_INFINITY),
    },
    rounded,
    1,
  ),
)
