import t from 'tap'
import { diffRules } from '../../../rules/language/diff.js'
import { load, printed } from './setting.js'

const BASE = `rule: r
title: { en: t, vi: t }
category: flood
stream: flood
let: { rise: "slope(level_m, 30m)" }
levels:
  medium: { when: "rise > 0.1 or avg(level_m, 10m) > 2" }
`
const rules = (text: string) => {
  const { rules: loaded, faults } = load(text)
  t.strictSame(printed(faults), [])
  return loaded
}
const SLOPE = "slope(level_m, 30m, method='theil_sen')"
const AVG = 'avg(level_m, 10m)'

t.test('titles, thresholds and levels keep every window', async (t) => {
  t.strictSame(diffRules(rules(BASE), rules(BASE)), [])
  t.strictSame(
    diffRules(rules(BASE), rules(`# a comment\n${BASE}owner: ""\n`)),
    [],
    'what means the same is the same',
  )
  const [change] = diffRules(
    rules(BASE),
    rules(BASE.replace('en: t', 'en: u').replace('> 0.1', '> 0.2').replace('medium', 'high')),
  )
  t.match(change, {
    id: 'r',
    change: 'changed',
    parts: ['title', 'short', 'levels.medium', 'levels.high'],
    resets: [],
    kept: [SLOPE, AVG].sort().reverse(),
    dropped: [],
  })
})

t.test('a window of another length resets alone', async (t) => {
  const [change] = diffRules(rules(BASE), rules(BASE.replace('30m', '45m')))
  t.match(change, {
    parts: ['let', 'levels.medium'],
    resets: [{ operator: SLOPE.replace('30m', '45m'), reason: `was ${SLOPE}` }],
    kept: [AVG],
    dropped: [SLOPE],
  })
})

t.test('other samples reset every window: streams, where, key, late', async (t) => {
  const cases: [string, string, string][] = [
    ['stream: flood', 'stream: [flood, air]', 'stream changed'],
    ['stream: flood', "stream: flood\nwhere: device.kind == 'x'", 'where changed'],
    ['stream: flood', 'stream: flood\nkey: ward', 'key changed'],
    ['stream: flood', 'stream: flood\nlate: 10m', 'late changed'],
    ['rise > 0.1', 'not quality.bad and rise > 0.1', 'quality marks changed'],
  ]
  for (const [from, to, reason] of cases) {
    const [change] = diffRules(rules(BASE), rules(BASE.replace(from, to)))
    t.strictSame(
      change!.resets.map((one) => one.reason),
      [reason, reason],
      to,
    )
    t.strictSame(change!.kept, [])
  }
})

t.test('state that another rule holds is shared, so a new rule may begin warm', async (t) => {
  const other = BASE.replace('rule: r', 'rule: s')
  const [added] = diffRules(rules(BASE), rules(`${BASE}---\n${other}`))
  t.match(added, { id: 's', change: 'added', resets: [] })
  t.equal(added!.kept.length, 2)
  const [removed] = diffRules(rules(`${BASE}---\n${other}`), rules(BASE))
  t.match(removed, { id: 's', change: 'removed', dropped: [] }, 'r still uses them')
  const [gone] = diffRules(rules(BASE), [])
  t.equal(gone!.dropped.length, 2)
})

t.test('a sequence with other steps forgets its candidates', async (t) => {
  const text = (within: string) =>
    `rule: q\ntitle: { en: t, vi: t }\ncategory: fire\nsequence: { within: ${within}, steps: [ { a: { when: level_m > 1 } }, { b: { when: temp_c > 1 } } ] }\nlevels: { high: { when: matched } }\n`
  const [change] = diffRules(rules(text('2m')), rules(text('3m')))
  t.match(change, { parts: ['sequence'], resets: [{ operator: 'sequence', reason: 'its steps changed' }] })
})
