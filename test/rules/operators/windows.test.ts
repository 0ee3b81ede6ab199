import * as ss from 'simple-statistics'
import t from 'tap'
import {
  close,
  DAY,
  MINUTE,
  Rig,
  type Sample,
  SECOND,
  type Shape,
  START,
  series,
  warm,
  within,
} from './harness.js'

const LATE = 5 * MINUTE
const W = 4 * MINUTE
const values = (samples: readonly Sample[]): number[] => samples.map((sample) => sample.value)

function quantile(numbers: readonly number[], q: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const rank = q * (sorted.length - 1)
  const low = sorted[Math.floor(rank)]!
  const high = sorted[Math.ceil(rank)]!
  return low + (rank - Math.floor(rank)) * (high - low)
}

function mad(numbers: readonly number[]): number {
  const centre = quantile(numbers, 0.5)
  return (
    1.4826 *
    quantile(
      numbers.map((x) => Math.abs(x - centre)),
      0.5,
    )
  )
}

function rate(samples: readonly Sample[]): number {
  let rises = 0
  for (let i = 1; i < samples.length; i++) {
    const step = samples[i]!.value - samples[i - 1]!.value
    rises += step >= 0 ? step : samples[i]!.value
  }
  const seconds = (samples.at(-1)!.time - samples[0]!.time) / 1000
  return seconds > 0 ? rises / seconds : Number.NaN
}

function score(
  numbers: readonly number[],
  centre: (x: number[]) => number,
  spread: (x: number[]) => number,
): number {
  const before = numbers.slice(0, -1)
  const s = spread(before)
  return s > 1e-12 ? (numbers.at(-1)! - centre(before)) / s : Number.NaN
}

/** What each function is of the samples of a window that is warm. */
const REFERENCE: Record<string, (samples: Sample[]) => number> = {
  avg: (x) => ss.mean(values(x)),
  min: (x) => Math.min(...values(x)),
  max: (x) => Math.max(...values(x)),
  first: (x) => x[0]!.value,
  last: (x) => x.at(-1)!.value,
  delta: (x) => x.at(-1)!.value - x[0]!.value,
  range: (x) => Math.max(...values(x)) - Math.min(...values(x)),
  stddev: (x) => ss.standardDeviation(values(x)),
  var: (x) => ss.variance(values(x)),
  median: (x) => ss.median(values(x)),
  mad: (x) => mad(values(x)),
  rate,
  share: (x) => ss.mean(values(x)),
  zscore: (x) => score(values(x), ss.mean, ss.standardDeviation),
  robust_z: (x) => score(values(x), ss.median, mad),
}
/** The same for those without a warm-up. */
const AT_ONCE: Record<string, (samples: Sample[]) => number> = {
  count: (x) => x.length,
  sum: (x) => ss.sum(values(x)),
  count_if: (x) => ss.sum(values(x)),
  distinct: (x) => new Set(values(x)).size,
}

const SHAPES: readonly Shape[] = ['noise', 'steps', 'constant', 'digits', 'large']

for (const [name, reference] of Object.entries({ ...REFERENCE, ...AT_ONCE }))
  t.test(`${name} is what it says over uneven, late, gappy, equal-time and constant series`, async (t) => {
    let known = 0
    for (const [s, shape] of SHAPES.entries())
      for (let run = 0; run < 3; run++) {
        const arrived: Sample[] = []
        const rig = new Rig(name, { w: W }, LATE)
        for (const [i, sample] of series(100 * s + run, shape, 300, 3 * MINUTE).entries()) {
          rig.push(sample.time, sample.value)
          arrived.push(sample)
          // At its own time, and now and then a judgement that brought no sample of this metric.
          const at = i % 7 === 3 ? sample.time + (i % 5) * 20 * SECOND : sample.time
          const found = rig.read(at)
          const samples = within(arrived, at, W)
          const ready = name in AT_ONCE || warm(samples, W / 2)
          const expected = ready ? reference(samples) : Number.NaN
          const tolerance = shape === 'large' ? 1e-6 : 1e-9
          if (!Number.isNaN(expected)) known++
          if (!close(found, expected, tolerance)) {
            t.fail(`${name} of ${shape} ${run} at ${i}: ${found}, not ${expected}`)
            return
          }
        }
      }
    t.ok(known > 100, `${known} values compared`)
  })

t.test('quantile interpolates between ranks', async (t) => {
  for (const q of [0, 0.1, 0.25, 0.9, 1]) {
    const rig = new Rig('quantile', { w: W, q }, LATE)
    const arrived: Sample[] = []
    for (const sample of series(7, 'noise', 200, LATE)) {
      arrived.push(sample)
      const found = rig.feed(sample.time, sample.value)
      const samples = within(arrived, sample.time, W)
      const expected = warm(samples, W / 2) ? quantile(values(samples), q) : Number.NaN
      if (!close(found, expected)) {
        t.fail(`q ${q}: ${found}, not ${expected}`)
        return
      }
    }
  }
  const rig = new Rig('median', { w: MINUTE }, LATE)
  for (const [i, x] of [1, 9, 2, 4].entries()) rig.push(START + i * 10 * SECOND, x)
  t.equal(rig.read(START + 30 * SECOND), 3, 'the median of four is the mean of the middle two')
})

t.test('nothing, one and two samples', async (t) => {
  for (const name of Object.keys(REFERENCE)) {
    const rig = new Rig(name, { w: MINUTE }, LATE)
    t.ok(Number.isNaN(rig.read(START)), `${name} of nothing is missing`)
    t.ok(Number.isNaN(rig.feed(START, 1)), `${name} of one is missing`)
  }
  for (const name of Object.keys(AT_ONCE)) {
    const rig = new Rig(name, { w: MINUTE }, LATE)
    t.equal(rig.read(START), 0, `${name} of nothing is 0`)
    t.equal(rig.feed(START, 1), 1, `${name} of one 1 is 1`)
    t.equal(rig.read(START + MINUTE), 0, `${name} is 0 when the window has emptied: (t − w, t]`)
  }
  const avg = new Rig('avg', { w: MINUTE }, LATE)
  avg.push(START, 1)
  t.ok(Number.isNaN(avg.feed(START + 29 * SECOND, 2)), 'less than w/2 of samples is missing')
  t.equal(avg.feed(START + 30 * SECOND, 3), 2, 'w/2 is enough')
})

t.test('warmup= changes how much of the window must be there', async (t) => {
  const none = new Rig('avg', { w: MINUTE, warmup: 0 }, LATE)
  t.equal(none.feed(START, 5), 5)
  const whole = new Rig('count', { w: MINUTE, warmup: 50 * SECOND }, LATE)
  t.ok(Number.isNaN(whole.feed(START, 5)))
  t.equal(whole.feed(START + 50 * SECOND, 5), 2)
})

t.test('a counter that begins anew counts its new value; nothing is extrapolated', async (t) => {
  const rig = new Rig('rate', { w: MINUTE }, LATE)
  for (const [i, x] of [100, 110, 120, 5, 15].entries()) rig.push(START + i * 10 * SECOND, x)
  t.equal(rig.read(START + 40 * SECOND), (10 + 10 + 5 + 10) / 40)
  const flat = new Rig('rate', { w: MINUTE, warmup: 0 }, LATE)
  flat.push(START, 1)
  t.ok(Number.isNaN(flat.feed(START, 2)), 'two samples of one time have no rate')
})

t.test('a spread of 0 is missing unless min= gives the smallest that counts', async (t) => {
  for (const name of ['zscore', 'robust_z']) {
    const plain = new Rig(name, { w: MINUTE }, LATE)
    const floored = new Rig(name, { w: MINUTE, min: 0.5 }, LATE)
    for (let i = 0; i < 5; i++) {
      plain.push(START + i * 10 * SECOND, 0.1)
      floored.push(START + i * 10 * SECOND, 0.1)
    }
    t.ok(Number.isNaN(plain.feed(START + 50 * SECOND, 1.1)), name)
    t.ok(close(floored.feed(START + 50 * SECOND, 1.1), 2), name)
  }
})

t.test('lag is the newest sample at or before t − w, however old', async (t) => {
  const rig = new Rig('lag', { w: MINUTE }, LATE)
  const arrived: Sample[] = []
  let known = 0
  for (const sample of series(11, 'noise', 400, LATE)) {
    arrived.push(sample)
    const found = rig.feed(sample.time, sample.value)
    const before = within(arrived, sample.time - MINUTE, 100 * DAY)
    const expected = before.at(-1)?.value ?? Number.NaN
    if (!Number.isNaN(expected)) known++
    if (!close(found, expected)) {
      t.fail(`${found}, not ${expected}`)
      return
    }
  }
  t.ok(known > 300)
})

t.test('a judgement further behind than late is missing', async (t) => {
  const rig = new Rig('avg', { w: MINUTE }, LATE)
  for (let i = 0; i < 100; i++) rig.push(START + i * 10 * SECOND, i)
  const newest = START + 990 * SECOND
  t.equal(rig.read(newest - LATE), (64 + 69) / 2)
  t.ok(Number.isNaN(rig.read(newest - LATE - 1)))
})

t.test('a glitch of 1e30 has left no trace two windows later', async (t) => {
  const rig = new Rig('sum', { w: MINUTE }, LATE)
  const clean = new Rig('sum', { w: MINUTE }, LATE)
  for (let i = 0; i < 400; i++) {
    const time = START + i * SECOND
    const x = 0.1 * (i % 7)
    rig.push(time, i === 50 ? 1e30 : x)
    clean.push(time, x)
    if (i > 50 + 2 * 60 + 64) t.equal(rig.read(time), clean.read(time))
    else rig.read(time)
  }
})
