/** A running engine and the files it works by: changed rules, broken rules, a log that is nearly full, a lost broker. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import mqtt from 'mqtt'
import t from 'tap'
import { EngineProcess } from './engine-process.js'
import { freePort, missing, mosquitto, until } from './servers.js'

const RULE = (limit: number) =>
  `rule: r.level\ntitle: { en: "over ${limit}", vi: "over ${limit}" }\ncategory: flood\nlevels: { high: { when: level_m > ${limit} } }\n`

interface Alerts {
  readonly alerts: readonly { readonly rule: string; readonly device: string; readonly status: string }[]
}

t.test(
  'a broken rule file is said with its place and changes nothing; a good one comes into force',
  async (t) => {
    const port = await freePort()
    const engine = await EngineProcess.create({ HAIDANG_MQTT: `127.0.0.1:${port}` })
    t.teardown(() => engine.close())
    const file = path.join(engine.folder, 'rules.yaml')
    writeFileSync(file, RULE(5))
    engine.env['HAIDANG_RULES'] = file
    await engine.start()
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`)
    t.teardown(() => client.endAsync(true))
    const publish = (device: string, value: number) =>
      client.publishAsync(
        `haidang/v1/flood/t/${device}`,
        JSON.stringify({ time: Date.now(), metrics: { level_m: value } }),
        { qos: 1 },
      )
    const raised = async (device: string) =>
      ((await engine.get('/api/v1/alerts')) as Alerts).alerts.some((alert) => alert.device === device)

    writeFileSync(file, `${RULE(3)}---\nrule: r.other\nlevels: { high: { when: level_m >> 1 } }\n`)
    await until('the faults are said', () => /rules\.yaml:\d+:\d+: error/.test(engine.output))
    await publish('a', 4)
    await publish('b', 6)
    await until('the old rule judges', () => raised('b'))
    t.notOk(await raised('a'), 'the running set is untouched')

    writeFileSync(file, RULE(3))
    await until('the rules are loaded anew', () => /rules loaded anew/.test(engine.output))
    await publish('c', 4)
    await until('the new rule judges', () => raised('c'))
    t.pass('and the new one is in force')
  },
)

t.test(
  'a lost broker is seen in /readyz, /metrics, /api/v1/sources and as one alert, and comes back by itself',
  {
    skip: missing('mosquitto'),
  },
  async (t) => {
    const server = await mosquitto()
    await server.start()
    const engine = await EngineProcess.create({ HAIDANG_MQTT_URL: `mqtt://127.0.0.1:${server.port}` })
    t.teardown(async () => {
      await engine.close()
      await server.stop()
    })
    const file = path.join(engine.folder, 'rules.yaml')
    writeFileSync(file, RULE(5))
    engine.env['HAIDANG_RULES'] = file
    await engine.start()
    await until('the source is up', async () => (await engine.metric('haidang_source_up')) === 1)
    await server.kill()
    await until(
      '/readyz says so',
      async () => (await fetch(`${engine.addresses.http}/readyz`)).status === 503,
    )
    await until('/metrics says so', async () => (await engine.metric('haidang_source_up')) === 0)
    await until(
      'one alert says so',
      async () =>
        ((await engine.get('/api/v1/alerts')) as Alerts).alerts.some(
          ({ rule }) => rule === 'system.source-down',
        ),
      30_000,
    )
    await server.start()
    await until(
      'it is ready again',
      async () => (await fetch(`${engine.addresses.http}/readyz`)).status === 200,
      40_000,
    )
    await until('and the alert ends', async () =>
      ((await engine.get('/api/v1/alerts')) as Alerts).alerts.every(
        ({ rule, status }) => rule !== 'system.source-down' || status !== 'firing',
      ),
    )
    t.pass('back by itself')
  },
)
