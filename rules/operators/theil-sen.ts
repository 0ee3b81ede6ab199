import { medianOf, select } from './select.js'

/** Points of one line at most: 8 128 pairs. */
export const POINTS_MAX = 160

/** Which pair slope is asked for: the median, or the ends of the 90 % interval. */
export type Which = 0 | 1 | 2
export const MEDIAN: Which = 0
export const LOW: Which = 1
export const HIGH: Which = 2

/** Up to so many points (120 pairs) the median is taken of all pairs anew. */
const DIRECT = 16

/** Standard normal quantile of 95 %: 5 % on either side. */
const Z_95 = 1.6448536269514722

/**
 * The Theil–Sen line of a sliding run of points (Theil 1950; Sen, JASA 63, 1968): its slope is the median of the slopes
 * of all pairs with different times. The 90 % interval is Sen's: with N pairs of n points and
 * C = z₀.₉₅ · √((n(n−1)(2n+5) − ties)/18), the pair slopes of rank (N − C)/2 and (N + C)/2 + 1, rounded. For 4 points
 * these are the least and the greatest (exact coverage 92 %); with fewer there is no finite 90 % interval.
 *
 * The answer is exact, whatever came before; keeping it costs O(n), not O(n²), a point. For each rank in use a narrow
 * bracket (low, high) around it is kept with the slopes in it and the number of those below:
 *
 *      below          │ ==low │  inside, unsorted  │ ==high │        above
 *   ──────────────────┴───────┴─────────●──────────┴────────┴──────────────────
 *                                       rank
 *
 * A new point adds its n − 1 slopes to the counts, a leaving one takes its own away; when the rank leaves the bracket,
 * it is found anew among all pairs. Memory: 16 B a point and about 16 B a point for each rank in use.
 */
export class TheilSen {
  #times = new Float64Array(16)
  #values = new Float64Array(16)
  #from = 0
  #to = 0
  /** Pairs of equal time: they have no slope. */
  #ties = 0
  readonly #brackets: (Bracket | null)[] = [null, null, null]
  /** Slopes found since the last change. */
  readonly #found = [Number.NaN, Number.NaN, Number.NaN]

  get size(): number {
    return this.#to - this.#from
  }

  get oldest(): number {
    return this.#times[this.#from]!
  }

  clear(): void {
    this.#from = this.#to = 0
    this.#ties = 0
    for (const bracket of this.#brackets) bracket?.forget()
    this.#forget()
  }

  /** Adds the newest point. O(n). */
  push(time: number, value: number): void {
    this.#forget()
    if (this.#to === this.#times.length) this.#makeRoom()
    const times = this.#times
    for (let i = this.#to - 1; i >= this.#from && times[i] === time; i--) this.#ties++
    for (const bracket of this.#brackets)
      if (bracket?.known === true) bracket.count(times, this.#values, this.#from, this.#to, time, value, 1)
    times[this.#to] = time
    this.#values[this.#to] = value
    this.#to++
  }

  /** Takes the newest point away again. O(n). */
  pop(): void {
    const at = --this.#to
    for (let i = at - 1; i >= this.#from && this.#times[i] === this.#times[at]; i--) this.#ties--
    this.#takeAway(at)
  }

  /** Takes the oldest point away. O(n). */
  shift(): void {
    const at = this.#from++
    for (let i = at + 1; i < this.#to && this.#times[i] === this.#times[at]; i++) this.#ties--
    this.#takeAway(at)
  }

  /**
   * Slope per ms; NaN below two different times, and for the interval's ends where n does not give one. O(n) amortised.
   */
  slope(which: Which): number {
    const found = this.#found[which]!
    if (!Number.isNaN(found)) return found
    const slope = this.#slope(which)
    this.#found[which] = slope
    return slope
  }

  #slope(which: Which): number {
    const n = this.size
    const pairs = (n * (n - 1)) / 2 - this.#ties
    if (pairs <= 0) return Number.NaN
    if (n <= DIRECT) return this.#direct(which, n, pairs)
    if (which === MEDIAN) {
      const middle = pairs >> 1
      const high = this.#ranked(MEDIAN, middle, pairs)
      if (pairs % 2 === 1) return high
      return this.#ranked(MEDIAN, middle - 1, pairs) / 2 + high / 2
    }
    const rank = intervalRank(n, pairs, this.#ties)
    if (rank < 0) return Number.NaN
    return which === LOW ? this.#ranked(LOW, rank, pairs) : this.#ranked(HIGH, pairs - 1 - rank, pairs)
  }

  /** Few points: all pairs at once cost less than keeping brackets. O(n²), n ≤ 16. */
  #direct(which: Which, n: number, pairs: number): number {
    for (const bracket of this.#brackets) bracket?.forget()
    const times = this.#times
    const values = this.#values
    let k = 0
    for (let j = this.#from + 1; j < this.#to; j++) {
      const time = times[j]!
      const value = values[j]!
      for (let i = this.#from; i < j; i++)
        if (times[i] !== time) SCRATCH[k++] = (value - values[i]!) / (time - times[i]!)
    }
    if (which !== MEDIAN) {
      const rank = intervalRank(n, pairs, this.#ties)
      if (rank < 0) return Number.NaN
      return select(SCRATCH, 0, k, which === LOW ? rank : pairs - 1 - rank)
    }
    const middle = pairs >> 1
    const high = select(SCRATCH, 0, k, middle)
    if (pairs % 2 === 1) return high
    // What select leaves before the rank is not greater: the rank below is the greatest of it.
    let low = SCRATCH[0]!
    for (let i = 1; i < middle; i++) if (SCRATCH[i]! > low) low = SCRATCH[i]!
    return low / 2 + high / 2
  }

  /** Whether there is a finite 90 % interval of at least four points. */
  get finite(): boolean {
    const n = this.size
    return n >= 4 && intervalRank(n, (n * (n - 1)) / 2 - this.#ties, this.#ties) >= 0
  }

  /** Value at `time` of the line of that slope through the median residual: median of value + slope · (time − t). O(n). */
  at(time: number, slope: number): number {
    let n = 0
    for (let i = this.#from; i < this.#to; i++)
      SCRATCH[n++] = this.#values[i]! + slope * (time - this.#times[i]!)
    return medianOf(SCRATCH, n)
  }

  #forget(): void {
    this.#found[0] = this.#found[1] = this.#found[2] = Number.NaN
  }

  #takeAway(at: number): void {
    this.#forget()
    const times = this.#times
    const values = this.#values
    for (const bracket of this.#brackets)
      if (bracket?.known === true)
        bracket.count(times, values, this.#from, this.#to, times[at]!, values[at]!, -1)
  }

  #makeRoom(): void {
    const length = this.size
    if (this.#from * 4 < this.#times.length) {
      const times = new Float64Array(this.#times.length * 2)
      const values = new Float64Array(this.#times.length * 2)
      times.set(this.#times.subarray(this.#from, this.#to))
      values.set(this.#values.subarray(this.#from, this.#to))
      this.#times = times
      this.#values = values
    } else {
      this.#times.copyWithin(0, this.#from, this.#to)
      this.#values.copyWithin(0, this.#from, this.#to)
    }
    this.#from = 0
    this.#to = length
  }

  #ranked(which: Which, rank: number, pairs: number): number {
    let bracket = this.#brackets[which] ?? null
    if (bracket === null) {
      bracket = new Bracket()
      this.#brackets[which] = bracket
    }
    if (bracket.known) {
      const found = bracket.ranked(rank)
      if (!Number.isNaN(found)) return found
    }
    bracket.find(this.#times, this.#values, this.#from, this.#to, rank, pairs)
    return bracket.ranked(rank)
  }
}

/** Rank from either end, counted from 0; −1 where no rank is far enough out. */
function intervalRank(n: number, pairs: number, ties: number): number {
  // Groups of equal times take t(t−1)(2t+5) out of the variance; for pairs, which they nearly always are, 18 a tie.
  const variance = (n * (n - 1) * (2 * n + 5)) / 18 - ties
  const rank = Math.round((pairs - Z_95 * Math.sqrt(Math.max(0, variance))) / 2)
  return rank >= 1 ? rank - 1 : -1
}

/** One line at a time is computed, so one scratch serves all. */
const SCRATCH = new Float64Array((POINTS_MAX * (POINTS_MAX - 1)) / 2)
/**
 * Slopes kept on either side of the rank: so many, and so many for each point. A point moves a rank by n/2 at most and
 * about n/3 in noise, as its slopes with all others are alike: 2 n last for some thirty points.
 */
const HALF_MIN = 8
const HALF_EACH = 2
/** A bracket that has filled up to this many times its width is cheaper found anew. */
const FULL = 4

/** Buckets of a bracket, each of the same width: about n / 16 slopes in each. */
const BUCKETS = 64
const NOWHERE = -1

class Bracket {
  known = false
  #low = 0
  #high = 0
  #below = 0
  #atLow = 0
  #atHigh = 0
  /** Slopes inside, chained by bucket. */
  #slopes = new Float64Array(16)
  #next = new Int16Array(16)
  #free = NOWHERE
  #used = 0
  #size = 0
  #full = 0
  readonly #heads = new Int16Array(BUCKETS)
  readonly #counts = new Int16Array(BUCKETS)
  #scale = 0

  forget(): void {
    this.known = false
  }

  /** Adds (1) or takes away (−1) the slopes of the pairs of (time, value) with points [from, to). */
  count(
    times: Float64Array,
    values: Float64Array,
    from: number,
    to: number,
    time: number,
    value: number,
    sign: 1 | -1,
  ): void {
    const low = this.#low
    const high = this.#high
    let below = 0
    for (let i = from; i < to; i++) {
      const apart = time - times[i]!
      const slope = (value - values[i]!) / apart
      if (!(slope <= high) || apart === 0) continue
      if (slope < low) below++
      else if (slope === low) this.#atLow += sign
      else if (slope === high) this.#atHigh += sign
      else if (sign === 1) this.#put(slope)
      else this.#take(slope)
    }
    this.#below += sign * below
  }

  /** The slope of that rank; NaN where it is not in the bracket any more, or there is too much in it. */
  ranked(rank: number): number {
    let k = rank - this.#below
    const size = this.#size
    if (k < 0 || size > this.#full) return Number.NaN
    if (k < this.#atLow) return this.#low
    k -= this.#atLow
    if (k >= size) return k - size < this.#atHigh ? this.#high : Number.NaN
    let bucket = 0
    while (k >= this.#counts[bucket]!) k -= this.#counts[bucket++]!
    let n = 0
    for (let at = this.#heads[bucket]!; at !== NOWHERE; at = this.#next[at]!) SCRATCH[n++] = this.#slopes[at]!
    return select(SCRATCH, 0, n, k)
  }

  /** Puts the bracket around `rank` of all pairs. O(n²). */
  find(
    times: Float64Array,
    values: Float64Array,
    from: number,
    to: number,
    rank: number,
    pairs: number,
  ): void {
    const half = HALF_MIN + HALF_EACH * (to - from)
    if (this.known && this.#moved(rank, half)) {
      this.#collect(times, values, from, to)
      const left = rank - this.#below
      const right = this.#below + this.#atLow + this.#size + this.#atHigh - 1 - rank
      const near = Math.min(half >> 1, rank, pairs - 1 - rank)
      if (left >= near && right >= near && this.#size <= this.#full) return
    }
    const slopes = SCRATCH
    let n = 0
    for (let j = from + 1; j < to; j++) {
      const time = times[j]!
      const value = values[j]!
      for (let i = from; i < j; i++)
        if (times[i] !== time) slopes[n++] = (value - values[i]!) / (time - times[i]!)
    }
    const lowest = Math.max(0, rank - half)
    const highest = Math.min(pairs - 1, rank + half)
    this.#low = select(slopes, 0, n, lowest)
    this.#high = select(slopes, lowest, n, highest - lowest)
    this.#full = FULL * half
    this.known = true
    this.#collect(times, values, from, to)
  }

  /** Guesses where the bracket has to go from how densely slopes lie in it; false where nothing can be said. */
  #moved(rank: number, half: number): boolean {
    const width = this.#high - this.#low
    if (!(width > 0) || this.#size < half) return false
    const each = width / this.#size
    const top = this.#below + this.#atLow + this.#size
    let centre = Number.NaN
    if (rank < this.#below) centre = this.#low - (this.#below - rank) * each
    else if (rank >= top) centre = this.#high + (rank - top) * each
    if (!Number.isFinite(centre)) return false
    this.#low = centre - half * each
    this.#high = centre + half * each
    this.#full = FULL * half
    return this.#low < this.#high
  }

  #collect(times: Float64Array, values: Float64Array, from: number, to: number): void {
    this.#below = this.#atLow = this.#atHigh = this.#size = this.#used = 0
    this.#free = NOWHERE
    this.#heads.fill(NOWHERE)
    this.#counts.fill(0)
    this.#scale = BUCKETS / (this.#high - this.#low)
    for (let j = from + 1; j < to; j++) this.count(times, values, from, j, times[j]!, values[j]!, 1)
  }

  #bucket(slope: number): number {
    return Math.min(BUCKETS - 1, ((slope - this.#low) * this.#scale) | 0)
  }

  #put(slope: number): void {
    let at = this.#free
    if (at !== NOWHERE) this.#free = this.#next[at]!
    else {
      at = this.#used++
      if (at === this.#slopes.length) this.#grow()
    }
    const bucket = this.#bucket(slope)
    this.#slopes[at] = slope
    this.#next[at] = this.#heads[bucket]!
    this.#heads[bucket] = at
    this.#counts[bucket]!++
    this.#size++
  }

  #take(slope: number): void {
    const bucket = this.#bucket(slope)
    const next = this.#next
    let before = NOWHERE
    let at = this.#heads[bucket]!
    while (at !== NOWHERE && this.#slopes[at] !== slope) {
      before = at
      at = next[at]!
    }
    if (at === NOWHERE) return
    if (before === NOWHERE) this.#heads[bucket] = next[at]!
    else next[before] = next[at]!
    next[at] = this.#free
    this.#free = at
    this.#counts[bucket]!--
    this.#size--
  }

  #grow(): void {
    const slopes = new Float64Array(this.#slopes.length * 2)
    const next = new Int16Array(this.#slopes.length * 2)
    slopes.set(this.#slopes)
    next.set(this.#next)
    this.#slopes = slopes
    this.#next = next
  }
}
