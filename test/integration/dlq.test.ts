/** A source read with the wrong decoder; the mistake is mended, and its dead letters become samples. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import mqtt from 'mqtt'
import t from 'tap'
import { qualityMask } from '../../src/model/quality.js'
import { EngineProcess } from './engine-process.js'
import { freePort, until } from './servers.js'

const PROGRAM = path.resolve(import.meta.dirname, '../../../bin/haidang.js')
const RULES =
  'rule: test.hot\ntitle: { en: hot, vi: hot }\ncategory: fire\nlevels: { high: { when: temp_c > 30 } }\n'
const COUNT = 40
/** A publisher's clock stands a little behind, as ever. */
const BEHIND_MS = 1000

const config = (decoder: string) => `rules: [rules.yaml]
sources:
  - { name: station, transport: mqtt, topics: ['stations/+/up'], decoder: ${decoder}, stream: sensor, device: '{topic.1}', rename: { temperature: temp_c } }
`

interface Done {
  readonly code: number
  readonly out: string
  readonly err: string
}

function dlq(engine: EngineProcess, ...args: string[]): Promise<Done> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [PROGRAM, 'dlq', ...args],
      { cwd: engine.folder, env: { PATH: process.env['PATH'] ?? '', ...engine.env } },
      (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    )
  })
}

t.test(
  'dead letters are listed, shown and, after a fix, sent again once: historical, with their first arrival',
  { timeout: 110_000 },
  async (t) => {
    const port = await freePort()
    const engine = await EngineProcess.create({ HAIDANG_MQTT: `127.0.0.1:${port}` })
    t.teardown(() => engine.close())
    writeFileSync(path.join(engine.folder, 'rules.yaml'), RULES)
    writeFileSync(path.join(engine.folder, 'haidang.yaml'), config('chirpstack'))
    await engine.start()
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 100 })
    t.teardown(() => client.endAsync(true))
    const began = Date.now()
    const payload = (i: number) =>
      JSON.stringify([{ n: 'temperature', u: 'Cel', v: 40 + i, t: (began - BEHIND_MS + i) / 1000 }])
    for (let i = 0; i < COUNT; i++) await client.publishAsync(`stations/s-${i}/up`, payload(i), { qos: 1 })
    await client.publishAsync('stations/s-0/up', 'no JSON \u001b[2J', { qos: 1 })
    await client.publishAsync('stations/s-0/up', 'x'.repeat(70_000), { qos: 1 })
    const ended = Date.now()
    await engine.shipped()

    const list = await dlq(engine, 'list', '--limit', '50')
    t.equal(list.code, 0, list.err)
    const lines = list.out.trimEnd().split('\n')
    t.equal(lines.length, COUNT + 2)
    t.match(
      lines.at(-1),
      /^\d+ {2}\d{4}-.*Z {2}broker {2}HD_DECODE_\w+ {2}\d+ bytes {2}stations\/s-0\/up {2}/,
    )
    t.notMatch(list.out, '\u001b', 'nothing in it speaks to the terminal')
    const seq = lines.at(-1)!.split(' ', 1)[0]!
    const show = await dlq(engine, 'show', seq)
    t.match(show.out, payload(0), 'shown as it came')
    t.match(await dlq(engine, 'show', '999999'), { code: 1, err: /there is no dead letter 999999/ })

    const before = await dlq(engine, 'retry')
    t.match(before, {
      code: 1,
      out: new RegExp(`^0 sent again\\n${COUNT + 1} still cannot be used: HD_DECODE_`),
    })
    t.match(before.out, /1 cannot be sent again: only their first 64 KiB/)

    t.equal(await engine.stop(), 0)
    engine.output = ''
    writeFileSync(path.join(engine.folder, 'haidang.yaml'), config('senml'))
    await engine.start()
    const one = await dlq(engine, 'retry', seq)
    t.match(one, { code: 0, out: '1 sent again\n' })
    const rest = await dlq(engine, 'retry', '--source', 'broker')
    t.match(rest, {
      code: 1,
      out: new RegExp(`^${COUNT - 1} sent again\\n1 still cannot be used: HD_DECODE_`),
    })
    const again = await dlq(engine, 'retry')
    t.match(again.out, /^0 sent again\n1 still/, 'none is sent twice')
    const elsewhere = await dlq(engine, 'retry', '--source', 'nobody')
    t.match(elsewhere, { code: 0, out: '0 sent again\n' })

    await engine.shipped()
    const rows = (await engine.sql(
      `SELECT device, source, value, toUnixTimestamp64Milli(time) AS time, quality, JSONExtractInt(attrs, 'received') AS received
       FROM samples WHERE metric = 'temp_c' ORDER BY value`,
    )) as unknown as Readonly<Record<string, string | number>>[]
    t.equal(rows.length, COUNT, 'each is one sample')
    for (const [i, row] of rows.entries()) {
      t.match(row, {
        device: `s-${i}`,
        source: 'station',
        value: 40 + i,
        quality: qualityMask(['historical']),
      })
      t.equal(Number(row['time']), began - BEHIND_MS + i)
      t.ok(Number(row['received']) >= began && Number(row['received']) <= ended + 1, 'its first arrival')
    }
    const { alerts } = (await engine.get('/api/v1/alerts')) as { alerts: { rule: string }[] }
    t.strictSame(
      alerts.filter(({ rule }) => rule === 'test.hot'),
      [],
      'what is historical raises nothing',
    )
    t.match(
      await engine.sql(
        "SELECT who, JSONExtractString(body, 'action') AS action FROM audit WHERE name = 'dead_letters'",
      ),
      [
        { who: 'HAIDANG_TOKEN', action: 'retry' },
        { who: 'HAIDANG_TOKEN', action: 'retry' },
      ],
    )

    // What comes now is judged as ever.
    await client.publishAsync('stations/s-1/up', JSON.stringify([{ n: 'temperature', u: 'Cel', v: 50 }]), {
      qos: 1,
    })
    await until('the alert', async () =>
      ((await engine.get('/api/v1/alerts')) as { alerts: { rule: string }[] }).alerts.some(
        ({ rule }) => rule === 'test.hot',
      ),
    )
  },
)

t.test('what dlq refuses', async (t) => {
  const engine = await EngineProcess.create({})
  t.teardown(() => engine.close())
  for (const [args, code, said] of [
    [['burn'], 2, /no 'dlq burn'/],
    [['list', '5'], 2, /'5' is one too many/],
    [['list', '--limit', 'x'], 2, /--limit takes a whole number, not 'x'/],
    [['list', '--code', 'x'], 2, /--code does not belong to list/],
    [['show'], 2, /which SEQ/],
    [['retry', '5', '--from', '3'], 2, /either SEQ or/],
    [['list'], 1, /no engine answers at http:\/\/127\.0\.0\.1:\d+/],
  ] as const) {
    const done = await dlq(engine, ...args)
    t.equal(done.code, code, args.join(' '))
    t.match(done.err, said)
  }
})
