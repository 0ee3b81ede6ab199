/**
 * Puts the k-th smallest of values[from, to) at its place `from + k` and returns it: everything before is not above it,
 * everything after not below. Hoare's selection with a median of three; O(to − from) expected, allocates nothing.
 */
export function select(values: Float64Array, from: number, to: number, k: number): number {
  let low = from
  let high = to - 1
  const target = from + k
  while (high - low > 16) {
    const middle = (low + high) >>> 1
    const a = values[low]!
    const b = values[middle]!
    const c = values[high]!
    const pivot = Math.max(Math.min(a, b), Math.min(Math.max(a, b), c))
    let i = low
    let j = high
    while (i <= j) {
      while (values[i]! < pivot) i++
      while (values[j]! > pivot) j--
      if (i > j) break
      const swap = values[i]!
      values[i++] = values[j]!
      values[j--] = swap
    }
    if (target <= j) high = j
    else if (target >= i) low = i
    else return values[target]!
  }
  for (let i = low + 1; i <= high; i++) {
    const value = values[i]!
    let j = i - 1
    while (j >= low && values[j]! > value) {
      values[j + 1] = values[j]!
      j--
    }
    values[j + 1] = value
  }
  return values[target]!
}

const BUCKETS = 32
const COUNTS = new Int32Array(BUCKETS)
let gathered = new Float64Array(256)

/**
 * Median of values[0, n); NaN where n is 0. Values are counted into 32 buckets of equal width and only the middle one is
 * sorted: half the time of a selection, whose comparisons no processor can foresee. Worst case (nearly all in one bucket)
 * as `select`. The values stay as they are.
 */
export function medianOf(values: Float64Array, n: number): number {
  if (n === 0) return Number.NaN
  let low = values[0]!
  let high = low
  for (let i = 1; i < n; i++) {
    low = Math.min(low, values[i]!)
    high = Math.max(high, values[i]!)
  }
  const scale = BUCKETS / (high - low)
  // Equal values, or too near to each other or too far apart to be divided.
  if (!(scale > 0 && scale < Number.POSITIVE_INFINITY))
    return low === high ? low : gather(values, n, 0, 0, 0, 0)
  COUNTS.fill(0)
  for (let i = 0; i < n; i++) {
    const bucket = Math.min(BUCKETS - 1, ((values[i]! - low) * scale) | 0)
    COUNTS[bucket] = COUNTS[bucket]! + 1
  }
  const rank = (n - 1) >> 1
  let from = 0
  let before = 0
  while (before + COUNTS[from]! <= rank) before += COUNTS[from++]!
  // An even number may have its upper middle value in a later bucket.
  let to = from
  let upTo = before + COUNTS[to]!
  while (upTo <= n >> 1) upTo += COUNTS[++to]!
  return gather(values, n, low, scale, from, to, before)
}

/** Median of n values of which those in the buckets [from, to] hold the middle, `before` of them lying below. */
function gather(
  values: Float64Array,
  n: number,
  low: number,
  scale: number,
  from: number,
  to: number,
  before = 0,
): number {
  if (gathered.length < n) gathered = new Float64Array(2 * n)
  let size = 0
  for (let i = 0; i < n; i++) {
    const bucket = Math.min(BUCKETS - 1, ((values[i]! - low) * scale) | 0)
    if (bucket >= from && bucket <= to) gathered[size++] = values[i]!
  }
  const upper = select(gathered, 0, size, (n >> 1) - before)
  if (n % 2 === 1) return upper
  let lower = Number.NEGATIVE_INFINITY
  for (let i = 0; i < (n >> 1) - before; i++) lower = Math.max(lower, gathered[i]!)
  return lower / 2 + upper / 2
}
