/** Aggregates of a handful of values: what `across` takes, and the middle that `disagrees` measures from. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The functions that `across` takes; missing of nothing, except count (0) and sum (0). */
export function reduction(name: string): (values: readonly number[]) => number {
  const some =
    (f: (values: readonly number[]) => number) =>
    (values: readonly number[]): number =>
      values.length === 0 ? Number.NaN : f(values)
  const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
  const variance = (values: readonly number[]) => {
    const mean = total(values) / values.length
    return total(values.map((v) => (v - mean) ** 2)) / values.length
  }
  switch (name) {
    case 'count':
      return (values) => values.length
    case 'sum':
      return total
    case 'avg':
      return some((values) => total(values) / values.length)
    case 'min':
      return some((values) => values.reduce((a, b) => Math.min(a, b)))
    case 'max':
      return some((values) => values.reduce((a, b) => Math.max(a, b)))
    case 'range':
      return some(
        (values) => values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b)),
      )
    case 'var':
      return some(variance)
    case 'stddev':
      return some((values) => Math.sqrt(variance(values)))
    case 'median':
      return some(median)
    case 'mad':
      return some((values) => {
        const middle = median(values)
        return 1.4826 * median(values.map((v) => Math.abs(v - middle)))
      })
    default:
      return () => Number.NaN
  }
}
