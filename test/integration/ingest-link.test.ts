/** Links that fail: flapping, blackholed, cut. The broker is real, the link between it and us is a proxy of our own. */
import net from 'node:net'
import mqtt from 'mqtt'
import t from 'tap'
import { EmbeddedBroker } from '../../ingest/broker.js'
import { MqttTransport } from '../../ingest/mqtt.js'
import { BOUNDS } from '../../src/model/bounds.js'
import { Recorder, systemClock } from './recorder.js'
import { missing, mosquitto, until } from './servers.js'

t.setTimeout(120_000)

/** A TCP link to `port` that can be cut (RST), swallow everything (no RST, no FIN), or refuse. */
class Link {
  connections = 0
  readonly #server: net.Server
  readonly #pairs = new Set<[net.Socket, net.Socket]>()
  #refusing = false

  constructor(port: number) {
    this.#server = net.createServer((near) => {
      this.connections++
      if (this.#refusing) {
        near.resetAndDestroy()
        return
      }
      const far = net.connect(port, '127.0.0.1')
      const pair: [net.Socket, net.Socket] = [near, far]
      this.#pairs.add(pair)
      for (const socket of pair) {
        socket.on('error', () => {})
        socket.on('close', () => {
          near.destroy()
          far.destroy()
          this.#pairs.delete(pair)
        })
      }
      near.pipe(far)
      far.pipe(near)
    })
  }

  async open(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return (this.#server.address() as net.AddressInfo).port
  }

  cut(): void {
    for (const [near] of this.#pairs) near.resetAndDestroy()
  }

  refuse(on: boolean): void {
    this.#refusing = on
    if (on) this.cut()
  }

  swallow(): void {
    for (const [near, far] of this.#pairs) {
      near.unpipe(far)
      far.unpipe(near)
      near.resume()
      far.resume()
    }
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

const skip = missing('mosquitto')

t.test(
  'a link that flaps for seconds costs a bounded number of attempts and no message',
  { skip },
  async (t) => {
    const broker = await mosquitto()
    await broker.start()
    t.teardown(() => broker.stop())
    const link = new Link(broker.port)
    const port = await link.open()
    t.teardown(() => link.close())
    const sink = new Recorder(2)
    const source = new MqttTransport({
      name: 'm',
      url: `mqtt://127.0.0.1:${port}`,
      topics: ['haidang/v1/#'],
      client_id: 'flapping',
      clock: systemClock,
      random: Math.random,
    })
    await source.open(sink)
    await until('up', () => source.status.state === 'up')
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port}`)
    t.teardown(() => client.endAsync(true))
    const sent: Promise<unknown>[] = []
    const publishing = setInterval(() => {
      for (let i = 0; i < 10; i++)
        sent.push(client.publishAsync('haidang/v1/sensor/t/d', `m${sent.length}`, { qos: 1 }))
    }, 10)
    for (let flap = 0; flap < 12; flap++) {
      const had = sent.length
      await until('a while up or down', () => sent.length > had + 150)
      link.refuse(flap % 2 === 0)
    }
    link.refuse(false)
    clearInterval(publishing)
    await Promise.all(sent)
    await until('all of it', () => sink.distinct() === sent.length, 45_000)
    t.ok(link.connections < 60, `${link.connections} attempts`)
    t.ok(source.status.reconnects_total >= 2, `${source.status.reconnects_total} reconnects`)
    await until('acknowledged', () => source.status.in_flight === 0)
    await source.close()
  },
)

t.test(
  'a half-open link is noticed within 1.5 × keepalive and what was published meanwhile comes',
  { skip },
  async (t) => {
    const broker = await mosquitto()
    await broker.start()
    t.teardown(() => broker.stop())
    const link = new Link(broker.port)
    const port = await link.open()
    t.teardown(() => link.close())
    const sink = new Recorder(2)
    const source = new MqttTransport({
      name: 'm',
      url: `mqtt://127.0.0.1:${port}`,
      topics: ['haidang/v1/#'],
      client_id: 'half-open',
      keepalive_s: 2,
      clock: systemClock,
      random: Math.random,
    })
    await source.open(sink)
    await until('up', () => source.status.state === 'up')
    link.swallow()
    const swallowed = performance.now()
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port}`)
    await client.publishAsync('haidang/v1/sensor/t/d', 'meanwhile', { qos: 1 })
    await until('noticed', () => source.status.state === 'down')
    const noticed = performance.now() - swallowed
    t.ok(noticed < 2 * 1500 + 1000, `after ${Math.round(noticed)} ms`)
    await until('it came', () => sink.texts().includes('meanwhile'))
    await client.endAsync(true)
    await source.close()
  },
)

t.test('the embedded broker hands on at most its bound, and the rest when there is room', async (t) => {
  const sink = new Recorder(Number.NaN)
  const broker = new EmbeddedBroker({ name: 'b', host: '127.0.0.1', port: 0, clock: systemClock })
  await broker.open(sink)
  t.teardown(() => broker.close())
  const each = 36_000
  const clients = await Promise.all([1, 2].map(() => mqtt.connectAsync(broker.address.url)))
  const sent = clients.flatMap((client) =>
    Array.from({ length: each }, (_, i) => client.publishAsync('haidang/v1/sensor/t/d', `m${i}`, { qos: 1 })),
  )
  await until('full', () => broker.status.in_flight === BOUNDS.unacknowledged, 60_000)
  t.equal(sink.messages.length, BOUNDS.unacknowledged)
  sink.release()
  await Promise.all(sent)
  t.equal(sink.messages.length, 2 * each, 'each once')
  t.equal(sink.inFlightMax, BOUNDS.unacknowledged)
  for (const client of clients) await client.endAsync(true)
})
