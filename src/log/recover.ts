/**
 * What a start does before the first record: the last segment is read whole and cut where the last synced prefix ends;
 * earlier segments are whole by construction (a segment is synced before the next begins) and are checked frame by
 * frame whenever they are read, so that 10 GiB of log do not delay a start.
 *
 *   … good  good │ torn …                     nothing behind it was ever known synced: cut
 *   … good │ damaged │ good (knew it synced)  acknowledged records were lost: copied aside, counted, the rest kept
 */
import path from 'node:path'
import type { Disk } from './disk.js'
import { SEGMENT_HEADER_BYTES } from './frame.js'
import { listSegments, quarantine, readFrom, type Segment, type SegmentScan, scanSegment } from './segment.js'

export interface Recovery {
  readonly segments: readonly (Segment & { readonly bytes: number })[]
  /** Highest seq in the log; 0 where it is empty. */
  readonly lastSeq: number
  /** Bytes cut from the tail: never synced, so never acknowledged. */
  readonly cutBytes: number
  /** Damaged stretches in the last segment, copied aside. */
  readonly damaged: number
}

/**
 * Brings the directory into a state that can be read and appended to, and makes it durable. Reads one segment.
 * Throws HD_LOG_VERSION for a newer format, and the disk's own errors.
 */
export async function recoverLog(disk: Disk, directory: string): Promise<Recovery> {
  await disk.makeDirectory(directory)
  const segments = await listSegments(disk, directory)
  let cutBytes = 0
  let damaged = 0
  let lastSeq = 0
  for (let last = segments.at(-1); last !== undefined; last = segments.at(-1)) {
    const tail = await recoverTail(disk, directory, last)
    cutBytes += tail.cutBytes
    damaged += tail.damaged
    lastSeq = tail.lastSeq
    if (lastSeq > 0) break
    // Created, but nothing was ever synced into it (or all of it is lost): the segment before it is the last.
    segments.pop()
    await disk.unlink(path.join(directory, last.name))
  }
  await disk.syncDirectory(directory)
  const sized: (Segment & { bytes: number })[] = []
  for (const segment of segments) {
    const file = await disk.open(path.join(directory, segment.name), 'read')
    sized.push({ ...segment, bytes: await file.size() })
    await file.close()
  }
  return { segments: sized, lastSeq, cutBytes, damaged }
}

/** Cuts and syncs one segment. `lastSeq` 0: it holds nothing that can be read. */
async function recoverTail(
  disk: Disk,
  directory: string,
  segment: Segment,
): Promise<{ lastSeq: number; cutBytes: number; damaged: number }> {
  const file = await disk.open(path.join(directory, segment.name), 'write')
  try {
    const bytes = await readFrom(file, 0)
    const scan = scanSegment(bytes, segment.name)
    const { end, lastSeq } = syncedEnd(scan, segment.firstSeq)
    if (lastSeq === 0) {
      if (bytes.length > SEGMENT_HEADER_BYTES) await quarantine(disk, directory, segment.name, 0, bytes)
      return { lastSeq, cutBytes: bytes.length, damaged: 0 }
    }
    let damaged = 0
    for (const { from, to } of scan.damaged) {
      if (from >= end) continue
      damaged++
      await quarantine(disk, directory, segment.name, from, bytes.subarray(from, to))
    }
    if (end < bytes.length) await file.truncate(end)
    // A killed process leaves frames that only the page cache holds. They count as synced from here on, so they are
    // synced; and written again before, because a sync that failed may have left them there as clean.
    const unsure = firstUnsure(scan, end)
    await file.write(bytes.subarray(unsure, end), unsure)
    await file.sync()
    return { lastSeq, cutBytes: bytes.length - end, damaged }
  } finally {
    await file.close()
  }
}

/**
 * Where the prefix ends that has to be kept, and its last seq: it ends at the first damaged stretch behind which no
 * frame knew it synced. `firstSeq`: all before it was synced before this segment began.
 */
function syncedEnd(scan: SegmentScan, firstSeq: number): { end: number; lastSeq: number } {
  let end = SEGMENT_HEADER_BYTES
  let lastSeq = firstSeq - 1
  let found = 0
  for (const [f, { offset, header }] of scan.frames.entries()) {
    const before = lastSeq
    if (offset !== end && !scan.frames.slice(f).some((later) => later.header.syncedSeq > before)) break
    end = offset + header.length
    lastSeq = header.lastSeq
    found = lastSeq
  }
  return { end, lastSeq: found }
}

/** Offset of what no later frame knew synced: the last group, or all where that is all there is. */
function firstUnsure(scan: SegmentScan, end: number): number {
  const frames = scan.frames.filter(({ offset }) => offset < end)
  const synced = frames.reduce((max, { header }) => Math.max(max, header.syncedSeq), 0)
  const unsure = frames.findIndex(({ header }) => header.lastSeq > synced)
  return unsure <= 0 ? 0 : frames[unsure]!.offset
}
