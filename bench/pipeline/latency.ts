/**
 * Question: how long from publishing a message to its alert at a WebSocket client in another process, beside what the
 * broker, a bare subscriber and a bare WebSocket cost by themselves in the same run?
 *
 * Open loop: 2 000 msg/s, 30 of them alert each second, over real Mosquitto (QoS 0, 1) or nats-server (core,
 * JetStream). Pairs of floor and engine, interleaved, the engine running all the time in both halves; pooled. Ratio of
 * p50 and of p99 with a bootstrap interval (2 000 resamples of the pooled latencies).
 * Aim: p50 ≤ 1.5 × floor; p99 ≤ 2 × floor. What it does not show: several walls, large rule sets, a busy store.
 *
 *   node dist/bench/pipeline/latency.js [--pairs 10] [--seconds 5] [--transports mqtt0,mqtt1,nats,jetstream]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { jetstreamManager } from '@nats-io/jetstream'
import mqtt from 'mqtt'
import { connect } from 'nats'
import { EngineProcess, TOKEN } from '../../test/integration/engine-process.js'
import { mosquitto, natsServer, type Server } from '../../test/integration/servers.js'
import { writeResult } from '../result.js'

const RATE = 2000
const ALERTS_A_SECOND = 30
const DEVICES = 500

type Kind = 'mqtt0' | 'mqtt1' | 'nats' | 'jetstream'

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '5' },
    transports: { type: 'string', default: 'mqtt0,mqtt1,nats,jetstream' },
  },
})
const PAIRS = Number(values.pairs)
const SECONDS = Number(values.seconds)

const RULE = `
rule: bench.level
title: { en: "{level_m}", vi: "{level_m}" }
category: flood
stream: flood
levels: { high: { when: level_m > 5 } }
`

interface Publisher {
  publish(topic: readonly string[], payload: string): void
  close(): Promise<void>
}

async function publisher(kind: Kind, url: string): Promise<Publisher> {
  if (kind === 'mqtt0' || kind === 'mqtt1') {
    const client = await mqtt.connectAsync(url, { clientId: `bench-${process.pid}-${Math.random()}` })
    const qos = kind === 'mqtt1' ? 1 : 0
    return {
      publish: (topic, payload) => void client.publish(topic.join('/'), payload, { qos }),
      close: () => client.endAsync(true),
    }
  }
  const connection = await connect({ servers: url })
  return {
    publish: (topic, payload) => connection.publish(topic.join('.'), payload),
    close: () => connection.close(),
  }
}

class Client {
  readonly #process: ChildProcess

  constructor() {
    this.#process = fork(path.resolve(import.meta.dirname, 'latency-client.js'))
  }

  async open(url: string, token: string | null): Promise<void> {
    this.#process.send({ url, token })
    await new Promise((resolve) => this.#process.once('message', resolve))
  }

  take(): Promise<[string, number][]> {
    this.#process.send('take')
    return new Promise((resolve) =>
      this.#process.once('message', (list) => resolve(list as [string, number][])),
    )
  }

  close(): void {
    this.#process.send('close')
  }
}

let run = 0

/** Publishes for some seconds at the fixed rate and returns the latencies (ms) of the alerts that `client` saw. */
async function measure(
  source: string,
  out: Publisher,
  client: Client,
): Promise<{ latencies: number[]; missed: number }> {
  run++
  const sent = new Map<string, number>()
  const alerting = SECONDS * ALERTS_A_SECOND
  for (let i = 0; i < alerting; i++)
    out.publish(
      ['haidang', 'v1', 'flood', source, `r${run}-${i}`],
      JSON.stringify({ time: Date.now(), metrics: { level_m: 1 } }),
    )
  await sleep(500)
  await client.take()
  const start = performance.now()
  const every = RATE / ALERTS_A_SECOND
  let alerts = 0
  for (let n = 0; n < RATE * SECONDS; ) {
    const due = Math.min(RATE * SECONDS, Math.floor(((performance.now() - start) / 1000) * RATE))
    for (; n < due; n++) {
      const time = Date.now()
      if (n >= alerts * every && alerts < alerting) {
        const device = `r${run}-${alerts++}`
        sent.set(device, Number(process.hrtime.bigint()))
        out.publish(
          ['haidang', 'v1', 'flood', source, device],
          JSON.stringify({ time, metrics: { level_m: 9 } }),
        )
      } else
        out.publish(
          ['haidang', 'v1', 'flood', source, `d${n % DEVICES}`],
          JSON.stringify({ time, metrics: { level_m: 1 + (n % 100) / 100, temp_c: 20 } }),
        )
    }
    await sleep(1)
  }
  await sleep(1000)
  const latencies: number[] = []
  for (const [key, ns] of await client.take()) {
    const from = sent.get(key)
    if (from !== undefined) {
      latencies.push((ns - from) / 1e6)
      sent.delete(key)
    }
  }
  return { latencies, missed: sent.size }
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

function ratios(
  engine: readonly number[],
  floor: readonly number[],
  q: number,
): { ratio: number; low: number; high: number } {
  const sort = (list: readonly number[]): number[] => [...list].sort((a, b) => a - b)
  let state = 12345
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 4294967296
  }
  const resampled = (list: readonly number[]): number =>
    quantile(sort(list.map(() => list[Math.floor(random() * list.length)]!)), q)
  const boot = sort(Array.from({ length: 2000 }, () => resampled(engine) / resampled(floor)))
  return {
    ratio: quantile(sort(engine), q) / quantile(sort(floor), q),
    low: quantile(boot, 0.025),
    high: quantile(boot, 0.975),
  }
}

function verdict({ low, high }: { low: number; high: number }, aim: number): string {
  return high <= aim ? 'met' : low > aim ? 'missed' : 'cannot tell'
}

const results: Record<string, unknown> = {}
for (const kind of values.transports.split(',') as Kind[]) {
  const isMqtt = kind === 'mqtt0' || kind === 'mqtt1'
  const server: Server = isMqtt ? await mosquitto() : await natsServer()
  await server.start()
  const url = `${isMqtt ? 'mqtt' : 'nats'}://127.0.0.1:${server.port}`
  if (kind === 'jetstream') {
    const connection = await connect({ servers: url })
    await (await jetstreamManager(connection)).streams.add({ name: 'samples', subjects: ['haidang.v1.>'] })
    await connection.close()
  }
  const engine = await EngineProcess.create({
    ...(isMqtt
      ? {}
      : { HAIDANG_NATS_URL: url, ...(kind === 'jetstream' ? { HAIDANG_NATS_STREAM: 'samples' } : {}) }),
  })
  const rules = path.join(engine.folder, 'rules.yaml')
  writeFileSync(rules, RULE)
  engine.env['HAIDANG_RULES'] = rules
  if (isMqtt) {
    const config = path.join(engine.folder, 'haidang.yaml')
    // QoS 0 needs a source of its own: the built-in one subscribes at QoS 1.
    writeFileSync(
      config,
      `sources:\n  - { name: bench, transport: mqtt, decoder: native, stream: flood, topics: ['haidang/v1/#'], qos: ${kind === 'mqtt1' ? 1 : 0}, connection: { url: "${url}" } }\n`,
    )
    engine.env['HAIDANG_CONFIG'] = config
  }
  await engine.start()
  const floorProcess = fork(path.resolve(import.meta.dirname, 'latency-floor.js'), [kind, url])
  const floorUrl = await new Promise<string>((resolve) =>
    floorProcess.once('message', (m) => resolve((m as { url: string }).url)),
  )
  const [engineClient, floorClient] = [new Client(), new Client()]
  await engineClient.open(`${engine.addresses.http.replace('http', 'ws')}/ws/wall`, TOKEN)
  await floorClient.open(floorUrl, null)
  const out = await publisher(kind, url)
  await measure('warm', out, engineClient)
  await measure('warm', out, floorClient)
  const pooled = { engine: [] as number[], floor: [] as number[] }
  let missed = 0
  for (let pair = 0; pair < PAIRS; pair++) {
    const order = pair % 2 === 0 ? (['floor', 'engine'] as const) : (['engine', 'floor'] as const)
    for (const half of order) {
      const measured = await measure('bench', out, half === 'engine' ? engineClient : floorClient)
      pooled[half].push(...measured.latencies)
      if (half === 'engine') missed += measured.missed
    }
  }
  const p50 = ratios(pooled.engine, pooled.floor, 0.5)
  const p99 = ratios(pooled.engine, pooled.floor, 0.99)
  const figures = (list: number[]) => {
    list.sort((a, b) => a - b)
    return { n: list.length, p50_ms: quantile(list, 0.5), p99_ms: quantile(list, 0.99), max_ms: list.at(-1) }
  }
  results[kind] = {
    floor: figures(pooled.floor),
    engine: figures(pooled.engine),
    missed_alerts: missed,
    p50_ratio: { ...p50, aim: 1.5, verdict: verdict(p50, 1.5) },
    p99_ratio: { ...p99, aim: 2, verdict: verdict(p99, 2) },
  }
  console.log(kind, JSON.stringify(results[kind]))
  await out.close()
  engineClient.close()
  floorClient.close()
  floorProcess.kill('SIGKILL')
  await engine.close()
  await server.stop()
}
writeResult('latency', { rate: RATE, alerts_per_s: ALERTS_A_SECOND, pairs: PAIRS, seconds: SECONDS, results })
