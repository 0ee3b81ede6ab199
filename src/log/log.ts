/**
 * The log: the one truth, of which all state is a fold (DESIGN.md 1, 5, 6). Records are taken into columns at once and
 * made durable in groups:
 *
 *   append append append │ append append append append │ append …
 *        └─ frame 1: write, fdatasync ─┘└─ frame 2: write, fdatasync ─┘ …      then each frame's acks, in order
 *
 * A frame begins as soon as the previous sync has returned and something waits: one message alone waits for one sync,
 * a thousand waiting share one. The engine's thread never waits for the disk.
 *
 * When the disk refuses (full, broken), what was taken stays in memory up to a bound and is written again, to a new
 * segment with back-off; nothing of it is reported durable meanwhile, and further records are refused, transitions and
 * commands last. A sync that failed is never asked again about the same bytes: the kernel may have dropped them and
 * say "fine" the second time.
 */
import path from 'node:path'
import type { Transition } from '../model/alert.js'
import { BOUNDS } from '../model/bounds.js'
import { HaidangError } from '../model/errors.js'
import type { LogPort } from '../model/ports.js'
import type { EngineRecord } from '../model/record.js'
import type { SeriesIndex } from '../model/series.js'
import { FrameBuilder, FrameEncoder, SegmentNames } from './codec.js'
import type { Disk, DiskFile } from './disk.js'
import { SEGMENT_HEADER_BYTES, segmentHeader } from './frame.js'
import { type Damage, type LogPlace, RecordReader, TransitionReader } from './reader.js'
import { type Recovery, recoverLog } from './recover.js'
import { realScheduler, type Scheduler } from './scheduler.js'
import { type Segment, segmentName } from './segment.js'

export interface LogLimits {
  /** Bytes of all segments; less where the disk has less. */
  readonly log_bytes: number
  /** Share of it kept for transitions, commands and configuration texts. */
  readonly log_reserve: number
  /** A segment is closed beyond this. 64 MiB: a trim frees space in useful steps, a recovery reads one in 0.1 s. */
  readonly segment_bytes: number
  /** A frame is closed beyond this: encoding one stays near 1 ms. */
  readonly frame_bytes: number
  /** Taken but not yet durable; records are refused beyond. 64 MiB is about 2 s of the largest load we promise. */
  readonly pending_bytes: number
}

export const LOG_LIMITS: LogLimits = {
  log_bytes: BOUNDS.log_bytes,
  log_reserve: BOUNDS.log_reserve,
  segment_bytes: 64 * 1024 * 1024,
  frame_bytes: 1024 * 1024,
  pending_bytes: 64 * 1024 * 1024,
}

export interface LogOptions {
  readonly disk: Disk
  /** Its own: segments and `quarantine/`. */
  readonly directory: string
  /** Whose ids the appended records carry. */
  readonly index: SeriesIndex
  readonly scheduler?: Scheduler
  /**
   * Highest seq that others have seen (checkpoint, shipper, cursors). They only see what was synced, so where the log
   * ends before it, its end was lost: that counts as damage, and those numbers are not given a second time.
   */
  readonly knownSeq?: number
  readonly limits?: Partial<LogLimits>
  /** Called after each sync, before its records' own callbacks: wakes the shipper and the sinks. */
  readonly onSynced?: (syncedSeq: number) => void
  /** Each damaged stretch once, whoever met it. */
  readonly onDamage?: (damage: Damage) => void
}

export interface LogStatus {
  /** `full`: no space; `failing`: the disk reports errors. Both retry by themselves. */
  readonly state: 'ok' | 'full' | 'failing'
  /** The last error's text while not ok. */
  readonly reason: string
  readonly bytes: number
  /** The smaller of the configured size and what the disk can still hold. */
  readonly limit_bytes: number
  /** bytes / limit_bytes; `system.storage-full` fires at BOUNDS.log_alarm. */
  readonly share: number
  readonly pending_bytes: number
  readonly pending_records: number
  readonly segments: number
  readonly frames_total: number
  readonly syncs_total: number
  /** Time of the last write + sync, ms. */
  readonly sync_ms: number
  readonly refused_total: number
  readonly retries_total: number
  readonly damaged_total: number
}

interface OpenSegment extends Segment {
  readonly file: DiskFile
  readonly names: SegmentNames
  /** Written. */
  bytes: number
  /** Of those, synced. */
  syncedBytes: number
}

const RETRY_MS_MIN = 50
const RETRY_MS_MAX = 2000
/** Free space is asked for this often at most: a statfs is cheap, not free. */
const FREE_MS = 500
/** Written before one sync at most: bounds what one sync can take. */
const GROUP_BYTES_MAX = 8 * 1024 * 1024
/** Emptied builders kept for reuse. */
const SPARE_BUILDERS = 2

/**
 * Opens the log of a directory: recovers it, then takes records. Replay `reader(index).replay(from, …)` before the
 * first append. Throws HD_LOG_VERSION where a newer program wrote it, HD_LOG_IO where the disk cannot be read.
 */
export async function openLog(options: LogOptions): Promise<Log> {
  const { disk, directory } = options
  try {
    const recovery = await recoverLog(disk, directory)
    const free = await disk.freeBytes(directory)
    const log = new Log(options, recovery, free)
    if (log.lastSeq > recovery.lastSeq)
      log.damaged({
        segment: recovery.segments.at(-1)?.name ?? '',
        offset: -1,
        bytes: 0,
        afterSeq: recovery.lastSeq,
        nameless: 0,
      })
    return log
  } catch (cause) {
    if (cause instanceof HaidangError) throw cause
    throw new HaidangError('HD_LOG_IO', `log ${directory} cannot be opened: ${(cause as Error).message}`, {
      cause,
    })
  }
}

export class Log implements LogPort {
  readonly recovery: Recovery
  readonly #disk: Disk
  readonly #directory: string
  readonly #index: SeriesIndex
  readonly #scheduler: Scheduler
  readonly #limits: LogLimits
  readonly #onSynced: (syncedSeq: number) => void
  readonly #onDamage: (damage: Damage) => void
  readonly #encoder = new FrameEncoder()
  readonly #damaged = new Set<string>()
  /** Closed segments, oldest first. */
  readonly #closed: (Segment & { bytes: number })[]

  #open: OpenSegment | null = null
  /** Taking records. */
  #active = new FrameBuilder()
  /** Full, waiting for a sync, oldest first. */
  #waiting: FrameBuilder[] = []
  #spare: FrameBuilder[] = []
  #waitingBytes = 0
  #waitingRecords = 0
  /** Being written. */
  #committing = 0
  #running = false
  #closing = false
  #trimming = false
  #flushes: { seq: number; resolve: () => void; reject: (error: Error) => void }[] = []
  #failed: HaidangError | null = null

  #lastSeq: number
  #syncedSeq: number
  #closedBytes: number
  /** Ours and free, when last measured. */
  #diskBytes: number
  #freeAt: number
  #state: LogStatus['state'] = 'ok'
  #reason = ''
  #frames = 0
  #syncs = 0
  #syncMs = 0
  #refused = 0
  #retries = 0

  /** Use openLog. */
  constructor(options: LogOptions, recovery: Recovery, freeBytes: number) {
    this.recovery = recovery
    this.#disk = options.disk
    this.#directory = options.directory
    this.#index = options.index
    this.#scheduler = options.scheduler ?? realScheduler
    this.#limits = { ...LOG_LIMITS, ...options.limits }
    this.#onSynced = options.onSynced ?? (() => {})
    this.#onDamage = options.onDamage ?? (() => {})
    this.#closed = recovery.segments.map((s) => ({ ...s }))
    this.#closedBytes = this.#closed.reduce((sum, s) => sum + s.bytes, 0)
    this.#lastSeq = this.#syncedSeq = Math.max(recovery.lastSeq, options.knownSeq ?? 0)
    this.#diskBytes = this.#closedBytes + freeBytes
    this.#freeAt = this.#scheduler.monotonic()
  }

  /** Highest seq taken. The next record's must be greater. */
  get lastSeq(): number {
    return this.#lastSeq
  }

  get syncedSeq(): number {
    return this.#syncedSeq
  }

  /** Lowest seq still in the log; lastSeq + 1 where it is empty. */
  get firstSeq(): number {
    return this.#closed[0]?.firstSeq ?? this.#open?.firstSeq ?? this.#lastSeq + 1
  }

  append(record: EngineRecord, transitions: readonly Transition[], durable: (() => void) | null): boolean {
    if (record.seq <= this.#lastSeq) throw new RangeError(`log: record ${record.seq} after ${this.#lastSeq}`)
    if (this.#failed !== null || this.#closing || !this.#hasRoom(record, transitions)) {
      this.#refused++
      this.#kick()
      return false
    }
    this.#active.add(record, transitions, durable)
    this.#lastSeq = record.seq
    if (this.#active.bytes >= this.#limits.frame_bytes) this.#seal()
    this.#kick()
    return true
  }

  async flush(): Promise<void> {
    if (this.#failed !== null) throw this.#failed
    if (this.#syncedSeq >= this.#lastSeq) return
    await new Promise<void>((resolve, reject) => {
      this.#flushes.push({ seq: this.#lastSeq, resolve, reject })
      this.#kick()
    })
  }

  /**
   * Makes everything taken durable and closes. Where the disk still refuses, throws HD_LOG_FULL or HD_LOG_IO after one
   * last attempt: what was not durable was never acknowledged.
   */
  async close(): Promise<void> {
    const flushed = this.flush()
    this.#closing = true
    try {
      await flushed
    } finally {
      const open = this.#open
      this.#open = null
      await open?.file.close()
    }
  }

  /** A reader of what is synced; `index` takes its names (the engine's own for replay, another thread's its own). */
  reader(index: SeriesIndex): RecordReader {
    return new RecordReader(this.#place(), index)
  }

  transitionReader(): TransitionReader {
    return new TransitionReader(this.#place())
  }

  /**
   * Drops segments that hold nothing from `keepFrom` on (see trimPoint). The last one stays: it knows the last seq.
   * Returns the bytes freed.
   */
  async trim(keepFrom: number): Promise<number> {
    if (this.#trimming) return 0
    this.#trimming = true
    try {
      return await this.#trim(keepFrom)
    } finally {
      this.#trimming = false
    }
  }

  /** Counts and tells a damage, once whoever meets it. */
  damaged(damage: Damage): void {
    const key = `${damage.segment}:${damage.offset}:${damage.nameless === 0 ? '' : damage.afterSeq}`
    if (this.#damaged.has(key)) return
    this.#damaged.add(key)
    this.#onDamage(damage)
  }

  status(): LogStatus {
    const bytes = this.#bytes()
    const limit = this.#limitBytes()
    const refusing = this.#state === 'ok' && !this.#hasSpace(1 - this.#limits.log_reserve)
    return {
      state: refusing ? 'full' : this.#state,
      reason: refusing ? `log has ${bytes} bytes of ${limit}` : this.#reason,
      bytes,
      limit_bytes: limit,
      share: limit > 0 ? bytes / limit : 1,
      pending_bytes: this.#pendingBytes(),
      pending_records: this.#waitingRecords + this.#active.records + this.#committing,
      segments: this.#closed.length + (this.#open === null ? 0 : 1),
      frames_total: this.#frames,
      syncs_total: this.#syncs,
      sync_ms: this.#syncMs,
      refused_total: this.#refused,
      retries_total: this.#retries,
      damaged_total: this.#damaged.size + this.recovery.damaged,
    }
  }

  async #trim(keepFrom: number): Promise<number> {
    let freed = 0
    for (;;) {
      const oldest = this.#closed[0]
      const next = this.#closed[1]?.firstSeq ?? this.#open?.firstSeq
      if (oldest === undefined || next === undefined || next > keepFrom || next > this.#syncedSeq) break
      await this.#disk.unlink(path.join(this.#directory, oldest.name))
      this.#closed.shift()
      this.#closedBytes -= oldest.bytes
      freed += oldest.bytes
    }
    if (freed > 0) {
      await this.#disk.syncDirectory(this.#directory)
      this.#freeAt = Number.NEGATIVE_INFINITY
      await this.#measureFree()
    }
    return freed
  }

  #place(): LogPlace {
    return {
      disk: this.#disk,
      directory: this.#directory,
      synced: () => this.#syncedSeq,
      onDamage: (damage) => this.damaged(damage),
    }
  }

  #bytes(): number {
    return this.#closedBytes + (this.#open?.bytes ?? 0)
  }

  #limitBytes(): number {
    return Math.min(this.#limits.log_bytes, this.#diskBytes)
  }

  #pendingBytes(): number {
    return this.#waitingBytes + this.#active.bytes
  }

  /** Ordinary records stop at the reserve, on the disk as in memory; the few that tell what was announced go on. */
  #hasRoom(record: EngineRecord, transitions: readonly Transition[]): boolean {
    const ordinary =
      transitions.length === 0 &&
      (record.kind === 'message' ||
        record.kind === 'tick' ||
        record.kind === 'dead_letter' ||
        record.kind === 'feed')
    return this.#hasSpace(ordinary ? 1 - this.#limits.log_reserve : 1)
  }

  #hasSpace(share: number): boolean {
    const pending = this.#pendingBytes()
    if (pending > this.#limits.pending_bytes * share) return false
    return this.#bytes() + pending <= this.#limitBytes() * share
  }

  #seal(): void {
    this.#waiting.push(this.#active)
    this.#waitingBytes += this.#active.bytes
    this.#waitingRecords += this.#active.records
    this.#active = this.#spare.pop() ?? new FrameBuilder()
  }

  #kick(): void {
    if (this.#running || this.#failed !== null) return
    if (this.#active.records === 0 && this.#waiting.length === 0) {
      // Full, and nothing to write: look whether there is room again.
      if (this.#scheduler.monotonic() - this.#freeAt < FREE_MS) return
    }
    this.#running = true
    this.#scheduler.soon(() => {
      this.#run().catch((error: unknown) => {
        this.#fail(error instanceof Error ? error : new Error(String(error)))
      })
    })
  }

  async #run(): Promise<void> {
    try {
      if (this.#active.records === 0 && this.#waiting.length === 0) await this.#measureFree()
      for (;;) {
        if (this.#active.records > 0) this.#seal()
        const group = this.#group()
        if (group.length === 0) return
        const begun = this.#scheduler.monotonic()
        await this.#commit(group)
        this.#syncMs = this.#scheduler.monotonic() - begun
        this.#durable(group)
        await this.#measureFree()
      }
    } finally {
      this.#running = false
    }
  }

  /** Takes the waiting builders that one sync shall make durable. */
  #group(): FrameBuilder[] {
    let count = 0
    for (let bytes = 0; count < this.#waiting.length && bytes < GROUP_BYTES_MAX; count++)
      bytes += this.#waiting[count]!.bytes
    const group = this.#waiting.splice(0, count)
    for (const builder of group) {
      this.#waitingRecords -= builder.records
      this.#committing += builder.records
    }
    return group
  }

  /** Writes and syncs a group, again and again until it holds; throws only when closing. */
  async #commit(group: readonly FrameBuilder[]): Promise<void> {
    // Those before `begun` are synced: they stand in a segment that was closed on the way.
    let begun = 0
    for (let wait = RETRY_MS_MIN; ; wait = Math.min(wait * 2, RETRY_MS_MAX)) {
      try {
        for (let b = begun; b < group.length; b++) {
          if (this.#segmentIsFull()) {
            await this.#closeSegment()
            begun = b
          }
          await this.#write(group[b]!)
        }
        await this.#sync()
        this.#state = 'ok'
        this.#reason = ''
        return
      } catch (cause) {
        const { code, message } = cause as NodeJS.ErrnoException
        this.#state = code === 'ENOSPC' || code === 'EDQUOT' ? 'full' : 'failing'
        this.#reason = message
        this.#retries++
        await this.#giveUpSegment()
        if (this.#closing) throw cause
        await this.#scheduler.after(wait)
      }
    }
  }

  /** Segments of very many series are let grow: each begins with their names. */
  #segmentIsFull(): boolean {
    const open = this.#open
    return open !== null && open.bytes >= Math.max(this.#limits.segment_bytes, open.names.bytes * 4)
  }

  async #write(builder: FrameBuilder): Promise<void> {
    const full =
      this.#open !== null &&
      this.#open.bytes >= Math.max(this.#limits.segment_bytes, this.#open.names.bytes * 4)
    if (full) await this.#closeSegment()
    const segment = this.#open ?? (await this.#openSegment(builder.firstSeq))
    const frame = this.#encoder.encode(builder, segment.names, this.#syncedSeq)
    await segment.file.write(frame, segment.bytes)
    segment.bytes += frame.length
    this.#frames++
  }

  async #sync(): Promise<void> {
    const segment = this.#open
    if (segment === null) return
    await segment.file.sync()
    this.#syncs++
    segment.syncedBytes = segment.bytes
  }

  async #openSegment(firstSeq: number): Promise<OpenSegment> {
    const name = segmentName(firstSeq)
    const file = await this.#disk.open(path.join(this.#directory, name), 'create')
    const segment: OpenSegment = {
      name,
      firstSeq,
      file,
      names: new SegmentNames(this.#index),
      bytes: SEGMENT_HEADER_BYTES,
      syncedBytes: 0,
    }
    // From here on a failure finds the file and removes it.
    this.#open = segment
    await file.write(segmentHeader(firstSeq), 0)
    await this.#disk.syncDirectory(this.#directory)
    return segment
  }

  /** A segment is synced before the next begins: only the last one can be torn. */
  async #closeSegment(): Promise<void> {
    const segment = this.#open
    if (segment === null) return
    await this.#sync()
    this.#open = null
    this.#closed.push({ name: segment.name, firstSeq: segment.firstSeq, bytes: segment.bytes })
    this.#closedBytes += segment.bytes
    await segment.file.close()
  }

  /** After a failed write or sync: keeps what was synced of the open segment, and never writes to it again. */
  async #giveUpSegment(): Promise<void> {
    const segment = this.#open
    if (segment === null) return
    this.#open = null
    const file = path.join(this.#directory, segment.name)
    if (segment.syncedBytes > 0) {
      this.#closed.push({ name: segment.name, firstSeq: segment.firstSeq, bytes: segment.syncedBytes })
      this.#closedBytes += segment.syncedBytes
      await this.#attempt(segment.file.truncate(segment.syncedBytes))
    }
    await this.#attempt(segment.file.close())
    if (segment.syncedBytes === 0) await this.#attempt(this.#disk.unlink(file))
  }

  /** Tidying of a disk that is already failing: what it says is in `reason`, the data does not depend on it. */
  async #attempt(step: Promise<void>): Promise<void> {
    await step.catch((error: Error) => {
      this.#reason += `; ${error.message}`
    })
  }

  #durable(group: readonly FrameBuilder[]): void {
    this.#syncedSeq = group.at(-1)!.lastSeq
    this.#onSynced(this.#syncedSeq)
    for (const builder of group) {
      this.#committing -= builder.records
      this.#waitingBytes -= builder.bytes
      for (const durable of builder.durable) durable()
      builder.clear()
      if (this.#spare.length < SPARE_BUILDERS) this.#spare.push(builder)
    }
    while (this.#flushes.length > 0 && this.#flushes[0]!.seq <= this.#syncedSeq)
      this.#flushes.shift()!.resolve()
  }

  #fail(cause: Error): void {
    const code = (cause as NodeJS.ErrnoException).code === 'ENOSPC' ? 'HD_LOG_FULL' : 'HD_LOG_IO'
    const records = this.#lastSeq - this.#syncedSeq
    this.#state = 'failing'
    this.#reason = cause.message
    this.#failed = new HaidangError(
      code,
      `log ${this.#directory}: ${cause.message}; ${records} records not durable, none of them acknowledged`,
      { cause },
    )
    for (const { reject } of this.#flushes.splice(0)) reject(this.#failed)
  }

  async #measureFree(): Promise<void> {
    const now = this.#scheduler.monotonic()
    if (now - this.#freeAt < FREE_MS) return
    this.#freeAt = now
    try {
      const bytes = this.#bytes()
      this.#diskBytes = bytes + (await this.#disk.freeBytes(this.#directory))
    } catch (error) {
      this.#reason = (error as Error).message
    }
  }
}
