/** A message that kills the engine: really, twice, and not a third time. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import mqtt from 'mqtt'
import t from 'tap'
import { EngineProcess } from './engine-process.js'
import { freePort, until } from './servers.js'

const HOOK = new URL('./poison-hook.js', import.meta.url).href

t.test(
  'a message that ends the engine twice is dead-lettered unread at the next start, acknowledged, and the next one judged',
  { timeout: 90_000 },
  async (t) => {
    const port = await freePort()
    const engine = await EngineProcess.create({
      HAIDANG_MQTT: `127.0.0.1:${port}`,
      NODE_OPTIONS: `--import=${HOOK}`,
    })
    t.teardown(() => engine.close())
    const publish = (client: mqtt.MqttClient, value: number) =>
      client.publishAsync(
        'haidang/v1/flood/t/fl-1',
        JSON.stringify({ time: 1_795_294_958_123 + value, metrics: { level_m: value } }),
        { qos: 1 },
      )
    await engine.start()
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 100 })
    t.teardown(() => client.endAsync(true))
    await publish(client, 1)
    // MQTT.js sends it again after each reconnect, until somebody acknowledges it.
    let acknowledged = false
    const killer = publish(client, 666).then(() => {
      acknowledged = true
    })
    const poison = path.join(engine.env['HAIDANG_DATA']!, 'poison.json')
    for (const count of [1, 2]) {
      t.equal(await engine.exited, 70, `ended for the ${count}. time`)
      t.match(engine.output, /a message of 'broker' on 'haidang\/v1\/flood\/t\/fl-1' ended the engine/)
      t.match(JSON.parse(readFileSync(poison, 'utf8')), [
        { feed: 'broker', topic: 'haidang/v1/flood/t/fl-1', count },
      ])
      t.notOk(acknowledged)
      engine.output = ''
      // The second time it may come before the engine is ready.
      await engine.start().catch((error: unknown) => {
        if (count === 2) throw error
      })
    }
    await killer
    t.ok(acknowledged, 'the third start acknowledges it')
    await publish(client, 2)
    await engine.shipped()
    t.strictSame(
      await engine.sql(
        "SELECT code, topic, JSONExtractFloat(bytes, 'metrics', 'level_m') AS level FROM dead_letters",
      ),
      [{ code: 'HD_DECODE_POISON', topic: 'haidang/v1/flood/t/fl-1', level: 666 }],
      'it can be looked at',
    )
    t.strictSame(
      await engine.sql('SELECT value FROM samples ORDER BY seq'),
      [{ value: 1 }, { value: 2 }],
      'the others are there, each once',
    )
    await until('it still runs', async () => (await engine.metric('haidang_core_seq')) > 0)
  },
)
