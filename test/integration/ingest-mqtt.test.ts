import { readFileSync, statSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import mqtt, { type MqttClient } from 'mqtt'
import t from 'tap'
import { type MqttOptions, MqttTransport } from '../../ingest/mqtt.js'
import { Recorder, systemClock } from './recorder.js'
import { certificates, missing, mosquitto, type Server, until } from './servers.js'

t.setTimeout(120_000)
const skip = missing('mosquitto')
let clients = 0

function transport(broker: Server, rest: Partial<MqttOptions> = {}): MqttTransport {
  return new MqttTransport({
    name: 'city',
    url: `mqtt://127.0.0.1:${broker.port}`,
    topics: ['haidang/v1/#'],
    client_id: `haidang-test-${++clients}`,
    clock: systemClock,
    random: Math.random,
    ...rest,
  })
}

async function publisher(broker: Server, options: mqtt.IClientOptions = {}): Promise<MqttClient> {
  return mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port}`, { reconnectPeriod: 50, ...options })
}

/** Publishes numbered messages at QoS 1 and resolves when the broker has acknowledged them all. */
async function publish(client: MqttClient, from: number, count: number): Promise<void> {
  const sent: Promise<unknown>[] = []
  for (let i = from; i < from + count; i++)
    sent.push(client.publishAsync(`haidang/v1/sensor/t/d${i % 10}`, `m${i}`, { qos: 1 }))
  await Promise.all(sent)
}

t.test('1 000 messages are in flight on one connection while a sync takes 50 ms', { skip }, async (t) => {
  const broker = await mosquitto()
  await broker.start()
  t.teardown(() => broker.stop())
  const sink = new Recorder(50)
  const source = transport(broker)
  await source.open(sink)
  await until('up', () => source.status.state === 'up')
  const client = await publisher(broker)
  t.teardown(() => client.endAsync(true))
  const start = performance.now()
  await publish(client, 0, 5000)
  await until('all arrived', () => source.status.acknowledged_total === 5000)
  t.ok(sink.inFlightMax >= 1000, `${sink.inFlightMax} in flight at most`)
  // One at a time would take 250 s, twenty at a time 12 s.
  t.ok(performance.now() - start < 10_000)
  t.equal(sink.distinct(), 5000)
  t.equal(sink.messages.length, 5000, 'and none came twice')
  await source.close()
  t.equal(source.status.in_flight, 0)
})

t.test(
  'nothing is acknowledged before it is durable: what was not comes again, as the same identity',
  { skip },
  async (t) => {
    const broker = await mosquitto()
    await broker.start()
    t.teardown(() => broker.stop())
    const id = `haidang-held-${process.pid}`
    const held = new Recorder(Number.NaN)
    const first = transport(broker, { client_id: id })
    await first.open(held)
    await until('up', () => first.status.state === 'up')
    const client = await publisher(broker)
    t.teardown(() => client.endAsync(true))
    await publish(client, 0, 300)
    await until('300 held', () => held.messages.length === 300)
    t.equal(first.status.acknowledged_total, 0)
    t.equal(first.status.in_flight, 300)
    // The process dies: its connection is gone and nothing of it was durable.
    const dead = first.close()
    await publish(client, 300, 100)
    await dead
    const again = new Recorder(1)
    const second = transport(broker, { client_id: id })
    await second.open(again)
    await until('400 again', () => again.distinct() === 400)
    t.equal(again.unannounced, 0, 'the connection is announced before what it brings again')
    const before = new Map(held.messages.map((message) => [message.text, message.identity]))
    t.ok(
      again.messages
        .filter((message) => before.has(message.text))
        .every((message) => before.get(message.text) === message.identity),
    )
    t.equal(
      new Set(again.messages.map((message) => message.identity)).size,
      400,
      'identities tell messages apart',
    )
    await until('acknowledged', () => second.status.in_flight === 0)
    await second.close()
    // And now that it was acknowledged, nothing comes a third time.
    const third = transport(broker, { client_id: id })
    const last = new Recorder(1)
    await third.open(last)
    await until('caught up', () => last.states.includes('caught_up'))
    t.equal(last.messages.length, 0)
    t.strictSame(last.states, ['up', 'caught_up'])
    await third.close()
  },
)

t.test(
  'a broker killed with -9 in the middle: reconnected by itself, and what it had acknowledged is there',
  { skip },
  async (t) => {
    const broker = await mosquitto()
    await broker.start()
    t.teardown(() => broker.stop())
    const sink = new Recorder(5)
    const source = transport(broker)
    await source.open(sink)
    await until('up', () => source.status.state === 'up')
    // Mosquitto writes its sessions down once a second: ours must be on disk before the kill.
    const database = path.join(broker.folder, 'mosquitto.db')
    const opened = Date.now()
    await until(
      'session saved',
      () => (statSync(database, { throwIfNoEntry: false })?.mtimeMs ?? 0) > opened + 50,
    )
    const client = await publisher(broker, { clientId: 'publisher', clean: false })
    t.teardown(() => client.endAsync(true))
    const acknowledgedAt = new Map<string, number>()
    const flood = Array.from({ length: 3000 }, async (_, i) => {
      await client.publishAsync('haidang/v1/sensor/t/d', `m${i}`, { qos: 1 })
      acknowledgedAt.set(`m${i}`, performance.now())
    })
    const pid = broker.pid
    await until('some of the flood', () => sink.messages.length > 800)
    t.ok(sink.inFlight > 0, `${sink.inFlight} in flight at the kill`)
    t.equal(readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), 'mosquitto', 'it is the broker that is killed')
    const killed = performance.now()
    await broker.kill('SIGKILL')
    await until('down', () => source.status.state === 'down')
    await broker.start()
    t.not(broker.pid, pid)
    await Promise.all(flood)
    await until('up again', () => source.status.state === 'up')
    await publish(client, 9000, 100)
    await until(
      'all that came after',
      () => sink.texts().filter((text) => text.startsWith('m90')).length >= 100,
      20_000,
    )
    const seen = new Set(sink.texts())
    const lost = [...acknowledgedAt].filter(([text]) => !seen.has(text))
    // What the broker held in memory since its last save is Mosquitto's to lose (DESIGN.md 13): a second of it, no more.
    t.ok(
      lost.every(([, at]) => at > killed - 1500 && at < killed + 1500),
      `${lost.length} lost, all within the broker's own second`,
    )
    t.ok(source.status.reconnects_total >= 1)
    t.ok(sink.states.includes('down'))
    t.equal(sink.unannounced, 0)
    await source.close()
  },
)

t.test('what stands right behind the CONNACK comes after the news that the connection is new', async (t) => {
  // CONNACK with session present, then a PUBLISH with DUP, QoS 1, id 7, in one segment, as a busy broker may send them.
  const bytes = Buffer.from([0x20, 2, 1, 0, 0x3a, 6, 0, 1, 0x61, 0, 7, 0x78])
  const answers: Buffer[] = []
  const server = net.createServer((socket) => {
    socket.once('data', () => {
      socket.write(bytes)
      socket.on('data', (chunk) => answers.push(chunk))
    })
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo
  const sink = new Recorder(1)
  const source = new MqttTransport({
    name: 'm',
    url: `mqtt://127.0.0.1:${port}`,
    topics: ['a'],
    client_id: 'c',
    clock: systemClock,
    random: Math.random,
  })
  await source.open(sink)
  const isThere = () => Buffer.concat(answers).includes(Buffer.from([0x40, 2, 0, 7]))
  await until('its PUBACK', isThere)
  t.match(sink.messages[0], { topic: 'a', text: 'x', redelivered: true })
  t.equal(sink.unannounced, 0)
  const closing = performance.now()
  await source.close()
  t.ok(performance.now() - closing < 3000, 'a broker that never answers our SUBSCRIBE does not hold us')
  server.close()
})

t.test('a broker that is not there at start is awaited, and that is visible', { skip }, async (t) => {
  const broker = await mosquitto()
  const sink = new Recorder(1)
  const source = transport(broker)
  await source.open(sink)
  await until('reported down', () => source.status.state === 'down')
  t.match(source.status.last_error, /HD_INGEST_CONNECT/)
  t.strictSame(sink.states, ['down'], 'once, not once an attempt')
  await broker.start()
  t.teardown(() => broker.stop())
  await until('up', () => source.status.state === 'up')
  t.equal(source.status.last_error, '')
  await source.close()
})

t.test('a connection that hangs without an error is noticed by its keepalive', { skip }, async (t) => {
  const broker = await mosquitto()
  await broker.start()
  t.teardown(() => broker.stop())
  const source = transport(broker, { keepalive_s: 1 })
  const sink = new Recorder(1)
  await source.open(sink)
  await until('up', () => source.status.state === 'up')
  const paused = performance.now()
  broker.pause()
  await until('noticed', () => source.status.state === 'down', 6000)
  t.ok(performance.now() - paused < 4000)
  broker.resume()
  await until('up again', () => source.status.state === 'up')
  await source.close()
})

t.test(
  'QoS 0 is best effort: handed on, nothing to acknowledge; retained messages are told apart',
  { skip },
  async (t) => {
    const broker = await mosquitto()
    await broker.start()
    t.teardown(() => broker.stop())
    const client = await publisher(broker)
    t.teardown(() => client.endAsync(true))
    await client.publishAsync('haidang/v1/sensor/t/kept', 'state', { qos: 1, retain: true })
    const sink = new Recorder(1)
    const source = transport(broker)
    await source.open(sink)
    await until('the retained one', () => sink.messages.length === 1)
    t.equal(sink.messages[0]!.retained, true)
    await client.publishAsync('haidang/v1/sensor/t/live', 'news', { qos: 0, retain: false })
    await until('the live one', () => sink.messages.length === 2)
    t.match(sink.messages[1], { retained: false, identity: 0, text: 'news' })
    t.ok(sink.messages[1]!.received >= sink.messages[0]!.received)
    await source.close()
  },
)

t.test(
  'credentials: the right ones enter, wrong ones are HD_INGEST_AUTH, a denied topic is HD_INGEST_RIGHTS',
  { skip },
  async (t) => {
    // Made by mosquitto_passwd 2.0: user gate, password "lighthouse".
    const broker = await mosquitto(['allow_anonymous false', 'password_file $FOLDER/passwd'])
    const { execFileSync } = await import('node:child_process')
    execFileSync('mosquitto_passwd', ['-b', '-c', path.join(broker.folder, 'passwd'), 'gate', 'lighthouse'])
    await broker.start()
    t.teardown(() => broker.stop())
    const wrong = transport(broker, { username: 'gate', password: 'wrong' })
    await wrong.open(new Recorder(1))
    await until('refused', () => wrong.status.state === 'down')
    t.match(wrong.status.last_error, /HD_INGEST_AUTH/)
    t.notMatch(wrong.status.last_error, /wrong/, 'no password in the message')
    await wrong.close()
    const right = transport(broker, { username: 'gate', password: 'lighthouse' })
    await right.open(new Recorder(1))
    await until('up', () => right.status.state === 'up')
    await right.close()
  },
)

t.test(
  'TLS: a server of our CA is trusted, another is not',
  { skip: skip || missing('openssl') },
  async (t) => {
    const broker = await mosquitto(
      [],
      ['cafile $FOLDER/ca.pem', 'certfile $FOLDER/cert.pem', 'keyfile $FOLDER/key.pem'],
    )
    certificates(broker.folder)
    await broker.start()
    t.teardown(() => broker.stop())
    const url = `mqtts://127.0.0.1:${broker.port}`
    const stranger = transport(broker, { url })
    await stranger.open(new Recorder(1))
    await until('refused', () => stranger.status.state === 'down')
    t.match(stranger.status.last_error, /certificate|self.signed|unable to verify/i)
    await stranger.close()
    const ca = readFileSync(path.join(broker.folder, 'ca.pem'), 'utf8')
    const sink = new Recorder(1)
    const trusted = transport(broker, { url, tls: { ca } })
    await trusted.open(sink)
    await until('up', () => trusted.status.state === 'up')
    const client = await mqtt.connectAsync(url, { ca })
    await client.publishAsync('haidang/v1/sensor/t/d', 'over TLS', { qos: 1 })
    await until('arrived', () => sink.messages.length === 1)
    t.equal(sink.messages[0]!.text, 'over TLS')
    await client.endAsync(true)
    await trusted.close()
  },
)
