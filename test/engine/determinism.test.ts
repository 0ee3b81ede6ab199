import { deserialize, serialize } from 'node:v8'
import t from 'tap'
import { Core, type CoreState } from '../../src/engine/core.js'
import type { Transition } from '../../src/model/alert.js'
import { type Message, RuleBench, rule } from './bench.js'

/** mulberry32: small, seeded, good enough to shake things. */
function random(seed: number): () => number {
  let a = seed
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let x = Math.imul(a ^ (a >>> 15), 1 | a)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296
  }
}

const RULES = [
  rule(
    'a.level',
    'levels: { low: { when: level_m > 1 }, high: { when: level_m > 2, for: 2m, hold: 5m, clear: level_m < 1.5 } }',
    'absent: { after: 20m, level: low }',
  ),
  rule('b.avg', 'levels: { medium: { when: "avg(level_m, 10m) > 1.2 and max(level_m, 5m) > 2" } }'),
  rule('c.slope', 'levels: { low: { when: "slope(level_m, 10m) > 6" } }'),
  rule('d.ewma', 'levels: { low: { when: "level_m - ewma(level_m, 5m) > 0.8" } }'),
  rule('e.z', 'levels: { low: { when: "zscore(level_m, 15m) > 2" } }'),
  rule(
    'f.site',
    'key: [site]',
    'levels: { high: { when: "count_if(level_m > 1.5, 5m) >= 3" } }',
    'inhibit_by: [g.battery]',
  ),
  rule('g.battery', 'levels: { low: { when: battery_pct < 20 } }'),
  rule('h.watch', "levels: { critical: { when: alert('a.level') >= 3 and alert('b.avg') >= 1 } }"),
  rule(
    'i.pair',
    'key: [site]',
    'sequence:',
    '  within: 5m',
    '  steps:',
    '    - one: { when: level_m > 2 }',
    '    - not: { when: battery_pct < 10 }',
    '    - two: { when: rain_mm > 5 }',
    'levels: { high: { when: matched } }',
  ),
].join('\n---\n')
const REGISTRY = ['g1', 'g2', 'g3', 'g4']
  .map((device, i) => `- { device: ${device}, site: s${i % 2}, expected_interval: 1m }`)
  .join('\n')

/** A stretch of life: walks, gaps, late and repeated samples. */
function life(seed: number, count: number): Message[] {
  const next = random(seed)
  const levels = [1, 1, 1, 1]
  const messages: Message[] = []
  let at = 0
  for (let i = 0; i < count; i++) {
    const d = Math.floor(next() * 4)
    at += next() < 0.02 ? 25 : next() * 0.6
    levels[d] = Math.max(0, Math.min(4, levels[d]! + (next() - 0.5) * 0.9))
    const lateBy = next() < 0.1 ? next() * 8 : 0
    const metrics: Record<string, number> =
      next() < 0.8
        ? { level_m: Number(levels[d]!.toFixed(3)) }
        : next() < 0.5
          ? { battery_pct: Math.floor(next() * 100) }
          : { rain_mm: Math.floor(next() * 10) }
    const message: Message = { at: at - lateBy, received: at, device: `g${d + 1}`, metrics }
    messages.push(message)
    if (next() < 0.05) messages.push(message)
  }
  return messages
}

const canonical = (lines: readonly Transition[]): string[] =>
  lines.map((line) => JSON.stringify({ ...line, seq: 0, received: 0, raised: 0 }))

t.test('a core restored from its checkpoint goes on exactly as if nothing had happened', async (t) => {
  for (let seed = 1; seed <= 25; seed++) {
    const messages = life(seed, 400)
    const whole = new RuleBench(RULES, { registry: REGISTRY })
    whole.send(...messages)
    t.ok(whole.out.length > 10, `seed ${seed} makes alerts`)
    const next = random(seed * 7919)
    let bench = new RuleBench(RULES, { registry: REGISTRY })
    const out: Transition[] = []
    for (const message of messages) {
      if (next() < 0.02) {
        const saved = deserialize(serialize(bench.core.save())) as CoreState
        const core = new Core()
        core.load(saved)
        bench = new RuleBench(RULES, { registry: REGISTRY, restored: core })
      }
      bench.send(message)
      out.push(...bench.out)
      bench.out.length = 0
    }
    if (!t.same(canonical(out), canonical(whole.out), `seed ${seed}`)) break
  }
})

t.test('samples shuffled within `late` end in the same operator values', async (t) => {
  const rules = rule(
    'x',
    'late: 10m',
    'levels: { low: { when: "avg(level_m, 30m) > 100 or slope(level_m, 30m) > 1000 or max(level_m, 30m) > 100 or median(level_m, 30m) > 100" } }',
  )
  for (let seed = 1; seed <= 10; seed++) {
    const next = random(seed)
    const ordered = Array.from(
      { length: 60 },
      (_, i): Message => ({
        at: i,
        received: 100 + i / 1000,
        metrics: { level_m: Number(next().toFixed(3)) },
      }),
    )
    const shuffled = ordered
      .map((message) => ({ message, place: message.at + next() * 9 }))
      .sort((a, b) => a.place - b.place)
      .map(({ message }, i) => ({ ...message, received: 100 + i / 1000 }))
    const values = (messages: readonly Message[]): number[] => {
      const bench = new RuleBench(rules)
      bench.send(...messages, { at: 60, received: 101, metrics: { level_m: 0.5 } })
      const [scope] = [...bench.core.rules.scopes.values()]
      const [state] = [...scope!.states.values()]
      return state!.operators.map((operator) =>
        operator!.read(messages[0]!.at * 0 + 1_795_305_600_000 + 60 * 60_000, '', Number.NaN),
      )
    }
    const [a, b] = [values(ordered), values(shuffled)]
    for (const [i, value] of a.entries())
      t.ok(value === b[i] || Math.abs(value - b[i]!) < 1e-9, `seed ${seed}: ${value} = ${b[i]}`)
  }
})

t.test(
  'a reload that changes a title or a threshold keeps every window, alert and pending `for`',
  async (t) => {
    const before = rule('r', 'levels: { high: { when: "avg(level_m, 10m) > 2", for: 5m } }')
    const after = before.replace('> 2', '> 1.9').replaceAll('"r"', '"renamed"')
    const bench = new RuleBench(before).series('level_m', [1, 1, 1, 1, 3, 3, 3, 3, 3, 3, 3, 3])
    const untouched = new RuleBench(after).series('level_m', [1, 1, 1, 1, 3, 3, 3, 3, 3, 3, 3, 3])
    bench.reload(after)
    bench.series('level_m', [3, 3, 3, 3, 3, 3], { from: 12 })
    untouched.series('level_m', [3, 3, 3, 3, 3, 3], { from: 12 })
    t.equal(bench.out.at(-1)?.values['level_m'], 3)
    t.equal(bench.out.length, 1)
    const [a] = [...bench.core.rules.scopes.values()]
    const [b] = [...untouched.core.rules.scopes.values()]
    const value = (scope: typeof a) =>
      [...scope!.states.values()][0]!.operators[0]!.read(1_795_305_600_000 + 17 * 60_000, '', Number.NaN)
    t.equal(value(a), value(b))
  },
)

t.test('a rule taken away ends its alerts; a broken set changes nothing', async (t) => {
  const bench = new RuleBench(rule('gone', 'levels: { low: { when: level_m > 1 } }')).series('level_m', [2])
  bench.lines()
  bench.reload('rule: [broken')
  t.same(bench.lines(), [])
  t.equal(bench.core.rules.rules.length, 1, 'the running set stays')
  bench.reload(rule('other', 'levels: { low: { when: level_m > 1 } }'))
  t.match(bench.out, [{ rule: 'gone', status: 'resolved', reason: 'removed' }])
})
