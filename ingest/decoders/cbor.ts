/**
 * CBOR (RFC 8949) as SenML needs it: integers, floats, texts, byte strings, arrays, maps, true, false, null. A hundred
 * lines of our own because a general library trusts lengths (`9B 00 00 00 01 …` allocates before it reads) and knows
 * tags that build dates, sets and classes from foreign bytes.
 *
 *   head byte: major type (3 bits) · additional information (5 bits: 0–23 value, 24–27 one to eight bytes follow, 31 open)
 *
 * Bounds: depth 32; a declared length can never exceed the bytes that are left, so nothing is allocated on credit.
 */
import { BOUNDS } from '../../src/model/bounds.js'
import { HaidangError } from '../../src/model/errors.js'

/** Maps are Maps (keys are integers or texts, never a prototype); integers beyond 2^53 lose precision, as in JSON. */
export type CborValue =
  | number
  | string
  | boolean
  | null
  | Uint8Array
  | CborValue[]
  | Map<number | string, CborValue>

const BREAK = Symbol('break')
const TEXT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The one value that `bytes` hold. Throws HD_DECODE_TRUNCATED, HD_DECODE_DEPTH, HD_DECODE_UTF8, or HD_DECODE_SYNTAX
 * for what is left over or not in the subset. O(bytes).
 */
export function parseCbor(bytes: Uint8Array): CborValue {
  const reader = new Reader(bytes)
  const value = reader.value(0)
  if (value === BREAK)
    throw new HaidangError('HD_DECODE_SYNTAX', 'CBOR: a break outside an open array or map')
  if (reader.at !== bytes.length)
    throw new HaidangError('HD_DECODE_SYNTAX', `CBOR: ${bytes.length - reader.at} bytes after the value`)
  return value
}

class Reader {
  at = 0
  readonly #bytes: Uint8Array
  readonly #view: DataView

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  value(depth: number): CborValue | typeof BREAK {
    if (depth > BOUNDS.json_depth)
      throw new HaidangError('HD_DECODE_DEPTH', `CBOR nested deeper than ${BOUNDS.json_depth} levels`)
    const head = this.#byte()
    const major = head >> 5
    const info = head & 31
    if (major === 7) return this.#simple(info)
    if (info === 31) return this.#open(major, depth)
    const amount = this.#amount(info)
    switch (major) {
      case 0:
        return amount
      case 1:
        return -1 - amount
      case 2:
        return this.#take(amount)
      case 3:
        return this.#text(amount)
      case 4: {
        this.#bounded(amount)
        const list: CborValue[] = []
        for (let i = 0; i < amount; i++) list.push(this.#member(depth))
        return list
      }
      case 5: {
        this.#bounded(amount)
        const map = new Map<number | string, CborValue>()
        for (let i = 0; i < amount; i++) this.#entry(map, this.#member(depth), depth)
        return map
      }
      default: {
        // Tags 0–5 and 55799 only say how to read what follows; we need it as it stands.
        if (amount <= 5 || amount === 55_799) return this.#member(depth)
        throw new HaidangError('HD_DECODE_SYNTAX', `CBOR: tag ${amount} is not read`)
      }
    }
  }

  /** Arrays and maps without a length, closed by 0xFF. */
  #open(major: number, depth: number): CborValue {
    if (major === 4) {
      const list: CborValue[] = []
      for (let entry = this.value(depth + 1); entry !== BREAK; entry = this.value(depth + 1)) list.push(entry)
      return list
    }
    if (major === 5) {
      const map = new Map<number | string, CborValue>()
      for (let key = this.value(depth + 1); key !== BREAK; key = this.value(depth + 1))
        this.#entry(map, key, depth)
      return map
    }
    throw new HaidangError('HD_DECODE_SYNTAX', 'CBOR: strings in pieces are not read')
  }

  #entry(map: Map<number | string, CborValue>, key: CborValue, depth: number): void {
    if (typeof key !== 'number' && typeof key !== 'string')
      throw new HaidangError('HD_DECODE_SYNTAX', 'CBOR: a key is neither a number nor a text')
    map.set(key, this.#member(depth))
  }

  #member(depth: number): CborValue {
    const value = this.value(depth + 1)
    if (value === BREAK) throw new HaidangError('HD_DECODE_SYNTAX', 'CBOR: a break where a value must be')
    return value
  }

  #simple(info: number): CborValue | typeof BREAK {
    switch (info) {
      case 20:
        return false
      case 21:
        return true
      case 22:
      case 23:
        return null
      case 25:
        this.#bounded(2)
        this.at += 2
        return half(this.#view.getUint16(this.at - 2))
      case 26:
        this.#bounded(4)
        this.at += 4
        return this.#view.getFloat32(this.at - 4)
      case 27:
        this.#bounded(8)
        this.at += 8
        return this.#view.getFloat64(this.at - 8)
      case 31:
        return BREAK
      default:
        throw new HaidangError('HD_DECODE_SYNTAX', `CBOR: simple value ${info} is not read`)
    }
  }

  #amount(info: number): number {
    if (info < 24) return info
    if (info > 27)
      throw new HaidangError('HD_DECODE_SYNTAX', `CBOR: additional information ${info} is reserved`)
    const size = 1 << (info - 24)
    this.#bounded(size)
    this.at += size
    if (size === 1) return this.#view.getUint8(this.at - 1)
    if (size === 2) return this.#view.getUint16(this.at - 2)
    if (size === 4) return this.#view.getUint32(this.at - 4)
    return Number(this.#view.getBigUint64(this.at - 8))
  }

  #byte(): number {
    this.#bounded(1)
    return this.#bytes[this.at++]!
  }

  #take(size: number): Uint8Array {
    this.#bounded(size)
    this.at += size
    return this.#bytes.subarray(this.at - size, this.at)
  }

  #text(size: number): string {
    try {
      return TEXT.decode(this.#take(size))
    } catch (cause) {
      if (cause instanceof HaidangError) throw cause
      throw new HaidangError('HD_DECODE_UTF8', 'CBOR: a text is not UTF-8', { cause })
    }
  }

  /** At least `count` bytes are left (every member of an array or map takes one). */
  #bounded(count: number): void {
    if (count > this.#bytes.length - this.at)
      throw new HaidangError(
        'HD_DECODE_TRUNCATED',
        `CBOR: ${count} bytes or members announced, ${this.#bytes.length - this.at} bytes left`,
      )
  }
}

/** IEEE 754 half precision: 1 bit sign, 5 bits exponent, 10 bits fraction. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1024 + fraction) * 2 ** (exponent - 25)
}
