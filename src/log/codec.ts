/**
 * Records to frames and back (layout: frame.ts). Writing happens in two steps, so that the hot path pays only for
 * copying numbers into columns: `FrameBuilder.add` while a sync is under way, `encode` once a frame.
 *
 * Ids in a frame are those of the writing process; a segment carries the names behind them, so that any segment reads
 * by itself and a reader in another thread or process maps them to its own SeriesIndex.
 */
import type { Transition } from '../model/alert.js'
import type { SampleBatch } from '../model/columns.js'
import { HaidangError } from '../model/errors.js'
import type { EngineRecord, LoggedRecord } from '../model/record.js'
import type { SeriesIndex } from '../model/series.js'
import {
  FLAG_ATTRS,
  FLAG_POSITIONS,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  frameBytes,
  writeFrameHeader,
} from './frame.js'

/** Numbers on disk for ever: append only. */
const KINDS = [
  'message',
  'tick',
  'command',
  'rules',
  'registry',
  'zones',
  'metrics',
  'dead_letter',
  'feed',
] as const
const KIND_NUMBER = Object.fromEntries(KINDS.map((kind, n) => [kind, n])) as Record<
  EngineRecord['kind'],
  number
>

const NAME = { device: 0, metric: 1, label: 2, stream: 3, source: 4, series: 5 } as const
const FEED_STATES = ['up', 'down', 'caught_up'] as const
const NO_BYTES = new Uint8Array(0)

type Column = Float64Array | Float32Array | Uint32Array | Uint16Array | Uint8Array

/** Collects records as columns until they are written. Reused; memory is that of the largest frame it held. */
export class FrameBuilder {
  records = 0
  samples = 0
  firstSeq = 0
  lastSeq = 0
  /** Bytes this will take on disk, names not counted: exact but for texts beyond ASCII. */
  bytes = FRAME_HEADER_BYTES
  /** Run once it is durable, in order of seq. */
  durable: (() => void)[] = []

  received = new Float64Array(64)
  identity = new Float64Array(64)
  seqOffset = new Uint32Array(64)
  rows = new Uint32Array(64)
  feed = new Uint32Array(64)
  source = new Uint32Array(64)
  stream = new Uint32Array(64)
  kind = new Uint8Array(64)

  time = new Float64Array(256)
  value = new Float64Array(256)
  series = new Uint32Array(256)
  label = new Uint32Array(256)
  lat = new Float32Array(256)
  lon = new Float32Array(256)
  quality = new Uint16Array(256)

  hasPositions = false
  /** Sparse, in order of record or row: most have none. */
  texts: { record: number; text: string; raw: Uint8Array }[] = []
  attrs: { row: number; text: string }[] = []

  /** Copies `record` and its transitions. O(samples), no allocation for a message without attrs and transitions. */
  add(record: EngineRecord, transitions: readonly Transition[], durable: (() => void) | null): void {
    const r = this.records
    if (r === this.received.length) this.#growRecords()
    if (r === 0) this.firstSeq = record.seq
    this.lastSeq = record.seq
    this.received[r] = record.received
    this.seqOffset[r] = record.seq - this.firstSeq
    this.kind[r] = KIND_NUMBER[record.kind]
    this.identity[r] = 0
    this.rows[r] = 0
    this.feed[r] = 0
    this.source[r] = 0
    this.stream[r] = 0
    this.bytes += RECORD_BYTES
    this.records = r + 1
    if (record.kind === 'message') {
      this.identity[r] = record.identity
      this.rows[r] = record.to - record.from
      this.feed[r] = record.feed
      this.source[r] = record.source
      this.stream[r] = record.stream
      this.#samples(record.batch, record.from, record.to)
      if (transitions.length > 0) this.#text(r, JSON.stringify({ transitions }), NO_BYTES)
    } else if (record.kind !== 'tick' || transitions.length > 0) this.#other(r, record, transitions)
    if (durable !== null) this.durable.push(durable)
  }

  clear(): void {
    this.records = 0
    this.samples = 0
    this.bytes = FRAME_HEADER_BYTES
    this.hasPositions = false
    this.durable = []
    this.texts = []
    this.attrs = []
  }

  #samples(batch: SampleBatch, from: number, to: number): void {
    const rows = to - from
    let s = this.samples
    if (s + rows > this.time.length) this.#growSamples(s + rows)
    this.samples = s + rows
    this.bytes += rows * SAMPLE_BYTES
    for (let i = from; i < to; i++, s++) {
      this.time[s] = batch.time[i]!
      this.value[s] = batch.value[i]!
      this.series[s] = batch.series[i]!
      this.label[s] = batch.label[i]!
      this.quality[s] = batch.quality[i]!
      const lat = batch.lat[i]!
      const lon = batch.lon[i]!
      this.lat[s] = lat
      this.lon[s] = lon
      if (!Number.isNaN(lat) || !Number.isNaN(lon)) this.hasPositions = true
      const attrs = batch.attrs[i]!
      if (attrs !== '') {
        this.attrs.push({ row: s, text: attrs })
        this.bytes += attrs.length
      }
    }
  }

  #other(
    r: number,
    record: Exclude<EngineRecord, { kind: 'message' }>,
    transitions: readonly Transition[],
  ): void {
    let fields: unknown
    let raw: Uint8Array = NO_BYTES
    switch (record.kind) {
      case 'tick':
        break
      case 'command':
        fields = { name: record.name, who: record.who, target: record.target, body: record.body }
        break
      case 'dead_letter':
        this.feed[r] = record.feed
        this.identity[r] = record.identity
        this.rows[r] = record.bytes.length
        fields = { topic: record.topic, code: record.code, reason: record.reason }
        raw = record.bytes.slice()
        break
      case 'feed':
        this.feed[r] = record.feed
        this.rows[r] = 0
        fields = FEED_STATES.indexOf(record.state)
        break
      default:
        fields = { hash: record.hash, text: record.text }
    }
    const text: RecordText = { fields, ...(transitions.length > 0 && { transitions }) }
    this.#text(r, JSON.stringify(text), raw)
  }

  #text(record: number, text: string, raw: Uint8Array): void {
    this.texts.push({ record, text, raw })
    this.bytes += text.length + raw.length
  }

  #growRecords(): void {
    const capacity = this.received.length * 2
    this.received = grown(this.received, new Float64Array(capacity))
    this.identity = grown(this.identity, new Float64Array(capacity))
    this.seqOffset = grown(this.seqOffset, new Uint32Array(capacity))
    this.rows = grown(this.rows, new Uint32Array(capacity))
    this.feed = grown(this.feed, new Uint32Array(capacity))
    this.source = grown(this.source, new Uint32Array(capacity))
    this.stream = grown(this.stream, new Uint32Array(capacity))
    this.kind = grown(this.kind, new Uint8Array(capacity))
  }

  #growSamples(needed: number): void {
    const capacity = Math.max(needed, this.time.length * 2)
    this.time = grown(this.time, new Float64Array(capacity))
    this.value = grown(this.value, new Float64Array(capacity))
    this.series = grown(this.series, new Uint32Array(capacity))
    this.label = grown(this.label, new Uint32Array(capacity))
    this.lat = grown(this.lat, new Float32Array(capacity))
    this.lon = grown(this.lon, new Float32Array(capacity))
    this.quality = grown(this.quality, new Uint16Array(capacity))
  }
}

const RECORD_BYTES = 2 * 8 + 6 * 4 + 1
const SAMPLE_BYTES = 2 * 8 + 2 * 4 + 2

function grown<T extends Column>(from: T, to: T): T {
  to.set(from)
  return to
}

/** One kind of name: which ids this segment already holds. */
class Written {
  #mark = new Uint8Array(256)

  /** True the first time `id` is asked for. */
  first(id: number): boolean {
    if (id >= this.#mark.length) {
      const next = new Uint8Array(Math.max(id + 1, this.#mark.length * 2))
      next.set(this.#mark)
      this.#mark = next
    }
    if (this.#mark[id] === 1) return false
    this.#mark[id] = 1
    return true
  }
}

/** The writer's half of one segment's names: what it holds, and what the next frame has to repeat. */
export class SegmentNames {
  readonly #index: SeriesIndex
  readonly #written = Array.from({ length: 6 }, () => new Written())
  #fresh: Uint8Array[] = []
  #repeat: Uint8Array[] = []
  /** Bytes of names written into this segment so far. */
  bytes = 0

  constructor(index: SeriesIndex) {
    this.#index = index
  }

  /** Entries that the frame of `builder` has to carry: its new names, and those of the frame before once more. */
  take(builder: FrameBuilder): readonly Uint8Array[] {
    const { series, label, samples, records, feed, source, stream } = builder
    const [, , labels, streams, sources, known] = this.#written as [
      Written,
      Written,
      Written,
      Written,
      Written,
      Written,
    ]
    for (let i = 0; i < samples; i++) {
      if (known.first(series[i]!)) this.#series(series[i]!)
      if (label[i] !== 0 && labels.first(label[i]!))
        this.#name(NAME.label, label[i]!, this.#index.labels.text(label[i]!))
    }
    for (let r = 0; r < records; r++) {
      if (feed[r] !== 0 && sources.first(feed[r]!))
        this.#name(NAME.source, feed[r]!, this.#index.sources.text(feed[r]!))
      if (source[r] !== 0 && sources.first(source[r]!))
        this.#name(NAME.source, source[r]!, this.#index.sources.text(source[r]!))
      if (stream[r] !== 0 && streams.first(stream[r]!))
        this.#name(NAME.stream, stream[r]!, this.#index.streams.text(stream[r]!))
    }
    const entries = this.#repeat.length === 0 ? this.#fresh : [...this.#repeat, ...this.#fresh]
    this.#repeat = this.#fresh
    this.#fresh = []
    return entries
  }

  #series(id: number): void {
    const device = this.#index.deviceOf(id)
    const metric = this.#index.metricOf(id)
    if (this.#written[NAME.device]!.first(device))
      this.#name(NAME.device, device, this.#index.devices.text(device))
    if (this.#written[NAME.metric]!.first(metric))
      this.#name(NAME.metric, metric, this.#index.metrics.text(metric))
    const entry = new Uint8Array(16)
    const view = new DataView(entry.buffer)
    view.setUint32(0, id, true)
    view.setUint32(4, NAME.series, true)
    view.setUint32(8, device, true)
    view.setUint32(12, metric, true)
    this.#push(entry)
  }

  #name(kind: number, id: number, text: string): void {
    const utf8 = Buffer.from(text, 'utf8')
    const entry = new Uint8Array(8 + utf8.length)
    const view = new DataView(entry.buffer)
    view.setUint32(0, id, true)
    view.setUint32(4, kind + utf8.length * 256, true)
    entry.set(utf8, 8)
    this.#push(entry)
  }

  #push(entry: Uint8Array): void {
    this.#fresh.push(entry)
    this.bytes += entry.length * 2
  }
}

/** Turns builders into frames in one buffer of its own, which each call overwrites. */
export class FrameEncoder {
  #out = new Uint8Array(64 * 1024)
  #buffer = Buffer.from(this.#out.buffer)
  #view = new DataView(this.#out.buffer)

  /**
   * The frame of `builder`, valid until the next call. `syncedSeq`: highest seq known synced now.
   * Cost: one copy of the columns, one pass for names, one for the checksum.
   */
  encode(builder: FrameBuilder, names: SegmentNames, syncedSeq: number): Uint8Array {
    const { records, samples, texts, attrs } = builder
    const entries = names.take(builder)
    let nameBytes = 0
    for (const entry of entries) nameBytes += entry.length
    let textBytes = 0
    for (const { text, raw } of texts) textBytes += Buffer.byteLength(text) + raw.length
    let attrsBytes = 0
    for (const { text } of attrs) attrsBytes += Buffer.byteLength(text)
    const flags = (builder.hasPositions ? FLAG_POSITIONS : 0) | (attrs.length > 0 ? FLAG_ATTRS : 0)
    const counts = { flags, records, samples, nameBytes, textBytes, attrsBytes }
    const length = frameBytes(counts)
    if (length > this.#out.length) this.#grow(length)

    let at = FRAME_HEADER_BYTES
    const column = (values: Column, count: number): void => {
      const bytes = count * values.BYTES_PER_ELEMENT
      this.#out.set(new Uint8Array(values.buffer, values.byteOffset, bytes), at)
      at += bytes
    }
    column(builder.received, records)
    column(builder.identity, records)
    column(builder.time, samples)
    column(builder.value, samples)
    column(builder.seqOffset, records)
    column(builder.rows, records)
    const textLengthsAt = at
    this.#out.fill(0, at, at + records * 4)
    at += records * 4
    column(builder.feed, records)
    column(builder.source, records)
    column(builder.stream, records)
    column(builder.series, samples)
    column(builder.label, samples)
    if (builder.hasPositions) {
      column(builder.lat, samples)
      column(builder.lon, samples)
    }
    const attrsLengthsAt = at
    if (attrs.length > 0) {
      this.#out.fill(0, at, at + samples * 4)
      at += samples * 4
    }
    column(builder.quality, samples)
    column(builder.kind, records)
    for (const entry of entries) {
      this.#out.set(entry, at)
      at += entry.length
    }
    for (const { record, text, raw } of texts) {
      const written = this.#buffer.write(text, at, 'utf8')
      this.#view.setUint32(textLengthsAt + record * 4, written, true)
      at += written
      this.#out.set(raw, at)
      at += raw.length
    }
    for (const { row, text } of attrs) {
      const written = this.#buffer.write(text, at, 'utf8')
      this.#view.setUint32(attrsLengthsAt + row * 4, written, true)
      at += written
    }
    this.#out.fill(0, at, length)
    const { firstSeq, lastSeq } = builder
    writeFrameHeader(this.#out, this.#view, { ...counts, length, firstSeq, lastSeq, syncedSeq })
    return this.#out.subarray(0, length)
  }

  #grow(length: number): void {
    this.#out = new Uint8Array(Math.max(length, this.#out.length * 2))
    this.#buffer = Buffer.from(this.#out.buffer)
    this.#view = new DataView(this.#out.buffer)
  }
}

/** Ids of one segment to ids of the reader's index; -1 where the name was never read. */
class IdMap {
  #to = new Int32Array(64).fill(-1)

  set(from: number, to: number): void {
    if (from >= this.#to.length) {
      const next = new Int32Array(Math.max(from + 1, this.#to.length * 2)).fill(-1)
      next.set(this.#to)
      this.#to = next
    }
    this.#to[from] = to
  }

  get(from: number): number {
    return from < this.#to.length ? this.#to[from]! : -1
  }
}

/** The reader's half of one segment's names. Make one for each segment. */
export class NameMap {
  readonly index: SeriesIndex
  readonly devices = new IdMap()
  readonly metrics = new IdMap()
  readonly labels = new IdMap()
  readonly streams = new IdMap()
  readonly sources = new IdMap()
  readonly series = new IdMap()

  constructor(index: SeriesIndex) {
    this.index = index
    for (const map of [this.labels, this.streams, this.sources]) map.set(0, 0)
  }

  /** Takes the names of a frame: needed of every frame of a segment in order, also of those not decoded. */
  learn(frame: Uint8Array, header: FrameHeader): void {
    if (header.nameBytes === 0) return
    const buffer = Buffer.from(frame.buffer, frame.byteOffset, header.length)
    let at = bodyOffset(header)
    const end = at + header.nameBytes
    while (at < end) {
      const id = buffer.readUInt32LE(at)
      const kind = buffer[at + 4]!
      const length = buffer.readUIntLE(at + 5, 3)
      at += 8
      if (kind === NAME.series) {
        const device = this.devices.get(buffer.readUInt32LE(at))
        const metric = this.metrics.get(buffer.readUInt32LE(at + 4))
        if (device >= 0 && metric >= 0) this.series.set(id, this.index.series(device, metric))
        at += 8
        continue
      }
      const text = buffer.toString('utf8', at, at + length)
      at += length
      if (kind === NAME.device) this.devices.set(id, this.index.devices.id(text))
      else if (kind === NAME.metric) this.metrics.set(id, this.index.metrics.id(text))
      else if (kind === NAME.label) this.labels.set(id, this.index.labels.id(text))
      else if (kind === NAME.stream) this.streams.set(id, this.index.streams.id(text))
      else if (kind === NAME.source) this.sources.set(id, this.index.sources.id(text))
    }
  }
}

/** Offset of the names in a frame: behind the columns. */
function bodyOffset(header: FrameHeader): number {
  const { flags, records, samples } = header
  let at = FRAME_HEADER_BYTES + records * RECORD_BYTES + samples * SAMPLE_BYTES
  if ((flags & FLAG_POSITIONS) !== 0) at += samples * 8
  if ((flags & FLAG_ATTRS) !== 0) at += samples * 4
  return at
}

/** The part of a record that stands as text. */
interface RecordText {
  readonly fields?: unknown
  readonly transitions?: readonly Transition[]
}

export interface DecodedFrame {
  readonly records: readonly LoggedRecord[]
  /** Samples left out because their names stood in a frame that was lost. */
  readonly nameless: number
}

/**
 * Records of a checked frame, in order; message rows stand in `batch`, which is cleared first. `names` must have
 * learnt this frame. `bytes` must start on a multiple of 8 of its buffer. Throws HD_LOG_CORRUPT where a frame whose
 * checksum holds makes no sense: a fault of the program that wrote it.
 */
export function decodeFrame(
  bytes: Uint8Array,
  header: FrameHeader,
  names: NameMap,
  batch: SampleBatch,
): DecodedFrame {
  const { records: R, samples: S, flags } = header
  const { buffer, byteOffset } = bytes
  let at = byteOffset + FRAME_HEADER_BYTES
  const take = (bytes: number): number => {
    at += bytes
    return at - bytes
  }
  const f64 = (count: number): Float64Array => new Float64Array(buffer, take(count * 8), count)
  const u32 = (count: number): Uint32Array => new Uint32Array(buffer, take(count * 4), count)
  const f32 = (count: number): Float32Array => new Float32Array(buffer, take(count * 4), count)
  const received = f64(R)
  const identity = f64(R)
  const time = f64(S)
  const value = f64(S)
  const seqOffset = u32(R)
  const rows = u32(R)
  const textLengths = u32(R)
  const feed = u32(R)
  const source = u32(R)
  const stream = u32(R)
  const series = u32(S)
  const label = u32(S)
  const positions = (flags & FLAG_POSITIONS) !== 0
  const lat = positions ? f32(S) : null
  const lon = positions ? f32(S) : null
  const attrsLengths = (flags & FLAG_ATTRS) !== 0 ? u32(S) : null
  const quality = new Uint16Array(buffer, take(S * 2), S)
  const kind = new Uint8Array(buffer, take(R), R)
  const utf8 = Buffer.from(buffer, byteOffset, header.length)
  let textAt = at - byteOffset + header.nameBytes
  let attrsAt = textAt + header.textBytes

  batch.clear()
  const out: LoggedRecord[] = []
  let nameless = 0
  let row = 0
  for (let r = 0; r < R; r++) {
    const seq = header.firstSeq + seqOffset[r]!
    const name = KINDS[kind[r]!]
    let text: RecordText = {}
    const textBytes = textLengths[r]!
    if (textBytes > 0) text = JSON.parse(utf8.toString('utf8', textAt, textAt + textBytes)) as RecordText
    textAt += textBytes
    const transitions = text.transitions ?? []
    const base = { seq, received: received[r]! }
    const known = (id: number): number => Math.max(0, names.sources.get(id))
    if (name === 'message') {
      const from = batch.length
      for (const end = row + rows[r]!; row < end; row++) {
        let attrs = ''
        const attrsBytes = attrsLengths === null ? 0 : attrsLengths[row]!
        if (attrsBytes > 0) attrs = utf8.toString('utf8', attrsAt, attrsAt + attrsBytes)
        attrsAt += attrsBytes
        const id = names.series.get(series[row]!)
        if (id < 0) {
          nameless++
          continue
        }
        batch.append(
          id,
          time[row]!,
          value[row]!,
          Math.max(0, names.labels.get(label[row]!)),
          lat === null ? Number.NaN : lat[row]!,
          lon === null ? Number.NaN : lon[row]!,
          quality[row]!,
          attrs,
        )
      }
      out.push({
        record: {
          kind: 'message',
          seq,
          received: base.received,
          feed: known(feed[r]!),
          source: known(source[r]!),
          stream: Math.max(0, names.streams.get(stream[r]!)),
          identity: identity[r]!,
          batch,
          from,
          to: batch.length,
        },
        transitions,
      })
      continue
    }
    const fields = text.fields as never
    let record: EngineRecord
    switch (name) {
      case 'tick':
        record = { kind: 'tick', ...base }
        break
      case 'command': {
        const {
          name: command,
          who,
          target,
          body,
        } = fields as { name: string; who: string; target: string; body: Record<string, unknown> }
        record = { kind: 'command', ...base, name: command, who, target, body }
        break
      }
      case 'dead_letter': {
        const { topic, code, reason } = fields as { topic: string; code: string; reason: string }
        const raw = bytes.slice(textAt, textAt + rows[r]!)
        textAt += raw.length
        record = {
          kind: 'dead_letter',
          ...base,
          feed: known(feed[r]!),
          identity: identity[r]!,
          topic,
          bytes: raw,
          code,
          reason,
        }
        break
      }
      case 'feed':
        record = {
          kind: 'feed',
          ...base,
          feed: known(feed[r]!),
          state: FEED_STATES[fields as number] ?? 'down',
        }
        break
      case 'rules':
      case 'registry':
      case 'zones':
      case 'metrics': {
        const { hash, text: content } = fields as { hash: string; text: string }
        record = { kind: name, ...base, hash, text: content }
        break
      }
      default:
        throw new HaidangError(
          'HD_LOG_CORRUPT',
          `log record ${seq} is of kind ${kind[r]}, which this program does not know`,
        )
    }
    out.push({ record, transitions })
  }
  return { records: out, nameless }
}

/** Transitions of a checked frame by record, nothing else decoded: O(records) plus the texts. */
export function decodeTransitions(
  bytes: Uint8Array,
  header: FrameHeader,
): { seq: number; transitions: readonly Transition[] }[] {
  const { records: R, samples: S } = header
  const at = bytes.byteOffset + FRAME_HEADER_BYTES + R * 16 + S * 16
  const seqOffset = new Uint32Array(bytes.buffer, at, R)
  const rows = new Uint32Array(bytes.buffer, at + R * 4, R)
  const textLengths = new Uint32Array(bytes.buffer, at + R * 8, R)
  const kind = new Uint8Array(bytes.buffer, bytes.byteOffset + bodyOffset(header) - R, R)
  const utf8 = Buffer.from(bytes.buffer, bytes.byteOffset, header.length)
  const out: { seq: number; transitions: readonly Transition[] }[] = []
  let textAt = bodyOffset(header) + header.nameBytes
  for (let r = 0; r < R; r++) {
    const length = textLengths[r]!
    if (length > 0) {
      const { transitions = [] } = JSON.parse(utf8.toString('utf8', textAt, textAt + length)) as RecordText
      if (transitions.length > 0) out.push({ seq: header.firstSeq + seqOffset[r]!, transitions })
    }
    textAt += length
    if (kind[r] === KIND_NUMBER.dead_letter) textAt += rows[r]!
  }
  return out
}
