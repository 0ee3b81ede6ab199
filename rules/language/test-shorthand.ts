/** Values of one metric in a rule's test: `values[i]` at `times[i]` ms after the test's start; null is a gap. */
export interface TestFeedText {
  readonly values: readonly (number | null)[]
  readonly times: readonly number[]
}

/** Samples of one string; a test is a picture of an hour or a day, not a load. */
const SAMPLES_MAX = 100_000
const EVERY = /\s+every\s+(\d+(?:\.\d+)?(?:ms|s|m|h|d))\s*$/
const SERIES = /^([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?:([-+])(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?))?x(\d+)$/
const NUMBER = /^[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?$/
const GAP = /^_(?:x(\d+))?$/
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * promtool's shorthand: `1.8+0.02x70 every 1m` is 71 values a + i·b one minute apart; `5x3` is four times 5, `_` a gap,
 * `_x3` three, plain numbers stand for themselves; several stand one after the other. `every` where the string has none
 * is `everyDefault` (ms).
 */
export function parseFeed(
  text: string,
  everyDefault: number,
):
  | { readonly values: readonly (number | null)[]; readonly every: number }
  | { readonly at: number; readonly message: string } {
  const tail = EVERY.exec(` ${text}`)
  let every = everyDefault
  let body = text
  if (tail !== null) {
    const [, amount, unit] = /^([\d.]+)(\w+)$/.exec(tail[1]!)!
    every = Math.round(Number(amount) * UNITS[unit!]!)
    body = text.slice(0, Math.max(0, tail.index - 1))
    if (!(every >= 1)) return { at: body.length, message: `'every' is longer than 0` }
  }
  const values: (number | null)[] = []
  for (const match of body.matchAll(/\S+/g)) {
    const word = match[0]
    const series = SERIES.exec(word)
    const gap = GAP.exec(word)
    const count = series !== null ? Number(series[4]) + 1 : gap !== null ? Number(gap[1] ?? 1) : 1
    if (values.length + count > SAMPLES_MAX)
      return { at: match.index, message: `a feed has at most ${SAMPLES_MAX} samples` }
    if (series !== null) {
      const start = Number(series[1])
      const step = series[3] === undefined ? 0 : Number(series[3]) * (series[2] === '-' ? -1 : 1)
      for (let i = 0; i < count; i++) values.push(start + i * step)
    } else if (gap !== null) for (let i = 0; i < count; i++) values.push(null)
    else if (NUMBER.test(word)) values.push(Number(word))
    else
      return {
        at: match.index,
        message: `'${word.slice(0, 40)}' is no number, no start+stepxcount and no gap '_' (the end may be 'every 1m')`,
      }
    // The last value of a series is its largest in size.
    if (!Number.isFinite(values.at(-1) ?? 0))
      return { at: match.index, message: `'${word.slice(0, 40)}' is too large` }
  }
  if (values.length === 0) return { at: 0, message: 'a feed has at least one value' }
  return { values, every }
}
