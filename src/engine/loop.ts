/**
 * The engine's loop: the only place where a message becomes a record. Bytes in, decoded, judged, told to the wall and
 * given to the log before the next message is looked at; acknowledged when the log has synced it.
 *
 *   transport ─► decode ─► record (seq) ─► core ─► wall
 *                                            └───► log ─► durable ─► broker's acknowledgement
 *
 * It awaits nothing. Clock, log, wall and decoders are given, so the simulation runs this very file.
 */
import type { Transition } from '../model/alert.js'
import { BOUNDS } from '../model/bounds.js'
import { SampleBatch } from '../model/columns.js'
import type { Decoder, RawMessage, SampleWriter, SourceProfile } from '../model/decoder.js'
import { type ErrorCode, HaidangError } from '../model/errors.js'
import type { Clock, IngestSink, LogPort } from '../model/ports.js'
import { QUALITY } from '../model/quality.js'
import type {
  CommandRecord,
  DeadLetterRecord,
  EngineRecord,
  FeedRecord,
  MessageRecord,
  TextRecord,
} from '../model/record.js'
import type { SeriesIndex } from '../model/series.js'
import { matchesFilter } from '../model/topic-filter.js'
import type { Core } from './core.js'

/** What the loop knows of one feed: how its messages are read and recognised. */
export interface FeedSetup {
  readonly name: string
  readonly decoder: Decoder
  readonly profile: SourceProfile
  /** `event`: a recording; `received` is the newest event time and nothing else drives its timers. */
  readonly clock: 'arrival' | 'event'
  readonly routes?: readonly Route[]
}

/** How messages of some topics of a feed are read instead: a vendor's source on the embedded broker. */
export interface Route {
  readonly name: string
  /** MQTT topic filters; the first route that matches reads the message. */
  readonly topics: readonly string[]
  readonly decoder: Decoder
  readonly profile: SourceProfile
}

/** The decoders' writer, as the loop uses it. */
export interface Writer extends SampleWriter {
  begin(batch: SampleBatch, profile: SourceProfile, message: RawMessage): void
  takeBack(): void
  readonly stream: number
  readonly source: number
  readonly refusals: readonly { readonly code: ErrorCode; readonly what: string }[]
}

/** Who is told at once, before the sync. */
export interface Audience {
  alert(transition: Transition): void
  samples(batch: SampleBatch, from: number, to: number, index: SeriesIndex, stream: number): void
  feed(name: string, state: 'up' | 'down' | 'caught_up'): void
}

export interface LoopOptions {
  readonly core: Core
  readonly log: LogPort
  readonly clock: Clock
  readonly audience: Audience
  readonly writer: Writer
  readonly feeds: readonly FeedSetup[]
  /** Counters: name, label and amount; see docs/metrics. */
  readonly count: (name: string, label: string, amount: number) => void
  readonly poison?: Poison
}

/** Messages over which the engine ended. */
export interface Poison {
  /** It did so twice: the message is not read again. */
  has(feed: string, identity: number, topic: string): boolean
  /**
   * The engine cannot go on after this message: its state is half changed. Writes that down before it returns; the error
   * then goes up and has to end the process.
   */
  add(feed: string, identity: number, topic: string, error: unknown): void
}

/** A way of reading, with the decoder's own state. */
interface Reading {
  readonly topics: readonly string[]
  readonly decoder: Decoder
  readonly profile: SourceProfile
  readonly state: unknown
}

interface FeedState {
  readonly setup: FeedSetup
  readonly id: number
  readonly readings: readonly Reading[]
  readonly own: Reading
  received: number
}

interface Held {
  readonly record: EngineRecord
  readonly transitions: readonly Transition[]
  readonly telling: boolean
  readonly durable: (() => void) | null
}

const SELF: SourceProfile = { source: 'haidang', stream: 'sensor' }
const NOTHING = new Uint8Array(0)

export class Loop implements IngestSink {
  readonly core: Core
  readonly #options: LoopOptions
  readonly #feeds = new Map<string, FeedState>()
  readonly #batch = new SampleBatch(4096)
  readonly #out: Transition[] = []
  /** Messages judged while the log was full: appended, under new numbers, when it has room. */
  #held: Held[] = []
  /** Of those, how many caused transitions: these keep their order among themselves. */
  #heldTelling = 0
  /** Last `received` of everything: arrival is wall anchor + monotonic clock, so that a wall clock that jumps moves no timer. */
  #anchorWall: number
  #anchorMonotonic: number

  /**
   * `lastReceived`: of the recovered log; our own clock never goes behind it. `feeds`: arrival of each feed's last
   * message, by feed id; the feed never goes behind that.
   */
  constructor(
    options: LoopOptions,
    lastReceived = Number.NEGATIVE_INFINITY,
    feeds: ReadonlyMap<number, number> = new Map(),
  ) {
    this.#options = options
    this.core = options.core
    this.#anchorWall = Math.max(options.clock.now(), lastReceived)
    this.#anchorMonotonic = options.clock.monotonic()
    for (const setup of options.feeds) {
      const id = this.core.index.sources.id(setup.name)
      this.#feeds.set(setup.name, {
        setup,
        id,
        readings: (setup.routes ?? []).map((route) => ({ ...route, state: route.decoder.createState() })),
        own: { ...setup, topics: [], state: setup.decoder.createState() },
        received: feeds.get(id) ?? Number.NEGATIVE_INFINITY,
      })
    }
  }

  /** Arrival time now, ms UTC: what transports stamp messages with. */
  now(): number {
    return Math.floor(this.#anchorWall + this.#options.clock.monotonic() - this.#anchorMonotonic)
  }

  get held(): number {
    return this.#held.length
  }

  message(feed: string, raw: RawMessage, identity: number, redelivered: boolean, durable: () => void): void {
    try {
      this.#message(feed, raw, identity, redelivered, durable)
    } catch (error) {
      this.#options.poison?.add(feed, identity, raw.topic, error)
      throw error
    }
  }

  #message(feed: string, raw: RawMessage, identity: number, redelivered: boolean, durable: () => void): void {
    const one = this.#feeds.get(feed)
    if (one === undefined) throw new HaidangError('HD_INGEST_CONNECT', `feed '${feed}' is not configured`)
    const { setup } = one
    if (this.core.deliveries.isRedelivery(one.id, this.core.deliveryMode(one.id), identity, redelivered)) {
      this.#options.count('ingest_redelivered_total', feed, 1)
      // Its first arrival may still wait for its sync.
      this.#afterSync(durable)
      return
    }
    const batch = this.#batch
    batch.clear()
    let received = Math.max(raw.received, one.received)
    const { writer, poison } = this.#options
    if (poison?.has(feed, identity, raw.topic) === true) {
      const reason = 'the engine ended twice over this message: it was not read'
      this.#deadLetter(one, raw, identity, received, 'HD_DECODE_POISON', reason, durable)
      return
    }
    const refused = this.#decode(one, raw)
    if (refused !== null) {
      this.#deadLetter(one, raw, identity, received, refused.code, refused.message, durable)
      return
    }
    const { refusals } = writer
    for (const { code } of refusals) this.#options.count('ingest_refused_total', code, 1)
    if (batch.length === 0) {
      const first = refusals[0]
      if (first !== undefined) this.#deadLetter(one, raw, identity, received, first.code, first.what, durable)
      else this.#afterSync(durable)
      return
    }
    if (setup.clock === 'event') {
      let newest = Number.NEGATIVE_INFINITY
      for (let i = 0; i < batch.length; i++) if (batch.time[i]! > newest) newest = batch.time[i]!
      received = Math.max(newest, this.core.clockOf(writer.source))
    } else one.received = received
    const record: MessageRecord = {
      kind: 'message',
      seq: 0,
      received,
      feed: one.id,
      source: writer.source,
      stream: writer.stream,
      identity,
      batch,
      from: 0,
      to: batch.length,
    }
    this.#apply(record, durable)
    this.#options.audience.samples(batch, 0, batch.length, this.core.index, record.stream)
  }

  /**
   * A dead letter once more, after a fix: as a message of its feed whose samples are `historical` and keep their first
   * arrival (`raw.received`) in `attrs.received`. Null where it was taken, else the code of why it still cannot be used.
   */
  retry(feed: string, raw: RawMessage): ErrorCode | null {
    const one = this.#feeds.get(feed)
    if (one === undefined) return 'HD_INGEST_CONNECT'
    try {
      return this.#retry(one, raw)
    } catch (error) {
      // No broker sends it again: it is only told.
      this.#options.poison?.add(feed, 0, raw.topic, error)
      throw error
    }
  }

  #retry(one: FeedState, raw: RawMessage): ErrorCode | null {
    const batch = this.#batch
    batch.clear()
    const refused = this.#decode(one, raw)
    if (refused !== null) return refused.code
    const { writer } = this.#options
    if (batch.length === 0) return writer.refusals[0]?.code ?? null
    for (let i = 0; i < batch.length; i++) {
      batch.quality[i]! |= QUALITY.historical
      const attrs = batch.attrs[i] === '' ? {} : (JSON.parse(batch.attrs[i]!) as object)
      batch.attrs[i] = JSON.stringify({ ...attrs, received: raw.received })
    }
    const record: MessageRecord = {
      kind: 'message',
      seq: 0,
      received: one.setup.clock === 'event' ? one.received : Math.max(this.now(), one.received),
      feed: one.id,
      source: writer.source,
      stream: writer.stream,
      identity: 0,
      batch,
      from: 0,
      to: batch.length,
    }
    this.#apply(record, null)
    return null
  }

  /** Into the batch; null where that went well, else why the message as a whole cannot be used. */
  #decode(one: FeedState, raw: RawMessage): HaidangError | null {
    const { writer } = this.#options
    try {
      if (raw.bytes.length > BOUNDS.message_bytes)
        throw new HaidangError(
          'HD_DECODE_SIZE',
          `${raw.bytes.length} bytes; a message has at most ${BOUNDS.message_bytes}`,
        )
      const reading =
        one.readings.find(({ topics }) => topics.some((filter) => matchesFilter(filter, raw.topic))) ??
        one.own
      writer.begin(this.#batch, reading.profile, raw)
      reading.decoder.decode(raw, reading.profile, writer, reading.state)
      return null
    } catch (error) {
      writer.takeBack()
      return error instanceof HaidangError
        ? error
        : new HaidangError('HD_DECODE_POISON', `the decoder failed: ${(error as Error).message}`)
    }
  }

  state(feed: string, state: 'up' | 'down' | 'caught_up'): void {
    const one = this.#feeds.get(feed)
    if (one === undefined) return
    const received = one.setup.clock === 'event' ? one.received : Math.max(this.now(), one.received)
    const record: FeedRecord = { kind: 'feed', seq: 0, received, feed: one.id, state }
    this.#apply(record, null)
    this.#options.audience.feed(feed, state)
  }

  /** The clock's turn: fires what is due. Call it a few times a second. */
  tick(): void {
    this.#appendHeld()
    const now = this.now()
    if (this.core.nextDue < now) this.#apply({ kind: 'tick', seq: 0, received: now }, null)
  }

  /** What the engine says of itself: one message of its own feed, judged like any other. */
  observe(device: string, values: Readonly<Record<string, number>>): void {
    const { writer } = this.#options
    const batch = this.#batch
    const received = this.now()
    batch.clear()
    writer.begin(batch, SELF, {
      topic: '',
      separator: '/',
      bytes: NOTHING,
      received,
      retained: false,
      headers: null,
    })
    for (const [metric, value] of Object.entries(values))
      writer.sample(device, metric, received, value, '', Number.NaN, Number.NaN, 0, '')
    const { sources } = this.core.index
    this.#apply(
      {
        kind: 'message',
        seq: 0,
        received,
        feed: sources.id(SELF.source),
        source: writer.source,
        stream: writer.stream,
        identity: 0,
        batch,
        from: 0,
        to: batch.length,
      },
      null,
    )
  }

  /** A person's act. `durable` runs when it is in the log: only then is it answered. */
  command(
    name: string,
    who: string,
    target: string,
    body: Readonly<Record<string, unknown>>,
    durable: () => void,
  ): number {
    const record: CommandRecord = { kind: 'command', seq: 0, received: this.now(), name, who, target, body }
    this.#apply(record, durable)
    return record.seq
  }

  /** A configuration text comes into force. */
  text(kind: TextRecord['kind'], hash: string, text: string, durable: (() => void) | null): void {
    this.#apply({ kind, seq: 0, received: this.now(), hash, text }, durable)
  }

  #deadLetter(
    one: FeedState,
    raw: RawMessage,
    identity: number,
    received: number,
    code: string,
    reason: string,
    durable: () => void,
  ): void {
    this.#options.count('ingest_dead_letters_total', code, 1)
    const record: DeadLetterRecord = {
      kind: 'dead_letter',
      seq: 0,
      received,
      feed: one.id,
      identity,
      topic: raw.topic,
      bytes: raw.bytes.subarray(0, BOUNDS.dead_letter_bytes),
      code,
      reason,
    }
    this.#apply(record, durable)
  }

  #apply(record: EngineRecord, durable: (() => void) | null): void {
    const out = this.#out
    // Setting a length costs even where nothing changes.
    if (out.length > 0) out.length = 0
    if (this.#held.length > 0) this.#appendHeld()
    record.seq = this.core.seq + 1
    this.core.apply(record, out)
    for (let i = 0; i < out.length; i++) {
      const transition = out[i]!
      transition.raised = this.now()
      this.#options.audience.alert(transition)
    }
    // What was held goes first, so that the log has the order in which it was judged; only what tells people something
    // (a transition, a command) may overtake samples, by the log's reserve, and never each other.
    const telling = out.length > 0 || record.kind === 'command'
    const behind = telling ? this.#heldTelling > 0 : this.#held.length > 0
    if (behind || !this.#options.log.append(record, out, durable)) this.#hold(record, out, telling, durable)
  }

  #hold(
    record: EngineRecord,
    out: readonly Transition[],
    telling: boolean,
    durable: (() => void) | null,
  ): void {
    this.#options.count('log_held_total', '', 1)
    if (this.#held.length >= BOUNDS.unacknowledged) {
      // Nothing can be promised for it; a broker that was not answered sends it again.
      this.#options.count('log_dropped_total', '', 1)
      return
    }
    this.#held.push({
      record: record.kind === 'message' ? copied(record) : record,
      transitions: [...out],
      telling,
      durable,
    })
    if (telling) this.#heldTelling++
  }

  #appendHeld(): void {
    let taken = 0
    for (const { record, transitions, telling, durable } of this.#held) {
      const seq = this.core.seq + 1
      record.seq = seq
      for (const transition of transitions) transition.seq = seq
      if (!this.#options.log.append(record, transitions, durable)) break
      this.core.seq = seq
      if (telling) this.#heldTelling--
      taken++
    }
    if (taken > 0) this.#held = this.#held.slice(taken)
  }

  #afterSync(durable: () => void): void {
    // The log reports its own failures by not resolving; an acknowledgement that never comes is the right answer then.
    this.#options.log.flush().then(durable, () => {})
  }
}

function copied(record: MessageRecord): MessageRecord {
  const { batch } = record
  const rows = new SampleBatch(Math.max(1, record.to - record.from))
  for (let i = record.from; i < record.to; i++)
    rows.append(
      batch.series[i]!,
      batch.time[i]!,
      batch.value[i]!,
      batch.label[i]!,
      batch.lat[i]!,
      batch.lon[i]!,
      batch.quality[i]!,
      batch.attrs[i]!,
    )
  return { ...record, batch: rows, from: 0, to: rows.length }
}
