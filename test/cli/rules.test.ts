/** `haidang check`, `haidang test` and `haidang rules diff` as a person at a terminal meets them. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { check } from '../../src/cli/check.js'
import { rules } from '../../src/cli/rules-diff.js'
import { test } from '../../src/cli/test.js'
import { run } from './run.js'

const GAUGE = `rule: flood.gauge
title: { en: "{level_m} m", vi: "{level_m} m" }
category: flood
stream: flood
where: device.kind == 'river_gauge'
let: { rise: "slope(level_m, 30m)" }
levels:
  medium: { when: level_m >= limit.alarm1 }
  high: { when: level_m >= limit.alarm2 or rise > 5, for: 2m }
absent: { after: 30m, level: medium }
tests:
  - name: a steady rise
    device: { kind: river_gauge, limit: { alarm1: 2.0, alarm2: 2.5 } }
    feed: { level_m: "1.8+0.02x70 every 1m" }
    expect:
      - { at: 5m, level: none }
      - { at: 10m, level: medium }
      - { within: [36m, 38m], level: high }
      - { at: 90m, level: high }
      - { at: 100m, level: unknown }
`

function folder(
  t: { testdir: (content: Record<string, string>) => string },
  content: Record<string, string>,
): string {
  return t.testdir(content)
}

t.test('sound rules: one line, exit 0', async (t) => {
  const dir = folder(t, { 'a.yaml': GAUGE, 'notes.txt': 'no rule: [' })
  mkdirSync(path.join(dir, 'deep'))
  writeFileSync(path.join(dir, 'deep/b.yml'), GAUGE.replace('rule: flood.gauge', 'rule: flood.other'))
  t.strictSame(await run(check, [dir]), { code: 0, stdout: '2 rules in 2 files: fine\n', stderr: '' })
  t.equal((await run(check, [path.join(dir, 'a.yaml')])).stdout, '1 rule in 1 file: fine\n')
  t.equal((await run(check, [], { HAIDANG_RULES: dir })).code, 0, 'HAIDANG_RULES is the default')
})

t.test('every fault of every file with its place and a caret, exit 1', async (t) => {
  const dir = folder(t, {
    'a.yaml': GAUGE.replace('level_m >= limit.alarm1', 'levl_m >= limit.alarm1').replace(
      'for: 2m',
      'for: 2x',
    ),
    'b.yaml': 'rule: [\n',
  })
  const { code, stdout, stderr } = await run(check, [dir])
  t.equal(code, 1)
  t.equal(stderr, '')
  t.ok(
    stdout.startsWith(
      [
        `${dir}/a.yaml:8:19: error: unknown name 'levl_m': did you mean 'level_m'? [HD_RULE_UNKNOWN_NAME]`,
        '    medium: { when: levl_m >= limit.alarm1 }',
        '                    ^',
        `${dir}/a.yaml:9:59: error: high.for is a duration`,
      ].join('\n'),
    ),
    stdout,
  )
  t.match(stdout, /b\.yaml:\d+:\d+: error: no YAML/)
  t.match(stdout, /\n3 errors, 0 warnings in 2 files\n$/)
})

t.test(
  'registry, zones and metrics are what HAIDANG_* says; what devices lack is a warning, exit 0',
  async (t) => {
    const dir = folder(t, {
      'a.yaml': GAUGE.replace('rise > 5', 'rise > 5 or sluice_pct > 1'),
      'devices.yaml': '- { device: g1, kind: river_gauge, limit: { alarm1: 2 }, expected_interval: 100ms }\n',
      'metrics.yaml': 'sluice_pct: { unit: "%" }\n',
    })
    t.equal((await run(check, [path.join(dir, 'a.yaml')])).code, 1, 'a metric of this city alone')
    const env = { HAIDANG_DEVICES: path.join(dir, 'devices.yaml') }
    const { code, stdout } = await run(check, [path.join(dir, 'a.yaml'), '--cost'], env)
    t.equal(code, 0, stdout)
    t.match(stdout, /a\.yaml:9:28: warning: limit\.alarm2 is missing for g1/)
    t.match(stdout, /flood\.gauge {2}key device; partition ward; at most \d+ steps a judgement/)
    t.match(
      stdout,
      /slope\(level_m, 30m, method='theil_sen'\) {2}\[succession\] O\(.*window panes of 28125ms \(18000 samples/,
    )
    t.match(stdout, /1 rule in 1 file: fine, 1 warning\n$/)
  },
)

t.test('wrong usage is exit 2; what is not there is a fault', async (t) => {
  t.equal((await run(check, ['--no-such-option'])).code, 2)
  t.equal((await run(test, ['--no-such-option'])).code, 2)
  t.equal((await run(rules, [])).code, 2)
  t.equal((await run(rules, ['diff', 'a'])).code, 2)
  t.equal((await run(rules, ['compare', 'a', 'b'])).code, 2)
  for (const command of [check, test]) {
    const { code, stdout } = await run(command, ['/no/such/folder'])
    t.equal(code, 1)
    t.match(stdout, /there is no such file or folder/)
  }
})

t.test('a broken registry, zones file, metrics file or setting is told at its place', async (t) => {
  const dir = folder(t, {
    'a.yaml': GAUGE,
    'devices.yaml':
      'devices:\n  - { device: a, lat: 20 }\n  - { device: b, limit: { x: high } }\n  - { device: a }\n',
    'bad.yaml': 'devices: [\n',
    'metrics.yaml': 'x_m: { unit: m }\nBad: { unit: m }\n',
    'broken.geojson': '{ "type": "FeatureCollection",\n  "features": [ nonsense ] }',
    'haidang.yaml': 'timezone: Asia/Nowhere\n',
  })
  const file = path.join(dir, 'a.yaml')
  const registry = await run(check, [file], {
    HAIDANG_DEVICES: path.join(dir, 'devices.yaml'),
    HAIDANG_METRICS: path.join(dir, 'none.yaml'),
  })
  t.equal(registry.code, 1)
  t.match(registry.stdout, /none\.yaml/)
  const { code, stdout } = await run(check, [file], { HAIDANG_DEVICES: path.join(dir, 'devices.yaml') })
  t.equal(code, 1)
  t.match(stdout, /devices\.yaml:3:30: error: 'devices\[1\]\.limit\.x' is a number or null, not 'high'/)
  t.match(stdout, /devices\.yaml:4:15: error: the device 'a' stands twice, first in line 2/)
  t.match(stdout, /metrics\.yaml:2:1: error: 'Bad' in the file is no name for it: a metric in snake_case/)
  t.match(
    (await run(check, [file], { HAIDANG_DEVICES: path.join(dir, 'bad.yaml') })).stdout,
    /bad\.yaml:\d+:\d+: error: no YAML/,
  )
  t.match(
    (await run(check, [file], { HAIDANG_ZONES: path.join(dir, 'broken.geojson') })).stdout,
    /broken\.geojson:2:17: error: no JSON: /,
  )
  const settings = await run(check, [], { HAIDANG_RULES: file }, dir)
  t.equal(settings.code, 1)
  t.match(settings.stdout, /haidang\.yaml:1:11: error: /)
  t.equal(
    (await run(check, ['a.yaml'], {}, dir)).stdout,
    '1 rule in 1 file: fine\n',
    'named files alone: not the settings',
  )
})

t.test('files are named as the person named them', async (t) => {
  const dir = folder(t, { 'a.yaml': GAUGE.replace('level_m >= limit.alarm1', 'levl_m > 1') })
  t.match((await run(check, ['.'], {}, dir)).stdout, /^a\.yaml:8:19: error/)
  t.match((await run(check, ['a.yaml'], {}, dir)).stdout, /^a\.yaml:8:19: error/)
})

t.test("rules' own tests run through the engine's core", async (t) => {
  const file = path.join(folder(t, { 'a.yaml': GAUGE }), 'a.yaml')
  t.strictSame(await run(test, [file]), {
    code: 0,
    stdout: 'ok     flood.gauge: a steady rise\n1 passed, 0 failed\n',
    stderr: '',
  })
})

t.test('an expectation that is not met fails at its line, with what happened instead', async (t) => {
  const wrong = GAUGE.replace('{ at: 10m, level: medium }', '{ at: 9m, level: medium }').replace(
    '[36m, 38m], level: high',
    '[10m, 20m], level: high',
  )
  const file = path.join(
    folder(t, { 'a.yaml': `${wrong}---\n${GAUGE.replace('rule: flood.gauge', 'rule: b')}` }),
    'a.yaml',
  )
  const { code, stdout } = await run(test, [file])
  t.equal(code, 1)
  t.match(
    stdout,
    /FAILED flood\.gauge: a steady rise\n.*a\.yaml:17:9: error: flood\.gauge: a steady rise: at 9m the level is none, not medium: 10m medium, 37m high, \S+ unknown \[HD_RULE_TEST_FAILED\]/,
  )
  t.match(stdout, /a\.yaml:18:9: error: .*no change to high between 10m and 20m/)
  t.match(stdout, /ok {5}b: a steady rise\n1 passed, 1 failed\n$/)
})

t.test('a test sees the rules that its rule watches, and its device what the key needs', async (t) => {
  const watcher = `rule: area
title: { en: t, vi: t }
category: flood
key: [ward]
levels: { critical: { when: "alert('flood.gauge') >= 2" } }
tests:
  - { name: follows, device: { kind: river_gauge, limit: { alarm1: 2 } }, stream: flood, feed: { level_m: "1 1 3 3 every 1m" }, expect: [ { at: 1m, level: none }, { within: [2m, 3m], level: critical } ] }
`
  const file = path.join(folder(t, { 'a.yaml': `${watcher}---\n${GAUGE}` }), 'a.yaml')
  const { stdout } = await run(test, [file])
  t.match(stdout, /ok {5}area: follows/, stdout)
})

t.test('labels, positions and several streams are sent as single messages', async (t) => {
  const text = `rule: fire.smoke-then-heat
title: { en: t, vi: t }
category: fire
key: [site]
sequence:
  within: 2m
  steps:
    - smoke: { stream: camera, when: label == 'smoke' and confidence > 0.6 }
    - not: { stream: sensor, when: label == 'drill' }
    - heat: { stream: sensor, when: temp_c > 57 }
levels: { critical: { when: matched } }
tests:
  - name: smoke, then heat
    send:
      - { at: 10s, stream: camera, label: smoke, metrics: { confidence: 0.9 } }
      - { at: 70s, stream: sensor, metrics: { temp_c: 60 } }
    expect: [ { at: 69s, level: none }, { within: [70s, 70s], level: critical }, { at: 4m, level: none } ]
  - name: a drill
    send:
      - { at: 10s, stream: camera, label: smoke, metrics: { confidence: 0.9 } }
      - { at: 20s, stream: sensor, label: drill }
      - { at: 70s, stream: sensor, metrics: { temp_c: 60 } }
    expect: [ { at: 10m, level: none } ]
`
  const dir = folder(t, { 'a.yaml': text, 'b.yaml': text.replace('temp_c: 60', 'tmp_c: hot') })
  t.equal((await run(test, [path.join(dir, 'a.yaml')])).stdout.split('\n').at(-2), '2 passed, 0 failed')
  const { stdout } = await run(check, [path.join(dir, 'b.yaml')])
  t.match(stdout, /b\.yaml:16:54: error: metrics\.tmp_c is a number, not 'hot'/)
})

t.test('a rule that does not load over its test’s device says so', async (t) => {
  const text = GAUGE.replace('level_m >= limit.alarm1', "device.depth == 'x'").replace(
    'kind: river_gauge,',
    'kind: river_gauge, depth: 5,',
  )
  const { code, stdout } = await run(test, [path.join(folder(t, { 'a.yaml': text }), 'a.yaml')])
  t.equal(code, 1)
  t.match(
    stdout,
    /a\.yaml:12:\d+: error: flood\.gauge: a steady rise: with this device the rule does not load: '=='/,
  )
})

t.test('rules diff says what is new, gone and changed, and which windows begin empty', async (t) => {
  const dir = folder(t, {
    'a.yaml': GAUGE,
    'b.yaml': GAUGE.replace('30m)', '45m)').replace('alarm1 }', 'alarm1 - 0.1 }'),
    'c.yaml': 'rule: x\n',
  })
  const [a, b, c] = ['a', 'b', 'c'].map((name) => path.join(dir, `${name}.yaml`)) as [string, string, string]
  t.strictSame(await run(rules, ['diff', a, a]), {
    code: 0,
    stdout: 'no rule differs; every window stays\n',
    stderr: '',
  })
  t.strictSame((await run(rules, ['diff', a, b])).stdout.split('\n'), [
    '~ flood.gauge changed: let, levels.medium, levels.high',
    "    resets  slope(level_m, 45m, method='theil_sen')  (was slope(level_m, 30m, method='theil_sen'))",
    "    drops   slope(level_m, 30m, method='theil_sen')",
    '1 rule differs; 1 window would begin empty and warm up from ClickHouse',
    '',
  ])
  const broken = await run(rules, ['diff', a, c])
  t.equal(broken.code, 1)
  t.match(broken.stdout, /c\.yaml:1:1: error/)
})
