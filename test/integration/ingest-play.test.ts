import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { gunzipSync, gzipSync } from 'node:zlib'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from 'nats'
import t from 'tap'
import { EmbeddedBroker } from '../../ingest/broker.js'
import { MqttTransport } from '../../ingest/mqtt.js'
import { NatsTransport } from '../../ingest/nats.js'
import type { Io } from '../../src/cli/command.js'
import { play } from '../../src/cli/play.js'
import { outgoing, recordingName } from '../../src/cli/play-lines.js'
import { subjectOf } from '../../src/cli/play-publisher.js'
import { Recorder, systemClock } from './recorder.js'
import { missing, mosquitto, natsServer, until } from './servers.js'

t.setTimeout(120_000)
const recordings = path.resolve(import.meta.dirname, '../../../../shared/recordings/dev')
const folder = mkdtempSync(path.join(tmpdir(), 'haidang-play-'))
t.teardown(() => rmSync(folder, { recursive: true }))

interface Run {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function run(...args: string[]): Promise<Run> {
  let out = ''
  let err = ''
  const collect = (take: (text: string) => void): Writable =>
    new Writable({
      write(chunk, _encoding, done) {
        take(String(chunk))
        done()
      },
    })
  const io: Io = {
    stdin: new PassThrough(),
    stdout: collect((text) => {
      out += text
    }),
    stderr: collect((text) => {
      err += text
    }),
    env: {},
    cwd: folder,
    signal: new AbortController().signal,
  }
  const code = await play.run(args, io)
  return { code, out, err }
}

function recording(name: string, lines: readonly unknown[]): string {
  const file = path.join(folder, name)
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n')
  writeFileSync(file, name.endsWith('.gz') ? gzipSync(text) : text)
  return file
}

t.test('lines become what a vendor would have published', async (t) => {
  t.equal(recordingName('/x/airq_hanoi.ndjson.gz'), 'airq_hanoi')
  const native = outgoing(
    '{"stream":"flood","device":"ea/L1","time":5,"received":9,"metrics":{"level_m":1.50},"attrs":{"q":"e"}}',
    'river',
    false,
  )
  t.match(native, { time: 9, topic: 'haidang/v1/flood/river/ea/L1' })
  t.equal(
    (native as { payload(at: number): string }).payload(0),
    '{"time":5,"metrics":{"level_m":1.5},"attrs":{"q":"e"}}',
  )
  const shifted = outgoing('{"stream":"flood","device":"d","time":5,"metrics":{"level_m":1}}', 'river', true)
  t.equal((shifted as { payload(at: number): string }).payload(77.9), '{"time":77,"metrics":{"level_m":1}}')
  const raw = outgoing('{"topic":"a/b","time":5,"payload":{"x":1}}', 'river', false)
  t.match(raw, { time: 5, topic: 'a/b', native: false })
  t.equal((raw as { payload(at: number): string }).payload(0), '{"x":1}')
  t.match(outgoing('{"metrics":{}}', 's', false), { reason: /neither/ })
  t.match(outgoing('{"stream":"air","device":"a#","metrics":{}}', 's', false), { reason: /topic/ })
  t.match(outgoing('{', 's', false), { reason: /JSON/ })
  t.equal(subjectOf('haidang/v1/air/s/a/b.c', true), 'haidang.v1.air.s.a/b.c')
  t.equal(subjectOf('application/x/up', false), 'application.x.up')
  t.equal(subjectOf('haidang/v1/air/s/a b', true), undefined)
})

t.test('wrong usage is exit 2, a broker that is not there exit 1', async (t) => {
  t.equal((await run()).code, 2)
  t.equal((await run('x.ndjson')).code, 2)
  t.equal((await run('x.ndjson', '--to', 'http://x')).code, 2)
  t.equal((await run('x.ndjson', '--to', 'mqtt://x', '--speed', '0')).code, 2)
  t.equal((await run('x.ndjson', '--to', 'mqtt://x', '--jetstream')).code, 2)
  const file = recording('one.ndjson', [{ stream: 'air', device: 'd', time: 1, metrics: { x: 1 } }])
  const refused = await run(file, '--to', 'mqtt://127.0.0.1:1')
  t.equal(refused.code, 1)
  t.match(refused.err, /ECONNREFUSED/)
})

t.test('the recording’s own pace times speed', async (t) => {
  const broker = new EmbeddedBroker({ name: 'mqtt', host: '127.0.0.1', port: 0, clock: systemClock })
  const sink = new Recorder(1)
  await broker.open(sink)
  t.teardown(() => broker.close())
  const file = recording(
    'pace.ndjson.gz',
    [0, 30, 60, 60, 90].map((s) => ({
      stream: 'air',
      device: 'd',
      time: 1_700_000_000_000 + s * 1000,
      metrics: { x: s },
    })),
  )
  const { code, out } = await run(file, '--to', broker.address.url, '--speed', '300')
  t.equal(code, 0)
  t.match(out, /published 5, acknowledged 5/)
  const at = sink.messages.map((message) => message.received - sink.messages[0]!.received)
  // 90 s at 300 × speed are 300 ms; a busy machine is later, never earlier.
  for (const [i, due] of [0, 100, 200, 200, 300].entries())
    t.ok(at[i]! >= due - 15 && at[i]! < due + 400, `line ${i} after ${at[i]} ms`)
  t.equal(sink.messages[0]!.topic, 'haidang/v1/air/pace/d')
})

t.test('a line that cannot be published is told and costs no other', async (t) => {
  const broker = new EmbeddedBroker({ name: 'mqtt', host: '127.0.0.1', port: 0, clock: systemClock })
  const sink = new Recorder(1)
  await broker.open(sink)
  t.teardown(() => broker.close())
  const good = { stream: 'air', device: 'd', time: 1, metrics: { x: 1 } }
  const { code, out, err } = await run(
    recording('bad.ndjson', [good, '{"stream', '', good]),
    '--to',
    broker.address.url,
    '--speed',
    'max',
  )
  t.equal(code, 1)
  t.match(out, /published 2, acknowledged 2, not published 1/)
  t.match(err, /line 2: not JSON/)
})

const small = path.join(recordings, 'flood_srilanka.ndjson.gz')
const skipRecording = existsSync(small) ? false : 'needs ../shared/recordings/dev'

t.test(
  'a recording through real Mosquitto arrives whole',
  { skip: skipRecording || missing('mosquitto') },
  async (t) => {
    const broker = await mosquitto()
    await broker.start()
    t.teardown(() => broker.stop())
    const url = `mqtt://127.0.0.1:${broker.port}`
    const sink = new Recorder(5)
    const source = new MqttTransport({
      name: 'm',
      url,
      topics: ['haidang/v1/#'],
      client_id: 'haidang-play-test',
      clock: systemClock,
      random: Math.random,
    })
    await source.open(sink)
    await until('up', () => source.status.state === 'up')
    const { code, out } = await run(small, '--to', url, '--speed', 'max')
    t.equal(code, 0)
    const lines = gunzipSync(readFileSync(small)).toString().trim().split('\n').length
    t.match(out, new RegExp(`published ${lines}, acknowledged ${lines}`))
    await until('all', () => source.status.acknowledged_total === lines)
    t.equal(sink.messages.length, lines)
    await source.close()
  },
)

t.test(
  'a recording through a real JetStream arrives whole; without a stream it says so',
  { skip: skipRecording || missing('nats-server') },
  async (t) => {
    const server = await natsServer()
    await server.start()
    t.teardown(() => server.stop())
    const url = `nats://127.0.0.1:${server.port}`
    const homeless = await run(small, '--to', url, '--speed', 'max', '--jetstream')
    t.equal(homeless.code, 1)
    t.match(homeless.err, /no JetStream stream holds the subject/)
    const connection = await connect({ servers: `127.0.0.1:${server.port}` })
    await (await jetstreamManager(connection)).streams.add({ name: 'city', subjects: ['haidang.v1.>'] })
    const sink = new Recorder(5)
    const source = new NatsTransport({
      name: 'n',
      url,
      subjects: ['haidang.v1.>'],
      jetstream: { durable: 'haidang' },
      clock: systemClock,
      random: Math.random,
    })
    await source.open(sink)
    const { code, out } = await run(small, '--to', url, '--speed', 'max', '--jetstream')
    t.equal(code, 0, out)
    const lines = gunzipSync(readFileSync(small)).toString().trim().split('\n').length
    t.match(out, new RegExp(`published ${lines}, acknowledged ${lines}`))
    await until('all', () => source.status.acknowledged_total === lines)
    t.equal(sink.messages.length, lines)
    await source.close()
    await connection.close()
  },
)
