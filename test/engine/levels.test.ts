import t from 'tap'
import { RuleBench, rule } from './bench.js'

const GAUGE = rule(
  'gauge',
  'levels:',
  '  medium: { when: level_m >= 2, clear: level_m < 1.9 }',
  '  high: { when: level_m >= 2.5, for: 2m, hold: 10m }',
  '  critical: { when: level_m >= 3 }',
)

t.test('the highest true level wins at once; levels move inside one alert', async (t) => {
  const bench = new RuleBench(GAUGE).series('level_m', [1, 3.1])
  t.same(bench.lines(), ['1 g1 none>critical'])
})

t.test('`clear` keeps a level between its two thresholds', async (t) => {
  const bench = new RuleBench(GAUGE).series('level_m', [2.1, 1.95, 1.85])
  t.same(bench.lines(), ['0 g1 none>medium', '2 g1 medium>none'])
})

t.test(
  '`for` is fulfilled by the next sample that still holds, and broken by one that does not',
  async (t) => {
    t.same(new RuleBench(GAUGE).series('level_m', [1, 2.6, 2.6, 2.6, 2.6]).lines(), [
      '1 g1 none>medium',
      '3 g1 medium>high',
    ])
    t.same(new RuleBench(GAUGE).series('level_m', [1, 2.6, 2.4, 2.6, 2.6]).lines(), ['1 g1 none>medium'])
  },
)

t.test(
  '`for` is fulfilled by the clock only within 1.5 expected intervals of the newest sample',
  async (t) => {
    const registry = '- { device: g1, expected_interval: 2m }'
    const bench = new RuleBench(GAUGE, { registry }).send({ at: 0, metrics: { level_m: 2.6 } })
    bench.send({ at: 10, device: 'other', metrics: { level_m: 0 } })
    t.same(bench.lines(), ['0 g1 none>medium', '2 g1 medium>high'], 'two minutes of silence are within 3')
    const dead = new RuleBench(GAUGE, { registry: '- { device: g1, expected_interval: 1m }' }).send({
      at: 0,
      metrics: { level_m: 2.6 },
    })
    dead.send({ at: 10, device: 'other', metrics: { level_m: 0 } })
    t.same(dead.lines(), ['0 g1 none>medium'], 'one spike from a sensor that then dies does not fire')
    dead.send({ at: 11, metrics: { level_m: 2.7 } })
    t.same(dead.lines(), ['11 g1 medium>high'], 'the first later sample that still holds does, with its time')
  },
)

t.test('falling walks down one level a line and stops at a level that is true', async (t) => {
  const plain = rule(
    'plain',
    'levels:',
    '  low: { when: level_m > 1 }',
    '  high: { when: level_m > 2 }',
    '  critical: { when: level_m > 3 }',
  )
  const bench = new RuleBench(plain).series('level_m', [4, 1.5, 4, 0], { every: 10 })
  t.same(bench.lines(), [
    '0 g1 none>critical',
    '10 g1 critical>high',
    '10 g1 high>low',
    '20 g1 low>critical',
    '30 g1 critical>high',
    '30 g1 high>low',
    '30 g1 low>none',
  ])
})

t.test('only the last of several falls is announced', async (t) => {
  const plain = rule('plain', 'levels:', '  low: { when: level_m > 1 }', '  high: { when: level_m > 2 }')
  const bench = new RuleBench(plain).series('level_m', [3, 0])
  t.same(
    bench.out.map((line) => line.announced),
    ['high', null, 'none'],
  )
})

t.test('`hold` counts from the rise and is over by the clock', async (t) => {
  const held = rule('held', 'levels: { high: { when: level_m > 2, hold: 10m } }')
  const bench = new RuleBench(held).series('level_m', [3, 1, 1])
  t.same(bench.lines(), ['0 g1 none>high'])
  bench.until(10)
  t.same(bench.lines(), [], 'a timer due at D fires once the clock has passed D')
  bench.until(10.001)
  t.same(bench.lines(), ['10 g1 high>none'])
})

t.test('a missing value neither raises nor clears', async (t) => {
  const both = rule('both', 'levels: { high: { when: level_m > 2 and rain_mm > 5 } }')
  const bench = new RuleBench(both).send({ at: 0, metrics: { level_m: 3 } })
  t.same(bench.lines(), [])
  bench.send({ at: 1, metrics: { rain_mm: 6 } })
  t.same(bench.lines(), ['1 g1 none>high'])
})

t.test('out of order: judged at its own time, may raise, never lower', async (t) => {
  const plain = rule('plain', 'levels: { low: { when: level_m > 1 }, high: { when: level_m > 2 } }')
  const bench = new RuleBench(plain)
  bench.send(
    { at: 0, metrics: { level_m: 0 } },
    { at: 10, metrics: { level_m: 1.5 } },
    { at: 9, received: 11, metrics: { level_m: 3 } },
  )
  t.same(bench.lines(), ['10 g1 none>low', '9 g1 low>high'])
  bench.send({ at: 9.5, received: 11, metrics: { level_m: 0 } })
  t.same(bench.lines(), [])
  bench.send({ at: 12, metrics: { level_m: 0 } })
  t.same(bench.lines(), ['12 g1 high>low', '12 g1 low>none'])
})

t.test('late, historical, duplicate, test, calibrating and bad samples never raise', async (t) => {
  const plain = rule('plain', 'levels: { low: { when: level_m > 1 } }')
  for (const mark of ['historical', 'test', 'calibrating', 'bad']) {
    const bench = new RuleBench(plain).send({ at: 0, metrics: { level_m: 3 }, quality: [mark] })
    t.same(bench.lines(), [], mark)
  }
  const bench = new RuleBench(plain).send(
    { at: 120, metrics: { level_m: 0 } },
    { at: 30, received: 121, metrics: { level_m: 3 } },
  )
  t.same(bench.lines(), [], 'more than an hour behind its device')
  t.equal(bench.core.counters.late, 1)
  bench.send({ at: 122, metrics: { level_m: 0.5 } }, { at: 122, received: 123, metrics: { level_m: 0.5 } })
  t.equal(bench.core.counters.duplicate, 1)
})

t.test('a rule that names a quality mark sees those samples', async (t) => {
  const named = rule('named', 'levels: { low: { when: quality.calibrating and level_m > 1 } }')
  const bench = new RuleBench(named).send({ at: 0, metrics: { level_m: 3 }, quality: ['calibrating'] })
  t.same(bench.lines(), ['0 g1 none>low'])
})

t.test('a time in 2262 is judged at its arrival, marked, and does not blind the device', async (t) => {
  const plain = rule('plain', 'levels: { low: { when: level_m > 1 } }')
  const bench = new RuleBench(plain)
  bench.send({ at: 100 * 365 * 1440, received: 1, metrics: { level_m: 3 } })
  t.same(bench.lines(), ['1 g1 none>low'])
  t.equal(bench.core.counters.future, 1)
  bench.send({ at: 2, metrics: { level_m: 0 } })
  t.same(bench.lines(), ['2 g1 low>none'])
})

t.test(
  'flapping: the seventh change stands at the highest level until all is calm for 10 minutes',
  async (t) => {
    const plain = rule('plain', 'levels: { low: { when: level_m > 1 } }')
    const bench = new RuleBench(plain).series('level_m', [2, 0, 2, 0, 2, 0, 2, 0, 0, 0])
    t.same(bench.lines(), [
      '0 g1 none>low',
      '1 g1 low>none',
      '2 g1 none>low',
      '3 g1 low>none',
      '4 g1 none>low',
      '5 g1 low>none',
      '6 g1 none>low flapping',
    ])
    bench.until(17.1)
    t.same(bench.lines(), ['17 g1 low>none'], 'the last change beneath was at 7')
  },
)

t.test('a rise above the level held by flapping is printed at once', async (t) => {
  const plain = rule('plain', 'levels: { low: { when: level_m > 1 }, critical: { when: level_m > 5 } }')
  const bench = new RuleBench(plain).series('level_m', [2, 0, 2, 0, 2, 0, 2, 0, 6])
  t.same(bench.lines().slice(-2), ['6 g1 none>low flapping', '8 g1 low>critical flapping'])
})
