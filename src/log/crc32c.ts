/**
 * CRC32C (Castagnoli, reflected polynomial 0x82F63B78; RFC 3720 appendix B.4), the checksum of frames, checkpoints and
 * cursors. `zlib.crc32` is the other polynomial (IEEE), which detects fewer of the short bursts a disk makes.
 *
 * Slicing-by-8: eight table look-ups for eight bytes. Figures in bench/micro/log.ts (about 1 byte a nanosecond).
 */
const POLYNOMIAL = 0x82f63b78

/** Eight tables of 256 in one array: table k advances a byte by k further zero bytes. */
const TABLES = ((): Int32Array => {
  const tables = new Int32Array(8 * 256)
  for (let n = 0; n < 256; n++) {
    let crc = n
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    tables[n] = crc
  }
  for (let n = 0; n < 256; n++)
    for (let k = 1; k < 8; k++) {
      const before = tables[(k - 1) * 256 + n]!
      tables[k * 256 + n] = (before >>> 8) ^ tables[before & 0xff]!
    }
  return tables
})()

/**
 * Checksum of `bytes` [from, to), as an unsigned 32-bit integer. `before` continues an earlier result, so that
 * `crc32c(b, 0, b.length, crc32c(a))` is the checksum of a followed by b.
 */
export function crc32c(bytes: Uint8Array, from = 0, to = bytes.length, before = 0): number {
  const t = TABLES
  let crc = ~before
  let i = from
  // Up to the next word of the underlying buffer, so that the middle can be read as words.
  while (i < to && ((bytes.byteOffset + i) & 3) !== 0) crc = (crc >>> 8) ^ t[(crc ^ bytes[i++]!) & 0xff]!
  const words = (to - i) >>> 3
  if (words > 0) {
    const view = new Int32Array(bytes.buffer, bytes.byteOffset + i, words * 2)
    for (let w = 0; w < view.length; w += 2) {
      const low = crc ^ view[w]!
      const high = view[w + 1]!
      crc =
        t[1792 + (low & 0xff)]! ^
        t[1536 + ((low >>> 8) & 0xff)]! ^
        t[1280 + ((low >>> 16) & 0xff)]! ^
        t[1024 + (low >>> 24)]! ^
        t[768 + (high & 0xff)]! ^
        t[512 + ((high >>> 8) & 0xff)]! ^
        t[256 + ((high >>> 16) & 0xff)]! ^
        t[high >>> 24]!
    }
    i += words * 8
  }
  while (i < to) crc = (crc >>> 8) ^ t[(crc ^ bytes[i++]!) & 0xff]!
  return ~crc >>> 0
}
