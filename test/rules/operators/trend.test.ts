import * as ss from 'simple-statistics'
import t from 'tap'
import { studentT95 } from '../../../rules/operators/student.js'
import { TheilSen } from '../../../rules/operators/theil-sen.js'
import {
  close,
  HOUR,
  MINUTE,
  normal,
  Rig,
  random,
  type Sample,
  SECOND,
  type Shape,
  START,
  series,
  within,
} from './harness.js'

const LATE = 5 * MINUTE

function slopes(samples: readonly Sample[]): number[] {
  const found: number[] = []
  for (let j = 1; j < samples.length; j++)
    for (let i = 0; i < j; i++)
      if (samples[i]!.time !== samples[j]!.time)
        found.push((samples[j]!.value - samples[i]!.value) / (samples[j]!.time - samples[i]!.time))
  return found.sort((a, b) => a - b)
}

/** Sen's 90 % ranks, from 0; undefined where there are none. */
function ranks(n: number, pairs: number): [number, number] | undefined {
  const ties = (n * (n - 1)) / 2 - pairs
  const c = 1.6448536269514722 * Math.sqrt(Math.max(0, (n * (n - 1) * (2 * n + 5)) / 18 - ties))
  const low = Math.round((pairs - c) / 2)
  return low >= 1 ? [low - 1, pairs - low] : undefined
}

interface Line {
  readonly slope: number
  readonly low: number
  readonly high: number
}

function middle(sorted: readonly number[]): number {
  const n = sorted.length
  return (sorted[(n - 1) >> 1]! + sorted[n >> 1]!) / 2
}

function theilSen(samples: readonly Sample[]): Line | undefined {
  const all = slopes(samples)
  const ends = ranks(samples.length, all.length)
  if (samples.length < 4 || ends === undefined) return undefined
  return { slope: middle(all), low: all[ends[0]]!, high: all[ends[1]]! }
}

function at(samples: readonly Sample[], time: number, slope: number): number {
  return ss.median(samples.map((sample) => sample.value + slope * (time - sample.time)))
}

function timeTo(samples: readonly Sample[], time: number, slope: number, limit: number): number {
  const left = limit - at(samples, time, slope)
  return left <= 0 ? 0 : slope > 0 ? left / slope : Number.POSITIVE_INFINITY
}

const SHAPES: readonly Shape[] = ['noise', 'steps', 'constant', 'digits']

t.test('slope, forecast and time_to are those of all pairs, with Sen’s 90 % band', async (t) => {
  const w = 6 * MINUTE
  let known = 0
  for (const [s, shape] of SHAPES.entries())
    for (let run = 0; run < 2; run++) {
      const slope = new Rig('slope', { w, method: 'theil_sen' }, LATE)
      const forecast = new Rig('forecast', { w, horizon: HOUR, method: 'theil_sen' }, LATE)
      const eta = new Rig('time_to', { w, method: 'theil_sen', direction: 'up' }, LATE)
      const down = new Rig('time_to', { w, method: 'theil_sen', direction: 'down' }, LATE)
      const arrived: Sample[] = []
      for (const [i, { time, value }] of series(40 * s + run, shape, 250, 3 * MINUTE).entries()) {
        arrived.push({ time, value })
        for (const rig of [slope, forecast, eta, down]) rig.push(time, value)
        const now = i % 6 === 5 ? time + 30 * SECOND : time
        const samples = within(arrived, now, w)
        const line = theilSen(samples)
        const limit = value + (i % 5) - 1
        const expected =
          line === undefined
            ? Array(9).fill(Number.NaN)
            : [
                line.slope * HOUR,
                line.low * HOUR,
                line.high * HOUR,
                at(samples, now + HOUR, line.slope),
                at(samples, now + HOUR, line.low),
                timeTo(samples, now, line.slope, limit),
                timeTo(samples, now, line.high, limit),
                timeTo(samples, now, line.low, limit),
                timeTo(
                  samples.map((x) => ({ time: x.time, value: -x.value })),
                  now,
                  -line.slope,
                  -limit,
                ),
              ]
        const found = [
          slope.read(now),
          slope.read(now, 'low'),
          slope.read(now, 'high'),
          forecast.read(now),
          forecast.read(now, 'low'),
          eta.read(now, '', limit),
          eta.read(now, 'low', limit),
          eta.read(now, 'high', limit),
          down.read(now, '', limit),
        ]
        if (line !== undefined) known++
        for (const [k, value] of found.entries())
          if (!close(value, expected[k]!, 1e-8)) {
            t.fail(`${shape} ${run} at ${i}, value ${k}: ${value}, not ${expected[k]}`)
            return
          }
      }
    }
  t.ok(known > 800, `${known} lines compared`)
})

t.test('least squares is simple-statistics’ line, at 1e9 too', async (t) => {
  const w = 6 * MINUTE
  let known = 0
  for (const shape of ['noise', 'large'] as const) {
    const slope = new Rig('slope', { w, method: 'least_squares' }, LATE)
    const forecast = new Rig('forecast', { w, horizon: HOUR, method: 'least_squares' }, LATE)
    const arrived: Sample[] = []
    for (const sample of series(5, shape, 300, 3 * MINUTE)) {
      arrived.push(sample)
      slope.push(sample.time, sample.value)
      forecast.push(sample.time, sample.value)
      const samples = within(arrived, sample.time, w)
      const ready = samples.length >= 4 && samples[0]!.time < samples.at(-1)!.time
      // Around the newest, so that the reference keeps its digits.
      const points = samples.map((x) => [(x.time - sample.time) / HOUR, x.value - sample.value])
      const { m, b } = ready ? ss.linearRegression(points) : { m: Number.NaN, b: Number.NaN }
      if (ready) known++
      const found = slope.read(sample.time)
      if (!close(found, m, 1e-6)) {
        t.fail(`${shape}: slope ${found}, not ${m}`)
        return
      }
      const value = forecast.read(sample.time)
      if (!close(value, sample.value + b + m, 1e-6)) {
        t.fail(`${shape}: ${value}, not ${sample.value + b + m}`)
        return
      }
      if (ready && !(slope.read(sample.time, 'low') <= found && found <= slope.read(sample.time, 'high'))) {
        t.fail('the band does not hold the slope')
        return
      }
    }
  }
  t.ok(known > 300)
})

t.test('the rise of RULES.md: 1.8 + 0.02 a minute reaches 3.0 when it does', async (t) => {
  for (const method of ['theil_sen', 'least_squares']) {
    const eta = new Rig('time_to', { w: HOUR, method, direction: 'up' }, LATE)
    const slope = new Rig('slope', { w: 30 * MINUTE, method }, LATE)
    for (let i = 0; i <= 70; i++) {
      const time = START + i * MINUTE
      eta.push(time, 1.8 + 0.02 * i)
      slope.push(time, 1.8 + 0.02 * i)
      if (i < 3) {
        t.ok(Number.isNaN(eta.read(time, '', 3)), 'fewer than four samples')
        continue
      }
      const left = Math.max(0, (60 - i) * MINUTE)
      for (const field of ['', 'low', 'high']) {
        const found = eta.read(time, field, 3)
        if (Math.abs(found - left) > 1) t.fail(`${method} ${field} at ${i} min: ${found}, not ${left}`)
      }
      if (!close(slope.read(time), 1.2, 1e-9)) t.fail(`slope at ${i}: ${slope.read(time)}`)
    }
    t.equal(eta.read(START + 71 * MINUTE, '', 3), 0)
    t.ok(Number.isNaN(eta.read(START + 71 * MINUTE, '', Number.NaN)), 'a limit that is missing')
  }
})

t.test('not approaching is infinite, which is a value; one time, or three samples, is missing', async (t) => {
  const eta = new Rig('time_to', { w: HOUR, direction: 'up', method: 'theil_sen' }, LATE)
  for (let i = 0; i < 6; i++) eta.push(START + i * MINUTE, 2)
  t.equal(eta.read(START + 5 * MINUTE, '', 3), Number.POSITIVE_INFINITY)
  const same = new Rig('slope', { w: HOUR, method: 'theil_sen' }, LATE)
  const sameLeast = new Rig('slope', { w: HOUR, method: 'least_squares' }, LATE)
  for (let i = 0; i < 6; i++) {
    t.ok(Number.isNaN(same.feed(START, i)))
    t.ok(Number.isNaN(sameLeast.feed(START, i)))
  }
})

t.test('above 128 samples the line of pane means stays near that of all pairs', async (t) => {
  const w = 10 * MINUTE
  const next = random(3)
  const gauss = normal(next)
  const rig = new Rig('slope', { w, method: 'theil_sen' }, LATE)
  const samples: Sample[] = []
  let worst = 0
  for (let i = 0; i < 2000; i++) {
    const time = START + i * SECOND
    // 60 an hour, noise of 0.5, one sample in fifty 30 off.
    const value = i / 60 + 0.5 * gauss() + (next() < 0.02 ? 30 : 0)
    samples.push({ time, value })
    const found = rig.feed(time, value)
    if (i > 600 && i % 250 === 0) {
      const exact = ss.median(slopes(samples.slice(-600))) * HOUR
      worst = Math.max(worst, Math.abs(found - exact))
    }
  }
  t.ok(worst < 2.5, `within ${worst.toFixed(2)} of 60 per hour`)
  t.ok(
    rig.read(START + 1999 * SECOND, 'low') < 60 && rig.read(START + 1999 * SECOND, 'high') > 60,
    'the band holds the truth',
  )
})

t.test('pushing and taking away keeps ranks exact in a run of points', async (t) => {
  for (const seed of [1, 2, 3, 4]) {
    const next = random(seed)
    const line = new TheilSen()
    let points: Sample[] = []
    for (let i = 0; i < 600; i++) {
      const value =
        seed === 4 ? Math.round(next() * 3) : next() * (seed === 3 ? 1e-9 : 10) + (seed === 2 ? i / 10 : 0)
      const time = START + i * 1000 - (next() < 0.1 ? 1000 : 0)
      line.push(Math.max(time, points.at(-1)?.time ?? 0), value)
      points.push({ time: Math.max(time, points.at(-1)?.time ?? 0), value })
      const most = 10 + ((i >> 6) % 9) * 10
      while (points.length > most) {
        points = points.slice(1)
        line.shift()
      }
      if (next() < 0.2 && points.length > 1) {
        points.pop()
        line.pop()
      }
      const expected = theilSen(points)
      if (expected === undefined) continue
      for (const [which, value] of [expected.slope, expected.low, expected.high].entries())
        if (line.slope(which as 0 | 1 | 2) !== value) {
          t.fail(`seed ${seed} at ${i}: ${line.slope(which as 0 | 1 | 2)}, not ${value}`)
          return
        }
    }
  }
  t.pass()
})

t.test('Sen’s interval covers the true slope nine times in ten', async (t) => {
  const gauss = normal(random(17))
  let inside = 0
  for (let run = 0; run < 1000; run++) {
    const line = new TheilSen()
    for (let i = 0; i < 20; i++) line.push(i * 1000, 0.003 * i * 1000 + gauss())
    if (line.slope(1) <= 0.003 && line.slope(2) >= 0.003) inside++
  }
  t.ok(inside > 870 && inside < 930, `${inside} of 1000`)
})

t.test('Student’s t, against printed tables', async (t) => {
  for (const [df, value] of [
    [1, 6.3138],
    [2, 2.92],
    [5, 2.015],
    [11, 1.7959],
    [20, 1.7247],
    [60, 1.6706],
    [1000, 1.6464],
  ] as const)
    t.ok(Math.abs(studentT95(df) - value) < 6e-5, `${df} degrees of freedom`)
})

t.test('behind the newest, above 128 samples, the points are the means of panes as well', async (t) => {
  const w = 10 * MINUTE
  const gauss = normal(random(21))
  const now = new Rig('slope', { w, method: 'theil_sen' }, LATE)
  const after = new Rig('slope', { w, method: 'theil_sen' }, LATE)
  const then: { time: number; value: number }[] = []
  for (let i = 0; i < 1500; i++) {
    const time = START + i * SECOND
    const value = i / 60 + gauss()
    now.push(time, value)
    after.push(time, value)
    // The last sample of a pane: what is read now is what is read later.
    if (i > 1250 && Math.floor((time + SECOND) / (w / 64)) > Math.floor(time / (w / 64)))
      then.push({ time, value: now.read(time) })
  }
  t.ok(then.length > 20)
  for (const { time, value } of then)
    if (!close(after.read(time), value, 1e-9)) t.fail(`${after.read(time)}, not ${value}`)
})
