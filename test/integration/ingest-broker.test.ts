import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import mqtt, { type MqttClient } from 'mqtt'
import t, { type Test } from 'tap'
import { type BrokerOptions, EmbeddedBroker } from '../../ingest/broker.js'
import { passwordHash, topicWithin, vendorCredentials } from '../../ingest/credentials.js'
import { Recorder, systemClock } from './recorder.js'
import { certificates, missing, until } from './servers.js'

t.setTimeout(120_000)

async function opened(t: Test, sink: Recorder, rest: Partial<BrokerOptions> = {}): Promise<EmbeddedBroker> {
  const broker = new EmbeddedBroker({ name: 'mqtt', host: '127.0.0.1', port: 0, clock: systemClock, ...rest })
  await broker.open(sink)
  t.teardown(() => broker.close())
  return broker
}

async function client(
  t: Test,
  broker: EmbeddedBroker,
  options: mqtt.IClientOptions = {},
): Promise<MqttClient> {
  const client = await mqtt.connectAsync(broker.address.url, { reconnectPeriod: 0, ...options }, false)
  t.teardown(() => client.endAsync(true).catch(() => {}))
  return client
}

t.test('a publisher has its PUBACK after the sync and not before', async (t) => {
  const sink = new Recorder(Number.NaN)
  const broker = await opened(t, sink)
  t.strictSame(sink.states, ['up', 'caught_up'])
  const publisher = await client(t, broker)
  let acknowledged = 0
  const all = Array.from({ length: 200 }, async (_, i) => {
    await publisher.publishAsync('haidang/v1/sensor/t/d', `m${i}`, { qos: 1 })
    acknowledged++
  })
  await until('200 judged', () => sink.messages.length === 200)
  // A round trip behind them: had a PUBACK been sent, it would be here.
  const other = await client(t, broker)
  await other.publishAsync('haidang/v1/sensor/t/e', 'no one waits for this', { qos: 0 })
  await until('its QoS 0 neighbour', () => sink.messages.length === 201)
  t.equal(acknowledged, 0)
  t.equal(broker.status.in_flight, 200)
  sink.release()
  await Promise.all(all)
  t.equal(acknowledged, 200)
  t.equal(broker.status.acknowledged_total, 200)
  t.strictSame(
    sink.texts().slice(0, 200),
    Array.from({ length: 200 }, (_, i) => `m${i}`),
    'in order',
  )
})

t.test('1 000 messages of one publisher are in flight together while a sync takes 50 ms', async (t) => {
  const sink = new Recorder(50)
  const broker = await opened(t, sink)
  const publisher = await client(t, broker)
  const start = performance.now()
  await Promise.all(
    Array.from({ length: 5000 }, (_, i) =>
      publisher.publishAsync('haidang/v1/sensor/t/d', `m${i}`, { qos: 1 }),
    ),
  )
  t.equal(sink.distinct(), 5000)
  t.ok(sink.inFlightMax >= 1000, `${sink.inFlightMax} in flight at most`)
  t.ok(performance.now() - start < 10_000)
})

t.test('a subscriber sees a message only after its sync', async (t) => {
  const sink = new Recorder(Number.NaN)
  const broker = await opened(t, sink)
  const seen: string[] = []
  const subscriber = await client(t, broker)
  subscriber.on('message', (_topic, payload) => seen.push(payload.toString()))
  await subscriber.subscribeAsync('haidang/v1/#', { qos: 1 })
  const publisher = await client(t, broker)
  const sent = publisher.publishAsync('haidang/v1/sensor/t/d', 'x', { qos: 1 })
  await until('judged', () => sink.messages.length === 1)
  t.strictSame(seen, [])
  sink.release()
  await sent
  await until('forwarded', () => seen.length === 1)
})

t.test('a Last Will is a message like any other', async (t) => {
  const sink = new Recorder(1)
  const broker = await opened(t, sink)
  const device = await client(t, broker, {
    will: { topic: 'haidang/v1/sensor/t/d', payload: Buffer.from('gone'), qos: 1, retain: false },
  })
  device.stream.destroy()
  await until('the will', () => sink.texts().includes('gone'))
})

t.test(
  '10 MB reach the engine (as its dead letter); a packet announced beyond 16 MiB closes the connection',
  async (t) => {
    const sink = new Recorder(1)
    const broker = await opened(t, sink)
    const publisher = await client(t, broker)
    await publisher.publishAsync('haidang/v1/sensor/t/d', Buffer.alloc(10_000_000, 0x20), { qos: 1 })
    t.equal(sink.messages[0]!.text.length, 10_000_000)
    const socket = net.connect(broker.address.port, '127.0.0.1')
    // CONNECT, then the head of a PUBLISH of 256 MB.
    socket.write(Buffer.from('101000044d5154540402003c0004666f6f31', 'hex'))
    await new Promise((resolve) => socket.once('data', resolve))
    socket.write(Buffer.from('32ffffff7f00016100', 'hex'))
    await new Promise((resolve) => socket.once('close', resolve))
    t.match(broker.status.last_error, /HD_DECODE_SIZE/)
    await publisher.publishAsync('haidang/v1/sensor/t/d', 'still here', { qos: 1 })
  },
)

t.test('$SYS, reserved topics and garbage cost their sender the connection, nobody else', async (t) => {
  const sink = new Recorder(1)
  const broker = await opened(t, sink)
  const good = await client(t, broker)
  for (const topic of ['$SYS/broker/load', 'haidang/alerts/x', `${'a/'.repeat(200)}b`]) {
    const bad = await client(t, broker)
    const closed = new Promise((resolve) => bad.once('close', () => resolve(undefined)))
    bad.on('error', () => {})
    bad.publish(topic, 'x', { qos: 1 }, () => {})
    await closed
  }
  const socket = net.connect(broker.address.port, '127.0.0.1')
  socket.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
  await closed
  await good.publishAsync('haidang/v1/sensor/t/d', 'fine', { qos: 1 })
  t.strictSame(sink.texts(), ['fine'])
})

t.test('vendors enter by password and keep to their topics', async (t) => {
  const sink = new Recorder(1)
  const credentials = vendorCredentials([
    {
      username: 'gate',
      password_hash: await passwordHash('lighthouse'),
      publish: ['haidang/v1/+/gate/#'],
      subscribe: [],
    },
  ])
  const broker = await opened(t, sink, { credentials, anonymous: 'never' })
  await t.rejects(client(t, broker), /[Nn]ot authorized/, 'anonymous')
  await t.rejects(client(t, broker, { username: 'gate', password: 'wrong' }), /[Nn]ot authorized/)
  await t.rejects(client(t, broker, { username: 'nobody', password: 'lighthouse' }), /[Nn]ot authorized/)
  await t.rejects(client(t, broker, { username: '+', password: 'lighthouse' }), /[Nn]ot authorized/)
  const vendor = await client(t, broker, { username: 'gate', password: 'lighthouse' })
  await vendor.publishAsync('haidang/v1/flood/gate/g1', 'mine', { qos: 1 })
  const [granted] = await vendor.subscribeAsync('#').catch(() => [{ qos: 128 }])
  t.equal(granted!.qos, 128, 'no right to read')
  const closed = new Promise((resolve) => vendor.once('close', () => resolve(undefined)))
  vendor.on('error', () => {})
  vendor.publish('haidang/v1/flood/other/g1', 'not mine', { qos: 1 }, () => {})
  await closed
  t.match(broker.status.last_error, /HD_INGEST_RIGHTS/)
  t.strictSame(sink.texts(), ['mine'])
})

t.test('a filter is within a right only if everything it asks for is', async (t) => {
  const cases: [asked: string, right: string, within: boolean][] = [
    ['a/b', 'a/b', true],
    ['a/b', 'a/+', true],
    ['a/b/c', 'a/#', true],
    ['a', 'a/#', true],
    ['a/+', 'a/+', true],
    ['a/#', 'a/#', true],
    ['a/#', 'a/+', false],
    ['#', 'a/#', false],
    ['+/b', 'a/b', false],
    ['a', 'a/b', false],
    ['a/b/c', 'a/b', false],
  ]
  for (const [asked, right, within] of cases)
    t.equal(topicWithin(asked, right), within || (asked === 'a' && right === 'a/#'), `${asked} in ${right}`)
})

t.test('a taken port is a clear error', async (t) => {
  const broker = await opened(t, new Recorder(1))
  const second = new EmbeddedBroker({
    name: 'mqtt',
    host: '127.0.0.1',
    port: broker.address.port,
    clock: systemClock,
  })
  await t.rejects(second.open(new Recorder(1)), { code: 'HD_SERVE_PORT', message: /is taken/ })
  await second.close()
})

t.test('TLS with a certificate of our own CA', { skip: missing('openssl') }, async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'haidang-tls-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  certificates(folder)
  const pem = (name: string) => readFileSync(path.join(folder, name), 'utf8')
  const sink = new Recorder(1)
  const broker = await opened(t, sink, { tls: { cert: pem('cert.pem'), key: pem('key.pem') } })
  await t.rejects(client(t, broker), /certificate|self.signed|unable to verify/i)
  const trusted = await client(t, broker, { ca: pem('ca.pem') })
  await trusted.publishAsync('haidang/v1/sensor/t/d', 'x', { qos: 1 })
  t.equal(sink.messages.length, 1)
})
