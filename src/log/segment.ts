/** Segments on disk: `log-<first seq, 16 digits>.hdl` in one directory, each with everything needed to read it. */
import path from 'node:path'
import type { Disk, DiskFile } from './disk.js'
import { type FrameHeader, frameAt, nextFrame, readSegmentHeader, SEGMENT_HEADER_BYTES } from './frame.js'

export interface Segment {
  readonly name: string
  readonly firstSeq: number
}

export function segmentName(firstSeq: number): string {
  return `log-${String(firstSeq).padStart(16, '0')}.hdl`
}

/** Segments of a directory, oldest first. */
export async function listSegments(disk: Disk, directory: string): Promise<Segment[]> {
  const segments: Segment[] = []
  for (const name of await disk.list(directory)) {
    const match = /^log-(\d{16})\.hdl$/.exec(name)
    if (match !== null) segments.push({ name, firstSeq: Number(match[1]) })
  }
  return segments.sort((a, b) => a.firstSeq - b.firstSeq)
}

/** Whole contents of a file from `position` on, in memory of its own. */
export async function readFrom(file: DiskFile, position: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(Math.max(0, (await file.size()) - position))
  const got = await file.read(bytes, position)
  return got === bytes.length ? bytes : bytes.subarray(0, got)
}

export interface FoundFrame {
  readonly offset: number
  readonly header: FrameHeader
}

/** What stands in one segment: its frames, and the stretches between them that cannot be read. */
export interface SegmentScan {
  /** False where even the header is not whole. */
  readonly header: boolean
  readonly frames: readonly FoundFrame[]
  readonly damaged: readonly { readonly from: number; readonly to: number }[]
  readonly bytes: number
}

/** Scans a segment's bytes. Throws HD_LOG_VERSION where it is of a newer format. */
export function scanSegment(bytes: Uint8Array, name: string): SegmentScan {
  const header = readSegmentHeader(bytes, name) !== undefined
  const frames: FoundFrame[] = []
  const damaged: { from: number; to: number }[] = []
  let at = SEGMENT_HEADER_BYTES
  while (at < bytes.length) {
    const frame = frameAt(bytes, at, bytes.length)
    if (typeof frame === 'object') {
      frames.push({ offset: at, header: frame })
      at += frame.length
      continue
    }
    const next = nextFrame(bytes, at + 8, bytes.length)
    damaged.push({ from: at, to: next < 0 ? bytes.length : next })
    if (next < 0) break
    at = next
  }
  return { header, frames, damaged, bytes: bytes.length }
}

/** Stretches kept aside; a disk that breaks more often than this has been noticed. */
const QUARANTINE_FILES_MAX = 100

/**
 * Copies an unreadable stretch aside, named by segment and offset; once, whoever meets it first. Returns false where it
 * could not be kept (disk full, too many already): reading goes on all the same.
 */
export async function quarantine(
  disk: Disk,
  directory: string,
  segment: string,
  offset: number,
  bytes: Uint8Array,
): Promise<boolean> {
  const aside = path.join(directory, 'quarantine')
  const name = `${segment}.${offset}.bin`
  try {
    await disk.makeDirectory(aside)
    const kept = await disk.list(aside)
    if (kept.includes(name)) return true
    if (kept.length >= QUARANTINE_FILES_MAX) return false
    const file = await disk.open(path.join(aside, name), 'create')
    try {
      await file.write(bytes, 0)
      await file.sync()
    } finally {
      await file.close()
    }
    return true
  } catch {
    // A copy for a person to look at must not stop the recovery of what is whole.
    return false
  }
}
