import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from 'nats'
import t from 'tap'
import { NatsTransport } from '../../ingest/nats.js'
import { Recorder, systemClock } from './recorder.js'
import { missing, natsServer, until } from './servers.js'

t.setTimeout(60_000)

t.test(
  'JetStream: what a lost session left unacknowledged comes at once and before what is newer',
  { skip: missing('nats-server') },
  async (t) => {
    const server = await natsServer()
    await server.start()
    t.teardown(() => server.stop())
    const connection = await connect({ servers: `127.0.0.1:${server.port}` })
    t.teardown(() => connection.close())
    await (await jetstreamManager(connection)).streams.add({ name: 'city', subjects: ['haidang.v1.>'] })
    const publish = async (from: number, count: number): Promise<void> => {
      const js = jetstream(connection)
      await Promise.all(
        Array.from({ length: count }, (_, i) => js.publish('haidang.v1.sensor.t.d', `m${from + i}`)),
      )
    }
    const transport = (): NatsTransport =>
      new NatsTransport({
        name: 'city',
        url: `nats://127.0.0.1:${server.port}`,
        subjects: ['haidang.v1.>'],
        jetstream: { durable: 'engine' },
        clock: systemClock,
        random: Math.random,
      })

    const held = new Recorder(Number.NaN)
    const first = transport()
    await first.open(held)
    await publish(0, 300)
    await until('300 in flight', () => held.messages.length === 300)
    const dead = first.close()
    await publish(300, 200)
    await dead

    const again = new Recorder(1)
    const second = transport()
    const opened = performance.now()
    await second.open(again)
    await until('everything', () => again.messages.length >= 500, 9000)
    t.ok(performance.now() - opened < 9000, 'without waiting out the 10 s after which the server repeats')
    t.strictSame(
      again.texts(),
      Array.from({ length: 500 }, (_, i) => `m${i}`),
      'in the order of the stream',
    )
    await until('all acknowledged', () => second.status.in_flight === 0)
    await second.close()

    const third = transport()
    const last = new Recorder(1)
    await third.open(last)
    await until('caught up', () => last.states.includes('caught_up'))
    t.equal(last.messages.length, 0, 'and once acknowledged, never again')
    await third.close()
  },
)
