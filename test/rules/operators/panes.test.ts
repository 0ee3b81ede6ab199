import * as ss from 'simple-statistics'
import t from 'tap'
import { close, HOUR, MINUTE, normal, Rig, random, START } from './harness.js'

const W = 10 * MINUTE
const PANE = W / 64

/** Two samples in 100 ms, so that a window of ten minutes has about 12 000. */
function dense(seed: number, n: number): { time: number; value: number }[] {
  const next = random(seed)
  const gauss = normal(next)
  let time = START
  return Array.from({ length: n }, (_, i) => {
    time += Math.floor(next() * 100)
    return { time, value: 50 + 10 * Math.sin(i / 3000) + gauss() }
  })
}

t.test('above 4 096 samples a window is its panes of w/64, the oldest whole until it has left', async (t) => {
  const samples = dense(1, 30_000)
  const names = [
    'count',
    'sum',
    'avg',
    'min',
    'max',
    'range',
    'stddev',
    'first',
    'last',
    'delta',
    'zscore',
  ] as const
  const rigs = names.map((name) => new Rig(name, { w: W }, 5 * MINUTE))
  for (const [i, { time, value }] of samples.entries()) {
    for (const rig of rigs) rig.push(time, value)
    if (i < 20_000 || i % 997 !== 0) continue
    const from = Math.floor((time - W) / PANE) * PANE
    const inside = samples.slice(0, i + 1).filter((sample) => sample.time >= from)
    const x = inside.map((sample) => sample.value)
    const before = x.slice(0, -1)
    const expected: Record<(typeof names)[number], number> = {
      count: x.length,
      sum: ss.sum(x),
      avg: ss.mean(x),
      min: Math.min(...x),
      max: Math.max(...x),
      range: Math.max(...x) - Math.min(...x),
      stddev: ss.standardDeviation(x),
      first: x[0]!,
      last: x.at(-1)!,
      delta: x.at(-1)! - x[0]!,
      zscore: (value - ss.mean(before)) / ss.standardDeviation(before),
    }
    for (const [k, name] of names.entries()) {
      const found = rigs[k]!.read(time)
      if (!close(found, expected[name])) t.fail(`${name} at ${i}: ${found}, not ${expected[name]}`)
    }
    if (expected.count < 4097) t.fail('not enough samples to try panes')
  }
  t.pass()
})

t.test('exact at 4 096 samples, panes at 4 097, and back', async (t) => {
  const rig = new Rig('count', { w: W }, 5 * MINUTE)
  // All within one minute, far from a pane's edge; then nothing more.
  const start = Math.ceil(START / PANE) * PANE + PANE / 2
  rig.push(start - PANE / 4, 1)
  for (let i = 0; i < 5000; i++) rig.push(start + i * 10, 1)
  const end = start + 49_990
  // At this time the first sample has left, and its pane has not.
  const later = start - PANE / 4 + W
  t.equal(rig.read(later), 5001, 'the oldest pane whole')
  const gone = start + 999 * 10 + W
  const pane = Math.floor((start + 1000 * 10) / PANE) * PANE
  const left = Array.from({ length: 5000 }, (_, i) => start + i * 10).filter((time) => time > gone - W).length
  t.equal(left, 4000)
  t.equal(rig.read(gone), 4000, 'exact again below 4 097')
  t.ok(pane < end)
})

t.test('median and quantile stay within 1 % of the value, mad within 1 % of the farthest', async (t) => {
  const samples = dense(2, 24_000)
  const median = new Rig('median', { w: W }, 5 * MINUTE)
  const ninth = new Rig('quantile', { w: W, q: 0.9 }, 5 * MINUTE)
  const mad = new Rig('mad', { w: W }, 5 * MINUTE)
  let worst = 0
  for (const [i, { time, value }] of samples.entries()) {
    for (const rig of [median, ninth, mad]) rig.push(time, value)
    if (i < 15_000 || i % 1501 !== 0) continue
    const from = Math.floor((time - W) / PANE) * PANE
    const x = samples
      .slice(0, i + 1)
      .filter((sample) => sample.time >= from)
      .map((sample) => sample.value)
    const exact = ss.median(x)
    worst = Math.max(
      worst,
      Math.abs(median.read(time) / exact - 1),
      Math.abs(ninth.read(time) / ss.quantile(x, 0.9) - 1),
    )
    const spread = 1.4826 * ss.medianAbsoluteDeviation(x)
    const bound = 1.4826 * 2 * 0.01 * Math.max(...x)
    if (Math.abs(mad.read(time) - spread) > bound) t.fail(`mad ${mad.read(time)}, not ${spread}`)
  }
  t.ok(worst > 0 && worst < 0.0101, `worst ${worst}`)
})

t.test('rate and distinct count every sample of the panes', async (t) => {
  const rate = new Rig('rate', { w: W }, 5 * MINUTE)
  const distinct = new Rig('distinct', { w: W }, 5 * MINUTE)
  for (let i = 0; i <= 20_000; i++) {
    // 0.7 a sample of 50 ms, beginning anew every 5 000.
    rate.push(START + i * 50, 0.7 * (i % 5000))
    distinct.push(START + i * 50, i % 1234)
  }
  const end = START + 20_000 * 50
  t.ok(Math.abs(rate.read(end) / 14 - 1) < 1e-3, `${rate.read(end)} a second`)
  t.equal(distinct.read(end), 1234)
  for (let i = 1; i <= 4000; i++) distinct.push(end + i * 150, 7)
  t.equal(distinct.read(end + 600_000), 1)
})

t.test('lag, slope and forecast go on above 4 096 samples', async (t) => {
  const lag = new Rig('lag', { w: W }, 5 * MINUTE)
  const robust = new Rig('slope', { w: W, method: 'theil_sen' }, 5 * MINUTE)
  const least = new Rig('slope', { w: W, method: 'least_squares' }, 5 * MINUTE)
  const ahead = new Rig('forecast', { w: W, horizon: HOUR, method: 'theil_sen' }, 5 * MINUTE)
  for (let i = 0; i <= 20_000; i++)
    for (const rig of [lag, robust, least, ahead]) rig.push(START + i * 50, i * 50)
  const end = START + 20_000 * 50
  const behind = lag.read(end) - (20_000 * 50 - W)
  t.ok(behind <= 0 && behind >= -PANE, `lag by at most a pane: ${behind}`)
  t.ok(close(robust.read(end), HOUR, 1e-6))
  t.ok(close(least.read(end), HOUR, 1e-6))
  t.ok(close(ahead.read(end), 20_000 * 50 + HOUR, 1e-6))
})

t.test('two starting points agree after one window, to the last bit of what is printed', async (t) => {
  const samples = dense(3, 30_000)
  for (const name of ['avg', 'stddev', 'max', 'median', 'mad', 'slope', 'rate', 'zscore']) {
    const constants = { w: W, method: 'theil_sen' }
    const early = new Rig(name, constants, 5 * MINUTE)
    const late = new Rig(name, constants, 5 * MINUTE)
    for (const [i, { time, value }] of samples.entries()) {
      early.push(time, value)
      if (i % 3 === 0) early.read(time)
      if (i < 8000) continue
      late.push(time, value)
      if (i > 24_000 && i % 371 === 0) {
        const a = early.read(time)
        const b = late.read(time)
        if (!close(a, b, 1e-13)) t.fail(`${name} at ${i}: ${a} and ${b}`)
      }
    }
  }
  t.pass()
})
