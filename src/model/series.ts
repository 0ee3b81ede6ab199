import { Dictionary } from './dictionary.js'

/**
 * The series dictionary: one id for each (device, metric) pair, and the dictionaries of everything else that a sample
 * names. Ids are dense and live as long as the process; the log and ClickHouse store the texts.
 *
 * Memory: 8 bytes a series in columns, plus one Map entry (about 40 bytes); a device costs its name and one entry.
 */
export class SeriesIndex {
  readonly devices = new Dictionary()
  readonly metrics = new Dictionary()
  readonly labels = new Dictionary()
  readonly streams = new Dictionary()
  readonly sources = new Dictionary()

  /** device id << 12 | metric id where both fit, which they do up to 4 096 metrics: one Map for all series. */
  readonly #ids = new Map<number, number>()
  #deviceOf: Uint32Array = new Uint32Array(1024)
  #metricOf: Uint32Array = new Uint32Array(1024)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Id of the series of device id × metric id, making one where it is new. O(1). */
  series(device: number, metric: number): number {
    const key = device * METRICS_MAX + metric
    let id = this.#ids.get(key)
    if (id === undefined) {
      id = this.#size++
      if (id === this.#deviceOf.length) {
        this.#deviceOf = grown(this.#deviceOf)
        this.#metricOf = grown(this.#metricOf)
      }
      this.#deviceOf[id] = device
      this.#metricOf[id] = metric
      this.#ids.set(key, id)
    }
    return id
  }

  /** Id of the series, or -1 where it was never met. */
  find(device: number, metric: number): number {
    return this.#ids.get(device * METRICS_MAX + metric) ?? -1
  }

  deviceOf(series: number): number {
    return this.#deviceOf[series]!
  }

  metricOf(series: number): number {
    return this.#metricOf[series]!
  }
}

/** More metric names than this would let two series share a key; a city has a few hundred. */
const METRICS_MAX = 65_536

function grown(column: Uint32Array): Uint32Array {
  const next = new Uint32Array(column.length * 2)
  next.set(column)
  return next
}
