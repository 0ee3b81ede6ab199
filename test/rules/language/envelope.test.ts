import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { formatFault } from '../../../src/model/errors.js'
import { BARE, CITY, load, printed, ROOT, ruleText } from './setting.js'

const HEAD = 'rule: r\ntitle: { en: t, vi: t }\ncategory: flood\n'

/** The contract beside the clone; nothing of it is kept here. */
const CONTRACT = path.resolve(ROOT, '../shared/RULES.md')
const skip = existsSync(CONTRACT) ? false : `${CONTRACT} is not here`

t.test('the documents of RULES.md load as they stand there', { skip }, async (t) => {
  const blocks = [...readFileSync(CONTRACT, 'utf8').matchAll(/```yaml\n([\s\S]*?)```/g)].map(
    ([, block]) => block,
  )
  const { rules, faults } = load(blocks.join('---\n'))
  t.strictSame(
    faults.filter(({ severity }) => severity === 'error'),
    [],
  )
  t.match(printed(faults), [/^19:15 warning .*no rule 'sensor.fault'/])
  const [gauge, smoke] = rules
  t.match(gauge, {
    id: 'flood.gauge.alarm',
    category: 'flood',
    owner: 'hydromet',
    legal: { basis: '05/2020/QĐ-TTg', from: '2020-03-20', to: null },
    streams: ['flood'],
    key: ['device'],
    late: 300_000,
    absent: { after: 1_800_000, level: 'medium' },
    inhibitBy: ['sensor.fault'],
    group: ['ward'],
    remind: { every: 600_000, until: 'acknowledged' },
    escalate: [{ after: 300_000, level: 'critical', to: 'leader-on-duty' }],
    playbook: [{ en: 'Close the sluice gate', vi: 'Đóng cửa cống' }],
    mode: 'live',
    sequence: null,
    metrics: ['level_m'],
    readsMessage: false,
    line: 1,
  })
  t.strictSame(
    gauge!.levels.map(({ level, index, for: wait, hold, clear }) => [
      level,
      index,
      wait,
      hold,
      clear !== null,
    ]),
    [
      ['medium', 2, 0, 0, true],
      ['high', 3, 120_000, 600_000, false],
      ['critical', 4, 0, 0, false],
    ],
  )
  t.strictSame([...gauge!.lets.keys()], ['rise', 'eta'])
  const [test] = gauge!.tests
  t.equal(test!.start, Date.UTC(2020, 2, 19, 17), 'midnight of legal.from in Hải Phòng')
  t.equal(test!.feed[0]!.samples.length, 71)
  t.strictSame(test!.feed[0]!.samples[10], { time: test!.start + 600_000, value: 1.8 + 10 * 0.02 })
  t.match(test!.expect, [
    { at: 600_000, level: 'medium' },
    { within: [900_000, 1_500_000], level: 'high' },
    { at: 3_600_000, level: 'critical' },
  ])
  t.match(smoke, {
    id: 'fire.smoke-then-heat',
    streams: ['camera', 'sensor'],
    key: ['site'],
    sequence: {
      within: 120_000,
      steps: [
        { name: 'smoke', not: false },
        { name: 'not', not: true },
        { name: 'heat', not: false },
      ],
    },
    metrics: ['confidence', 'temp_c'],
    readsMessage: true,
  })
})

t.test('a rule of the four required keys has every default', async (t) => {
  const { rules, faults } = load(ruleText('level_m > 1'))
  t.strictSame(printed(faults), [])
  const {
    streams,
    where,
    key,
    late,
    lets,
    absent,
    inhibitBy,
    group,
    remind,
    escalate,
    playbook,
    mode,
    sequence,
    tests,
    owner,
    legal,
  } = rules[0]!
  t.strictSame(
    {
      streams,
      where,
      key,
      late,
      lets: lets.size,
      absent,
      inhibitBy,
      group,
      remind,
      escalate,
      playbook,
      mode,
      sequence,
      tests,
      owner,
      legal,
    },
    {
      streams: null,
      where: null,
      key: ['device'],
      late: 300_000,
      lets: 0,
      absent: null,
      inhibitBy: [],
      group: [],
      remind: null,
      escalate: [],
      playbook: [],
      mode: 'live',
      sequence: null,
      tests: [],
      owner: '',
      legal: null,
    },
  )
  t.equal(rules[0]!.short, rules[0]!.title, 'short is the title by default')
  t.strictSame([rules[0]!.levels[0]!.for, rules[0]!.levels[0]!.hold], [0, 0])
})

t.test('a fault of the envelope is told where it stands', async (t) => {
  const level = 'levels: { high: { when: level_m > 1 } }\n'
  const cases: [text: string, place: string, code: string, message: RegExp][] = [
    [`title: { en: t, vi: t }\ncategory: flood\n${level}`, '1:1', 'HD_CONFIG_MISSING', /a rule lacks 'rule'/],
    [`rule: r\ncategory: flood\n${level}`, '1:1', 'HD_CONFIG_MISSING', /lacks 'title'/],
    [`rule: r\ntitle: { en: t, vi: t }\n${level}`, '1:1', 'HD_CONFIG_MISSING', /lacks 'category'/],
    [HEAD, '1:1', 'HD_CONFIG_MISSING', /lacks 'levels'/],
    [
      `${HEAD}${level}ownr: x\n`,
      '5:1',
      'HD_CONFIG_UNKNOWN_KEY',
      /a rule has no 'ownr': did you mean 'owner'/,
    ],
    [`${HEAD}${level}owner: x\nowner: y\n`, '6:1', 'HD_CONFIG_UNKNOWN_KEY', /'owner' stands twice/],
    [`${HEAD}${level}owner:\n`, '5:1', 'HD_CONFIG_MISSING', /'owner' has no value/],
    [`${HEAD}${level}owner: [a]\n`, '5:8', 'HD_CONFIG_VALUE', /owner is a text, not a list/],
    [`rule: a b\n${HEAD.slice(8)}${level}`, '1:7', 'HD_CONFIG_VALUE', /a rule's id has letters/],
    [
      `rule: r\ntitle: { en: t, vi: t }\ncategory: floods\n${level}`,
      '3:11',
      'HD_CONFIG_VALUE',
      /not 'floods': did you mean 'flood'/,
    ],
    [`rule: r\ntitle: t\ncategory: flood\n${level}`, '2:8', 'HD_CONFIG_VALUE', /title is a map of en vi/],
    [
      `rule: r\ntitle: { en: t, vn: t }\ncategory: flood\n${level}`,
      '2:17',
      'HD_CONFIG_UNKNOWN_KEY',
      /title has no 'vn'/,
    ],
    [
      `rule: r\ntitle: { en: "{levl_m}", vi: t }\ncategory: flood\n${level}`,
      '2:16',
      'HD_RULE_UNKNOWN_NAME',
      /did you mean 'level_m'/,
    ],
    [
      `rule: r\ntitle: { en: t, vi: "a {level_m" }\ncategory: flood\n${level}`,
      '2:24',
      'HD_RULE_SYNTAX',
      /never closed/,
    ],
    [`${HEAD}${level}stream: fluud\n`, '5:9', 'HD_CONFIG_VALUE', /did you mean 'flood'/],
    [`${HEAD}${level}stream: [flood, gps, cam]\n`, '5:22', 'HD_CONFIG_VALUE', /stream is one of/],
    [`${HEAD}${level}late: 5\n`, '5:7', 'HD_CONFIG_VALUE', /late is a duration like 30s 10m 2h 7d, not '5'/],
    [`${HEAD}${level}late: 401d\n`, '5:7', 'HD_RULE_LIMIT', /at most 400d/],
    [`${HEAD}${level}key: [device, device]\n`, '5:15', 'HD_CONFIG_VALUE', /stands twice/],
    [`${HEAD}${level}key: [a-b]\n`, '5:7', 'HD_CONFIG_VALUE', /registry attributes/],
    [`${HEAD}${level}mode: on\n`, '5:7', 'HD_CONFIG_VALUE', /live shadow disabled, not 'on'/],
    [`${HEAD}${level}where: levle_m > 1\n`, '5:8', 'HD_RULE_UNKNOWN_NAME', /levle_m/],
    [`${HEAD}${level}legal: { basis: x, from: 2026-02-30 }\n`, '5:26', 'HD_CONFIG_VALUE', /a date like/],
    [
      `${HEAD}${level}legal: { basis: x, from: 2026-02-01, to: 2026-01-01 }\n`,
      '5:38',
      'HD_CONFIG_VALUE',
      /must be after/,
    ],
    [`${HEAD}levels: {}\n`, '4:9', 'HD_CONFIG_MISSING', /one of low medium high critical/],
    [`${HEAD}levels: { hihg: { when: true } }\n`, '4:11', 'HD_CONFIG_UNKNOWN_KEY', /did you mean 'high'/],
    [`${HEAD}levels: { none: { when: true } }\n`, '4:11', 'HD_CONFIG_UNKNOWN_KEY', /levels has no 'none'/],
    [`${HEAD}levels: { high: { for: 2m } }\n`, '4:19', 'HD_CONFIG_MISSING', /high lacks 'when'/],
    [
      `${HEAD}levels: { high: { when: level_m > 1, for: soon } }\n`,
      '4:43',
      'HD_CONFIG_VALUE',
      /high.for is a duration/,
    ],
    [
      `${HEAD}levels: { high: { when: level_m > 1, clear: level_m } }\n`,
      '4:45',
      'HD_RULE_TYPE',
      /must be a condition/,
    ],
    [
      `${HEAD}levels: { high: level_m > 1 }\n`,
      '4:17',
      'HD_CONFIG_VALUE',
      /high is a map of when clear for hold/,
    ],
    [`${HEAD}${level}absent: { level: low }\n`, '5:11', 'HD_CONFIG_MISSING', /absent lacks 'after'/],
    [`${HEAD}${level}absent: { after: 0s }\n`, '5:18', 'HD_CONFIG_VALUE', /longer than 0/],
    [
      `${HEAD}${level}remind: { every: 5m, until: tired }\n`,
      '5:29',
      'HD_CONFIG_VALUE',
      /acknowledged confirmed resolved/,
    ],
    [`${HEAD}${level}escalate: [ { after: 5m } ]\n`, '5:15', 'HD_CONFIG_MISSING', /lacks 'to'/],
    [`${HEAD}${level}let: { 1x: level_m }\n`, '5:8', 'HD_CONFIG_VALUE', /no name for a let/],
    [
      `${HEAD}${level}sequence: { within: 2m, steps: [ not: { when: true } ] }\n`,
      '5:34',
      'HD_CONFIG_VALUE',
      /cannot be the first step/,
    ],
    [
      `${HEAD}${level}sequence: { within: 2m, steps: [ a: { when: true }, a: { when: true } ] }\n`,
      '5:53',
      'HD_CONFIG_VALUE',
      /stands twice/,
    ],
    [
      `${HEAD}${level}sequence: { steps: [ a: { when: true } ] }\n`,
      '5:13',
      'HD_CONFIG_MISSING',
      /lacks 'within'/,
    ],
    [
      `${HEAD}${level}sequence: { within: 2m, steps: [ label: { when: true } ] }\n`,
      '5:34',
      'HD_CONFIG_VALUE',
      /call the step otherwise/,
    ],
    [
      `${HEAD}${level}sequence:\n  within: 2m\n  steps:\n    - a: { when: b.confidence > 1 }\n    - b: { when: true }\n`,
      '8:18',
      'HD_RULE_UNKNOWN_NAME',
      /b.confidence/,
    ],
    [
      `${HEAD}${level}sequence:\n  within: 2m\n  steps:\n    - a: { when: true }\n    - b: { when: a.nothing > 1 }\n`,
      '9:18',
      'HD_RULE_UNKNOWN_NAME',
      /the sample of step 'a' has no 'nothing'/,
    ],
    [
      `${HEAD}${level}tests: [ { name: x, feed: { level_m: 1+1y5 }, expect: [] } ]\n`,
      '5:38',
      'HD_CONFIG_VALUE',
      /'1\+1y5' is no number/,
    ],
    [
      `${HEAD}${level}tests: [ { name: x, feed: { levl_m: 1+1x5 }, expect: [] } ]\n`,
      '5:29',
      'HD_RULE_UNKNOWN_NAME',
      /unknown metric 'levl_m'/,
    ],
    [
      `${HEAD}${level}tests: [ { name: x, feed: { level_m: 1 }, expect: [ { level: high } ] } ]\n`,
      '5:53',
      'HD_CONFIG_MISSING',
      /either 'at' or 'within'/,
    ],
    [
      `${HEAD}${level}tests: [ { name: x, start: noon, feed: { level_m: 1 }, expect: [] } ]\n`,
      '5:28',
      'HD_CONFIG_VALUE',
      /start is a date/,
    ],
    ['- a\n- b\n', '1:1', 'HD_CONFIG_VALUE', /a rule is a map of rule title/],
    ['just text\n', '1:1', 'HD_CONFIG_VALUE', /a rule is a map/],
  ]
  for (const [text, place, code, message] of cases) {
    const { rules, faults } = load(text)
    const errors = faults.filter(({ severity }) => severity === 'error')
    t.equal(errors.length, 1, `${message}: one fault (${printed(errors).join(' | ')})`)
    t.match(errors[0]?.message ?? '', message)
    t.equal(`${errors[0]?.line}:${errors[0]?.column}`, place, `${message}: place`)
    t.equal(errors[0]?.code, code, `${message}: code`)
    t.equal(rules.length, 0, 'and nothing of the file loads')
  }
})

t.test('a comma that cuts a condition in { } is named at its column', async (t) => {
  const trapped = (levels: string) => printed(load(`${HEAD}levels:\n${levels}`).faults)
  const message = (key: string) =>
    `HD_CONFIG_SYNTAX inside { } this comma ends the value of '${key}': put the value in quotes or write it in block style`
  t.strictSame(trapped('  high: { when: delta(temp_c, 1m) > 6, for: 2m }\n'), [
    `5:29 error ${message('when')}`,
  ])
  t.strictSame(
    trapped('  high: { when: if(a > 1, b, c) > 2, for: 2m }\n'),
    [`5:25 error ${message('when')}`],
    'the first of several',
  )
  t.strictSame(trapped('  high: { for: 2m, when: min(level_m, 5m) > 1 }\n'), [
    `5:37 error ${message('when')}`,
  ])
  t.strictSame(trapped("  high: { when: label == 'a, b' }\n"), [`5:28 error ${message('when')}`])
  const spread = '  high: {\n    when: delta(temp_c,\n      1m) > 6,\n    for: 2m }\n'
  t.strictSame(trapped(spread), [`6:23 error ${message('when')}`])
  t.strictSame(
    printed(load(`${HEAD}let: { a: min(level_m, 5m) }\nlevels: { high: { when: a > 1 } }\n`).faults),
    [`4:22 error ${message('a')}`],
  )
  t.strictSame(
    printed(
      load(
        'rule: r\ntitle: { en: Fire, now, vi: Cháy }\ncategory: fire\nlevels: { high: { when: event == 1 } }\n',
      ).faults,
    ),
    [`2:18 error ${message('en')}`],
  )
  t.strictSame(trapped("  high: { when: 'delta(temp_c, 1m) > 6', for: 2m }\n"), [], 'in quotes it is no trap')
  t.strictSame(trapped('  high:\n    when: delta(temp_c, 1m) > 6\n    for: 2m\n'), [], 'nor in block style')
  t.match(trapped("  high: { when: label in ['smoke', 'fire'], for: 2m }\n"), [
    /^5:26 error HD_CONFIG_SYNTAX inside \{ \} a plain value ends at any of/,
  ])
  t.match(trapped('  high: { when: level_m > 1, for }\n'), [
    /^5:30 error HD_CONFIG_MISSING 'for' has no value/,
  ])
})

t.test('a fault inside an expression is placed through quotes, escapes, folds and indentation', async (t) => {
  const place = (value: string) => {
    const { faults } = load(`${HEAD}levels:\n  high:\n    when: ${value}\n`)
    return faults.map(({ line, column }) => `${line}:${column}`).join(' ')
  }
  t.equal(place('foo > 1'), '6:11')
  t.equal(place('level_m > 1 and foo > 1'), '6:27')
  t.equal(place("'level_m > 1 and foo > 1'"), '6:28')
  t.equal(place("'label == ''x'' and foo > 1'"), '6:31')
  t.equal(place('"label == \'\\u0041\\x42\\n\' and foo > 1"'), '6:40')
  t.equal(place('level_m > 1\n      and foo > 1'), '7:11')
  t.equal(place('"level_m > 1\n\n      and foo > 1"'), '8:11')
  t.equal(place("'level_m > 1\n      and foo > 1'"), '7:11')
  t.equal(place('>-\n      level_m > 1 and\n      foo > 1'), '8:7')
  t.equal(place('|\n      level_m > 1 and\n\n        foo > 1 and bar\n'), '9:9 9:21')
  t.equal(place('>  # a comment\n      level_m > 1 and\n      foo > 1'), '8:7')
  t.equal(place('level_m >'), '6:20', 'the end of the text')
  t.equal(place("'level_m >'"), '6:21')
  t.equal(place('>-\n      level_m\n      >\n'), '8:8')
  t.equal(
    load(`${HEAD}where: &w foo > 1\nlevels:\n  high:\n    when: *w\n`)
      .faults.map(({ line, column }) => `${line}:${column}`)
      .join(' '),
    '4:11 4:11',
    'an alias points at what it stands for',
  )
})

t.test('a fault prints with its line and a caret', async (t) => {
  const { faults } = load(`${HEAD}levels:\n\thigh: x\n`)
  t.equal(faults.length, 1)
  const [fault] = load(`${HEAD}levels:\n  high: { when: levle_m > 1 }\n`).faults
  t.equal(
    formatFault(fault!),
    [
      "r.yaml:5:17: error: unknown name 'levle_m': did you mean 'level_m'? [HD_RULE_UNKNOWN_NAME]",
      '    high: { when: levle_m > 1 }',
      '                  ^',
    ].join('\n'),
  )
  const windows = load(`${HEAD}levels:\n  high: { when: levle_m > 1 }\n`.replaceAll('\n', '\r\n')).faults
  t.equal(windows[0]?.text, '  high: { when: levle_m > 1 }', 'a carriage return is no part of it')
})

t.test(
  'each document is read by itself: what is no YAML is told, and the rest is still looked at',
  async (t) => {
    const good = ruleText('level_m > 1')
    const { faults } = load(
      `${good}---\nrule: b\ntitle: "open\n---\n${good.replace('rule: r', 'rule: c')}owner: [x]\n--- # empty\n---\n# nothing\n`,
    )
    t.match(printed(faults), [
      /^1[01]:\d+ error HD_CONFIG_SYNTAX no YAML/,
      /error HD_CONFIG_VALUE owner is a text/,
    ])
    t.equal(load(`# only a comment\n---\n${good}---\n...\n`).rules.length, 1)
    t.equal(load('').faults.length, 0)
    t.equal(load(`\uFEFF${good}`).rules.length, 1, 'a byte order mark')
    for (const [text, message] of [
      ['%YAML 1.1\n---\nrule: x\n', /HD_CONFIG/],
      ['rule: !!js/function x\n', /HD_CONFIG/],
      ['a:\n\tb: c\n', /tabs cannot indent/],
      ["rule: 'a' b\n", /begins with a quote ends at the next one/],
      ['rule: a: b\n', /': ' inside a plain value/],
    ] as const)
      t.match(printed(load(text).faults)[0], message, text)
  },
)

t.test('rules know each other across files: doubles, unknown rules, cycles', async (t) => {
  const { loadRules } = await import('../../../rules/language/load.js')
  const rule = (id: string, when: string, extra = '') =>
    ruleText(when, extra).replace('rule: r', `rule: ${id}`)
  const files = (texts: Record<string, string>) => {
    const { rules, faults } = loadRules(
      Object.entries(texts).map(([file, text]) => ({ file, text })),
      BARE,
    )
    return {
      ids: rules.map(({ id }) => id),
      faults: faults.map((fault) => `${fault.file}:${printed([fault])[0]}`),
    }
  }
  t.strictSame(
    files({
      'a.yaml': rule('x', 'true'),
      'b.yaml': `${rule('y', "alert('x') > 1")}---\n${rule('x', 'true')}`,
    }),
    {
      ids: ['x'],
      faults: ["b.yaml:8:7 error HD_RULE_DUPLICATE there is a rule 'x' already: a.yaml:1"],
    },
  )
  t.strictSame(
    files({ 'b.yaml': rule('y', "alert('x') > 1"), 'a.yaml': rule('x', 'true') }).ids,
    ['y', 'x'],
    'in any order',
  )
  t.match(
    files({ 'a.yaml': rule('x', "alert('z') > 1"), 'b.yaml': 'rule: z\ntitle: [' }).faults,
    [/^b.yaml/],
    'a faulty rule is still known by name',
  )
  t.strictSame(
    files({
      'a.yaml': rule('a', "alert('b') > 1"),
      'b.yaml': rule('b', "alert('c') > 1"),
      'c.yaml': `${rule('c', "alert('a') > 1")}---\n${rule('d', "alert('a') > 1")}`,
    }).faults,
    ['a.yaml:6:18 error HD_RULE_CYCLE alert() makes a cycle: a → b → c → a'],
  )
  t.match(
    files({ 'a.yaml': rule('a', 'x > 1', "let: { x: alert('a') }\n") }).faults,
    [/^a.yaml:4:18 error HD_RULE_CYCLE.*a → a/].map((m) => new RegExp(m.source.replace('4:18', '4:17'))),
  )
  t.match(
    files({ 'a.yaml': rule('a', "near_alert('a', 500) > 1") }),
    { ids: ['a'], faults: [] },
    'an alert of the same rule nearby is no cycle',
  )
  const chain = Array.from({ length: 3000 }, (_, i) =>
    rule(`c${i}`, i === 0 ? 'true' : `alert('c${i - 1}') > 1`),
  ).join('---\n')
  t.equal(files({ 'a.yaml': chain }).ids.length, 3000, 'a chain of thousands is no cycle')
})

t.test('what the registry lacks is a warning', async (t) => {
  const warnings = (when: string, extra = '') => {
    const { rules, faults } = load(ruleText(when, extra), CITY)
    t.equal(rules.length, 1, when)
    return printed(faults)
  }
  const gauges = "where: device.kind == 'river_gauge'\n"
  t.strictSame(warnings('level_m > limit.alarm1', gauges), [])
  t.strictSame(warnings('level_m > device.limit.alarm2', gauges), [
    '7:22 warning HD_RULE_UNKNOWN_NAME limit.alarm2 is missing for g2',
  ])
  t.match(warnings('level_m > limit.alarm9', gauges), [/limit.alarm9 is missing for g1, g2/])
  t.match(warnings('level_m > limit.alarm9 '), [/limit.alarm9 is missing for g1, g2, b1/])
  t.match(warnings('level_m > 1', 'key: [distrct]\n'), [/^4:7 warning .*no registered device has 'distrct'/])
  t.strictSame(warnings('level_m > 1', 'key: [route]\ngroup: [ward]\n'), [])
  t.match(warnings('level_m > 1', 'inhibit_by: nobody\n'), [/^4:13 warning .*no rule 'nobody'/])
  t.match(warnings('level_m > 1', `short: { en: "${'x'.repeat(37)}", vi: ok }\n`), [
    /^4:14 warning .*37 characters/,
  ])
  t.match(
    printed(load('rule: r\ntitle: { vi: t }\ncategory: flood\nlevels: { low: { when: true } }\n').faults),
    [/warning .*title lacks 'en'/],
  )
})

t.test('a sequence takes its streams from its steps, and its steps see those before them', async (t) => {
  const text = (steps: string, extra = '') =>
    `${HEAD}${extra}sequence:\n  within: 2m\n  steps:\n${steps}levels: { critical: { when: matched and level_m > 1 } }\n`
  const { rules, faults } = load(
    text(
      '    - a: { stream: camera, when: confidence > 0.5 }\n    - not: { stream: [gps, air], when: a.confidence > 1 }\n    - b: { stream: camera, when: "a.confidence < confidence and a.label == label" }\n',
    ),
  )
  t.strictSame(printed(faults), [])
  t.strictSame(rules[0]!.streams, ['camera', 'gps', 'air'])
  t.strictSame(rules[0]!.metrics, ['level_m', 'confidence'])
  t.equal(
    load(text('    - a: { when: true }\n    - b: { stream: gps, when: true }\n')).rules[0]!.streams,
    null,
    'a step of any stream',
  )
  t.match(printed(load(text('    - a: { when: true }\n', 'stream: gps\n')).faults), [
    /warning .*takes its streams from its steps/,
  ])
})
