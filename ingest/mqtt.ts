/**
 * A subscription at an MQTT 3.1.1 broker (Mosquitto, EMQX, NATS' MQTT listener): QoS 1, persistent session, stable
 * client id, and no acknowledgement before the sync.
 *
 *   broker ──PUBLISH──► MQTT.js ──► sink.message(…, durable)          MQTT.js' own PUBACK: swallowed
 *          ◄──PUBACK───────────────────────────── durable()           ours: after the sync
 *
 * MQTT.js takes one packet at a time until its `handleMessage` has called back, and then sends the PUBACK itself. Waiting
 * with the call until the sync would put one message in flight. So `handleMessage` calls back at once, the PUBACKs
 * that MQTT.js then sends are kept from the wire, and ours go out when the message is durable: 65 535 may be in flight
 * (that many packet ids exist). This leans on one undocumented method (`_sendPacket`); it is looked for at connect and
 * the integration test fails without it.
 *
 * Each connection is a client object of its own, so that an acknowledgement can never go to a connection other than
 * the one its packet id came from: the broker may have given the id to another message meanwhile. What was not
 * acknowledged comes again, and is recognised by its identity.
 */
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient, type Packet } from 'mqtt'
import { HaidangError } from '../src/model/errors.js'
import type { Clock, IngestSink, Transport, TransportStatus } from '../src/model/ports.js'
import { ArrivalClock } from './arrival.js'
import { Backoff } from './backoff.js'
import { Feed, within, withoutCredentials } from './feed.js'
import { messageIdentity } from './identity.js'

export interface MqttOptions {
  /** The source's name. */
  readonly name: string
  /** `mqtt://host:1883`, `mqtts://host:8883`, `ws://…`, `wss://…`. */
  readonly url: string
  /** Topic filters. */
  readonly topics: readonly string[]
  /** The same at every start, and no other client's: the broker keeps our session under it. */
  readonly client_id: string
  readonly username?: string
  readonly password?: string
  /** PEM texts. The server's certificate is always checked. */
  readonly tls?: {
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
    readonly servername?: string
  }
  /** Default 1; 0 is best effort and for high rates whose loss nobody minds. */
  readonly qos?: 0 | 1
  /** Seconds; a dead connection is noticed after 1.5 × this. Default 15. */
  readonly keepalive_s?: number
  readonly clock: Clock
  /** As Math.random, for the back-off. */
  readonly random: () => number
}

/** Without a redelivery for so long, what the broker had kept for us has been delivered. */
const CAUGHT_UP_MS = 2000
const CONNECT_TIMEOUT_MS = 10_000
/** How long `close` waits for what is in flight. */
const DRAIN_MS = 5000
/** How long for the farewell. */
const GOODBYE_MS = 1000

/** The part of MQTT.js that its types hide. */
interface PacketSender {
  _sendPacket(packet: Packet, sent?: (error?: Error) => void, stored?: () => void, noStore?: boolean): void
}

export class MqttTransport implements Transport {
  readonly #options: MqttOptions
  readonly #feed: Feed
  readonly #arrival: ArrivalClock
  readonly #backoff: Backoff
  #client: MqttClient | undefined
  #retry: NodeJS.Timeout | undefined
  #closing = false
  /** MQTT.js' call for the next packet, kept while too much is in flight. */
  #held: (() => void) | undefined
  #lastRedelivery = 0
  #caughtUpTimer: NodeJS.Timeout | undefined

  constructor(options: MqttOptions) {
    this.#options = options
    this.#feed = new Feed(options.name)
    this.#arrival = new ArrivalClock(options.clock)
    this.#backoff = new Backoff(options.random)
  }

  get name(): string {
    return this.#options.name
  }

  get status(): TransportStatus {
    return this.#feed.status
  }

  async open(sink: IngestSink): Promise<void> {
    this.#feed.open(sink)
    this.#connect()
  }

  async close(): Promise<void> {
    this.#closing = true
    clearTimeout(this.#retry)
    clearTimeout(this.#caughtUpTimer)
    await this.#feed.drained(DRAIN_MS)
    const client = this.#client
    this.#client = undefined
    this.#feed.closed()
    if (client === undefined) return
    // DISCONNECT goes behind the last PUBACKs; a broker that answers nothing any more is not waited for.
    await within(GOODBYE_MS, client.endAsync())
    client.stream.destroy()
  }

  #connect(): void {
    const { url, client_id, username, password, tls, keepalive_s } = this.#options
    const settings: IClientOptions = {
      clientId: client_id,
      clean: false,
      protocolVersion: 4,
      keepalive: keepalive_s ?? 15,
      connectTimeout: CONNECT_TIMEOUT_MS,
      // We try again ourselves, with jitter and with a client of its own.
      reconnectPeriod: 0,
      resubscribe: false,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...tls,
    }
    let client: MqttClient
    try {
      client = mqtt.connect(url, settings)
    } catch (error) {
      this.#lost(undefined, `HD_INGEST_CONNECT ${(error as Error).message}`, 0)
      return
    }
    this.#client = client
    this.#held = undefined
    let reason = ''
    let upSince = 0
    client.on('error', (error) => {
      reason = `${codeOf(error)} ${error.message}`
      // A refused CONNACK or a broken handshake does not always close by itself.
      client.end(true)
    })
    client.on('close', () => {
      const upMs = upSince === 0 ? 0 : this.#options.clock.monotonic() - upSince
      this.#lost(client, reason || 'HD_INGEST_CONNECT the connection was closed', upMs)
    })
    // Not 'connect': MQTT.js emits that some ticks later, while what the broker sends again may stand right behind its
    // CONNACK; its redelivery is recognised by coming after the news that the connection is new.
    client.on('packetreceive', (packet) => {
      if (packet.cmd !== 'connack' || packet.returnCode !== 0 || this.#client !== client || this.#closing)
        return
      upSince = this.#options.clock.monotonic()
      // A PUBACK is a few bytes: Nagle would hold it until the broker has acknowledged the one before.
      const { stream } = client as { stream: { setNoDelay?: (on: boolean) => void } }
      stream.setNoDelay?.(true)
      this.#feed.up()
      if (!packet.sessionPresent && this.#feed.status.reconnects_total > 0)
        this.#feed.complain('the broker had forgotten our session: what was published meanwhile is lost')
      this.#watchForBacklog()
    })
    client.on('connect', () => {
      this.#subscribe(client, (why) => {
        reason = why
        client.end(true)
      })
    })
    const send = this.#takeOverAcknowledging(client)
    client.handleMessage = (packet, callback) => this.#receive(client, packet, send, callback)
  }

  /** Keeps MQTT.js' own PUBACKs from the wire; returns the way to send ours. */
  #takeOverAcknowledging(client: MqttClient): (messageId: number) => void {
    const sender = client as unknown as PacketSender
    if (typeof sender._sendPacket !== 'function')
      throw new HaidangError(
        'HD_INGEST_CONNECT',
        'this version of MQTT.js has no _sendPacket: acknowledging cannot be held back',
      )
    const original = sender._sendPacket.bind(client)
    sender._sendPacket = (packet, sent, stored, noStore) => {
      if (packet.cmd === 'puback') sent?.()
      else original(packet, sent, stored, noStore)
    }
    return (messageId) => {
      if (client === this.#client && client.connected) original({ cmd: 'puback', messageId })
    }
  }

  #subscribe(client: MqttClient, fail: (why: string) => void): void {
    if (client !== this.#client || this.#closing) return
    const topics = [...this.#options.topics]
    client.subscribe(topics, { qos: this.#options.qos ?? 1 }, (error, granted) => {
      if (client !== this.#client || this.#closing) return
      const refused = granted?.find((grant) => grant.qos >= 128)
      if (refused !== undefined)
        fail(`HD_INGEST_RIGHTS the broker refuses the subscription '${refused.topic}'`)
      else if (error) fail(`HD_INGEST_RIGHTS subscribing to ${topics.join(', ')}: ${error.message}`)
    })
  }

  #receive(
    client: MqttClient,
    packet: IPublishPacket,
    send: (messageId: number) => void,
    next: (error?: Error) => void,
  ): void {
    // A closed or replaced connection delivers nothing more: what it still holds was not acknowledged and comes again.
    if (client === this.#client && !this.#closing) {
      const bytes = packet.payload as Buffer
      const raw = {
        topic: packet.topic,
        separator: '/' as const,
        bytes,
        received: this.#arrival.now(),
        retained: packet.retain,
        headers: null,
      }
      if (packet.dup) this.#lastRedelivery = this.#options.clock.monotonic()
      const id = packet.messageId
      if (packet.qos === 0 || id === undefined) this.#feed.best(raw)
      else {
        this.#feed.message(raw, messageIdentity(packet.topic, bytes), packet.dup, () => {
          send(id)
          this.#readOn()
        })
      }
    }
    if (this.#feed.isFull) this.#held = next
    else next()
  }

  #readOn(): void {
    const next = this.#held
    if (next === undefined || this.#feed.isFull) return
    this.#held = undefined
    next()
  }

  #watchForBacklog(): void {
    clearTimeout(this.#caughtUpTimer)
    this.#lastRedelivery = this.#options.clock.monotonic()
    const look = (): void => {
      const quiet = this.#options.clock.monotonic() - this.#lastRedelivery
      if (quiet >= CAUGHT_UP_MS) this.#feed.caughtUp()
      else this.#caughtUpTimer = setTimeout(look, CAUGHT_UP_MS - quiet + 1)
    }
    this.#caughtUpTimer = setTimeout(look, CAUGHT_UP_MS)
  }

  #lost(client: MqttClient | undefined, reason: string, upMs: number): void {
    if (client !== this.#client || this.#closing) return
    this.#client = undefined
    clearTimeout(this.#caughtUpTimer)
    client?.end(true)
    this.#feed.down(`${withoutCredentials(this.#options.url)}: ${reason}`)
    this.#tryLater(this.#backoff.next(upMs))
  }

  /** Waits also while the log is full: a new connection would only bring again what is already in flight. */
  #tryLater(delay: number): void {
    this.#retry = setTimeout(() => {
      if (this.#feed.isFull) this.#tryLater(delay)
      else this.#connect()
    }, delay)
  }
}

function codeOf(error: Error & { code?: unknown }): string {
  // CONNACK 4: bad user name or password, 5: not authorised.
  return error.code === 4 || error.code === 5 ? 'HD_INGEST_AUTH' : 'HD_INGEST_CONNECT'
}
