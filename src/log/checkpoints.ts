/**
 * Checkpoints of operator state: a start reads the newest and replays the log from its seq on. Two are kept, and the
 * log since the older, so that one bad file costs a longer replay and nothing else.
 *
 *   header, 32 bytes                        then chunks, each        end
 *    0  8  magic "HDCHK\0\r\n"              u32 length (> 0)         u32 0
 *    8  u32 format version                  u32 CRC32C of its bytes  u32 CRC32C of all chunks' checksums in order
 *   12  u32 CRC32C of bytes 16 … 31         bytes                    u64 bytes of all chunks
 *   16  u64 seq
 *   24  u64 0
 */
import path from 'node:path'
import { HaidangError } from '../model/errors.js'
import { replaceFile } from './atomic-file.js'
import { crc32c } from './crc32c.js'
import type { Disk, DiskFile } from './disk.js'
import { readSeq, writeSeq } from './frame.js'

/** Raise when the file's frame changes; what the chunks mean is the engine's own version. */
export const CHECKPOINT_VERSION = 1
/** Two: the newest, and the one before it in case the newest cannot be read. */
const KEPT = 2
const HEADER_BYTES = 32
const MAGIC = [0x48, 0x44, 0x43, 0x48, 0x4b, 0x00, 0x0d, 0x0a]

export interface Checkpoint {
  /** State holds every record up to here. */
  readonly seq: number
  /** Its chunks in order, verified before; each is the caller's. */
  chunks(): AsyncIterable<Uint8Array>
}

export class Checkpoints {
  readonly #disk: Disk
  readonly #directory: string
  #kept: number[]
  /** Checkpoints met that could not be read. */
  damaged = 0

  private constructor(disk: Disk, directory: string, kept: number[]) {
    this.#disk = disk
    this.#directory = directory
    this.#kept = kept
  }

  /** Finds what is there and removes what a crash left half-written. */
  static async open(disk: Disk, directory: string): Promise<Checkpoints> {
    await disk.makeDirectory(directory)
    const kept: number[] = []
    for (const name of await disk.list(directory)) {
      const match = /^checkpoint-(\d{16})\.hdc$/.exec(name)
      if (match !== null) kept.push(Number(match[1]))
      else if (/^checkpoint-.*\.tmp$/.test(name)) await disk.unlink(path.join(directory, name))
    }
    return new Checkpoints(
      disk,
      directory,
      kept.sort((a, b) => a - b),
    )
  }

  /** Seq of the older of the two kept; 0 while there are not two: the log from here on must stay. */
  get olderSeq(): number {
    return this.#kept.length < KEPT ? 0 : this.#kept.at(-KEPT)!
  }

  get newestSeq(): number {
    return this.#kept.at(-1) ?? 0
  }

  /**
   * Writes the state as of record `seq`, which the log must have synced already: a state ahead of the log would know
   * records that a crash took back. Durable when it returns; throws the disk's error, and then the older ones stand.
   */
  async write(seq: number, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
    await replaceFile(this.#disk, this.#directory, checkpointName(seq), async (file) => {
      const header = new Uint8Array(HEADER_BYTES)
      const view = new DataView(header.buffer)
      header.set(MAGIC)
      view.setUint32(8, CHECKPOINT_VERSION, true)
      writeSeq(view, 16, seq)
      view.setUint32(12, crc32c(header, 16), true)
      await file.write(header, 0)
      let at = HEADER_BYTES
      let total = 0
      let sum = 0
      for await (const chunk of chunks) {
        if (chunk.length === 0) continue
        const head = new Uint8Array(8)
        const headView = new DataView(head.buffer)
        headView.setUint32(0, chunk.length, true)
        headView.setUint32(4, crc32c(chunk), true)
        sum = crc32c(head, 4, 8, sum)
        await file.write(head, at)
        await file.write(chunk, at + 8)
        at += 8 + chunk.length
        total += chunk.length
      }
      const end = new Uint8Array(16)
      const endView = new DataView(end.buffer)
      endView.setUint32(4, sum, true)
      writeSeq(endView, 8, total)
      await file.write(end, at)
    })
    this.#kept = [...this.#kept.filter((kept) => kept !== seq), seq].sort((a, b) => a - b)
    while (this.#kept.length > KEPT) {
      await this.#disk.unlink(path.join(this.#directory, checkpointName(this.#kept[0]!)))
      this.#kept.shift()
    }
  }

  /**
   * The newest that is whole and not beyond `maxSeq` (the log's last), or the older, or null. It is read through once
   * to verify it. Throws HD_LOG_VERSION where a newer program wrote it.
   */
  async newest(maxSeq = Number.POSITIVE_INFINITY): Promise<Checkpoint | null> {
    for (const seq of [...this.#kept].reverse()) {
      if (seq > maxSeq) continue
      const name = path.join(this.#directory, checkpointName(seq))
      if (await this.#isWhole(name, seq)) return { seq, chunks: () => this.#chunks(name) }
      this.damaged++
    }
    return null
  }

  async #isWhole(name: string, seq: number): Promise<boolean> {
    const file = await this.#disk.open(name, 'read')
    try {
      const header = new Uint8Array(HEADER_BYTES)
      await file.read(header, 0)
      const view = new DataView(header.buffer)
      if (MAGIC.some((byte, i) => header[i] !== byte)) return false
      if (view.getUint32(12, true) !== crc32c(header, 16) || readSeq(view, 16) !== seq) return false
      const version = view.getUint32(8, true)
      if (version > CHECKPOINT_VERSION)
        throw new HaidangError(
          'HD_LOG_VERSION',
          `checkpoint ${name} has format ${version}, this program reads up to ${CHECKPOINT_VERSION}: run the newer program, or remove it (the log is replayed from the one before)`,
        )
      let sum = 0
      let total = 0
      for await (const { head, chunk, end } of walk(file)) {
        const headView = new DataView(head.buffer)
        if (end !== null) return headView.getUint32(4, true) === sum && end === total
        if (chunk === null || headView.getUint32(4, true) !== crc32c(chunk)) return false
        sum = crc32c(head, 4, 8, sum)
        total += chunk.length
      }
      return false
    } finally {
      await file.close()
    }
  }

  async *#chunks(name: string): AsyncGenerator<Uint8Array> {
    const file = await this.#disk.open(name, 'read')
    try {
      for await (const { chunk } of walk(file)) if (chunk !== null) yield chunk
    } finally {
      await file.close()
    }
  }
}

interface Step {
  readonly head: Uint8Array
  readonly chunk: Uint8Array | null
  /** At the end: bytes of all chunks. */
  readonly end: number | null
}

/** Chunks as they stand, unverified; the last step has `end`, or none of both where the file breaks off. */
async function* walk(file: DiskFile): AsyncGenerator<Step> {
  const size = await file.size()
  for (let at = HEADER_BYTES; ; ) {
    const head = new Uint8Array(8)
    if ((await file.read(head, at)) < head.length) return yield { head, chunk: null, end: null }
    const length = new DataView(head.buffer).getUint32(0, true)
    at += 8
    if (length === 0) {
      const total = new Uint8Array(8)
      const whole = (await file.read(total, at)) === total.length
      return yield { head, chunk: null, end: whole ? readSeq(new DataView(total.buffer), 0) : -1 }
    }
    if (at + length > size) return yield { head, chunk: null, end: null }
    const chunk = new Uint8Array(length)
    await file.read(chunk, at)
    at += length
    yield { head, chunk, end: null }
  }
}

function checkpointName(seq: number): string {
  return `checkpoint-${String(seq).padStart(16, '0')}.hdc`
}
