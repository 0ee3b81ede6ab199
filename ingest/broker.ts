/**
 * The embedded MQTT 3.1.1 broker (aedes): what runs when no other broker is configured, so that a bare machine takes
 * data at once. Ingest sits where aedes asks whether a PUBLISH is allowed, because aedes acknowledges the publisher
 * right after that answer: it is given after the sync. A QoS 1 publisher therefore has its PUBACK only for what is in
 * the log, whatever dies.
 *
 *   PUBLISH ─► authorizePublish: rights ─► sink.message(…, durable) ─► sync ─► durable ─► PUBACK, then subscribers
 *
 * Bounds: sockets are read while fewer than 65 536 messages wait for their sync; a packet beyond 16 MiB closes the
 * connection; connections, retained topics and topic levels are counted. No session is kept: a queue for those that are
 * away would be memory without a bound. For MQTT 5, sessions and clusters: Mosquitto, EMQX or NATS' MQTT listener.
 */
import net from 'node:net'
import tls from 'node:tls'
import { Aedes, type Client, type PublishPacket, type Subscription } from 'aedes'
import { BOUNDS } from '../src/model/bounds.js'
import { HaidangError } from '../src/model/errors.js'
import type { Clock, IngestSink, Transport, TransportStatus } from '../src/model/ports.js'
import { ArrivalClock } from './arrival.js'
import { type BrokerRights, type CredentialCheck, isClientName, topicWithin } from './credentials.js'
import { Feed } from './feed.js'
import { messageIdentity } from './identity.js'

export interface BrokerOptions {
  /** The source's name. */
  readonly name: string
  readonly host: string
  /** 0 picks a free one: see `address`. */
  readonly port: number
  /** Who may enter by name; without it only anonymous clients on loopback may. */
  readonly credentials?: CredentialCheck
  /** Anonymous clients: on loopback (default), or nowhere. */
  readonly anonymous?: 'loopback' | 'never'
  /** PEM texts; with them the listener speaks TLS alone. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string }
  readonly clock: Clock
}

const CONNECTIONS_MAX = 10_000
const RETAINED_TOPICS_MAX = 65_536
/** Beyond it there is no dead letter, the connection is closed: what a polled answer may have is enough to be told of. */
const PACKET_BYTES_MAX = BOUNDS.polled_bytes
const CONNECT_TIMEOUT_MS = 10_000
/** A client that does not read for so long is cut off. */
const DRAIN_TIMEOUT_MS = 30_000
const CLOSE_MS = 5000
/** Bytes read from a socket at once. */
const CHUNK_BYTES = 128 * 1024

/** The parts of aedes' client that its types hide: its reading of the socket, which we bound and hurry. */
interface AedesClient {
  readonly _parser: { parse(chunk: Buffer): number; readonly packet: { readonly length: number } }
  readonly _paused?: boolean
  readonly closed: boolean
}

const EVERYTHING: BrokerRights = { publish: ['#'], subscribe: ['#'] }

export class EmbeddedBroker implements Transport {
  readonly #options: BrokerOptions
  readonly #feed: Feed
  readonly #arrival: ArrivalClock
  readonly #aedes: Aedes
  readonly #rights = new WeakMap<Client, BrokerRights>()
  readonly #retained = new Set<string>()
  readonly #sockets = new Set<net.Socket>()
  #server: net.Server | undefined
  #closing = false
  /** PUBLISH packets of chunks already read that wait because too much is in flight, and sockets that are not read on. */
  readonly #waiting: (() => void)[] = []
  readonly #stalled = new Set<() => void>()

  constructor(options: BrokerOptions) {
    this.#options = options
    this.#feed = new Feed(options.name)
    this.#arrival = new ArrivalClock(options.clock)
    this.#aedes = new Aedes({
      connectTimeout: CONNECT_TIMEOUT_MS,
      drainTimeout: DRAIN_TIMEOUT_MS,
      maxTopicLevels: 64,
      // Packets that a publisher sends right behind its CONNECT, before it is let in.
      queueLimit: 1000,
      preConnect: (_client, packet, done) =>
        done(null, packet.clientId === '' || isClientName(packet.clientId)),
      authenticate: (client, username, password, done) => {
        this.#authenticate(client, username, password).then(
          (rights) => {
            if (rights !== undefined) this.#rights.set(client, rights)
            else
              this.#feed.complain(
                `HD_INGEST_AUTH '${String(username).slice(0, 60)}' from ${addressOf(client)} was refused`,
              )
            done(null, rights !== undefined)
          },
          () => done(null, false),
        )
      },
      authorizePublish: (client, packet, done) => this.#publish(client, packet, done),
      authorizeSubscribe: (client, subscription, done) => done(null, this.#granted(client, subscription)),
    })
    // A client's errors are its own: aedes has already closed it.
    this.#aedes.on('clientError', () => {})
    this.#aedes.on('connectionError', () => {})
  }

  get name(): string {
    return this.#options.name
  }

  get status(): TransportStatus {
    return this.#feed.status
  }

  /** Where it listens, once open. */
  get address(): { readonly host: string; readonly port: number; readonly url: string } {
    const bound = this.#server?.address()
    const port = typeof bound === 'object' && bound !== null ? bound.port : this.#options.port
    const host = this.#options.host
    const scheme = this.#options.tls === undefined ? 'mqtt' : 'mqtts'
    return { host, port, url: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}` }
  }

  /** Rejects HD_SERVE_PORT where the port is taken or not ours to take, HD_CONFIG_VALUE for a bad certificate. */
  async open(sink: IngestSink): Promise<void> {
    this.#feed.open(sink)
    await this.#aedes.listen()
    const accept = (socket: net.Socket): void => this.#accept(socket)
    const socketOptions = { highWaterMark: CHUNK_BYTES, noDelay: true } as net.ServerOpts
    try {
      this.#server =
        this.#options.tls === undefined
          ? net.createServer(socketOptions, accept)
          : tls.createServer({ ...this.#options.tls, ...socketOptions }, accept)
    } catch (cause) {
      throw new HaidangError(
        'HD_CONFIG_VALUE',
        `broker: the certificate or key is none: ${(cause as Error).message}`,
        { cause },
      )
    }
    const server = this.#server
    server.maxConnections = CONNECTIONS_MAX
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => {
        const where = `${this.#options.host}:${this.#options.port}`
        const why =
          cause.code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be opened: ${cause.message}`
        reject(
          new HaidangError('HD_SERVE_PORT', `MQTT port ${where} ${why}`, {
            cause,
            retryable: cause.code === 'EADDRINUSE',
          }),
        )
      })
      server.listen(this.#options.port, this.#options.host, resolve)
    })
    server.on('error', (error) => this.#feed.complain(error.message))
    this.#feed.up()
    // Nothing is kept here for us: what publishers still hold comes like news.
    this.#feed.caughtUp()
  }

  async close(): Promise<void> {
    this.#closing = true
    const server = this.#server
    const stopped = server === undefined ? undefined : new Promise((resolve) => server.close(resolve))
    await this.#feed.drained(CLOSE_MS)
    this.#feed.closed()
    if (server === undefined) return
    await new Promise<void>((resolve) => this.#aedes.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await stopped
  }

  #accept(socket: net.Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    const client = this.#aedes.handle(socket) as Client & AedesClient
    const parser = client._parser
    const parse = parser.parse.bind(parser)
    parser.parse = (chunk) => {
      const left = parse(chunk)
      // aedes has no limit of its own: a packet is refused as soon as its length is known, before its bytes are there.
      if (parser.packet.length > PACKET_BYTES_MAX) {
        this.#feed.complain(
          `HD_DECODE_SIZE ${addressOf(client)} announced a packet of ${parser.packet.length} bytes`,
        )
        socket.destroy()
      }
      return left
    }
    // aedes reads on when every packet of its last chunk is answered, which here takes a sync: without this, a publisher
    // whose first chunk was one message would have one message in flight.
    const readOn = (): void => {
      while (!client._paused && !client.closed && !socket.destroyed) {
        if (this.#feed.isFull) {
          this.#stalled.add(readOn)
          return
        }
        const chunk: Buffer | null = socket.read()
        if (chunk === null) return
        parser.parse(chunk)
      }
    }
    socket.on('readable', readOn)
    socket.once('close', () => this.#stalled.delete(readOn))
  }

  async #authenticate(
    client: Client,
    username: string | undefined,
    password: Uint8Array | undefined,
  ): Promise<BrokerRights | undefined> {
    if (username === undefined) {
      const open = (this.#options.anonymous ?? 'loopback') === 'loopback' && isLoopback(remoteOf(client))
      return open ? EVERYTHING : undefined
    }
    const { credentials } = this.#options
    if (credentials === undefined || !isClientName(username)) return undefined
    return credentials(username, password ?? new Uint8Array(0))
  }

  #publish(client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void {
    const { topic } = packet
    const rights = client === null ? undefined : this.#rights.get(client)
    if (this.#closing || rights === undefined) {
      done(new Error('closing'))
      return
    }
    if (isReserved(topic) || !rights.publish.some((filter) => topicWithin(topic, filter))) {
      const why = `HD_INGEST_RIGHTS ${addressOf(client)} may not publish to '${topic.slice(0, 200)}'`
      this.#feed.complain(why)
      done(new Error(why))
      return
    }
    if (packet.retain) this.#boundRetained(packet)
    if (this.#feed.isFull) this.#waiting.push(() => this.#hand(packet, done))
    else this.#hand(packet, done)
  }

  #hand(packet: PublishPacket, done: (error?: Error | null) => void): void {
    const bytes = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload
    const raw = {
      topic: packet.topic,
      separator: '/' as const,
      bytes,
      received: this.#arrival.now(),
      // The publisher's wish to have it kept; to us it is news.
      retained: false,
      headers: null,
    }
    if (packet.qos === 0) {
      this.#feed.best(raw)
      done(null)
      return
    }
    this.#feed.message(raw, messageIdentity(packet.topic, bytes), packet.dup, () => {
      done(null)
      if (this.#stalled.size > 0 || this.#waiting.length > 0) this.#resume()
    })
  }

  #resume(): void {
    while (this.#waiting.length > 0 && !this.#feed.isFull) this.#waiting.shift()!()
    for (const readOn of this.#stalled) {
      if (this.#feed.isFull) return
      this.#stalled.delete(readOn)
      readOn()
    }
  }

  /** The subscription where it is within the client's rights, else null (SUBACK 0x80). */
  #granted(client: Client, subscription: Subscription): Subscription | null {
    const rights = this.#rights.get(client)
    if (rights?.subscribe.some((filter) => topicWithin(subscription.topic, filter))) return subscription
    this.#feed.complain(
      `HD_INGEST_RIGHTS ${addressOf(client)} may not subscribe to '${subscription.topic.slice(0, 200)}'`,
    )
    return null
  }

  #boundRetained(packet: PublishPacket): void {
    if (packet.payload.length === 0) this.#retained.delete(packet.topic)
    else if (this.#retained.size < RETAINED_TOPICS_MAX) this.#retained.add(packet.topic)
    else if (!this.#retained.has(packet.topic)) packet.retain = false
  }
}

/** `$SYS` and its like are the broker's, `haidang/` beside `haidang/v1/` the engine's own (alerts, control). */
function isReserved(topic: string): boolean {
  return topic.startsWith('$') || (topic.startsWith('haidang/') && !topic.startsWith('haidang/v1/'))
}

function remoteOf(client: Client): string {
  return (client.conn as net.Socket).remoteAddress ?? ''
}

function addressOf(client: Client | null): string {
  return client === null
    ? 'a client'
    : `client '${String(client.id ?? '').slice(0, 60)}' (${remoteOf(client)})`
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.')
}
