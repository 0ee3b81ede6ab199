import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from 'nats'
import t from 'tap'
import { alertSubject, NatsSink } from '../../src/alerts/sinks/nats.js'
import type { Transition } from '../../src/model/alert.js'
import { type Received, type Receiver, sampleTransition, sinkContract } from '../contracts/sink.js'

t.test('subjects hold what may stand in one', async (t) => {
  t.equal(alertSubject({ category: 'flood', level: 'high' }), 'haidang.alerts.flood.high')
  t.equal(alertSubject({ category: 'a.b > *', level: 'low' }), 'haidang.alerts.a_b____.low')
})

function installed(): boolean {
  try {
    execFileSync('nats-server', ['--version'], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A real nats-server and somebody who listens to all alerts. */
class NatsReceiver implements Receiver {
  readonly received: Received[] = []
  readonly #delivery: 'core' | 'jetstream'
  readonly #directory: string
  #port = 0
  #server: ChildProcess | null = null
  #listener: NatsConnection | null = null
  #monitorPort = 0

  constructor(delivery: 'core' | 'jetstream', directory: string) {
    this.#delivery = delivery
    this.#directory = directory
  }

  sink(): NatsSink {
    return new NatsSink({
      name: 'nats',
      delivery: this.#delivery,
      timeout_ms: 500,
      connection: { servers: `127.0.0.1:${this.#port}`, reconnectTimeWait: 50 },
    })
  }

  async start(): Promise<void> {
    if (this.#port === 0) {
      this.#port = await freePort()
      this.#monitorPort = await freePort()
    }
    this.#server = spawn(
      'nats-server',
      [
        '-a',
        '127.0.0.1',
        '-p',
        String(this.#port),
        '-m',
        String(this.#monitorPort),
        '-js',
        '-sd',
        this.#directory,
      ],
      { stdio: 'ignore' },
    )
    const listener = await connect({
      servers: `127.0.0.1:${this.#port}`,
      waitOnFirstConnect: true,
      maxReconnectAttempts: 200,
      reconnectTimeWait: 25,
    })
    this.#listener = listener
    if (this.#delivery === 'jetstream') {
      const manager = await jetstreamManager(listener)
      await manager.streams.add({ name: 'ALERTS', subjects: ['haidang.alerts.>'] }).catch(() => {})
    }
    listener.subscribe('haidang.alerts.>', {
      callback: (_error, message) => {
        this.received.push({
          key: message.headers?.get('Nats-Msg-Id') ?? '',
          transition: message.json<Transition>(),
        })
      },
    })
    await listener.flush()
  }

  async stop(): Promise<void> {
    await this.#listener?.close()
    this.#listener = null
    const server = this.#server
    this.#server = null
    if (server === null) return
    server.kill('SIGKILL')
    await once(server, 'exit')
  }

  /** All that the server has seen, but the listener's own. */
  async connections(): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${this.#monitorPort}/varz`)
    return ((await answer.json()) as { total_connections: number }).total_connections - 1
  }

  async settled(): Promise<void> {
    await this.#listener?.flush()
  }
}

if (!installed()) t.pass('skipped: no nats-server on the PATH')
else
  for (const delivery of ['core', 'jetstream'] as const) {
    const made: NatsReceiver[] = []
    const directories: string[] = []
    const make = async (): Promise<NatsReceiver> => {
      const directory = await mkdtemp(path.join(tmpdir(), 'hd-nats-'))
      directories.push(directory)
      const receiver = new NatsReceiver(delivery, directory)
      made.push(receiver)
      await receiver.start()
      return receiver
    }
    void sinkContract(t, `nats ${delivery}`, make)
    t.test(`nats ${delivery}: more than the server takes is dead, not tried for ever`, async (t) => {
      const receiver = await make()
      const sink = receiver.sink()
      await sink.open()
      t.equal(await sink.write(sampleTransition(1, { note: 'x'.repeat(2 << 20) }), 'k'), 'dead')
      await sink.close()
      await receiver.stop()
    })
    t.teardown(async () => {
      for (const receiver of made) await receiver.stop()
      for (const directory of directories) await rm(directory, { recursive: true, force: true })
    })
  }
