import t from 'tap'
import { RuleBench, rule } from './bench.js'

t.test('absent: silence makes unknown and never resolves; the next sample says what is true', async (t) => {
  const gauge = rule(
    'gauge',
    'levels: { medium: { when: level_m > 2 }, high: { when: level_m > 3, for: 5m } }',
    'absent: { after: 30m, level: low }',
  )
  const bench = new RuleBench(gauge).series('level_m', [2.5])
  bench.send({ at: 40, device: 'other', metrics: { rain_mm: 0 } })
  t.same(
    bench.lines(),
    ['0 g1 none>medium', '30 g1 medium>medium unknown'],
    'the higher of the level held and absent.level',
  )
  bench.send({ at: 41, metrics: { level_m: 2.6 } })
  t.same(bench.lines(), ['41 g1 medium>medium'])
  bench.send({ at: 80, device: 'other', metrics: { rain_mm: 0 } }, { at: 81, metrics: { level_m: 1 } })
  t.same(bench.lines(), ['71 g1 medium>medium unknown', '81 g1 medium>none'])
})

t.test('absent of a device without an alert opens one', async (t) => {
  const gauge = rule(
    'gauge',
    'levels: { medium: { when: level_m > 2 } }',
    'absent: { after: 30m, level: low }',
  )
  const bench = new RuleBench(gauge).series('level_m', [1]).until(31)
  t.same(bench.lines(), ['30 g1 none>low unknown'])
  bench.send({ at: 40, metrics: { level_m: 1 } })
  t.same(bench.lines(), ['40 g1 low>none'])
})

t.test(
  'a registered device that never spoke is absent, where `where` over the registry is true for it',
  async (t) => {
    const gauge = rule(
      'gauge',
      "where: device.kind == 'gauge'",
      'levels: { medium: { when: level_m > 2 } }',
      'absent: { after: 30m, level: low }',
    )
    const registry = '- { device: a, kind: gauge }\n- { device: b, kind: camera }'
    const bench = new RuleBench(gauge, { registry })
      .send({ at: 0, device: 'x', metrics: { level_m: 1 } })
      .until(60)
    t.same(bench.lines(), ['30 a none>low unknown'])
  },
)

t.test('while unknown nothing rises and a pending `for` is dropped', async (t) => {
  const gauge = rule(
    'gauge',
    'levels: { high: { when: level_m > 3, for: 40m } }',
    'absent: { after: 30m, level: low }',
  )
  const bench = new RuleBench(gauge).series('level_m', [4]).until(60)
  t.same(bench.lines(), ['30 g1 none>low unknown'])
  bench.send({ at: 61, metrics: { level_m: 4 } })
  t.same(bench.lines(), ['61 g1 low>none'], 'nothing is true yet: its `for` begins again')
})

t.test('alert ids are stable and count openings per rule and key', async (t) => {
  const plain = rule('plain', 'levels: { low: { when: level_m > 1 } }')
  const first = new RuleBench(plain).series('level_m', [2, 0, 2])
  const second = new RuleBench(plain).series('level_m', [2, 2, 0, 0, 2])
  t.equal(first.out[0]!.id, second.out[0]!.id)
  t.equal(first.out[2]!.id, second.out[2]!.id)
  t.not(first.out[0]!.id, first.out[2]!.id)
  t.equal(first.out[1]!.id, first.out[0]!.id)
})

t.test(
  'inhibit_by: unconfirmed, one level lower, announced in full when the inhibitor ends first',
  async (t) => {
    const rules = [
      rule('sensor.fault', 'levels: { low: { when: battery_pct < 10 } }'),
      rule(
        'water',
        'levels: { medium: { when: level_m > 2 }, critical: { when: level_m > 4 } }',
        'inhibit_by: [sensor.fault]',
      ),
    ].join('\n---\n')
    const bench = new RuleBench(rules).send(
      { at: 0, metrics: { battery_pct: 5 } },
      { at: 1, metrics: { level_m: 3 } },
      { at: 2, metrics: { level_m: 5 } },
    )
    t.same(
      bench.out.map((line) => [line.rule, line.level, line.announced, line.unconfirmed]),
      [
        ['sensor.fault', 'low', 'low', false],
        ['water', 'medium', 'low', true],
        ['water', 'critical', 'high', true],
      ],
    )
    bench.lines()
    bench.send({ at: 3, metrics: { battery_pct: 50 } })
    t.same(
      bench.out.map((line) => [line.rule, line.previous, line.level, line.announced, line.unconfirmed]),
      [
        ['sensor.fault', 'low', 'none', 'none', false],
        ['water', 'critical', 'critical', 'critical', false],
      ],
    )
  },
)

t.test('a value out of range on its dangerous side is announced in full', async (t) => {
  const rules = [
    rule('sensor.fault', 'levels: { low: { when: battery_pct < 10 } }'),
    rule('water', 'levels: { medium: { when: level_m > 2 } }', 'inhibit_by: [sensor.fault]'),
  ].join('\n---\n')
  const bench = new RuleBench(rules).send(
    { at: 0, metrics: { battery_pct: 5 } },
    { at: 1, metrics: { level_m: 300 } },
  )
  t.same([bench.out[1]!.announced, bench.out[1]!.unconfirmed], ['medium', true])
})

t.test("alert(): judged after the rule it reads, by messages and by that rule's timers", async (t) => {
  const rules = [
    rule('a.watcher', "levels: { high: { when: alert('b.base') >= 2 } }"),
    rule('b.base', 'levels: { medium: { when: level_m > 2, hold: 5m } }'),
  ].join('\n---\n')
  const bench = new RuleBench(rules).series('level_m', [3, 1, 1])
  t.same(
    bench.out.map((line) => [line.rule, line.level]),
    [
      ['a.watcher', 'high'],
      ['b.base', 'medium'],
    ],
    'lines in order of rule',
  )
  bench.lines()
  bench.until(6)
  t.same(
    bench.out.map((line) => [line.rule, line.level]),
    [
      ['b.base', 'none'],
      ['a.watcher', 'none'],
    ],
  )
})

t.test('legal: silent outside its dates by event time; at `to` an open alert expires', async (t) => {
  const dated = rule(
    'dated',
    'legal: { basis: "x", from: 2026-11-22, to: 2026-11-23 }',
    'levels: { low: { when: level_m > 1 } }',
  )
  const bench = new RuleBench(dated, { core: { timezone: 'UTC' } })
  bench.send({ at: -5, metrics: { level_m: 2 } })
  t.same(bench.lines(), [])
  bench.send({ at: 0, metrics: { level_m: 2 } })
  t.same(bench.lines(), ['0 g1 none>low'])
  bench.send({ at: 1441, metrics: { level_m: 2 } })
  t.same(bench.lines(), ['1440 g1 low>none expired'])
})

t.test('key over a registry attribute; a device without it is not judged', async (t) => {
  const site = rule('site', 'key: [site]', 'levels: { low: { when: level_m > 1 } }')
  const registry = '- { device: a, site: s1 }\n- { device: b, site: s1 }'
  const bench = new RuleBench(site, { registry }).send(
    { at: 0, device: 'a', metrics: { level_m: 2 } },
    { at: 1, device: 'zz', metrics: { level_m: 2 } },
    { at: 2, device: 'b', metrics: { level_m: 0 } },
  )
  t.same(bench.lines(), ['0 s1 none>low', '2 s1 low>none'])
  t.ok(bench.core.counters.keyless > 0)
})

t.test('commands: acknowledged and confirmed are transitions of the same alert', async (t) => {
  const plain = rule('plain', 'levels: { low: { when: level_m > 1 } }')
  const bench = new RuleBench(plain).series('level_m', [2])
  const [opened] = bench.out
  bench.lines()
  bench.core.apply(
    {
      kind: 'command',
      seq: 2,
      received: opened!.time + 5000,
      name: 'acknowledge',
      who: 'op1',
      target: opened!.id,
      body: { note: 'seen' },
    },
    bench.out,
  )
  t.match(bench.out, [{ id: opened!.id, status: 'acknowledged', by: 'op1', note: 'seen', level: 'low' }])
})
