import { readFileSync } from 'node:fs'
import path from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, headers, type NatsConnection } from 'nats'
import t, { type Test } from 'tap'
import { type NatsOptions, NatsTransport } from '../../ingest/nats.js'
import { Recorder, systemClock } from './recorder.js'
import { certificates, missing, natsServer, type Server, until } from './servers.js'

t.setTimeout(120_000)
const skip = missing('nats-server')

function transport(server: Server, rest: Partial<NatsOptions> = {}): NatsTransport {
  return new NatsTransport({
    name: 'city',
    url: `nats://127.0.0.1:${server.port}`,
    subjects: ['haidang.v1.>'],
    clock: systemClock,
    random: Math.random,
    ...rest,
  })
}

async function started(t: Test, settings = ''): Promise<Server> {
  const server = await natsServer(settings)
  await server.start()
  t.teardown(() => server.stop())
  return server
}

async function client(t: Test, server: Server, options: object = {}): Promise<NatsConnection> {
  const connection = await connect({
    servers: `127.0.0.1:${server.port}`,
    reconnectTimeWait: 50,
    maxReconnectAttempts: -1,
    ...options,
  })
  t.teardown(() => connection.close())
  return connection
}

async function withStream(connection: NatsConnection): Promise<void> {
  await (await jetstreamManager(connection)).streams.add({ name: 'city', subjects: ['haidang.v1.>'] })
}

async function publish(connection: NatsConnection, from: number, count: number): Promise<void> {
  const js = jetstream(connection)
  for (let i = from; i < from + count; i += 200)
    await Promise.all(
      Array.from({ length: Math.min(200, from + count - i) }, (_, k) =>
        js.publish(`haidang.v1.sensor.t.d${k}`, `m${i + k}`),
      ),
    )
}

t.test('core NATS: handed on at once, headers and all', { skip }, async (t) => {
  const server = await started(t)
  const sink = new Recorder(1)
  const source = transport(server)
  await source.open(sink)
  await until('caught up', () => source.status.caught_up)
  t.strictSame(sink.states, ['up', 'caught_up'])
  const connection = await client(t, server)
  const head = headers()
  head.set('ce-id', '7')
  connection.publish('haidang.v1.sensor.t.a.b', 'x', { headers: head })
  await until('arrived', () => sink.messages.length === 1)
  t.match(sink.messages[0], { topic: 'haidang.v1.sensor.t.a.b', text: 'x', identity: 0, redelivered: false })
  t.equal(source.status.in_flight, 0)
  await source.close()
})

t.test(
  'JetStream: acknowledged only when durable, thousands in flight, sequence as identity, the server’s time',
  { skip },
  async (t) => {
    const server = await started(t)
    const connection = await client(t, server)
    await withStream(connection)
    await publish(connection, 0, 3000)
    const sink = new Recorder(50)
    const source = transport(server, { jetstream: { durable: 'haidang' } })
    await source.open(sink)
    await until('all durable', () => source.status.acknowledged_total === 3000)
    t.ok(sink.inFlightMax >= 1000, `${sink.inFlightMax} in flight at most`)
    t.strictSame(
      sink.messages.map((message) => message.identity % 2 ** 40),
      Array.from({ length: 3000 }, (_, i) => i + 1),
    )
    t.ok(Math.abs(sink.messages[0]!.received - Date.now()) < 60_000)
    await until('caught up', () => source.status.caught_up)
    await source.close()
    const info = await (await jetstreamManager(connection)).consumers.info('city', 'haidang')
    t.equal(info.num_ack_pending, 0)
    t.equal(info.ack_floor.stream_seq, 3000)
  },
)

t.test(
  'JetStream: what was not durable when we died comes again with the same sequence, the rest does not',
  { skip },
  async (t) => {
    const server = await started(t)
    const connection = await client(t, server)
    await withStream(connection)
    await publish(connection, 0, 100)
    const first = transport(server, { jetstream: { durable: 'haidang' } })
    const sink = new Recorder(1)
    await first.open(sink)
    await until('the first hundred', () => first.status.acknowledged_total === 100)
    sink.hold()
    await publish(connection, 100, 50)
    await until('fifty held', () => sink.messages.length === 150)
    await first.close()
    const manager = await jetstreamManager(connection)
    t.equal((await manager.consumers.info('city', 'haidang')).num_ack_pending, 50)
    const again = new Recorder(1)
    const second = transport(server, { jetstream: { durable: 'haidang' } })
    await second.open(again)
    await until('up', () => second.status.state === 'up')
    await until('the fifty', () => again.messages.length >= 50, 20_000)
    t.strictSame(
      new Set(again.messages.map((message) => message.identity % 2 ** 40)),
      new Set(Array.from({ length: 50 }, (_, i) => i + 101)),
    )
    await until('acknowledged', () => second.status.in_flight === 0)
    await second.close()
  },
)

t.test(
  'nats-server killed with -9 under load: nothing that it acknowledged to the publisher is missing',
  { skip },
  async (t) => {
    const server = await started(t)
    const connection = await client(t, server)
    await withStream(connection)
    const sink = new Recorder(20)
    const source = transport(server, { jetstream: { durable: 'haidang' } })
    await source.open(sink)
    await until('up', () => source.status.state === 'up')
    const js = jetstream(connection)
    const acknowledged = new Set<string>()
    let publishing = true
    const flood = Promise.all(
      Array.from({ length: 50 }, async (_, lane) => {
        for (let i = 0; publishing; i++) {
          const text = `${lane}-${i}`
          await js.publish('haidang.v1.sensor.t.d', text, { timeout: 1000 }).then(
            () => acknowledged.add(text),
            () => undefined,
          )
        }
      }),
    )
    await until('a flood', () => sink.messages.length > 1500)
    t.ok(sink.inFlight > 0, `${sink.inFlight} in flight at the kill`)
    t.equal(readFileSync(`/proc/${server.pid}/comm`, 'utf8').trim(), 'nats-server')
    await server.kill('SIGKILL')
    await until('down', () => source.status.state === 'down')
    await server.start()
    await until('up again', () => source.status.state === 'up', 20_000)
    const had = acknowledged.size
    await until('and more', () => acknowledged.size > had + 500)
    publishing = false
    await flood
    const all = () => {
      const seen = new Set(sink.texts())
      return [...acknowledged].every((text) => seen.has(text))
    }
    await until('all of it', all, 45_000)
    t.ok(acknowledged.size > 2000, `${acknowledged.size} acknowledged`)
    t.strictSame(sink.states.slice(0, 2).sort(), ['caught_up', 'up'])
    t.ok(source.status.reconnects_total >= 1)
    await source.close()
  },
)

t.test('a server that is away, a stream that is not there yet: retried, and visible', { skip }, async (t) => {
  const server = await natsServer()
  const sink = new Recorder(1)
  const source = transport(server, { jetstream: { durable: 'haidang' } })
  await source.open(sink)
  await until('down', () => source.status.state === 'down')
  t.match(source.status.last_error, /HD_INGEST_CONNECT/)
  await server.start()
  t.teardown(() => server.stop())
  await until('no stream', () => /stream/.test(source.status.last_error))
  const connection = await client(t, server)
  await withStream(connection)
  await until('up', () => source.status.state === 'up', 20_000)
  await publish(connection, 0, 1)
  await until('arrived', () => sink.messages.length === 1)
  await source.close()
})

t.test(
  'a stream that is deleted and made again has other identities, though its sequences begin anew',
  { skip },
  async (t) => {
    const server = await started(t)
    const connection = await client(t, server)
    await withStream(connection)
    const sink = new Recorder(1)
    const source = transport(server, { jetstream: { durable: 'haidang' } })
    await source.open(sink)
    await publish(connection, 0, 20)
    await until('the first stream', () => source.status.acknowledged_total === 20)
    const manager = await jetstreamManager(connection)
    await manager.streams.delete('city')
    await until('noticed', () => source.status.state === 'down', 30_000)
    await withStream(connection)
    await publish(connection, 20, 20)
    await until('the second stream', () => sink.distinct() === 40, 30_000)
    const sequences = new Set(sink.messages.map((message) => message.identity % 2 ** 40))
    t.equal(sequences.size, 20)
    t.equal(new Set(sink.messages.map((message) => message.identity)).size, 40)
    t.ok(sink.messages.every((message) => Number.isSafeInteger(message.identity)))
    await source.close()
  },
)

t.test('credentials and TLS', { skip: skip || missing('openssl') }, async (t) => {
  const server = await natsServer(
    'authorization { user: gate, password: lighthouse }\ntls { cert_file: "$FOLDER/cert.pem", key_file: "$FOLDER/key.pem" }',
  )
  certificates(server.folder)
  await server.start()
  t.teardown(() => server.stop())
  const ca = readFileSync(path.join(server.folder, 'ca.pem'), 'utf8')
  const wrong = transport(server, { username: 'gate', password: 'wrong', tls: { ca } })
  await wrong.open(new Recorder(1))
  await until('refused', () => wrong.status.state === 'down')
  t.match(wrong.status.last_error, /HD_INGEST_AUTH/)
  await wrong.close()
  const stranger = transport(server, { username: 'gate', password: 'lighthouse', tls: {} })
  await stranger.open(new Recorder(1))
  await until('not trusted', () => stranger.status.state === 'down')
  t.match(stranger.status.last_error, /certificate|self.signed|verify/i)
  await stranger.close()
  for (const options of [
    { username: 'gate', password: 'lighthouse' },
    { url: `nats://gate:lighthouse@127.0.0.1:${server.port}` },
  ]) {
    const right = transport(server, { ...options, tls: { ca } })
    await right.open(new Recorder(1))
    await until('up', () => right.status.state === 'up')
    await right.close()
  }
})
