/**
 * Real input (../shared/recordings): played by `haidang play` through a real Mosquitto and a real nats-server
 * (JetStream) into a running engine with `clock: event`. Rows in ClickHouse equal the samples published, known events
 * raise alerts, and the live run's transitions are those of `haidang replay --clock event` of the same file.
 *
 * Small cuts here; `node dist/bench/pipeline/recordings.js` plays each once in full.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import type { Transition } from '../../src/model/alert.js'
import { EngineProcess } from './engine-process.js'
import { missing, mosquitto, natsServer, type Server } from './servers.js'

const SHARED = path.resolve(import.meta.dirname, '../../../../shared/recordings/dev')
const PROGRAM = path.resolve(import.meta.dirname, '../../../bin/haidang.js')

const RULES = `
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
`

const HOUR = 3_600_000

/** Recording, the span of its cut (ms UTC), and the known event of EVENTS.csv in it, with the rule that must see it. */
const CUTS: readonly { name: string; from: number; to: number; event?: { device: string; rule: string } }[] =
  [
    // The flood of June 2007 on the Don.
    {
      name: 'flood_uk_ea',
      from: Date.UTC(2007, 5, 23),
      to: Date.UTC(2007, 5, 29),
      event: { device: 'ea-don-hadfields', rule: 'test.level' },
    },
    {
      name: 'airq_hanoi',
      from: Date.UTC(2016, 11, 8),
      to: Date.UTC(2016, 11, 22),
      event: { device: 'hanoi-usembassy', rule: 'test.pm' },
    },
    { name: 'gps_bus_wmata', from: Date.UTC(2026, 1, 16, 16), to: Date.UTC(2026, 1, 16, 16) + HOUR / 2 },
    { name: 'skab', from: Date.UTC(2020, 2, 9, 10), to: Date.UTC(2020, 2, 9, 10) + HOUR / 2 },
  ]

interface Cut {
  readonly file: string
  readonly samples: number
}

function cut(folder: string, one: (typeof CUTS)[number]): Cut {
  const lines = gunzipSync(readFileSync(path.join(SHARED, `${one.name}.ndjson.gz`)))
    .toString()
    .trim()
    .split('\n')
  const part = lines.filter((line) => {
    const { time } = JSON.parse(line) as { time: number }
    return time >= one.from && time < one.to
  })
  const file = path.join(folder, `${one.name}.ndjson`)
  writeFileSync(file, `${part.join('\n')}\n`)
  const samples = part.reduce((sum, line) => {
    const object = JSON.parse(line) as { metrics?: object }
    return sum + Math.max(1, Object.keys(object.metrics ?? {}).length)
  }, 0)
  return { file, samples }
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

t.setTimeout(300_000)
const absent = existsSync(SHARED) ? false : 'needs ../shared/recordings'

for (const transport of ['mqtt', 'jetstream'] as const) {
  const skip = absent || missing(transport === 'mqtt' ? 'mosquitto' : 'nats-server')
  t.test(
    `recordings over ${transport}: rows, alerts and replay agree`,
    { skip, timeout: 170_000 },
    async (t) => {
      const folder = mkdtempSync(path.join(tmpdir(), 'haidang-recordings-'))
      const server: Server = transport === 'mqtt' ? await mosquitto() : await natsServer()
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
          : { HAIDANG_NATS_URL: url, HAIDANG_NATS_STREAM: 'samples' }),
      })
      t.teardown(async () => {
        await engine.close()
        await server.stop()
        rmSync(folder, { recursive: true, force: true })
      })
      await engine.start()
      let raised = 0
      for (const one of CUTS) {
        const { file, samples } = cut(folder, one)
        execFileSync(
          process.execPath,
          [
            PROGRAM,
            'play',
            file,
            '--to',
            url,
            '--speed',
            'max',
            ...(transport === 'jetstream' ? ['--jetstream'] : []),
          ],
          { stdio: 'pipe' },
        )
        const total = async (): Promise<number> =>
          Number(
            (await engine.sql(`SELECT count() AS n FROM samples WHERE source = '${one.name}'`))[0]?.['n'] ??
              0,
          )
        const deadline = Date.now() + 60_000
        while ((await total()) < samples && Date.now() < deadline)
          await new Promise((resolve) => setTimeout(resolve, 100))
        await engine.shipped()
        t.equal(await total(), samples, `${one.name}: every sample is one row`)

        const replayed = spawnSync(
          process.execPath,
          [PROGRAM, 'replay', '--rules', rules, '--clock', 'event', file],
          { maxBuffer: 1 << 28 },
        )
        t.equal(replayed.status, 0)
        const expected = replayed.stdout
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
        t.same(canonical(live), canonical(expected), `${one.name}: the live run's transitions are replay's`)
        const { event } = one
        if (event !== undefined)
          t.ok(
            expected.some(
              (line) => line.rule === event.rule && line.device === event.device && line.status === 'firing',
            ),
            `${one.name}: the known event raises ${event.rule}`,
          )
        raised += expected.length
      }
      t.ok(raised >= 10, `known events raise alerts (${raised} transitions)`)
    },
  )
}

async function makeStream(url: string): Promise<void> {
  const { connect } = await import('nats')
  const { jetstreamManager } = await import('@nats-io/jetstream')
  const connection = await connect({ servers: url })
  const manager = await jetstreamManager(connection)
  await manager.streams.add({ name: 'samples', subjects: ['haidang.v1.>'] })
  await connection.close()
}
