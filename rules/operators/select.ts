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

/** Median of values[0, n), which are reordered; NaN where n is 0. */
export function medianOf(values: Float64Array, n: number): number {
  if (n === 0) return Number.NaN
  const high = select(values, 0, n, n >> 1)
  if (n % 2 === 1) return high
  let low = values[0]!
  for (let i = 1; i < n >> 1; i++) if (values[i]! > low) low = values[i]!
  return low / 2 + high / 2
}
