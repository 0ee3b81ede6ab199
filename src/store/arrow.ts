import {
  Dictionary,
  Field,
  Float32,
  Float64,
  Int32,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimestampMillisecond,
  Uint16,
  Uint64,
  Utf8,
  Vector,
} from 'apache-arrow'
import { NAMES, type Name, type SampleColumns } from './columns.js'

/** Columns of `samples` in the order in which they are written. */
export const SAMPLE_COLUMNS = [
  'seq',
  'time',
  'received',
  ...NAMES,
  'value',
  'lat',
  'lon',
  'quality',
  'attrs',
] as const

/**
 * The texts behind the ids of one name, as UTF-8, in order of id. Encoded once, when they first come; a shipment's
 * dictionary is copied from here by memcpy, whatever the number of devices.
 */
class Texts {
  #bytes = new Uint8Array(4096)
  #length = 0
  /** offsets[id] … offsets[id + 1] are the bytes of text id. */
  #offsets: number[] = [0]
  readonly #encoder = new TextEncoder()

  get size(): number {
    return this.#offsets.length - 1
  }

  add(texts: readonly string[]): void {
    for (const text of texts) {
      if (this.#length + text.length * 3 > this.#bytes.length) {
        const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + text.length * 3))
        larger.set(this.#bytes)
        this.#bytes = larger
      }
      this.#length += this.#encoder.encodeInto(text, this.#bytes.subarray(this.#length)).written
      this.#offsets.push(this.#length)
    }
  }

  /** A Utf8 vector of the texts `ids`. */
  vector(ids: readonly number[]): Vector<Utf8> {
    const valueOffsets = new Int32Array(ids.length + 1)
    let length = 0
    for (let i = 0; i < ids.length; i++) {
      length += this.#offsets[ids[i]! + 1]! - this.#offsets[ids[i]!]!
      valueOffsets[i + 1] = length
    }
    const data = new Uint8Array(length)
    for (let i = 0; i < ids.length; i++)
      data.set(this.#bytes.subarray(this.#offsets[ids[i]!]!, this.#offsets[ids[i]! + 1]!), valueOffsets[i]!)
    return new Vector([makeData({ type: new Utf8(), length: ids.length, nullCount: 0, valueOffsets, data })])
  }
}

const TYPES = Object.fromEntries(
  NAMES.map((name, id) => [name, new Dictionary(new Utf8(), new Int32(), id)]),
) as Record<Name, Dictionary<Utf8, Int32>>

const SCHEMA = new Schema(SAMPLE_COLUMNS.map((column) => new Field(column, typeOf(column), false)))

function typeOf(column: (typeof SAMPLE_COLUMNS)[number]) {
  switch (column) {
    case 'seq':
      return new Uint64()
    case 'time':
    case 'received':
      return new TimestampMillisecond('UTC')
    case 'value':
      return new Float64()
    case 'lat':
    case 'lon':
      return new Float32()
    case 'quality':
      return new Uint16()
    case 'attrs':
      return new Utf8()
    default:
      return TYPES[column]
  }
}

/**
 * Encodes shipments of samples as Arrow IPC streams of one record batch (one block, so one part a partition in
 * ClickHouse: the shipment's token is good for whole parts). Holds the texts of all ids met, sent once each.
 * About 0.25 µs a row.
 */
export class ArrowEncoder {
  readonly #texts: Readonly<Record<Name, Texts>> = {
    stream: new Texts(),
    source: new Texts(),
    device: new Texts(),
    metric: new Texts(),
    label: new Texts(),
  }

  /** Texts that have come since; they take the next ids. */
  learn(name: Name, texts: readonly string[]): void {
    this.#texts[name].add(texts)
  }

  encode(columns: SampleColumns): Uint8Array {
    const { rows } = columns
    const dictionaries = Object.fromEntries(
      NAMES.map((name) => [name, dictionaryData(columns.ids[name], this.#texts[name], TYPES[name])]),
    ) as Record<Name, ReturnType<typeof dictionaryData>>
    const fixed = { length: rows, nullCount: 0 }
    // Every column has a typed array of its own: two that share one give a corrupt stream.
    const children = [
      makeData({ type: new Uint64(), ...fixed, data: int64(columns.seq, BigUint64Array) }),
      makeData({ type: new TimestampMillisecond('UTC'), ...fixed, data: int64(columns.time, BigInt64Array) }),
      makeData({
        type: new TimestampMillisecond('UTC'),
        ...fixed,
        data: int64(columns.received, BigInt64Array),
      }),
      ...NAMES.map((name) => dictionaries[name]),
      makeData({ type: new Float64(), ...fixed, data: columns.value }),
      makeData({ type: new Float32(), ...fixed, data: columns.lat }),
      makeData({ type: new Float32(), ...fixed, data: columns.lon }),
      makeData({ type: new Uint16(), ...fixed, data: columns.quality }),
      attrsData(columns),
    ]
    const batch = new RecordBatch(
      SCHEMA,
      makeData({ type: new Struct(SCHEMA.fields), ...fixed, children }) as never,
    )
    const writer = new RecordBatchStreamWriter()
    writer.write(batch)
    writer.finish()
    return writer.toUint8Array(true)
  }
}

/** Ids of the process as indices into a dictionary of just the texts that the shipment names. */
function dictionaryData(ids: Uint32Array, texts: Texts, type: Dictionary<Utf8, Int32>) {
  const local = new Map<number, number>()
  const used: number[] = []
  const indices = new Int32Array(ids.length)
  let lastId = -1
  let lastIndex = -1
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!
    if (id !== lastId) {
      let index = local.get(id)
      if (index === undefined) {
        if (id >= texts.size) throw new RangeError(`no text for id ${id}`)
        index = used.length
        used.push(id)
        local.set(id, index)
      }
      lastId = id
      lastIndex = index
    }
    indices[i] = lastIndex
  }
  return makeData({ type, length: ids.length, nullCount: 0, data: indices, dictionary: texts.vector(used) })
}

/** Whole numbers of a Float64Array as 64-bit integers, by halves: a BigInt a row would cost ten times as much. */
function int64<T extends BigInt64Array | BigUint64Array>(
  from: Float64Array,
  Type: new (buffer: ArrayBuffer) => T,
): T {
  const halves = new Int32Array(from.length * 2)
  for (let i = 0; i < from.length; i++) {
    const x = Math.floor(from[i]!)
    halves[2 * i] = x | 0
    if (x > 0x7fffffff || x < -0x80000000) {
      const high = Math.floor(x / 0x100000000)
      halves[2 * i] = (x - high * 0x100000000) | 0
      halves[2 * i + 1] = high
    } else if (x < 0) halves[2 * i + 1] = -1
  }
  return new Type(halves.buffer)
}

function attrsData(columns: SampleColumns) {
  const { rows, attrs_at, attrs } = columns
  const encoder = new TextEncoder()
  let capacity = 0
  for (const text of attrs) capacity += text.length * 3
  const bytes = new Uint8Array(capacity)
  const valueOffsets = new Int32Array(rows + 1)
  let length = 0
  let next = 0
  for (let row = 0; row < rows; row++) {
    if (next < attrs.length && attrs_at[next] === row) {
      length += encoder.encodeInto(attrs[next]!, bytes.subarray(length)).written
      next++
    }
    valueOffsets[row + 1] = length
  }
  return makeData({
    type: new Utf8(),
    length: rows,
    nullCount: 0,
    valueOffsets,
    data: bytes.subarray(0, length),
  })
}
