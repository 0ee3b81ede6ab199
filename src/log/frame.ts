/**
 * A frame is what one write appends: some records with their transitions, their samples as columns, and the names that
 * this segment has not met yet. Every frame is checked by itself; a segment is its header and frames, nothing else.
 * Little-endian (every machine Node runs on); every length is a multiple of 8, so columns are read in place.
 *
 *   segment header, 32 bytes               frame header, 64 bytes
 *    0  8  magic "HDLOG\0\r\n"              0  u32  magic "HDFR"
 *    8  u32 format version                  4  u32  length of the frame, header and padding included
 *   12  u32 CRC32C of bytes 16 … 31         8  u32  CRC32C of bytes 12 … length
 *   16  u64 first seq                      12  u16  format version
 *   24  u64 0                              14  u16  flags: 1 positions, 2 attrs
 *                                          16  u64  first seq
 *                                          24  u64  last seq
 *                                          32  u64  highest seq known synced when this was written
 *                                          40  u32  records R
 *                                          44  u32  samples S
 *                                          48  u32  bytes of names
 *                                          52  u32  bytes of texts
 *                                          56  u32  bytes of attrs
 *                                          60  u32  0
 *
 *   body, in this order                     records: f64 received[R]  f64 identity[R]
 *                                           samples: f64 time[S]  f64 value[S]
 *                                           records: u32 seq - first[R]  u32 rows[R]  u32 text bytes[R]
 *                                                    u32 feed[R]  u32 source[R]  u32 stream[R]
 *                                           samples: u32 series[S]  u32 label[S]
 *                                                    flag 1: f32 lat[S]  f32 lon[S];  flag 2: u32 attrs bytes[S]
 *                                                    u16 quality[S]
 *                                           records: u8 kind[R]
 *                                           names, texts, attrs (UTF-8), zeros up to a multiple of 8
 *
 *   rows: samples of a message; raw bytes of a dead letter, which stand behind its text; else 0
 *   text: JSON of what is not a column (transitions, commands, configuration texts), 0 bytes where there is nothing
 *   names: u32 id, u8 kind, u24 bytes, UTF-8; for a series: u32 id, u32 5, u32 device id, u32 metric id
 *
 * "Highest seq known synced" tells a torn tail (never acknowledged: cut) from a damaged middle (acknowledged: copied
 * aside, counted, and the frames behind it kept). Each name is written in the frame that first needs it and again in
 * the next, so that no single bad frame makes another unreadable.
 */
import { HaidangError } from '../model/errors.js'
import { crc32c } from './crc32c.js'

/** Raise when a byte changes its meaning; an older program then refuses the segment (HD_LOG_VERSION). */
export const FORMAT_VERSION = 1
export const SEGMENT_HEADER_BYTES = 32
export const FRAME_HEADER_BYTES = 64
export const FLAG_POSITIONS = 1
export const FLAG_ATTRS = 2

const SEGMENT_MAGIC = [0x48, 0x44, 0x4c, 0x4f, 0x47, 0x00, 0x0d, 0x0a]
const FRAME_MAGIC = 0x52464448
const TWO_32 = 0x1_0000_0000

export interface FrameHeader {
  readonly length: number
  readonly flags: number
  readonly firstSeq: number
  readonly lastSeq: number
  readonly syncedSeq: number
  readonly records: number
  readonly samples: number
  readonly nameBytes: number
  readonly textBytes: number
  readonly attrsBytes: number
}

export function align8(bytes: number): number {
  return Math.ceil(bytes / 8) * 8
}

/** Bytes of a frame with these counts, padding included. */
export function frameBytes(
  header: Omit<FrameHeader, 'length' | 'firstSeq' | 'lastSeq' | 'syncedSeq'>,
): number {
  const { records, samples, flags } = header
  let bytes = FRAME_HEADER_BYTES + records * (2 * 8 + 6 * 4 + 1) + samples * (2 * 8 + 2 * 4 + 2)
  if ((flags & FLAG_POSITIONS) !== 0) bytes += samples * 8
  if ((flags & FLAG_ATTRS) !== 0) bytes += samples * 4
  return align8(bytes + header.nameBytes + header.textBytes + header.attrsBytes)
}

/** The header of a segment that begins with record `firstSeq`. */
export function segmentHeader(firstSeq: number): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  bytes.set(SEGMENT_MAGIC)
  view.setUint32(8, FORMAT_VERSION, true)
  writeSeq(view, 16, firstSeq)
  view.setUint32(12, crc32c(bytes, 16, SEGMENT_HEADER_BYTES), true)
  return bytes
}

/**
 * First seq of the segment that begins with `bytes`; undefined where that is no whole header (torn at its creation).
 * Throws HD_LOG_VERSION where a newer program wrote it: guessing at its bytes would lose data.
 */
export function readSegmentHeader(bytes: Uint8Array, name: string): number | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES || SEGMENT_MAGIC.some((byte, i) => bytes[i] !== byte))
    return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, SEGMENT_HEADER_BYTES)
  if (view.getUint32(12, true) !== crc32c(bytes, 16, SEGMENT_HEADER_BYTES)) return undefined
  const version = view.getUint32(8, true)
  if (version > FORMAT_VERSION)
    throw new HaidangError(
      'HD_LOG_VERSION',
      `log segment ${name} has format ${version}, this program reads up to ${FORMAT_VERSION}: run the newer program, or let it drain the log first`,
    )
  return readSeq(view, 16)
}

/** Writes the header of a frame into its first bytes, checksum last: the rest of the frame must already stand. */
export function writeFrameHeader(bytes: Uint8Array, view: DataView, header: FrameHeader): void {
  view.setUint32(0, FRAME_MAGIC, true)
  view.setUint32(4, header.length, true)
  view.setUint16(12, FORMAT_VERSION, true)
  view.setUint16(14, header.flags, true)
  writeSeq(view, 16, header.firstSeq)
  writeSeq(view, 24, header.lastSeq)
  writeSeq(view, 32, header.syncedSeq)
  view.setUint32(40, header.records, true)
  view.setUint32(44, header.samples, true)
  view.setUint32(48, header.nameBytes, true)
  view.setUint32(52, header.textBytes, true)
  view.setUint32(56, header.attrsBytes, true)
  view.setUint32(60, 0, true)
  view.setUint32(8, crc32c(bytes, 12, header.length), true)
}

/**
 * The frame at `offset` of `bytes` [0, end): its header where it is whole and its checksum holds, the bytes it needs
 * (a number greater than end - offset) where it may be whole further on, undefined where it is damaged.
 */
export function frameAt(bytes: Uint8Array, offset: number, end: number): FrameHeader | number | undefined {
  if (end - offset < FRAME_HEADER_BYTES) return FRAME_HEADER_BYTES
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, FRAME_HEADER_BYTES)
  if (view.getUint32(0, true) !== FRAME_MAGIC) return undefined
  const length = view.getUint32(4, true)
  const header: FrameHeader = {
    length,
    flags: view.getUint16(14, true),
    firstSeq: readSeq(view, 16),
    lastSeq: readSeq(view, 24),
    syncedSeq: readSeq(view, 32),
    records: view.getUint32(40, true),
    samples: view.getUint32(44, true),
    nameBytes: view.getUint32(48, true),
    textBytes: view.getUint32(52, true),
    attrsBytes: view.getUint32(56, true),
  }
  // A damaged length must not make us read gigabytes: it has to agree with the counts beside it.
  if (length !== frameBytes(header)) return undefined
  if (end - offset < length) return length
  if (view.getUint32(8, true) !== crc32c(bytes, offset + 12, offset + length)) return undefined
  if (view.getUint16(12, true) > FORMAT_VERSION) return undefined
  return header
}

/** Offset of the next whole frame in `bytes` [from, end), or -1. Frames stand on multiples of 8 from `origin`. */
export function nextFrame(bytes: Uint8Array, from: number, end: number): number {
  for (let at = align8(from); at + FRAME_HEADER_BYTES <= end; at += 8) {
    if (bytes[at] !== 0x48 || bytes[at + 1] !== 0x44 || bytes[at + 2] !== 0x46 || bytes[at + 3] !== 0x52)
      continue
    if (typeof frameAt(bytes, at, end) === 'object') return at
  }
  return -1
}

export function writeSeq(view: DataView, at: number, seq: number): void {
  view.setUint32(at, seq % TWO_32, true)
  view.setUint32(at + 4, Math.floor(seq / TWO_32), true)
}

export function readSeq(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * TWO_32
}
