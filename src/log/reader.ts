/**
 * Reads the log behind the sync while the writer goes on: the only input of the shipper and of the sinks, and of the
 * core at a start. A reader keeps its place, so that asking for the next seq costs no second look at the segment; going
 * back costs a walk from the segment's beginning (its names stand there). One read at a time on one reader; make a
 * reader for each consumer.
 */
import path from 'node:path'
import type { Transition } from '../model/alert.js'
import { SampleBatch } from '../model/columns.js'
import type { LogReader } from '../model/ports.js'
import type { LoggedRecord } from '../model/record.js'
import type { SeriesIndex } from '../model/series.js'
import { decodeFrame, decodeTransitions, NameMap } from './codec.js'
import type { Disk, DiskFile } from './disk.js'
import { type FrameHeader, frameAt, nextFrame, readSegmentHeader, SEGMENT_HEADER_BYTES } from './frame.js'
import { listSegments, quarantine, readFrom, type Segment } from './segment.js'

/** A stretch that could not be read, or (bytes 0) samples whose names were lost. */
export interface Damage {
  readonly segment: string
  readonly offset: number
  readonly bytes: number
  /** Records up to here were read before it. */
  readonly afterSeq: number
  /** Samples left out because their names were lost. */
  readonly nameless: number
}

export interface LogPlace {
  readonly disk: Disk
  readonly directory: string
  /** Highest seq known synced. */
  readonly synced: () => number
  /** Told of every damage met, each time it is met. */
  readonly onDamage: (damage: Damage) => void
}

/** Transitions of one record. `transitions` may be empty: then it only says how far the reader has come. */
export interface LoggedTransitions {
  readonly seq: number
  readonly transitions: readonly Transition[]
}

interface Place {
  readonly segment: Segment
  readonly file: DiskFile
  offset: number
  lastSeq: number
  /** First seq of the segment behind it: what stands here from there on does not count. */
  endSeq: number
}

interface WalkedFrame {
  readonly bytes: Uint8Array
  readonly header: FrameHeader
  readonly segment: Segment
}

/** Bytes read at once. A reader that follows the writer needs little; one that has to catch up doubles it. */
const CHUNK_BYTES_MIN = 64 * 1024
/** Large enough to amortise a call, small beside the page cache. */
const CHUNK_BYTES_MAX = 1024 * 1024

/** Walks frames in order, from the beginning of the segment that holds `fromSeq` or from where it stands. */
class FrameWalker {
  readonly #log: LogPlace
  #place: Place | null = null
  #buffer = new Uint8Array(CHUNK_BYTES_MIN)
  #start = 0
  #end = 0
  #walking = false

  constructor(log: LogPlace) {
    this.#log = log
  }

  /** Every frame up to what is synced now; those before `fromSeq` too where their segment has to be learnt. */
  async *walk(fromSeq: number): AsyncGenerator<WalkedFrame> {
    if (this.#walking) throw new Error('a log reader reads one thing at a time: make one for each consumer')
    this.#walking = true
    try {
      yield* this.#walk(fromSeq, this.#log.synced())
    } finally {
      this.#walking = false
    }
  }

  async close(): Promise<void> {
    const place = this.#place
    this.#place = null
    await place?.file.close()
  }

  async *#walk(fromSeq: number, until: number): AsyncGenerator<WalkedFrame> {
    if (fromSeq > until || !(await this.#seek(fromSeq))) return
    this.#start = this.#end = 0
    for (;;) {
      const place = this.#place
      if (place === null || place.lastSeq >= until) return
      const header = await this.#frame(place)
      if (header === null) {
        if (!(await this.#advance(place, until))) return
        continue
      }
      // A segment given up after a failed sync may still hold, whole or torn, what its successor holds again.
      if (header.firstSeq >= place.endSeq) {
        if (!(await this.#next(place))) return
        continue
      }
      const at = place.offset - this.#start
      place.offset += header.length
      if (header.lastSeq <= place.lastSeq) continue
      place.lastSeq = header.lastSeq
      yield { bytes: this.#buffer.subarray(at, at + header.length), header, segment: place.segment }
    }
  }

  /** The whole frame at the place, in the buffer; null where there is none that can be read. */
  async #frame(place: Place): Promise<FrameHeader | null> {
    let needed = 0
    for (let fresh = false; ; fresh = true) {
      const at = place.offset - this.#start
      if (at >= 0 && place.offset <= this.#end) {
        const frame = frameAt(this.#buffer, at, this.#end - this.#start)
        if (typeof frame === 'object') return frame
        if (fresh && (frame === undefined || this.#end - place.offset < needed)) return null
        if (typeof frame === 'number') needed = frame
      }
      const full = this.#end - this.#start === this.#buffer.length && this.#end > 0
      const size = Math.max(
        needed,
        Math.min(this.#buffer.length * (full ? 2 : 1), CHUNK_BYTES_MAX),
        CHUNK_BYTES_MIN,
      )
      if (size > this.#buffer.length) this.#buffer = new Uint8Array(size)
      const got = await place.file.read(this.#buffer, place.offset)
      this.#start = place.offset
      this.#end = place.offset + got
    }
  }

  /** Past a stretch that cannot be read, or into the next segment. False where nothing more can be had. */
  async #advance(place: Place, until: number): Promise<boolean> {
    const rest = await readFrom(place.file, place.offset)
    const next = nextFrame(rest, 8, rest.length)
    const found = next < 0 ? null : frameAt(rest, next, rest.length)
    const ours = found !== null && typeof found === 'object' && found.firstSeq < place.endSeq
    // What was torn when a sync failed was written again to the next segment: nothing is missing then.
    const missing = ours || place.lastSeq + 1 < Math.min(place.endSeq, until + 1)
    const bytes = rest.subarray(0, next < 0 ? rest.length : next)
    if (bytes.length > 0 && missing) await this.#damaged(place, bytes)
    if (!ours) return this.#next(place)
    place.offset += next
    return true
  }

  async #next(place: Place): Promise<boolean> {
    const segments = await listSegments(this.#log.disk, this.#log.directory)
    const following = segments.findIndex((s) => s.firstSeq > place.segment.firstSeq)
    return following >= 0 && this.#enter(segments, following, place.lastSeq)
  }

  async #damaged(place: Place, bytes: Uint8Array): Promise<void> {
    const { disk, directory, onDamage } = this.#log
    await quarantine(disk, directory, place.segment.name, place.offset, bytes)
    onDamage({
      segment: place.segment.name,
      offset: place.offset,
      bytes: bytes.length,
      afterSeq: place.lastSeq,
      nameless: 0,
    })
  }

  /** Stands in the segment that holds `fromSeq`, or the oldest where that has been trimmed. */
  async #seek(fromSeq: number): Promise<boolean> {
    const segments = await listSegments(this.#log.disk, this.#log.directory)
    const holding = Math.max(
      0,
      segments.findLastIndex((s) => s.firstSeq <= fromSeq),
    )
    const segment = segments[holding]
    if (segment === undefined) return false
    const place = this.#place
    if (place === null || place.lastSeq >= fromSeq || place.segment.firstSeq < segment.firstSeq)
      return this.#enter(segments, holding, segment.firstSeq - 1)
    place.endSeq =
      segments.find((s) => s.firstSeq > place.segment.firstSeq)?.firstSeq ?? Number.POSITIVE_INFINITY
    return true
  }

  async #enter(segments: readonly Segment[], at: number, lastSeq: number): Promise<boolean> {
    const { disk, directory } = this.#log
    await this.close()
    this.#start = this.#end = 0
    const segment = segments[at]!
    let file: DiskFile
    try {
      file = await disk.open(path.join(directory, segment.name), 'read')
    } catch (error) {
      // Trimmed since it was listed: the next one is the oldest now.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      return at + 1 < segments.length && this.#enter(segments, at + 1, lastSeq)
    }
    const endSeq = segments[at + 1]?.firstSeq ?? Number.POSITIVE_INFINITY
    this.#place = { segment, file, offset: SEGMENT_HEADER_BYTES, lastSeq, endSeq }
    const header = new Uint8Array(SEGMENT_HEADER_BYTES)
    await file.read(header, 0)
    readSegmentHeader(header, segment.name)
    return true
  }
}

/** Reads records with their samples, interned into an index of the caller's. */
export class RecordReader implements LogReader {
  readonly #walker: FrameWalker
  readonly #log: LogPlace
  readonly #index: SeriesIndex
  readonly #batch = new SampleBatch()
  #names: NameMap
  #segment = ''

  constructor(log: LogPlace, index: SeriesIndex) {
    this.#log = log
    this.#walker = new FrameWalker(log)
    this.#index = index
    this.#names = new NameMap(index)
  }

  /**
   * Records from `fromSeq` on, in order of seq, up to what is synced at the call. Starts with the oldest there is where
   * `fromSeq` has been trimmed. A record's batch is valid until the next step.
   * Throws HD_LOG_VERSION; damage is told to the log and stepped over.
   */
  async *read(fromSeq: number): AsyncGenerator<LoggedRecord> {
    for await (const records of this.#frames(fromSeq)) for (const record of records) yield record
  }

  /** As `read`, a whole frame at a time and without waiting between its records: for replay at a start. */
  async replay(fromSeq: number, apply: (logged: LoggedRecord) => void): Promise<void> {
    for await (const records of this.#frames(fromSeq)) for (const record of records) apply(record)
  }

  close(): Promise<void> {
    return this.#walker.close()
  }

  async *#frames(fromSeq: number): AsyncGenerator<readonly LoggedRecord[]> {
    for await (const { bytes, header, segment } of this.#walker.walk(fromSeq)) {
      if (segment.name !== this.#segment) {
        this.#segment = segment.name
        this.#names = new NameMap(this.#index)
      }
      this.#names.learn(bytes, header)
      if (header.lastSeq < fromSeq) continue
      const { records, nameless } = decodeFrame(bytes, header, this.#names, this.#batch)
      if (nameless > 0)
        this.#log.onDamage({
          segment: segment.name,
          offset: 0,
          bytes: 0,
          afterSeq: header.firstSeq - 1,
          nameless,
        })
      yield header.firstSeq >= fromSeq ? records : records.filter(({ record }) => record.seq >= fromSeq)
    }
  }
}

/** Reads transitions alone, without looking at samples: what a sink needs. */
export class TransitionReader {
  readonly #walker: FrameWalker

  constructor(log: LogPlace) {
    this.#walker = new FrameWalker(log)
  }

  /** Transitions from `fromSeq` on, in order; after each frame one entry that says how far it has come. */
  async *read(fromSeq: number): AsyncGenerator<LoggedTransitions> {
    for await (const { bytes, header } of this.#walker.walk(fromSeq)) {
      if (header.lastSeq < fromSeq) continue
      if (header.textBytes > 0)
        for (const entry of decodeTransitions(bytes, header)) if (entry.seq >= fromSeq) yield entry
      yield { seq: header.lastSeq, transitions: [] }
    }
  }

  close(): Promise<void> {
    return this.#walker.close()
  }
}
