/**
 * A sum of doubles as an unevaluated pair value + rest with |rest| ≤ half an ulp of value (double-double; Dekker 1971,
 * Knuth TAOCP 2, 4.2.2): 106 bits, so that what was added and is taken away again leaves nothing. About 2 ns an addition.
 */
export class Sum {
  value = 0
  rest = 0

  clear(): void {
    this.value = 0
    this.rest = 0
  }

  add(x: number): void {
    const value = this.value
    const sum = value + x
    const virtual = sum - value
    const rest = value - (sum - virtual) + (x - virtual) + this.rest
    this.value = sum + rest
    this.rest = rest - (this.value - sum)
  }

  /** Adds x², exactly. */
  addSquare(x: number, sign: 1 | -1): void {
    this.add(sign * squareOf(x))
    this.add(sign * squareRest(x))
  }

  /** Adds a·b, exactly. */
  addProduct(a: number, b: number, sign: 1 | -1): void {
    this.add(sign * a * b)
    this.add(sign * productRest(a, b))
  }
}

const SPLIT = 134_217_729

export function squareOf(x: number): number {
  return x * x
}

/** x² − squareOf(x), exactly (Veltkamp split; |x| below 1e150). */
export function squareRest(x: number): number {
  const c = SPLIT * x
  const high = c - (c - x)
  const low = x - high
  return high * high - x * x + 2 * high * low + low * low
}

/** a·b − fl(a·b), exactly. */
export function productRest(a: number, b: number): number {
  const ca = SPLIT * a
  const aHigh = ca - (ca - a)
  const aLow = a - aHigh
  const cb = SPLIT * b
  const bHigh = cb - (cb - b)
  const bLow = b - bHigh
  return aHigh * bHigh - a * b + aHigh * bLow + aLow * bHigh + aLow * bLow
}

/**
 * Σ(x − mean)(y − mean) = Σxy − Σx·Σy / n of double-double sums, without losing it to cancellation. Negative rounding of
 * a square sum is the caller's to cut.
 */
export function centred(xy: Sum, x: Sum, y: Sum, n: number): number {
  const product = x.value * y.value
  const productLow = productRest(x.value, y.value) + (x.value * y.rest + x.rest * y.value)
  const quotient = product / n
  // product − quotient·n, exactly: what the division left.
  const left = product - quotient * n - productRest(quotient, n)
  const quotientLow = (left + productLow) / n
  const high = xy.value - quotient
  const virtual = high - xy.value
  const low = xy.value - (high - virtual) + (-quotient - virtual)
  return high + (low + xy.rest - quotientLow)
}
