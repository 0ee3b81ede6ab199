/** RULES.md "Reload" and the ends that are not a rule's conditions: what stands when the rules change. */
import t from 'tap'
import { RuleBench, rule } from '../engine/bench.js'

const gauge = (levels: string, ...more: string[]): string => rule('gauge', `levels: ${levels}`, ...more)

t.test('firing alerts stay at a reload and are judged at the next message', async (t) => {
  const bench = new RuleBench(gauge('{ medium: { when: level_m > 2 } }')).series('level_m', [3])
  t.same(bench.lines(), ['0 g1 none>medium'])
  bench.reloadAt(1, gauge('{ medium: { when: level_m > 5 } }'))
  t.same(bench.lines(), [], 'a new threshold by itself changes nothing')
  bench.series('level_m', [3], { from: 2 })
  t.same(bench.lines(), ['2 g1 medium>none'])
})

t.test('a pending `for` survives where that level’s `when` is the same', async (t) => {
  const bench = new RuleBench(gauge('{ medium: { when: level_m > 2, for: 5m } }')).series(
    'level_m',
    [3, 3, 3],
  )
  bench.reloadAt(
    2.5,
    gauge('{ medium: { when: level_m > 2, for: 5m }, high: { when: level_m > 9 } }', 'owner: hydromet'),
  )
  bench.series('level_m', [3, 3, 3], { from: 3 })
  t.same(bench.lines(), ['5 g1 none>medium'])
})

t.test('… and begins again where it changed', async (t) => {
  const bench = new RuleBench(gauge('{ medium: { when: level_m > 2, for: 5m } }')).series(
    'level_m',
    [3, 3, 3],
  )
  bench.reloadAt(2.5, gauge('{ medium: { when: level_m > 2.5, for: 5m } }'))
  bench.series('level_m', [3, 3, 3, 3, 3, 3], { from: 3 })
  t.same(bench.lines(), ['8 g1 none>medium'])
})

t.test('a changed level leaves the pending `for` of the others', async (t) => {
  const bench = new RuleBench(
    gauge('{ low: { when: level_m > 1, for: 5m }, high: { when: level_m > 2, for: 5m } }'),
  ).series('level_m', [3, 3, 3])
  bench.reloadAt(
    2.5,
    gauge('{ low: { when: level_m > 1, for: 5m }, high: { when: level_m > 2.5, for: 5m } }'),
  )
  bench.series('level_m', [3, 3, 3, 3, 3, 3], { from: 3 })
  t.same(bench.lines(), ['5 g1 none>low', '8 g1 low>high'])
})

t.test('a rule that is gone or disabled ends its alerts with the reason', async (t) => {
  const fire = gauge('{ medium: { when: level_m > 2 } }')
  const removed = new RuleBench(fire).series('level_m', [3])
  removed.lines()
  removed.reloadAt(1, rule('other', 'levels: { low: { when: temp_c > 1 } }'))
  t.same(removed.lines(), ['1 g1 medium>none removed'])
  const disabled = new RuleBench(fire).series('level_m', [3])
  disabled.lines()
  disabled.reloadAt(1, gauge('{ medium: { when: level_m > 2 } }', 'mode: disabled'))
  t.same(disabled.lines(), ['1 g1 medium>none disabled'])
  disabled.reloadAt(2, fire).series('level_m', [3], { from: 3 })
  t.same(disabled.lines(), ['3 g1 none>medium'])
})

t.test('a threshold keeps every window; another length resets that window alone', async (t) => {
  const counting = (length: string, than: number) =>
    rule(
      'count',
      `levels: { low: { when: "count(level_m, ${length}) >= ${than}" }, high: { when: "sum(level_m, 1h) >= 50" } }`,
    )
  const bench = new RuleBench(counting('1h', 100)).series('level_m', [10, 10, 10])
  bench.reloadAt(2.5, counting('1h', 4)).series('level_m', [10], { from: 3 })
  t.same(bench.lines(), ['3 g1 none>low'])
  bench.reloadAt(3.5, counting('30m', 3)).series('level_m', [10, 0], { from: 4 })
  t.same(bench.lines(), ['4 g1 low>high'], 'the sum goes on; low is passed on the way up')
  bench.reloadAt(5.5, counting('30m', 99)).series('level_m', [-50], { from: 6 })
  t.same(bench.lines(), ['6 g1 high>low', '6 g1 low>none'])
})

t.test('an alert, its hold and its absence go on through a reload', async (t) => {
  const held = gauge('{ medium: { when: level_m > 2, hold: 10m } }', 'absent: { after: 30m }')
  const bench = new RuleBench(held).series('level_m', [3, 0])
  bench.reloadAt(2, `${held}\nowner: hydromet`).until(60)
  t.same(bench.lines(), ['0 g1 none>medium', '10 g1 medium>none', '31 g1 none>low unknown'])
})

t.test('rules that do not load leave the running set as it is', async (t) => {
  const bench = new RuleBench(gauge('{ medium: { when: level_m > 2 } }')).series('level_m', [3])
  bench.lines()
  bench.reloadAt(1, gauge('{ medium: { when: levl_m > 2 } }'))
  t.same(bench.lines(), [])
  bench.series('level_m', [0], { from: 2 })
  t.same(bench.lines(), ['2 g1 medium>none'])
})
