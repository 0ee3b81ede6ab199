/**
 * Which samples arrived lately: a sample equal in (series, time, value, label, attrs) to one of the last 10 minutes of
 * arrival is a duplicate. Samples stand in one ring, each pointing back to the one before it in its series:
 *
 *   ring   … | s7 | s3 | s7 | s9 | s7 |           newest[s7] ─► last s7 ─► the s7 before ─► …
 *
 * Adding is a few stores; looking up walks one series back, and is needed only where the sample's time is not newer
 * than all the series has seen. 40 bytes a remembered sample, bounded: the oldest is forgotten.
 */
import { BOUNDS } from '../model/bounds.js'

const FIRST_CAPACITY = 4096

export class Duplicates {
  #capacity = FIRST_CAPACITY
  #time = new Float64Array(FIRST_CAPACITY)
  #value = new Float64Array(FIRST_CAPACITY)
  #received = new Float64Array(FIRST_CAPACITY)
  #series = new Uint32Array(FIRST_CAPACITY)
  #label = new Uint32Array(FIRST_CAPACITY)
  #attrs = new Int32Array(FIRST_CAPACITY)
  /** Absolute position (count of samples ever added) of the previous sample of the series, +1; 0 is none. */
  #previous = new Float64Array(FIRST_CAPACITY)
  #count = 0
  /** By series: absolute position of its newest, +1. */
  #newest: Float64Array = new Float64Array(1024)

  /** Was an equal sample added within 10 min of `received`? O(samples of the series in those 10 minutes). */
  has(series: number, time: number, value: number, label: number, attrs: string, received: number): boolean {
    let at = series < this.#newest.length ? this.#newest[series]! : 0
    const attrsHash = textHash(attrs)
    const oldest = this.#count - this.#capacity
    while (at > 0 && at - 1 >= oldest) {
      const i = (at - 1) % this.#capacity
      if (received - this.#received[i]! > BOUNDS.duplicate_ms) return false
      if (
        this.#time[i] === time &&
        this.#value[i] === value &&
        this.#label[i] === label &&
        this.#attrs[i] === attrsHash
      )
        return true
      at = this.#previous[i]!
    }
    return false
  }

  add(series: number, time: number, value: number, label: number, attrs: string, received: number): void {
    if (series >= this.#newest.length) this.#newest = longer(this.#newest, series + 1)
    if (this.#count >= this.#capacity) {
      const oldest = this.#received[this.#count % this.#capacity]!
      if (this.#capacity < BOUNDS.duplicate_samples && received - oldest <= BOUNDS.duplicate_ms) this.#grow()
    }
    const i = this.#count % this.#capacity
    this.#time[i] = time
    this.#value[i] = value
    this.#received[i] = received
    this.#series[i] = series
    this.#label[i] = label
    this.#attrs[i] = attrs === '' ? 0 : textHash(attrs)
    this.#previous[i] = this.#newest[series]!
    this.#newest[series] = ++this.#count
  }

  /** Remembered samples that can still matter at `received`, oldest first: for the checkpoint. */
  *entries(
    received: number,
  ): Iterable<
    readonly [series: number, time: number, value: number, label: number, attrs: number, received: number]
  > {
    for (let n = Math.max(0, this.#count - this.#capacity); n < this.#count; n++) {
      const i = n % this.#capacity
      if (received - this.#received[i]! > BOUNDS.duplicate_ms) continue
      yield [
        this.#series[i]!,
        this.#time[i]!,
        this.#value[i]!,
        this.#label[i]!,
        this.#attrs[i]!,
        this.#received[i]!,
      ]
    }
  }

  /** Puts back one of `entries`. */
  restore(
    series: number,
    time: number,
    value: number,
    label: number,
    attrsHash: number,
    received: number,
  ): void {
    this.add(series, time, value, label, '', received)
    this.#attrs[(this.#count - 1) % this.#capacity] = attrsHash
  }

  #grow(): void {
    const capacity = Math.min(this.#capacity * 2, BOUNDS.duplicate_samples)
    const from = this.#count - this.#capacity
    const [time, value, received, previous] = [0, 1, 2, 3].map(() => new Float64Array(capacity)) as [
      Float64Array<ArrayBuffer>,
      Float64Array<ArrayBuffer>,
      Float64Array<ArrayBuffer>,
      Float64Array<ArrayBuffer>,
    ]
    const series = new Uint32Array(capacity)
    const label = new Uint32Array(capacity)
    const attrs = new Int32Array(capacity)
    for (let n = from; n < this.#count; n++) {
      const i = n % this.#capacity
      const j = n % capacity
      time[j] = this.#time[i]!
      value[j] = this.#value[i]!
      received[j] = this.#received[i]!
      previous[j] = this.#previous[i]!
      series[j] = this.#series[i]!
      label[j] = this.#label[i]!
      attrs[j] = this.#attrs[i]!
    }
    this.#time = time
    this.#value = value
    this.#received = received
    this.#previous = previous
    this.#series = series
    this.#label = label
    this.#attrs = attrs
    this.#capacity = capacity
  }
}

function longer(column: Float64Array, length: number): Float64Array {
  const next = new Float64Array(Math.max(length, column.length * 2))
  next.set(column)
  return next
}

/** FNV-1a, 32 bits; 0 for ''. */
function textHash(text: string): number {
  if (text === '') return 0
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash | 0
}
