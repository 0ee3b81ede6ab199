import t from 'tap'
import { close, MINUTE, normal, Rig, random, type Sample, SECOND, START, series } from './harness.js'

/** Samples in event-time order as they stand when the last has arrived. */
function inOrder(arrived: readonly Sample[]): Sample[] {
  return [...arrived].sort((a, b) => a.time - b.time)
}

t.test('ewma and ewmsd are the fold of RULES.md in event-time order', async (t) => {
  const halflife = 2 * MINUTE
  const mean = new Rig('ewma', { halflife })
  const spread = new Rig('ewmsd', { halflife })
  const arrived: Sample[] = []
  let known = 0
  // Out of order by less than sixteen samples.
  for (const sample of series(3, 'steps', 300, 10 * SECOND)) {
    arrived.push(sample)
    mean.push(sample.time, sample.value)
    spread.push(sample.time, sample.value)
    let y = Number.NaN
    let v = 0
    let last = Number.NaN
    let first = true
    for (const { time, value } of inOrder(arrived).filter((x) => x.time <= sample.time)) {
      if (Number.isNaN(y)) y = value
      else {
        const a = 1 - 2 ** (-(time - last) / halflife)
        const d = value - y
        v += a * (d * d - v)
        y += a * d
        first = false
      }
      last = time
    }
    if (!first) known++
    const expected = first ? [Number.NaN, Number.NaN] : [y, Math.sqrt(v)]
    if (!close(mean.read(sample.time), expected[0]!) || !close(spread.read(sample.time), expected[1]!)) {
      t.fail(`${mean.read(sample.time)} ± ${spread.read(sample.time)}, not ${expected}`)
      return
    }
  }
  t.ok(known > 290)
  const one = new Rig('ewma', { halflife })
  t.ok(Number.isNaN(one.read(START)), 'nothing')
  t.ok(Number.isNaN(one.feed(START, 5)), 'missing at the first sample')
  t.equal(one.feed(START + halflife, 7), 6, 'half the weight after a halflife')
})

t.test('changed, since and held in event-time order', async (t) => {
  const changed = new Rig('changed', {})
  const since = new Rig('since', {})
  const held = new Rig('held', {})
  const arrived: Sample[] = []
  for (const [i, { time, value }] of series(9, 'digits', 300, 8 * SECOND).entries()) {
    const sample = { time, value: value > 0.2 ? 1 : 0 }
    arrived.push(sample)
    for (const rig of [changed, since, held]) rig.push(time, sample.value)
    const now = i % 4 === 3 ? time + 5 * SECOND : time
    const seen = inOrder(arrived).filter((x) => x.time <= now)
    const last = seen.at(-1)!
    const before = seen.at(-2)
    const truth = seen.findLast((x) => x.value === 1)
    const broken = seen.findLastIndex((x) => x.value === 0)
    const expected = [
      before === undefined ? Number.NaN : last.value === before.value ? 0 : 1,
      last.value === 1 ? 0 : truth === undefined ? Number.NaN : now - truth.time,
      last.value === 1 ? now - seen[broken + 1]!.time : 0,
    ]
    const found = [changed.read(now), since.read(now), held.read(now)]
    if (!found.every((x, k) => close(x, expected[k]!))) {
      t.fail(`at ${i}: ${found}, not ${expected}`)
      return
    }
  }
  const never = new Rig('since', {})
  t.ok(Number.isNaN(never.feed(START, 0)), 'missing until it was true once')
  t.ok(Number.isNaN(new Rig('changed', {}).feed(START, 0)), 'missing at the first sample')
  t.equal(new Rig('held', {}).feed(START, 0), 0)
})

t.test('stuck: three samples over w, all equal', async (t) => {
  const rig = new Rig('stuck', { w: 10 * MINUTE })
  t.ok(Number.isNaN(rig.read(START)))
  t.equal(rig.feed(START, 4), 0)
  t.equal(rig.feed(START + 10 * MINUTE, 4), 0, 'two samples')
  t.equal(rig.feed(START + 11 * MINUTE, 4), 1)
  t.equal(rig.feed(START + 12 * MINUTE, 4.1), 0)
  t.equal(rig.feed(START + 13 * MINUTE, 4.1), 0)
  t.equal(rig.feed(START + 22 * MINUTE, 4.1), 1)
  rig.push(START + 21 * MINUTE, 4)
  t.equal(rig.read(START + 22 * MINUTE), 0, 'a late sample of another value breaks the run')
})

t.test('a spike is known when the next sample is back; a step is none', async (t) => {
  const spike = (values: readonly number[], constants = {}): number[] => {
    const rig = new Rig('spike', constants)
    return values.map((x, i) => rig.feed(START + i * MINUTE, x))
  }
  const calm = [1, 1.01, 0.99, 1, 1.02, 0.98, 1]
  t.same(spike([...calm, 9, 1.01]).slice(-2), [0, 1])
  t.same(spike([...calm, 9, 9, 1]).slice(-3), [0, 0, 0], 'two samples off are no spike')
  t.same(spike([...calm, 9, 9.01, 9, 8.99]).slice(-4), [0, 0, 0, 0], 'a step is none')
  t.same(spike([5, 5, 5, 5, 5, -40, 5]).slice(-2), [0, 1], 'out of a constant')
  t.same(spike([25, 25, 25, 25, 25, 25.1, 25]).slice(-2), [0, 0], 'the last digit of a calm sensor')
  t.same(spike([...calm, 9, 1.01, 1, 1, 7, 1]).slice(-2), [0, 1], 'one spike does not hide the next')
  t.same(spike([5, 5, 5, 5, 5, 6, 5], { min: 2 }).slice(-2), [0, 0], 'less than min=')
  t.ok(spike([1, 1, 9, 1]).every(Number.isNaN), 'missing with fewer than four samples before')
  const gauss = normal(random(5))
  const found = spike(Array.from({ length: 5000 }, gauss)).filter((x) => x === 1).length
  t.ok(found < 25, `${found} of 5 000 normal samples`)
})
