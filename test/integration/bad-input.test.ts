/**
 * Bad input through a real broker into a real engine (issue: "bad input never stops anything"): each case lands in
 * `dead_letters` under its code, or in `samples` with its quality bit, and the next message raises its alert.
 */
import mqtt from 'mqtt'
import t from 'tap'
import { qualityMask } from '../../src/model/quality.js'
import { city } from './disturbance.js'
import { missing, until } from './servers.js'
import { WallListener } from './wall-listener.js'

interface Case {
  readonly name: string
  readonly payload: string | Buffer
  /** Dead letter's code … */
  readonly code?: string
  /** … or the quality bits of its one sample ([] is a plain one). */
  readonly quality?: readonly string[]
  readonly topic?: string
}

const GOOD_METRICS = '"metrics":{"level_m":1.5}'
const now = Date.now()
const MINUTE = 60_000

const CASES: readonly Case[] = [
  { name: 'not JSON', payload: 'level=1.5', code: 'HD_DECODE_SYNTAX' },
  { name: 'cut JSON', payload: `{"time":${now},"metrics":{"level_m":1.`, code: 'HD_DECODE_TRUNCATED' },
  {
    name: 'wrong types',
    payload: '{"metrics":{"level_m":"1.5","x":true,"y":null,"z":[1]}}',
    code: 'HD_DECODE_TYPE',
  },
  { name: 'metrics is a text', payload: '{"metrics":"1.5"}', code: 'HD_DECODE_TYPE' },
  { name: 'a number alone', payload: '17', code: 'HD_DECODE_SHAPE' },
  { name: 'NaN', payload: '{"metrics":{"level_m":NaN}}', code: 'HD_DECODE_SYNTAX' },
  { name: 'Infinity', payload: '{"metrics":{"level_m":Infinity}}', code: 'HD_DECODE_SYNTAX' },
  { name: '1e999', payload: '{"metrics":{"level_m":1e999}}', code: 'HD_DECODE_VALUE' },
  { name: 'depth 10 000', payload: `${'['.repeat(10_000)}${']'.repeat(10_000)}`, code: 'HD_DECODE_DEPTH' },
  {
    name: '10 MB',
    payload: `{${GOOD_METRICS},"attrs":{"x":"${'x'.repeat(10_000_000)}"}}`,
    code: 'HD_DECODE_SIZE',
  },
  { name: '__proto__', payload: `{${GOOD_METRICS},"__proto__":{"admin":true}}`, code: 'HD_DECODE_PROTOTYPE' },
  { name: 'empty', payload: '', code: 'HD_DECODE_EMPTY' },
  { name: 'binary', payload: Buffer.from([0, 159, 146, 150, 255, 254, 1, 2]), code: 'HD_DECODE_UTF8' },
  {
    name: 'a topic that lacks its device',
    payload: `{${GOOD_METRICS}}`,
    topic: 'haidang/v1/flood/bad',
    code: 'HD_DECODE_TOPIC',
  },
  { name: 'no time', payload: `{${GOOD_METRICS}}`, quality: ['no_time'] },
  { name: 'time in 1970', payload: `{"time":86400000,${GOOD_METRICS}}`, quality: [] },
  { name: 'time in 2262', payload: `{"time":${Date.UTC(2262, 3, 11)},${GOOD_METRICS}}`, quality: ['future'] },
  { name: 'time in microseconds', payload: `{"time":${now * 1000},${GOOD_METRICS}}`, quality: ['future'] },
  {
    name: 'a sample 2 h behind its device',
    payload: `[{"time":${now - MINUTE},${GOOD_METRICS}},{"time":${now - 121 * MINUTE},"metrics":{"late_one":1}}]`,
    quality: ['late'],
  },
  {
    name: 'out of range',
    payload: `{"time":${now - MINUTE},"metrics":{"temp_c":4000}}`,
    quality: ['out_of_range'],
  },
  { name: 'unknown device', payload: `{"time":${now - MINUTE},${GOOD_METRICS}}`, quality: [] },
  { name: 'unknown metric', payload: `{"time":${now - MINUTE},"metrics":{"never_heard_of":7}}`, quality: [] },
]

t.setTimeout(120_000)

for (const via of ['mosquitto', 'embedded'] as const) {
  const skip = via === 'mosquitto' ? missing('mosquitto') : false
  t.test(
    `bad input through ${via}: each is a dead letter or has its quality bit, and the next message is judged`,
    { skip, timeout: 110_000 },
    async (t) => {
      const town = await city(via)
      const { engine } = town
      t.teardown(() => town.close())
      const wall = await WallListener.join(engine.addresses.http)
      t.teardown(() => wall.close())
      const pid = engine.pid
      const port = town.broker?.port ?? Number(engine.env['HAIDANG_MQTT']!.split(':')[1])
      const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 50 })
      t.teardown(() => client.endAsync(true))
      for (const [i, { name, payload, topic }] of CASES.entries()) {
        await client.publishAsync(topic ?? `haidang/v1/flood/bad/bad-${i}`, payload, { qos: 1 })
        const device = `good-${i}`
        await client.publishAsync(
          `haidang/v1/flood/good/${device}`,
          `{"time":${Date.now() - 100},"metrics":{"level_m":3}}`,
          { qos: 1 },
        )
        await until(
          `the alert after ${name}`,
          () =>
            wall.heard.some(
              ({ transition }) => transition.device === device && transition.status === 'firing',
            ),
          10_000,
        )
      }
      t.equal(
        wall.heard.filter(({ transition }) => transition.device.startsWith('good-')).length,
        CASES.length,
        'every message after a bad one raised its alert',
      )
      t.equal(engine.pid, pid)
      await engine.shipped()
      const letters = (await engine.sql(
        'SELECT topic, code, length(bytes) AS size FROM dead_letters ORDER BY seq',
      )) as { topic: string; code: string; size: number }[]
      const samples = (await engine.sql(
        "SELECT device, metric, time, quality FROM samples WHERE source = 'bad' ORDER BY seq",
      )) as { device: string; metric: string; quality: number }[]
      for (const [i, { name, code, quality, topic }] of CASES.entries()) {
        const letter = letters.filter((one) => one.topic === (topic ?? `haidang/v1/flood/bad/bad-${i}`))
        if (code !== undefined) {
          t.same(
            letter.map((one) => one.code),
            [code],
            `${name}: a dead letter, ${code}`,
          )
          t.ok(Number(letter[0]?.size) <= 65_536, 'its first 64 KiB')
        } else {
          t.same(letter, [], `${name}: no dead letter`)
          const row = samples
            .filter((one) => one.device === `bad-${i}`)
            .sort((a, b) => Number(a.quality) - Number(b.quality))
            .at(-1)
          t.equal(
            Number(row?.quality),
            qualityMask([...quality!]),
            `${name}: a sample marked [${quality!.join(' ')}]`,
          )
        }
      }
      t.equal(letters.length, CASES.filter((one) => one.code !== undefined).length)
    },
  )
}
