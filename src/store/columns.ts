import type { MessageRecord } from '../model/record.js'
import type { SeriesIndex } from '../model/series.js'

/** The five dictionaries of a sample, in the order in which they are sent. */
export const NAMES = ['stream', 'source', 'device', 'metric', 'label'] as const
export type Name = (typeof NAMES)[number]

/** Samples of one shipment as plain columns with ids: what the encoding worker is sent. Buffers are given away whole. */
export interface SampleColumns {
  readonly rows: number
  readonly seq: Float64Array
  readonly time: Float64Array
  readonly received: Float64Array
  readonly ids: Readonly<Record<Name, Uint32Array>>
  readonly value: Float64Array
  readonly lat: Float32Array
  readonly lon: Float32Array
  readonly quality: Uint16Array
  /** Rows that have attrs, ascending, and their texts: most have none. */
  readonly attrs_at: Uint32Array
  readonly attrs: readonly string[]
}

/**
 * Gathers the samples of messages as the log yields them. About 40 ns and 60 bytes a row on the engine's thread; no
 * objects a row.
 */
export class ColumnBuilder {
  #rows = 0
  #capacity: number
  #seq: Float64Array
  #time: Float64Array
  #received: Float64Array
  #ids: Record<Name, Uint32Array>
  #value: Float64Array
  #lat: Float32Array
  #lon: Float32Array
  #quality: Uint16Array
  #attrsAt: number[] = []
  #attrs: string[] = []
  #attrsChars = 0

  constructor(capacity = 1024) {
    this.#capacity = capacity
    this.#seq = new Float64Array(capacity)
    this.#time = new Float64Array(capacity)
    this.#received = new Float64Array(capacity)
    this.#ids = {
      stream: new Uint32Array(capacity),
      source: new Uint32Array(capacity),
      device: new Uint32Array(capacity),
      metric: new Uint32Array(capacity),
      label: new Uint32Array(capacity),
    }
    this.#value = new Float64Array(capacity)
    this.#lat = new Float32Array(capacity)
    this.#lon = new Float32Array(capacity)
    this.#quality = new Uint16Array(capacity)
  }

  get rows(): number {
    return this.#rows
  }

  /** Bytes that the rows take here, about what the shipment will have. */
  get bytes(): number {
    return this.#rows * 66 + this.#attrsChars
  }

  /** Takes the rows of one message; its batch may be used again afterwards. */
  add(record: MessageRecord, index: SeriesIndex): void {
    const { batch, from, to } = record
    while (this.#rows + to - from > this.#capacity) this.#grow()
    for (let i = from; i < to; i++) {
      const row = this.#rows++
      const series = batch.series[i]!
      this.#seq[row] = record.seq
      this.#time[row] = batch.time[i]!
      this.#received[row] = record.received
      this.#ids.stream[row] = record.stream
      this.#ids.source[row] = record.source
      this.#ids.device[row] = index.deviceOf(series)
      this.#ids.metric[row] = index.metricOf(series)
      this.#ids.label[row] = batch.label[i]!
      this.#value[row] = batch.value[i]!
      this.#lat[row] = batch.lat[i]!
      this.#lon[row] = batch.lon[i]!
      this.#quality[row] = batch.quality[i]!
      const attrs = batch.attrs[i]!
      if (attrs !== '') {
        this.#attrsAt.push(row)
        this.#attrs.push(attrs)
        this.#attrsChars += attrs.length
      }
    }
  }

  /** The columns gathered; the builder is spent. */
  columns(): SampleColumns {
    const rows = this.#rows
    return {
      rows,
      seq: this.#seq.slice(0, rows),
      time: this.#time.slice(0, rows),
      received: this.#received.slice(0, rows),
      ids: {
        stream: this.#ids.stream.slice(0, rows),
        source: this.#ids.source.slice(0, rows),
        device: this.#ids.device.slice(0, rows),
        metric: this.#ids.metric.slice(0, rows),
        label: this.#ids.label.slice(0, rows),
      },
      value: this.#value.slice(0, rows),
      lat: this.#lat.slice(0, rows),
      lon: this.#lon.slice(0, rows),
      quality: this.#quality.slice(0, rows),
      attrs_at: Uint32Array.from(this.#attrsAt),
      attrs: this.#attrs,
    }
  }

  #grow(): void {
    this.#capacity *= 2
    const capacity = this.#capacity
    this.#seq = grown(this.#seq, new Float64Array(capacity))
    this.#time = grown(this.#time, new Float64Array(capacity))
    this.#received = grown(this.#received, new Float64Array(capacity))
    for (const name of NAMES) this.#ids[name] = grown(this.#ids[name], new Uint32Array(capacity))
    this.#value = grown(this.#value, new Float64Array(capacity))
    this.#lat = grown(this.#lat, new Float32Array(capacity))
    this.#lon = grown(this.#lon, new Float32Array(capacity))
    this.#quality = grown(this.#quality, new Uint16Array(capacity))
  }
}

function grown<T extends Float64Array | Float32Array | Uint32Array | Uint16Array>(from: T, to: T): T {
  to.set(from)
  return to
}
