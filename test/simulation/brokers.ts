/**
 * Two brokers that deliver at least once, as the real ones do it, and lie as the real ones do: about what is a
 * redelivery, and about having heard an acknowledgement. They live as long as the simulation; connections do not.
 */
import { messageIdentity } from '../../ingest/identity.js'
import type { IngestSink } from '../../src/model/ports.js'
import type { Random } from './random.js'
import type { Life, World } from './world.js'

export interface Message {
  readonly sequence: number
  readonly topic: string
  readonly bytes: Uint8Array
  /** ms UTC at which the broker took it. */
  readonly taken: number
  acknowledged: boolean
}

/** Messages on their way over one connection at most. */
const WINDOW = 20
/** JetStream's: unacknowledged for so long, a message comes again on the same connection. */
const ACK_WAIT_MS = 20_000

export class Broker {
  readonly feed: 'jetstream' | 'mqtt'
  readonly messages: Message[] = []
  /** Acknowledge on receipt instead of after the sync: a broken engine, for proving that the simulation notices. */
  acknowledgesEarly = false
  inFlightMax = 0
  redelivered = 0
  readonly #world: World
  readonly #random: Random
  #connection: Connection | null = null
  #unacknowledged = 0

  constructor(feed: 'jetstream' | 'mqtt', world: World, random: Random) {
    this.feed = feed
    this.#world = world
    this.#random = random
  }

  get drained(): boolean {
    return this.#unacknowledged === 0
  }

  /** Connected, and the engine has been told that nothing waits. */
  get caughtUp(): boolean {
    return this.#connection?.told === true
  }

  publish(device: string, time: number, level: number): void {
    const dot = this.feed === 'jetstream'
    const topic = ['haidang', 'v1', 'flood', 'sim', device].join(dot ? '.' : '/')
    const bytes = Buffer.from(JSON.stringify({ time, metrics: { level_m: level } }))
    const taken = this.#world.trueTime()
    this.messages.push({ sequence: this.messages.length + 1, topic, bytes, taken, acknowledged: false })
    this.#unacknowledged++
    this.#connection?.pump()
  }

  /** The engine connects; the connection before, if any, is dead. */
  connect(life: Life, sink: IngestSink, received: () => number): void {
    this.disconnect(null)
    this.#world.say(`${this.feed} connects`)
    sink.state(this.feed, 'up')
    this.#connection = new Connection(this, life, sink, received, this.#random)
    this.#connection.pump()
  }

  disconnect(sink: IngestSink | null): void {
    const connection = this.#connection
    if (connection === null) return
    this.#connection = null
    connection.open = false
    this.#world.say(`${this.feed} disconnects`)
    sink?.state(this.feed, 'down')
  }

  acknowledge(message: Message): void {
    if (message.acknowledged) return
    message.acknowledged = true
    this.#unacknowledged--
  }
}

class Connection {
  open = true
  told = false
  readonly #broker: Broker
  readonly #life: Life
  readonly #sink: IngestSink
  readonly #received: () => number
  readonly #random: Random
  readonly #sent = new Set<number>()
  /** Acknowledged before this connection and yet sent again: the broker did not hear, or forgot. */
  readonly #forgotten: ReadonlySet<number>
  #next = 0
  #onWay = 0
  #caughtUp = false
  #lastArrival = 0

  constructor(broker: Broker, life: Life, sink: IngestSink, received: () => number, random: Random) {
    this.#broker = broker
    this.#life = life
    this.#sink = sink
    this.#received = received
    this.#random = random
    const { messages } = broker
    // What comes again is a tail, in order: the unacknowledged, and with JetStream some acknowledged among them.
    const first = messages.findIndex((m) => !m.acknowledged)
    const from = Math.max(
      0,
      (first < 0 ? messages.length : first) - (random.chance(0.5) ? random.integer(0, 15) : 0),
    )
    const forgotten = new Set<number>()
    if (broker.feed === 'jetstream')
      for (const m of messages.slice(from))
        if (m.acknowledged && random.chance(0.5)) forgotten.add(m.sequence)
    this.#forgotten = forgotten
    this.#next = from
  }

  pump(): void {
    const { messages } = this.#broker
    while (this.open && this.#onWay < WINDOW && this.#next < messages.length) {
      const message = messages[this.#next++]!
      if (message.acknowledged && !this.#forgotten.has(message.sequence)) continue
      this.#send(message)
    }
    if (this.open && this.#next >= messages.length && this.#onWay === 0 && !this.#caughtUp) {
      this.#caughtUp = true
      this.#life.later(this.#broker.feed === 'mqtt' ? 2000 : 0, () => {
        if (!this.open) return
        this.told = true
        this.#sink.state(this.#broker.feed, 'caught_up')
      })
    }
  }

  #send(message: Message): void {
    const broker = this.#broker
    this.#onWay++
    broker.inFlightMax = Math.max(broker.inFlightMax, this.#onWay)
    if (this.#sent.has(message.sequence) || message.acknowledged) broker.redelivered++
    this.#sent.add(message.sequence)
    // One connection keeps its order.
    const now = this.#life.monotonic()
    this.#lastArrival = Math.max(this.#lastArrival, now + this.#random.next() * 3)
    this.#life.later(this.#lastArrival - now, () => this.#arrive(message))
    if (broker.feed === 'jetstream') this.#again(message)
  }

  #again(message: Message): void {
    this.#life.later(ACK_WAIT_MS, () => {
      if (!this.open || message.acknowledged) return
      this.#onWay--
      this.#send(message)
    })
  }

  #arrive(message: Message): void {
    if (!this.open) return
    const broker = this.#broker
    const exact = broker.feed === 'jetstream'
    const { topic, bytes } = message
    const raw = {
      topic,
      separator: exact ? ('.' as const) : ('/' as const),
      bytes,
      received: exact ? message.taken : this.#received(),
      retained: false,
      headers: null,
    }
    const identity = exact ? message.sequence : messageIdentity(topic, bytes)
    if (broker.acknowledgesEarly) broker.acknowledge(message)
    // The flag says nothing: set at random.
    this.#sink.message(broker.feed, raw, identity, this.#random.chance(0.3), () => this.#durable(message))
  }

  #durable(message: Message): void {
    void this.#life.step('ack', this.#random.next() * 2, () => {
      if (!this.open) return
      // Lost on the way now and then; only JetStream asks again on the same connection.
      if (this.#broker.feed === 'jetstream' && !message.acknowledged && this.#random.chance(0.02)) return
      this.#broker.acknowledge(message)
      this.#onWay--
      this.pump()
    })
  }
}
