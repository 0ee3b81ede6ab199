/**
 * Recent points of the series that may be charted, and nothing of the others: the engine's loop hands over every
 * message's rows, so a series that nobody charts must cost one array read.
 *
 *   #slot[series id]   0 never met → decided once │ 1 not charted │ n ring n − 2
 *
 *   ring, in order of arrival:   … t6 t7 │ t1 t2 t3 t4 t5     written = points ever put in; a client remembers how
 *                                        ▲ written % capacity  far it has read, so a slow one catches up in one frame
 *
 * A series faster than one point a second is drawn as the smallest and the largest of each second (its peaks stay).
 */
import { BOUNDS } from '../model/bounds.js'
import type { SampleBatch } from '../model/columns.js'
import { QUALITY } from '../model/quality.js'
import type { SeriesIndex } from '../model/series.js'
import { gapLimit } from './wire.js'

/** What chart code needs of the world's registries; given in, since they may be reloaded. */
export interface SeriesCatalogue {
  /** Metrics worth recording before anybody asks: those that rules name. */
  watches(metric: string): boolean
  /** Registered interval of a device's samples, ms; undefined where unknown. */
  interval(device: string): number | undefined
}

/** Columns as they go over the wire: times ascending, `null` where the series is silent for too long. */
export interface Columns {
  readonly time: number[]
  readonly value: (number | null)[]
}

const UNMET = 0
const UNCHARTED = 1
const FIRST_RING = 2
/** Gaps looked at for the observed interval (as rules do: median of the last 8). */
const OBSERVED_GAPS = 8
/** What is not a reading of now: stored elsewhere, not drawn. `late` is drawn, in its place. */
const UNDRAWN = QUALITY.historical | QUALITY.duplicate | QUALITY.test | QUALITY.calibrating | QUALITY.bad
const BUCKET_MS = 1000

/** One charted series. */
export class Ring {
  readonly id: number
  readonly series: number
  readonly device: string
  readonly metric: string
  readonly stream: string
  /** Registered interval, ms; NaN where the registry does not say. */
  readonly registered: number
  /** Points ever written; the newest is at (written − 1) % capacity. */
  written = 0
  /** Newest event time, ms UTC; NaN before the first. */
  newest = Number.NaN
  /** Monotonic tick at which a chart last asked for it. */
  used = 0
  readonly #time = new Float64Array(BOUNDS.chart_points)
  readonly #value = new Float64Array(BOUNDS.chart_points)
  readonly #gaps = new Float64Array(OBSERVED_GAPS)
  #gapCount = 0
  /** The running second: its smallest and largest sample, not yet in the ring. */
  #bucket = Number.NaN
  #lowTime = 0
  #low = 0
  #highTime = 0
  #high = 0

  constructor(
    id: number,
    series: number,
    device: string,
    metric: string,
    stream: string,
    registered: number,
  ) {
    this.id = id
    this.series = series
    this.device = device
    this.metric = metric
    this.stream = stream
    this.registered = registered
  }

  /** One sample, in any order of time. O(1). */
  add(time: number, value: number): void {
    if (time > this.newest) {
      this.#gaps[this.#gapCount % OBSERVED_GAPS] = time - this.newest
      this.#gapCount++
    }
    if (!(time <= this.newest)) this.newest = time
    const bucket = Math.floor(time / BUCKET_MS)
    if (bucket !== this.#bucket) {
      this.flush()
      this.#bucket = bucket
      this.#lowTime = this.#highTime = time
      this.#low = this.#high = value
    } else if (value < this.#low) {
      this.#low = value
      this.#lowTime = time
    } else if (value >= this.#high) {
      this.#high = value
      this.#highTime = time
    }
  }

  /** Writes the running second into the ring, so that a frame can carry it. */
  flush(): void {
    if (Number.isNaN(this.#bucket)) return
    this.#bucket = Number.NaN
    if (this.#lowTime === this.#highTime) this.#write(this.#lowTime, this.#low)
    else if (this.#lowTime < this.#highTime) {
      this.#write(this.#lowTime, this.#low)
      this.#write(this.#highTime, this.#high)
    } else {
      this.#write(this.#highTime, this.#high)
      this.#write(this.#lowTime, this.#low)
    }
  }

  /** Expected interval, ms: registered, else the median of the last 8 gaps; null while unknown. */
  interval(): number | null {
    if (this.registered > 0) return this.registered
    const n = Math.min(this.#gapCount, OBSERVED_GAPS)
    if (n < 3) return null
    const sorted = this.#gaps.slice(0, n).sort()
    return sorted[n >> 1]!
  }

  /** Points written from `from` (a count of `written`) on, as far as the ring still has them. O(points log points). */
  columns(from: number): Columns {
    const capacity = this.#time.length
    const first = Math.max(from, this.written - capacity, 0)
    const order: number[] = []
    let ascending = true
    let before = Number.NEGATIVE_INFINITY
    for (let i = first; i < this.written; i++) {
      const at = i % capacity
      order.push(at)
      if (this.#time[at]! < before) ascending = false
      before = this.#time[at]!
    }
    if (!ascending) order.sort((a, b) => this.#time[a]! - this.#time[b]!)
    const interval = this.interval()
    const time: number[] = []
    const value: (number | null)[] = []
    // The point before these, so that a gap across two frames is a gap as well.
    let last = first > 0 && first > this.written - capacity ? this.#time[(first - 1) % capacity]! : Number.NaN
    for (const at of order) {
      const t = this.#time[at]!
      if (interval !== null && t - last > gapLimit(interval)) {
        time.push(last + interval)
        value.push(null)
      }
      time.push(t)
      value.push(this.#value[at]!)
      last = t
    }
    return { time, value }
  }

  #write(time: number, value: number): void {
    const at = this.written % this.#time.length
    this.#time[at] = time
    this.#value[at] = value
    this.written++
  }
}

/** Rings by series. Memory: 4 bytes a series, 20 KiB a ring, at most 512 rings (the longest unused gives way). */
export class LiveSeries {
  readonly #catalogue: SeriesCatalogue
  #slot: Uint32Array = new Uint32Array(1024)
  #index: SeriesIndex | null = null
  readonly #rings: (Ring | null)[] = []
  readonly #bySeries = new Map<number, Ring>()
  #nextId = 1
  #clock = 0
  /** Newest event time of all samples, ms UTC; NaN before the first. */
  newest = Number.NaN
  /** Rings that gave way. */
  evicted = 0

  constructor(catalogue: SeriesCatalogue) {
    this.#catalogue = catalogue
  }

  get size(): number {
    return this.#bySeries.size
  }

  /** Rings, oldest first. */
  rings(): IterableIterator<Ring> {
    return this.#bySeries.values()
  }

  /** False once the ring has given way to another. */
  has(ring: Ring): boolean {
    return this.#bySeries.get(ring.series) === ring
  }

  /** Rows [from, to) of one message. One array read a sample for a series that is not charted. */
  samples(batch: SampleBatch, from: number, to: number, index: SeriesIndex, stream: number): void {
    this.#index = index
    const { series, time, value, quality } = batch
    for (let i = from; i < to; i++) {
      const id = series[i]!
      const at = time[i]!
      if (!(at <= this.newest)) this.newest = at
      if (id >= this.#slot.length) this.#grow(id)
      let slot = this.#slot[id]!
      if (slot === UNCHARTED) continue
      if (slot === UNMET) {
        slot = this.#meet(id, index, stream)
        if (slot === UNCHARTED) continue
      }
      if ((quality[i]! & UNDRAWN) === 0) this.#rings[slot - FIRST_RING]!.add(at, value[i]!)
    }
  }

  /**
   * The ring of a series that a chart asks for, made where there is none (it fills from now on); undefined where no
   * sample of it was ever met.
   */
  want(device: string, metric: string): Ring | undefined {
    const index = this.#index
    if (index === null) return undefined
    const d = index.devices.find(device)
    const m = index.metrics.find(metric)
    if (d < 0 || m < 0) return undefined
    const series = index.find(d, m)
    if (series < 0) return undefined
    let ring = this.#bySeries.get(series)
    if (ring === undefined) {
      if (series >= this.#slot.length) this.#grow(series)
      ring = this.#chart(series, device, metric, '')
    }
    ring.used = ++this.#clock
    return ring
  }

  /** Closes the running second of every ring; called once before each round of frames. */
  flush(): void {
    for (const ring of this.#bySeries.values()) ring.flush()
  }

  /** A series met for the first time: recorded at once where rules watch its metric and there is room. */
  #meet(series: number, index: SeriesIndex, stream: number): number {
    const metric = index.metrics.text(index.metricOf(series))
    if (this.#bySeries.size < BOUNDS.charted_series && this.#catalogue.watches(metric))
      this.#chart(series, index.devices.text(index.deviceOf(series)), metric, index.streams.text(stream))
    else this.#slot[series] = UNCHARTED
    return this.#slot[series]!
  }

  #chart(series: number, device: string, metric: string, stream: string): Ring {
    let place = this.#rings.length
    if (this.#bySeries.size >= BOUNDS.charted_series) {
      const unused = this.#longestUnused()
      place = this.#slot[unused.series]! - FIRST_RING
      this.#slot[unused.series] = UNCHARTED
      this.#bySeries.delete(unused.series)
      this.evicted++
    }
    const registered = this.#catalogue.interval(device) ?? Number.NaN
    const ring = new Ring(this.#nextId++, series, device, metric, stream, registered)
    this.#rings[place] = ring
    this.#bySeries.set(series, ring)
    this.#slot[series] = place + FIRST_RING
    return ring
  }

  #longestUnused(): Ring {
    let found: Ring | undefined
    for (const ring of this.#bySeries.values())
      if (found === undefined || ring.used < found.used) found = ring
    return found!
  }

  #grow(id: number): void {
    const next = new Uint32Array(Math.max(id + 1, this.#slot.length * 2))
    next.set(this.#slot)
    this.#slot = next
  }
}
