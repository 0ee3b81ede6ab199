import type { StateReader, StateWriter } from './operator.js'

/** Entries kept, the state after each: a sample out of order finds its place among them. */
const KEPT = 16

/**
 * The last 16 entries of a run in event-time order (equal times in order of arrival), a few numbers each, the time first.
 * Functions that fold one sample after another keep their state here after every sample: one that comes out of order is
 * put in its place, and the states after it are worked out again; a judgement behind the newest reads the state then.
 * 8 B a number and entry, grown from 2 entries; a push in order allocates nothing.
 */
export class Recent {
  readonly #width: number
  #numbers: Float64Array
  #capacity = 2
  #head = 0
  size = 0
  /** An entry has been dropped: the oldest one kept is not the first. */
  wrapped = false

  constructor(width: number) {
    this.#width = width
    this.#numbers = new Float64Array(2 * width)
  }

  get(entry: number, column: number): number {
    return this.#numbers[this.#slot(entry) + column]!
  }

  set(entry: number, column: number, value: number): void {
    this.#numbers[this.#slot(entry) + column] = value
  }

  /**
   * Makes place for an entry of `time` and returns its position, −1 where it lies before everything kept. Its other
   * columns hold what was there: the caller sets them. O(1) in order.
   */
  insert(time: number): number {
    let at = this.size
    while (at > 0 && this.get(at - 1, 0) > time) at--
    if (at === 0 && this.wrapped) return -1
    if (this.size === this.#capacity) {
      if (this.#capacity < KEPT) this.#grow()
      // The entry before it would be gone, and with it the state it goes on from.
      else if (at <= 1) return -1
      else {
        this.#head = (this.#head + 1) % KEPT
        this.size--
        this.wrapped = true
        at--
      }
    }
    for (let i = this.size; i > at; i--)
      for (let column = 0; column < this.#width; column++) this.set(i, column, this.get(i - 1, column))
    this.size++
    this.set(at, 0, time)
    return at
  }

  /** Newest entry at or before `time`; −1 where there is none. */
  at(time: number): number {
    let at = this.size - 1
    while (at >= 0 && this.get(at, 0) > time) at--
    return at
  }

  save(out: StateWriter): void {
    const flat = new Float64Array(this.size * this.#width)
    for (let i = 0; i < this.size; i++)
      for (let column = 0; column < this.#width; column++)
        flat[i * this.#width + column] = this.get(i, column)
    out.number(this.wrapped ? 1 : 0)
    out.numbers(flat, 0, flat.length)
  }

  load(input: StateReader): void {
    this.wrapped = input.number() === 1
    const flat = input.numbers()
    this.size = flat.length / this.#width
    this.#capacity = 2
    while (this.#capacity < this.size) this.#capacity *= 2
    this.#numbers = new Float64Array(this.#capacity * this.#width)
    this.#numbers.set(flat)
    this.#head = 0
  }

  #slot(entry: number): number {
    let at = this.#head + entry
    if (at >= this.#capacity) at -= this.#capacity
    return at * this.#width
  }

  #grow(): void {
    const next = new Float64Array(this.#capacity * 2 * this.#width)
    for (let i = 0; i < this.size; i++)
      for (let column = 0; column < this.#width; column++)
        next[i * this.#width + column] = this.get(i, column)
    this.#numbers = next
    this.#capacity *= 2
    this.#head = 0
  }
}
