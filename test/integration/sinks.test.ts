/**
 * A configured sink of a real engine: a webhook to a real HTTP receiver that goes away for five seconds, and an engine
 * that is killed with alerts still to be told. What the receiver must have is read from ClickHouse afterwards.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { EngineProcess } from './engine-process.js'
import { Load, MqttLink } from './load.js'
import { Receiver } from './receiver.js'
import { freePort, until } from './servers.js'

const SECRET = 'the key of the signature'
const DOWN_MS = 5000
/** As SINK_RUNNER_LIMITS.unsaved: repeated after a crash at most, and the one under way. */
const REPEATED_MAX = 33

// Falls from high to none in one step: on the way down 'medium' is announced to nobody.
const RULES = `
rule: test.level
title: { en: "{level_m} m", vi: "{level_m} m" }
category: flood
levels:
  medium: { when: level_m >= 2.0, clear: level_m < 1.0 }
  high: { when: level_m >= 3.0, clear: level_m < 1.0 }
---
rule: test.silent
title: { en: "{level_m} m", vi: "{level_m} m" }
category: flood
mode: shadow
levels: { medium: { when: level_m >= 2.0, clear: level_m < 1.0 } }
`

interface Row {
  readonly seq: string
  readonly id: string
  readonly status: string
  readonly level: string
  readonly announced: string
  readonly shadow: boolean
}

t.test(
  'a webhook has every announcement once its repeats are dropped, in order per alert, and nothing else',
  { timeout: 120_000 },
  async (t) => {
    const receiver = await Receiver.open(SECRET)
    const port = await freePort()
    const engine = await EngineProcess.create({ HAIDANG_MQTT: `127.0.0.1:${port}`, DUTY_SECRET: SECRET })
    const load = new Load({
      rate: 300,
      devices: 300,
      period: 2,
      link: (acknowledged) => new MqttLink(() => port, acknowledged),
    })
    t.teardown(async () => {
      load.stop()
      await load.link.close()
      await engine.close()
      await receiver.stop()
    })
    writeFileSync(path.join(engine.folder, 'rules.yaml'), RULES)
    writeFileSync(
      path.join(engine.folder, 'haidang.yaml'),
      `rules: [rules.yaml]
sinks:
  - { name: duty, kind: webhook, url: '${receiver.url}', reach: loopback, secret_env: DUTY_SECRET }
`,
    )
    const sink = (name: string) => engine.metric(`haidang_sink_${name}`)
    await engine.start()
    await load.link.up
    load.start()
    await until('announcements', () => receiver.delivered.length >= 200, 30_000)

    await receiver.stop()
    const away = performance.now()
    const before = receiver.delivered.length
    await until('/metrics says that it is away', async () => (await sink('up')) === 0)
    const latest = await engine.metric('haidang_core_seq')
    await until('the receiver has been away', () => performance.now() - away >= DOWN_MS)
    t.ok((await engine.metric('haidang_core_seq')) > latest + 300, 'judging goes on meanwhile')
    t.ok((await sink('retries_total')) > 1, 'it is tried again')
    t.equal(receiver.delivered.length, before)
    await receiver.start()
    await until('it is told again', () => receiver.delivered.length > before + 20, 20_000)

    // Killed while it catches up.
    const behind = (await engine.metric('haidang_log_synced_seq')) - (await sink('seq'))
    await engine.kill()
    t.ok(behind > 0, `killed ${behind} records behind the log`)
    const atKill = receiver.delivered.length
    await engine.start()
    await until('it goes on', () => receiver.delivered.length > atKill + 100, 30_000)
    load.stop()
    await until('everything is acknowledged', () => load.inFlight === 0, 30_000)
    const synced = await engine.metric('haidang_log_synced_seq')
    await until('everything is told', async () => (await sink('seq')) >= synced, 40_000)
    t.equal(await sink('dead_total'), 0)

    await engine.shipped()
    const rows = (await engine.sql(
      'SELECT seq, id, status, level, announced, shadow FROM transitions ORDER BY seq, n',
    )) as unknown as Row[]
    const keyOf = ({ id, seq, status, level }: Row): string => `${id}:${seq}:${status}:${level}`
    const unheard = rows.filter(
      ({ shadow, announced, status }) => !shadow && announced === '' && status === 'firing',
    )
    t.ok(rows.filter(({ shadow }) => shadow).length > 50, 'there were transitions of a shadow rule')
    t.ok(unheard.length > 50, `there were ${unheard.length} that nobody was to hear`)
    const expected = rows.filter((row) => !row.shadow && !unheard.includes(row)).map(keyOf)
    t.ok(expected.length > 500, `${expected.length} announcements`)

    const keys = receiver.delivered.map(({ key }) => key)
    const once = [...new Set(keys)]
    t.strictSame([...once].sort(), [...expected].sort(), 'each at least once, and none that is not one')
    t.ok(keys.length - once.length <= REPEATED_MAX, `${keys.length - once.length} came twice`)
    t.equal(receiver.forged, 0, 'every signature is right')

    const lastOf = new Map<string, number>()
    const disordered: string[] = []
    const seen = new Set<string>()
    for (const { key, transition } of receiver.delivered) {
      if (seen.has(key)) continue
      seen.add(key)
      if ((lastOf.get(transition.id) ?? 0) > transition.seq) disordered.push(key)
      lastOf.set(transition.id, transition.seq)
    }
    t.strictSame(disordered, [], 'order is kept for each alert')

    // A clean stop and start repeats nothing and forgets nothing.
    const total = receiver.delivered.length
    t.equal(await engine.stop(), 0)
    engine.output = ''
    await engine.start()
    await until('the sink is up', async () => (await sink('up')) === 1)
    await until('it stands at the end', async () => (await sink('seq')) >= synced)
    t.equal(receiver.delivered.length, total)
  },
)
