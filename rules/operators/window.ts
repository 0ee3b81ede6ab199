import { BOUNDS } from '../../src/model/bounds.js'
import type { StateReader, StateWriter } from './operator.js'
import { Panes } from './panes.js'
import type { Tracker } from './tracker.js'

/** The range of a judgement is the newest one: trackers hold it, every read is O(1). */
export const CURRENT = 0
/** A judgement behind the newest: exact, from the samples kept, O(n). */
export const EARLIER = 1
/** More than 4 096 samples in the range: from panes of w/64. */
export const PANES = 2
/** Further behind than is kept: every function of the window is missing. */
export const GONE = 3
export type Range = typeof CURRENT | typeof EARLIER | typeof PANES | typeof GONE

/** Samples in the range up to which everything is exact. */
const EXACT = BOUNDS.window_samples
/** Raw samples kept: the range and as much again for judgements behind the newest; the oldest dropped beyond. */
const KEPT = 2 * EXACT
/** Trackers rest above this many and are filled again at EXACT: a count to and fro around EXACT costs nothing. */
const RESTING = EXACT + EXACT / 8
/** Panes are kept from this many samples in the range on, so that they are complete when EXACT is passed. */
const PANES_FROM = EXACT / 2

/**
 * The sliding window of one input: the samples of (t − w, t], in event-time order (equal times in order of arrival).
 *
 *       kept for judgements behind the newest      the range at the newest time
 *   ├──────────── late ─────────────┼──────────────────── w ────────────────────┤
 *   head                          start                                     head + size
 *
 * Samples lie in one ring [time, value, time, value …] grown by doubling from 8; a push allocates nothing once it has its
 * size. Aggregates are kept by trackers, each made when the first operator asks for it; without one, a push costs the
 * ring alone. 16 B a sample; one sample older than everything else is kept for `lag`.
 *
 * Up to 4 096 samples in the range are exact. Beyond, the range is made of panes of w/64 anchored to the epoch, the
 * oldest counting whole until it has left.
 */
export class SampleWindow {
  readonly ms: number
  readonly late: number

  // What `select` found: the range of the last judgement.
  /** Samples in the range. */
  count = 0
  firstTime = Number.NaN
  firstValue = Number.NaN
  lastTime = Number.NaN
  lastValue = Number.NaN
  /** Range as positions (`timeAt`), CURRENT and EARLIER alone. */
  from = 0
  to = 0

  /** Samples appended in order since the start; with `disorder` it tells an operator what it has not seen yet. */
  appended = 0
  /** Samples put between others since the start. */
  disorder = 0

  #ring = new Float64Array(16)
  #mask = 7
  #head = 0
  #size = 0
  #start = 0
  /** Newest time seen, of samples and of judgements. */
  #cursor = Number.NEGATIVE_INFINITY
  /** Newest time among raw samples dropped because there were too many. */
  #dropped = Number.NEGATIVE_INFINITY
  readonly #reach: number
  #panes: Panes | null = null
  #panesFrom = PANES_FROM
  #sketched = false

  readonly #trackers: Tracker[] = []
  readonly #names: string[] = []
  /** Twins for ranges that are not the newest, filled when such a range is read, kept until the next. */
  readonly #others: (Tracker | null)[] = []
  #otherTime = Number.NaN
  #otherVersion = -1
  readonly #shared = new Map<string, unknown>()
  #resting = false
  #evicted = 0

  /** `ms` is w, `late` how far behind the newest a sample may be, both ms. */
  constructor(ms: number, late: number) {
    this.ms = ms
    this.late = late
    // The oldest pane counts whole, so its samples are kept as long as it does.
    this.#reach = Math.max(late, ms / 64)
  }

  /** Newest event time seen, of samples and judgements; −Infinity before the first. */
  get cursor(): number {
    return this.#cursor
  }

  /** Samples kept, those behind the range included. */
  get size(): number {
    return this.#size
  }

  timeAt(position: number): number {
    return this.#ring[((this.#head + position) & this.#mask) << 1]!
  }

  valueAt(position: number): number {
    return this.#ring[(((this.#head + position) & this.#mask) << 1) + 1]!
  }

  /** First position whose sample is later than `time`. O(log n), O(1) at the newest end. */
  after(time: number): number {
    let high = this.#size
    if (high === 0 || this.timeAt(high - 1) <= time) return high
    let low = 0
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.timeAt(middle) <= time) low = middle + 1
      else high = middle
    }
    return low
  }

  /**
   * The shared tracker of that name, made by `make` and filled where it is new. Operators ask when they are created.
   */
  track<T extends Tracker>(name: string, make: () => T): T {
    const known = this.#names.indexOf(name)
    if (known >= 0) return this.#trackers[known] as T
    const tracker = make()
    this.#names.push(name)
    this.#trackers.push(tracker)
    this.#others.push(null)
    if (tracker.sketched) {
      this.#sketched = true
      this.#panes = null
    }
    if (!this.#resting) this.#fill(tracker, this.#start, this.#size)
    this.#panesWhereNeeded()
    return tracker
  }

  /** One structure of that name for all operators of this window that read it by themselves (a trend line). */
  shared<T>(name: string, make: (window: SampleWindow) => T): T {
    let known = this.#shared.get(name)
    if (known === undefined) {
      known = make(this)
      this.#shared.set(name, known)
    }
    return known as T
  }

  /** Asks for panes from more than `samples` in the range on (trend lines take their points from them). */
  keepPanes(samples: number): void {
    if (samples >= this.#panesFrom) return
    this.#panesFrom = samples
    this.#panesWhereNeeded()
  }

  get panes(): Panes | null {
    return this.#panes
  }

  /**
   * Takes a sample; false where it is too old to matter (at or before newest − w − late). O(1) amortised in order,
   * O(samples it has to pass) out of order.
   */
  push(time: number, value: number): boolean {
    if (time > this.#cursor) this.#advance(time)
    else if (time <= this.#cursor - this.ms - this.late) return false
    this.#panes?.add(time, value)
    if (time < this.#dropped) return true
    if (this.#size > this.#mask) this.#makeRoom()
    const size = this.#size
    let position = size
    while (position > 0 && this.timeAt(position - 1) > time) position--
    for (let i = size; i > position; i--) this.#put(i, this.timeAt(i - 1), this.valueAt(i - 1))
    this.#put(position, time, value)
    this.#size = size + 1
    if (position === size) this.appended++
    else this.disorder++
    if (time <= this.#cursor - this.ms) {
      this.#start++
      return true
    }
    const count = this.#size - this.#start
    if (count > RESTING && !this.#resting) {
      this.#resting = true
      for (const tracker of this.#trackers) tracker.clear()
    }
    if (!this.#resting && this.#trackers.length > 0) {
      const before = position > this.#start ? this.valueAt(position - 1) : Number.NaN
      const after = position < size ? this.valueAt(position + 1) : Number.NaN
      for (const tracker of this.#trackers) tracker.add(time, value, before, after)
    }
    if (count > this.#panesFrom && this.#panes === null) this.#panesWhereNeeded()
    return true
  }

  /** Finds the range (time − w, time] and fills `count first… last… from to`. O(1) at the newest time, else O(log n). */
  select(time: number): Range {
    let range: Range = CURRENT
    if (time >= this.#cursor) {
      if (time > this.#cursor) this.#advance(time)
      this.from = this.#start
      this.to = this.#size
    } else {
      if (time < this.#cursor - this.late) return this.#gone()
      this.from = this.after(time - this.ms)
      this.to = this.after(time)
      if (this.from !== this.#start || this.to !== this.#size) range = EARLIER
    }
    const count = this.to - this.from
    if (count > EXACT || time - this.ms < this.#dropped) return this.#selectPanes(time)
    this.count = count
    if (count === 0) {
      this.firstTime = this.firstValue = this.lastTime = this.lastValue = Number.NaN
    } else {
      const first = ((this.#head + this.from) & this.#mask) << 1
      const last = ((this.#head + this.to - 1) & this.#mask) << 1
      this.firstTime = this.#ring[first]!
      this.firstValue = this.#ring[first + 1]!
      this.lastTime = this.#ring[last]!
      this.lastValue = this.#ring[last + 1]!
    }
    return range
  }

  /** Whether the range found by `select` is long enough: newest − oldest ≥ `warmup`, of two samples at least. */
  warm(warmup: number): boolean {
    return this.lastTime - this.firstTime >= warmup && (this.count >= 2 || warmup === 0)
  }

  /** The tracker's content for the range that `select(time)` just found. */
  content<T extends Tracker>(tracker: T, range: Range, time: number): T {
    if (range === CURRENT) return tracker
    const version = this.appended + this.disorder
    if (time !== this.#otherTime || version !== this.#otherVersion) {
      this.#otherTime = time
      this.#otherVersion = version
      for (let i = 0; i < this.#others.length; i++) this.#others[i] = null
    }
    const place = this.#trackers.indexOf(tracker)
    let other = this.#others[place] ?? null
    if (other === null) {
      other = tracker.fresh()
      this.#others[place] = other
      if (range === PANES) {
        const panes = this.#panes!
        for (let i = panes.from; i <= panes.to; i++) if (panes.has(i)) other.addPane(panes, panes.offset(i))
        other.sketch = panes.sketch
      } else this.#fill(other, this.from, this.to)
    }
    return other as T
  }

  save(out: StateWriter): void {
    out.number(this.#cursor)
    out.number(this.#dropped)
    out.number(this.#start)
    out.number(this.#evicted)
    const flat = new Float64Array(2 * this.#size)
    for (let i = 0; i < this.#size; i++) {
      flat[2 * i] = this.timeAt(i)
      flat[2 * i + 1] = this.valueAt(i)
    }
    out.numbers(flat, 0, flat.length)
    out.number(this.#panes === null ? 0 : 1)
    this.#panes?.save(out)
  }

  /** After load trackers hold what they held: they are filled from the samples. */
  load(input: StateReader): void {
    this.#cursor = input.number()
    this.#dropped = input.number()
    this.#start = input.number()
    this.#evicted = input.number()
    const flat = input.numbers()
    this.#size = flat.length / 2
    this.#head = 0
    let capacity = 8
    while (capacity < this.#size) capacity *= 2
    this.#ring = new Float64Array(2 * capacity)
    this.#ring.set(flat)
    this.#mask = capacity - 1
    this.#panes = null
    if (input.number() === 1) {
      this.#panes = new Panes(this.ms, this.#reach, this.#sketched)
      this.#panes.load(input, this.#cursor)
    }
    // Whoever counted appended samples has to look at all of them again.
    this.disorder++
    this.#resting = this.#size - this.#start > EXACT
    for (const tracker of this.#trackers) {
      tracker.clear()
      if (!this.#resting) this.#fill(tracker, this.#start, this.#size)
    }
  }

  #put(position: number, time: number, value: number): void {
    const at = ((this.#head + position) & this.#mask) << 1
    this.#ring[at] = time
    this.#ring[at + 1] = value
  }

  /** Moves the end of the range to `time`: what falls out of it leaves the trackers, what is too old leaves the ring. */
  #advance(time: number): void {
    this.#cursor = time
    const cut = time - this.ms
    let start = this.#start
    const size = this.#size
    if (start < size && this.timeAt(start) <= cut) {
      const trackers = this.#trackers
      const quiet = this.#resting || trackers.length === 0
      do {
        if (!quiet) {
          const after = start + 1 < size ? this.valueAt(start + 1) : Number.NaN
          const oldTime = this.timeAt(start)
          const oldValue = this.valueAt(start)
          for (const tracker of trackers) tracker.evict(oldTime, oldValue, after)
        }
        this.#evicted++
        start++
      } while (start < size && this.timeAt(start) <= cut)
      this.#start = start
      const count = size - start
      if (this.#resting && count <= EXACT) {
        this.#resting = false
        for (const tracker of trackers) this.#fill(tracker, start, size)
      } else if (!quiet && this.#evicted > count + 64) {
        // Once a turn of the window: what a glitch of 1e30 left in the last bits of a running sum goes with it.
        this.#evicted = 0
        for (const tracker of trackers)
          if (tracker.runs) {
            tracker.clear()
            this.#fill(tracker, start, size)
          }
      }
      if (this.#panes !== null && count < this.#panesFrom / 2) this.#panes = null
    }
    const horizon = cut - this.#reach
    while (this.#start >= 2 && this.timeAt(1) <= horizon) {
      this.#head = (this.#head + 1) & this.#mask
      this.#size--
      this.#start--
    }
    this.#panes?.advance(time)
  }

  /** A full ring doubles, or drops its oldest sample at the bound. */
  #makeRoom(): void {
    if (this.#size >= KEPT) {
      this.#dropped = this.timeAt(0)
      this.#head = (this.#head + 1) & this.#mask
      this.#size--
      if (this.#start > 0) this.#start--
      return
    }
    const old = this.#size
    const next = new Float64Array(4 * old)
    const first = this.#ring.subarray(2 * this.#head)
    next.set(first)
    next.set(this.#ring.subarray(0, 2 * this.#head), first.length)
    this.#ring = next
    this.#mask = 2 * old - 1
    this.#head = 0
  }

  #fill(tracker: Tracker, from: number, to: number): void {
    let before = Number.NaN
    for (let i = from; i < to; i++) {
      const value = this.valueAt(i)
      tracker.add(this.timeAt(i), value, before, Number.NaN)
      before = value
    }
  }

  #panesWhereNeeded(): void {
    if (this.#panes !== null || this.#size - this.#start <= this.#panesFrom) return
    const panes = new Panes(this.ms, this.#reach, this.#sketched)
    panes.advance(this.#cursor)
    for (let i = 0; i < this.#size; i++) panes.add(this.timeAt(i), this.valueAt(i))
    this.#panes = panes
  }

  #selectPanes(time: number): Range {
    const panes = this.#panes
    if (panes === null || !panes.select(time)) return this.#gone()
    this.count = panes.count
    this.firstTime = panes.firstTime
    this.firstValue = panes.firstValue
    this.lastTime = panes.lastTime
    this.lastValue = panes.lastValue
    return PANES
  }

  #gone(): Range {
    this.count = 0
    this.from = this.to = 0
    this.firstTime = this.firstValue = this.lastTime = this.lastValue = Number.NaN
    return GONE
  }
}
