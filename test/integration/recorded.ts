/**
 * A recording of real instruments (../shared/recordings) played by `haidang play` through a real broker into a running
 * engine with `clock: event`, and what came of it: rows, and the live transitions beside those of `haidang replay`.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Transition } from '../../src/model/alert.js'
import { makeStream, STREAM } from './disturbance.js'
import { EngineProcess } from './engine-process.js'
import { mosquitto, natsServer } from './servers.js'

export const SHARED = path.resolve(import.meta.dirname, '../../../../shared/recordings/dev')
const PROGRAM = path.resolve(import.meta.dirname, '../../../bin/haidang.js')

export const RULES = `
rule: test.level
title: { en: "{level_m} m", vi: "{level_m} m" }
category: flood
stream: flood
levels: { medium: { when: level_m >= 2.0, clear: level_m < 1.8 }, high: { when: level_m >= 2.9, for: 30m } }
---
rule: test.rise
title: { en: rise, vi: dâng }
category: flood
stream: flood
levels: { high: { when: "delta(level_m, 2h) > 0.5" } }
---
rule: test.silent
title: { en: silent, vi: im }
category: system
stream: flood
levels: { critical: { when: level_m > 1000 } }
absent: { after: 3h, level: low }
---
rule: test.pm
title: { en: pm, vi: bụi }
category: pollution
stream: air
levels: { medium: { when: "avg(pm25_ugm3, 24h) > 100" } }
---
rule: test.fast
title: { en: fast, vi: nhanh }
category: traffic
stream: gps
levels: { low: { when: speed_kmh > 60, for: 1m } }
---
rule: test.machine
title: { en: machine, vi: máy }
category: system
stream: sensor
levels: { low: { when: "robust_z(accelerometer1_rms_g, 5m) > 6" } }
absent: { after: 40s, level: low }
`

export type Transport = 'mqtt' | 'jetstream'

export interface Studio {
  readonly transport: Transport
  readonly engine: EngineProcess
  readonly url: string
  readonly rules: string
  close(): Promise<void>
}

export async function studio(transport: Transport): Promise<Studio> {
  const folder = mkdtempSync(path.join(tmpdir(), 'haidang-recordings-'))
  const server = transport === 'mqtt' ? await mosquitto() : await natsServer()
  await server.start()
  const url = `${transport === 'mqtt' ? 'mqtt' : 'nats'}://127.0.0.1:${server.port}`
  if (transport === 'jetstream') await makeStream(url)
  const rules = path.join(folder, 'rules.yaml')
  writeFileSync(rules, RULES)
  writeFileSync(path.join(folder, 'haidang.yaml'), 'clock: event\n')
  const engine = await EngineProcess.create({
    HAIDANG_CONFIG: path.join(folder, 'haidang.yaml'),
    HAIDANG_RULES: rules,
    ...(transport === 'mqtt'
      ? { HAIDANG_MQTT_URL: url }
      : { HAIDANG_NATS_URL: url, HAIDANG_NATS_STREAM: STREAM }),
  })
  const close = async (): Promise<void> => {
    await engine.close()
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await engine.start()
  } catch (error) {
    await close()
    throw error
  }
  return { transport, engine, url, rules, close }
}

export interface Played {
  readonly rows: number
  /** From the start of `haidang play` until the last row is in ClickHouse. */
  readonly seconds: number
  readonly expected: readonly Transition[]
  readonly live: Record<string, string[]>
  readonly replayed: Record<string, string[]>
}

/** Plays a file of `samples` samples as fast as the broker acknowledges. `name` is the recording's base name. */
export async function played(
  { transport, engine, url, rules }: Studio,
  file: string,
  name: string,
  samples: number,
): Promise<Played> {
  const begun = performance.now()
  await finished([
    'play',
    file,
    '--to',
    url,
    '--speed',
    'max',
    ...(transport === 'jetstream' ? ['--jetstream'] : []),
  ])
  const total = async (): Promise<number> =>
    Number((await engine.sql(`SELECT count() AS n FROM samples WHERE source = '${name}'`))[0]?.['n'] ?? 0)
  const deadline = Date.now() + 120_000
  while ((await total()) < samples && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 100))
  const seconds = (performance.now() - begun) / 1000
  await engine.shipped()
  const replay = spawnSync(
    process.execPath,
    [PROGRAM, 'replay', '--rules', rules, '--clock', 'event', file],
    { maxBuffer: 1 << 29 },
  )
  if (replay.status !== 0) throw new Error(`replay of ${file}: ${replay.stderr.toString()}`)
  const expected = replay.stdout
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Transition)
  const devices = new Set(expected.map((line) => line.device))
  const rows = (await engine.sql(
    'SELECT rule, key, status, level, previous, toUnixTimestamp64Milli(time) AS time, device FROM transitions ORDER BY seq, n',
  )) as unknown as (Transition & { time: number })[]
  const live = rows
    .filter((row) => devices.has(row.device))
    .map((row) => ({ ...row, time: Number(row.time) }))
  return { rows: await total(), seconds, expected, live: canonical(live), replayed: canonical(expected) }
}

async function finished(args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000)
  })
  const code = await new Promise((resolve) => child.once('exit', resolve))
  if (code !== 0) throw new Error(`haidang ${args.join(' ')} ended with ${String(code)}: ${errors}`)
}

/** Samples in native lines: one a metric, one for a line without any. */
export function samplesIn(lines: readonly string[]): number {
  return lines.reduce(
    (sum, line) =>
      sum + Math.max(1, Object.keys((JSON.parse(line) as { metrics?: object }).metrics ?? {}).length),
    0,
  )
}

/** What must be equal: DESIGN.md 6 (without seq, received, raised), per alert in order. */
function canonical(
  lines: readonly {
    rule: string
    key: unknown
    status: string
    level: string
    previous: string
    time: number
  }[],
): Record<string, string[]> {
  const alerts: Record<string, string[]> = {}
  for (const { rule, key, status, level, previous, time } of lines) {
    const alert = `${rule} ${JSON.stringify(key)}`
    alerts[alert] ??= []
    alerts[alert].push(`${status} ${previous}>${level} ${time}`)
  }
  return Object.fromEntries(Object.entries(alerts).sort(([a], [b]) => (a < b ? -1 : 1)))
}
