/**
 * NATS, both ways: a core subscription (best effort: what nobody hears is gone), and a JetStream durable consumer with
 * explicit acknowledgement after the sync.
 *
 *   server ──► consumer (explicit ack, durable) ──► sink.message(…, durable) ──► sync ──► +ACK
 *
 * The identity of a JetStream message is its stream sequence (with the stream's incarnation, see identity.ts): exact, so
 * what comes again after a crash is known whatever its `redelivered` flag says. `received` is the server's own message time. A connection that is lost is replaced by a
 * new one with full jitter, for ever; acknowledgements of the old one are dropped, its messages come again.
 */

import { setTimeout as pause } from 'node:timers/promises'
import {
  AckPolicy,
  type ConsumerMessages,
  DeliverPolicy,
  type JsMsg,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream'
import {
  connect,
  credsAuthenticator,
  type NatsConnection,
  type NodeConnectionOptions,
  type TlsOptions,
} from 'nats'
import { BOUNDS } from '../src/model/bounds.js'
import type { Clock, IngestSink, Transport, TransportStatus } from '../src/model/ports.js'
import { ArrivalClock } from './arrival.js'
import { Backoff } from './backoff.js'
import { Feed, within, withoutCredentials } from './feed.js'
import { sequenceIdentity } from './identity.js'

export interface NatsOptions {
  /** The source's name. */
  readonly name: string
  /** `nats://host:4222`, or `tls://host:4222`. */
  readonly url: string
  readonly subjects: readonly string[]
  readonly username?: string
  readonly password?: string
  readonly token?: string
  /** Text of a credentials file (JWT and nkey seed). */
  readonly creds?: string
  /** PEM texts. The server's certificate is always checked. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string }
  /** Present: a JetStream durable consumer; absent: a core subscription. */
  readonly jetstream?: JetStreamOptions
  readonly clock: Clock
  /** As Math.random, for the back-off. */
  readonly random: () => number
}

export interface JetStreamOptions {
  /** Name of the stream; default: the one that holds the first subject. */
  readonly stream?: string
  /** Name of the durable consumer, the same at every start: the server keeps our position under it. */
  readonly durable: string
  /** Where a consumer that does not exist yet begins: `all` (default) or `new`. An existing one goes on where it was. */
  readonly start?: 'all' | 'new'
}

const CONNECT_TIMEOUT_MS = 10_000
/** Two unanswered: a dead connection is noticed within 30 s. */
const PING_MS = 10_000
const PING_OUT_MAX = 2
/**
 * After it the server sends again, within a session, what we have not acknowledged. A sync takes ms; while the log is
 * full the repetition costs less than forgetting.
 */
const ACK_WAIT_MS = 10_000
/** As ACK_WAIT_MS for the moment in which a new session asks for what the last one left unacknowledged. */
const BRING_BACK_ACK_WAIT_MS = 1
/** The server looks for what is overdue 100 ms after its ack_wait has changed. */
const BRING_BACK_MS = 300
/** How long `close` waits for acknowledgements to leave. */
const FLUSH_MS = 1000
const DRAIN_MS = 5000

export class NatsTransport implements Transport {
  readonly #options: NatsOptions
  readonly #feed: Feed
  readonly #arrival: ArrivalClock
  readonly #backoff: Backoff
  #connection: NatsConnection | undefined
  #consuming: ConsumerMessages | undefined
  #retry: NodeJS.Timeout | undefined
  #closing = false

  constructor(options: NatsOptions) {
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
    this.#attempt()
  }

  async close(): Promise<void> {
    this.#closing = true
    clearTimeout(this.#retry)
    // No more is asked for; what is in flight is still acknowledged.
    this.#consuming?.stop()
    await this.#feed.drained(DRAIN_MS)
    const connection = this.#connection
    this.#connection = undefined
    this.#feed.closed()
    if (connection === undefined || connection.isClosed()) return
    // With the server gone a flush would wait for it to come back; nothing is left to say to it then.
    await within(FLUSH_MS, connection.flush())
    await connection.close()
  }

  #attempt(): void {
    let upSince = Number.NaN
    this.#session(() => {
      upSince = this.#options.clock.monotonic()
    }).then(
      (reason) => this.#lost(reason, upSince),
      (error: unknown) => this.#lost(reasonOf(error), upSince),
    )
  }

  /** One connection from its first byte to its loss; resolves or rejects with why it ended. */
  async #session(up: () => void): Promise<string> {
    const connection = await connect(this.#settings())
    if (this.#closing) {
      await connection.close()
      return 'closing'
    }
    this.#connection = connection
    try {
      let ended: Promise<string>
      if (this.#options.jetstream === undefined) {
        this.#subscribe(connection)
        // The subscription stands, or the server has said why not.
        await connection.flush()
        ended = this.#watch(connection)
        this.#feed.up()
        this.#feed.caughtUp()
      } else ended = this.#watchConsumer(await this.#consume(connection, this.#options.jetstream))
      up()
      const closed = connection
        .closed()
        .then((error) => (error === undefined ? 'the connection was closed' : reasonOf(error)))
      return await Promise.race([ended, closed])
    } finally {
      if (this.#connection === connection && !this.#closing) {
        this.#connection = undefined
        this.#consuming = undefined
        await connection.close()
      }
    }
  }

  #settings(): NodeConnectionOptions {
    const { url, username, password, token, creds, tls } = this.#options
    const secure: TlsOptions | undefined = tls ?? (url.startsWith('tls:') ? {} : undefined)
    return {
      servers: [url.replace(/^(nats|tls):\/\//, '').replace(/^[^/@]*@/, '')],
      name: `haidang ${this.name}`,
      // A lost connection is replaced, not revived: an acknowledgement belongs to the connection of its message.
      reconnect: false,
      timeout: CONNECT_TIMEOUT_MS,
      pingInterval: PING_MS,
      maxPingOut: PING_OUT_MAX,
      ...userOf(url),
      ...(username === undefined ? {} : { user: username }),
      ...(password === undefined ? {} : { pass: password }),
      ...(token === undefined ? {} : { token }),
      ...(creds === undefined ? {} : { authenticator: credsAuthenticator(new TextEncoder().encode(creds)) }),
      ...(secure === undefined ? {} : { tls: secure }),
    }
  }

  #subscribe(connection: NatsConnection): void {
    for (const subject of this.#options.subjects) {
      connection.subscribe(subject, {
        callback: (error, message) => {
          if (error !== null) {
            this.#feed.complain(`HD_INGEST_RIGHTS ${subject}: ${error.message}`)
            connection.close().catch(() => undefined)
            return
          }
          if (connection !== this.#connection || this.#closing) return
          this.#feed.best({
            topic: message.subject,
            separator: '.',
            bytes: message.data,
            received: this.#arrival.now(),
            retained: false,
            headers: headersOf(message.headers),
          })
        },
      })
    }
  }

  /** Makes or takes up the durable consumer and begins to consume. */
  async #consume(connection: NatsConnection, options: JetStreamOptions): Promise<ConsumerMessages> {
    const manager = await jetstreamManager(connection)
    const { subjects } = this.#options
    const stream = options.stream ?? (await manager.streams.find(subjects[0]!))
    const settings = {
      ack_policy: AckPolicy.Explicit,
      ack_wait: ACK_WAIT_MS * 1_000_000,
      // Never given up: what cannot be decoded becomes a dead letter and is acknowledged.
      max_deliver: -1,
      max_ack_pending: BOUNDS.unacknowledged,
      ...(subjects.length === 1 ? { filter_subject: subjects[0]! } : { filter_subjects: [...subjects] }),
    }
    const known = await manager.consumers.info(stream, options.durable).catch((error: Error) => {
      if (/not found/i.test(error.message)) return undefined
      throw error
    })
    if (known === undefined)
      await manager.consumers.add(stream, {
        ...settings,
        durable_name: options.durable,
        deliver_policy: options.start === 'new' ? DeliverPolicy.New : DeliverPolicy.All,
      })
    else {
      // What the last session left unacknowledged comes first. By itself the server would wait out ack_wait and send it
      // among what is newer by then: an old level judged again after its alert is over raises a second alert. A shorter
      // ack_wait makes it overdue at once, and the server delivers what is overdue, in its order, before anything new.
      if (known.num_ack_pending > 0) {
        const overdue = { ...settings, ack_wait: BRING_BACK_ACK_WAIT_MS * 1_000_000 }
        await manager.consumers.update(stream, options.durable, overdue)
        await pause(BRING_BACK_MS)
      }
      await manager.consumers.update(stream, options.durable, settings)
    }
    const consumer = await jetstream(connection).consumers.get(stream, options.durable)
    const info = await consumer.info()
    const identityOf = sequenceIdentity((await manager.streams.info(stream)).created)
    this.#feed.up()
    if (info.num_pending + info.num_ack_pending === 0) this.#feed.caughtUp()
    const consuming = await consumer.consume({
      max_messages: 4096,
      idle_heartbeat: 5000,
      callback: (message) => this.#receive(connection, message, identityOf),
    })
    this.#consuming = consuming
    return consuming
  }

  #receive(connection: NatsConnection, message: JsMsg, identityOf: (sequence: number) => number): void {
    if (connection !== this.#connection) return
    const { info } = message
    const raw = {
      topic: message.subject,
      separator: '.' as const,
      bytes: message.data,
      received: Math.floor(info.timestampNanos / 1_000_000),
      retained: false,
      headers: headersOf(message.headers),
    }
    this.#feed.message(raw, identityOf(message.seq), info.redelivered, () => {
      if (connection === this.#connection && !connection.isClosed()) message.ack()
    })
    if (info.pending === 0) this.#feed.caughtUp()
  }

  /** What the consumer says of itself; those that end the session are mended by a new one. */
  async #watchConsumer(consuming: ConsumerMessages): Promise<string> {
    for await (const status of consuming.status()) {
      if (
        status.type === 'consumer_deleted' ||
        status.type === 'consumer_not_found' ||
        status.type === 'stream_not_found'
      )
        return `HD_INGEST_CONNECT ${status.type.replaceAll('_', ' ')}`
      if (status.type === 'heartbeats_missed' && status.count >= 2)
        return 'HD_INGEST_CONNECT the consumer went silent'
    }
    return 'HD_INGEST_CONNECT the consumer ended'
  }

  /** Errors of the server that do not close a core connection by themselves (a right taken away). */
  async #watch(connection: NatsConnection): Promise<string> {
    for await (const status of connection.status())
      if (status.type === 'error') this.#feed.complain(reasonOf(status.error))
    return this.#feed.status.last_error || 'HD_INGEST_CONNECT the connection was closed'
  }

  #lost(reason: string, upSince: number): void {
    if (this.#closing) return
    this.#feed.down(`${withoutCredentials(this.#options.url)}: ${reason}`)
    const upMs = Number.isNaN(upSince) ? 0 : this.#options.clock.monotonic() - upSince
    this.#tryLater(this.#backoff.next(upMs))
  }

  #tryLater(delay: number): void {
    this.#retry = setTimeout(() => {
      if (this.#feed.isFull) this.#tryLater(delay)
      else this.#attempt()
    }, delay)
  }
}

/** User and password of an address, where they stand in it. */
function userOf(url: string): { user?: string; pass?: string; token?: string } {
  const found = /\/\/([^/@:]*)(?::([^/@]*))?@/.exec(url)
  if (found === null) return {}
  const [, user, pass] = found
  return pass === undefined
    ? { token: decodeURIComponent(user!) }
    : { user: decodeURIComponent(user!), pass: decodeURIComponent(pass) }
}

function headersOf(
  headers: { keys(): string[]; last(name: string): string } | undefined,
): ReadonlyMap<string, string> | null {
  if (headers === undefined) return null
  return new Map(headers.keys().map((name) => [name, headers.last(name)]))
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const code = /authoriz|authentic|credential/i.test(text)
    ? 'HD_INGEST_AUTH'
    : /permission/i.test(text)
      ? 'HD_INGEST_RIGHTS'
      : 'HD_INGEST_CONNECT'
  return `${code} ${text.slice(0, 300)}`
}
