/** The city's watch list: it loads, its own tests hold, and over a generated city it warns without a storm. */
import path from 'node:path'
import t from 'tap'
import { haiphong } from '../../fixtures/cities/haiphong.js'
import { loadRules } from '../../rules/language/load.js'
import { SampleLines } from '../../src/cli/replay.js'
import { readTexts, type TextFile } from '../../src/config/texts.js'
import { textRecords } from '../../src/engine/configure.js'
import { Core } from '../../src/engine/core.js'
import { runRuleTests } from '../../src/engine/rule-tests.js'
import type { Transition } from '../../src/model/alert.js'
import { metricRegistry } from '../../src/model/metrics.js'
import { deviceRegistry } from '../../src/model/registry.js'
import { zones } from '../../src/model/zones.js'

const CATALOGUE = path.resolve(import.meta.dirname, '../../../rules/catalogue')
const TIMEZONE = 'Asia/Ho_Chi_Minh'
const texts = await readTexts({
  rules: [CATALOGUE],
  devices: undefined,
  zones: undefined,
  metrics: undefined,
})
const files = JSON.parse(texts.rules) as TextFile[]
const metrics = metricRegistry(JSON.parse(texts.metrics) as string[])

t.test('loads anywhere: with no registry and no zones, and in the demo city', async (t) => {
  const city = haiphong(1)
  for (const [name, registry, geo] of [
    ['nowhere', '', ''],
    ['Hải Phòng', city.registryYaml, city.zonesGeojson],
  ] as const) {
    const { rules, faults } = loadRules(files, {
      metrics,
      registry: deviceRegistry(registry),
      zones: zones(geo),
      timezone: TIMEZONE,
    })
    t.strictSame(
      faults.filter((f) => f.severity === 'error'),
      [],
      name,
    )
    t.ok(rules.length >= 25, `${rules.length} rules`)
    const categories = new Set(rules.map((r) => r.category))
    t.strictSame([...categories].sort(), [
      'fire',
      'flood',
      'pollution',
      'security',
      'system',
      'traffic',
      'weather',
    ])
    if (name === 'Hải Phòng') t.strictSame(faults, [], 'not even a warning where every limit is registered')
    for (const rule of rules) {
      t.not(rule.owner, '', `${rule.id} has an owner`)
      const worst = rule.levels[rule.levels.length - 1]!.level
      if (worst === 'high' || worst === 'critical')
        t.ok(rule.playbook.length > 0 || rule.legal !== null, `${rule.id} says what to do`)
    }
  }
})

t.test("the rules' own tests hold", async (t) => {
  const { rules } = loadRules(files, {
    metrics,
    registry: deviceRegistry(''),
    zones: zones(''),
    timezone: TIMEZONE,
  })
  let count = 0
  for (const result of runRuleTests(rules, {
    files,
    metrics: texts.metrics,
    zones: '',
    timezone: TIMEZONE,
  })) {
    count++
    t.strictSame(
      result.faults.map((f) => `${f.line}: ${f.message}`),
      [],
      `${result.rule}: ${result.test}`,
    )
  }
  t.ok(count >= 30, `${count} tests`)
})

interface Told extends Transition {
  /** s after the start. */
  readonly at: number
}

/** Transitions of a generated city's first minutes. */
function judged(seed: number, from: number, minutes: number): Told[] {
  const city = haiphong(seed)
  const core = new Core({ timezone: TIMEZONE })
  const out: Transition[] = []
  const setup = { ...texts, registry: city.registryYaml, zones: city.zonesGeojson }
  for (const record of textRecords(setup, from)) core.apply(record, out)
  const lines = new SampleLines(core, false)
  for (const m of city.messages(from)) {
    if (m.time > from + minutes * 60_000) break
    const line = JSON.stringify({
      stream: m.stream,
      source: m.source,
      device: m.device,
      ...JSON.parse(m.payload),
    })
    const record = lines.record(line)
    if (record !== undefined) core.apply(record, out)
  }
  return out.map((transition) => ({ ...transition, at: (transition.time - from) / 1000 }))
}

for (const [seed, start] of [
  [1, '2026-11-21T09:00:00+07:00'],
  [7, '2026-07-14T23:30:00+07:00'],
] as const)
  t.test(`the demo's first half hour, seed ${seed} at ${start}`, async (t) => {
    const told = judged(seed, Date.parse(start), 30)
    const rises = told.filter((x) => x.announced !== null && x.status !== 'resolved' && x.level !== 'none')
    const opened = rises.filter((x) => x.previous === 'none')
    t.ok(opened[0] !== undefined && opened[0].at < 5, `the first alert after ${opened[0]?.at} s`)
    t.equal(opened[0]?.rule, 'security.intrusion')
    const within = (minutes: number) => opened.filter((x) => x.at <= minutes * 60)
    const expected: Record<string, readonly [after: number, before: number]> = {
      'security.intrusion': [0, 5],
      'fire.smoke-then-heat': [18, 60],
      'flood.canal.alarm': [10, 90],
      'traffic.bus.speeding': [70, 120],
      'traffic.bus.bunching': [60, 200],
      'fire.detector.health': [120, 180],
      'pollution.pm25.local': [150, 400],
      'sensor.stuck-live': [300, 380],
      'security.crowd': [360, 600],
      'traffic.bus.off-route': [540, 720],
      'pollution.noise': [600, 1100],
    }
    for (const [rule, [after, before]] of Object.entries(expected)) {
      const first = opened.find((x) => x.rule === rule)
      t.ok(first !== undefined && first.at >= after && first.at <= before, `${rule} after ${first?.at} s`)
    }
    const categories = new Set(within(5).map((x) => x.category))
    for (const category of ['security', 'fire', 'flood', 'traffic', 'pollution', 'system'])
      t.ok(categories.has(category), `${category} within five minutes`)
    // EEMUA 191: no more than ten in the ten minutes after an upset, about two in ten minutes thereafter.
    t.ok(within(10).length <= 12, `${within(10).length} alerts in the first ten minutes`)
    t.ok(opened.length <= 22, `${opened.length} alerts in half an hour`)
    t.notOk(
      opened.some((x) => x.rule === 'sensor.spike'),
      'a shadow rule is told to nobody',
    )
    for (const x of told)
      if (x.short.en.length > 36 || x.short.vi.length > 36)
        t.fail(`${x.rule}: '${x.short.vi}' is longer than the wall's line`)
    t.comment(opened.map((x) => `${x.at.toFixed(0)} ${x.rule} ${Object.values(x.key).join()}`).join('; '))
  })
