/** Rules meant to hurt: each is refused with a position, or bounded, within a second; nothing is ever thrown. */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { LoadedRules } from '../../../rules/language/load.js'
import { load, printed, ruleText } from './setting.js'

const HEAD = 'rule: r\ntitle: { en: t, vi: t }\ncategory: flood\n'

/** Loads within a second of CPU (others may be using the machine), or fails. */
function timed(t: Test, what: string, text: string): LoadedRules {
  const before = process.cpuUsage()
  const loaded = load(text)
  const { user, system } = process.cpuUsage(before)
  const took = (user + system) / 1000
  t.ok(took < 1000, `${what}: ${Math.round(took)} ms`)
  return loaded
}

t.test('too much of anything is refused with a position', async (t) => {
  const cases: [what: string, text: string, first: RegExp][] = [
    ['a file of 10 MB', 'x'.repeat(10_000_000), /^1:1 error HD_RULE_LIMIT the file has 10000000 characters/],
    ['a file of 10 MB of rules', ruleText('level_m > 1').repeat(90_000), /^1:1 error HD_RULE_LIMIT/],
    [
      'a document of 100 KB',
      `${HEAD}owner: ${'x'.repeat(100_000)}\n`,
      /^1:1 error HD_RULE_LIMIT the document has/,
    ],
    [
      '100 000 parentheses',
      `${HEAD}levels: { high: { when: "${'('.repeat(60_000)}" } }`,
      /^4:90 error HD_RULE_LIMIT nested deeper/,
    ],
    [
      '60 000 closing ones',
      `${HEAD}levels: { high: { when: "a${')'.repeat(60_000)}" } }`,
      /^4:27 error HD_RULE_SYNTAX/,
    ],
    [
      '30 000 terms',
      `${HEAD}levels: { high: { when: "a${'+a'.repeat(30_000)}" } }`,
      /^4:\d+ error HD_RULE_LIMIT/,
    ],
    ['60 000 open brackets', '['.repeat(60_000), /^1:33 error HD_RULE_LIMIT nested too deep/],
    ['60 000 closing brackets', ']'.repeat(60_000), /^1:33 error HD_RULE_LIMIT/],
    ['60 000 braces', `a: ${'{'.repeat(60_000)}`, /^1:36 error HD_RULE_LIMIT/],
    ['30 000 dashes on a line', '- '.repeat(30_000), /^1:65 error HD_RULE_LIMIT/],
    ['20 000 explicit keys', '? '.repeat(20_000), /HD_RULE_LIMIT/],
    [
      'a staircase of indentation',
      Array.from({ length: 340 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
      /^20[0-9]:\d+ error HD_RULE_LIMIT/,
    ],
    [
      'the deepest staircase that is let in',
      Array.from({ length: 199 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
      /HD_CONFIG_UNKNOWN_KEY/,
    ],
    ['20 000 anchors', `a: ${'&a '.repeat(20_000)}`, /HD_CONFIG_SYNTAX/],
    ['30 000 quotes', '"'.repeat(60_000), /HD_CONFIG_SYNTAX/],
    ['7 000 times the same key', `${HEAD}${'owner: y\n'.repeat(7_000)}`, /stands twice/],
    ['7 000 unknown keys', Array.from({ length: 7_000 }, (_, i) => `k${i}:`).join('\n'), /HD_CONFIG/],
    [
      'a window of ten years',
      ruleText('avg(level_m, 3650d) > 1'),
      /^6:25 error HD_RULE_LIMIT .*at most 400d, not 3650d/,
    ],
    [
      'a million samples in a test',
      `${HEAD}levels: { high: { when: level_m > 1 } }\ntests: [ { name: x, feed: { level_m: 1x999999 }, expect: [] } ]`,
      /^5:38 .*at most 100000/,
    ],
    [
      'lists of a thousand entries',
      `${HEAD}levels: { low: { when: true } }\ninhibit_by: [${'a,'.repeat(1500)}a]`,
      /^5:13 error HD_RULE_LIMIT/,
    ],
    [
      'a name of 60 000 letters',
      ruleText('x'.repeat(60_000)),
      /^6:12 error HD_RULE_UNKNOWN_NAME unknown name 'x{60}…'/,
    ],
    [
      'a text that never ends',
      ruleText(`label == '${'x'.repeat(60_000)}`),
      /^6:21 error HD_RULE_SYNTAX this text has no closing quote/,
    ],
  ]
  for (const [what, text, first] of cases) {
    const { rules, faults } = timed(t, what, text)
    t.match(printed(faults)[0] ?? 'no fault', first, what)
    t.equal(rules.length, 0)
    t.ok(faults.length <= 100, `${what}: ${faults.length} faults at most a hundred`)
    t.ok(
      faults.every(({ message }) => message.length < 1000),
      `${what}: short messages`,
    )
  }
})

t.test('a billion laughs stay unlaughed', async (t) => {
  const laughs = (key: string) => {
    const lines = Array.from(
      { length: 9 },
      (_, i) => `      a${i}: &a${i} [${i === 0 ? 'lol,'.repeat(9) : `*a${i - 1},`.repeat(9)}]`,
    )
    return `${HEAD}levels: { low: { when: true } }\ntests:\n  - name: x\n    ${key}:\n${lines.join('\n')}\n    feed: { level_m: 1 }\n    expect: []\n`
  }
  t.match(printed(timed(t, 'in a device', laughs('device')).faults), [
    /HD_RULE_LIMIT the document follows more than 100 aliases/,
  ])
  t.match(
    printed(
      timed(t, 'a loop', `${HEAD}levels: { low: { when: true } }\nescalate: &a [*a, *a]\n`).faults,
    ).join(),
    /HD_/,
  )
  t.match(
    printed(
      timed(t, 'an alias of nothing', `${HEAD}owner: *nobody\nlevels: { low: { when: true } }\n`).faults,
    ),
    [/^4:8 error HD_CONFIG_SYNTAX there is no anchor '&nobody'/],
  )
})

t.test('division by zero and comparison of anything is bounded meaning, not a crash', async (t) => {
  t.strictSame(printed(load(ruleText('level_m / 0 > 1')).faults), [])
  t.match(printed(load(ruleText('1 < level_m < 3')).faults), [
    /^6:24 error HD_RULE_SYNTAX comparisons do not chain/,
  ])
})

t.test('words of JavaScript mean nothing', async (t) => {
  for (const word of [
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'prototype',
    'process',
    'globalThis',
    'this',
    'valueOf',
  ]) {
    for (const text of [
      word,
      `${word} > 1`,
      `${word}(1)`,
      `device.${word}.x > 1`,
      `limit.a.${word} > 1`,
      `site.${word} == 'a'`,
      `quality.${word}`,
      `slope(level_m, 1h).${word} > 1`,
    ])
      t.equal(load(ruleText(text)).rules.length, 0, text)
    t.match(
      printed(load(`${HEAD}levels: { low: { when: true } }\n${word}: x\n`).faults),
      [/HD_CONFIG_UNKNOWN_KEY/],
      `key ${word}`,
    )
    t.match(
      printed(load(`${HEAD}levels: { ${word}: { when: true } }\n`).faults).join(),
      /HD_CONFIG_UNKNOWN_KEY/,
      `level ${word}`,
    )
  }
  const { rules, faults } = load(
    `${HEAD}levels: { low: { when: true } }\ntests: [ { name: x, device: { __proto__: { polluted: 1 } }, feed: { level_m: 1 }, expect: [] } ]\n`,
  )
  t.strictSame(printed(faults), [])
  t.equal(({} as Record<string, unknown>)['polluted'], undefined)
  t.equal(rules[0]!.tests[0]!.device['polluted'], undefined)
})

t.test('no garbage throws, and none takes a tenth of a second', async (t) => {
  const sound = `${HEAD}where: device.kind == 'x'\nlet: { a: "slope(level_m, 30m)" }\nlevels:\n  high: { when: "a > 1 and level_m in [1, 2]", for: 2m }\ntests:\n  - { name: x, feed: { level_m: "1+1x5 every 1m" }, expect: [ { at: 5m, level: high } ] }\n`
  t.strictSame(printed(load(sound).faults), [])
  const words = fc.constantFrom(
    ...[
      'rule: r\n',
      'title: ',
      '{ en: t, vi: t }',
      '\n',
      '---\n',
      'levels:',
      ' high:',
      ' when:',
      '  ',
      '- ',
      '? ',
      '&a ',
      '*a',
      '!x ',
      "'",
      '"',
      '[',
      ']',
      '{',
      '}',
      ',',
    ],
    ...[
      '|\n',
      '>-\n',
      '# ',
      ': ',
      'level_m > 1',
      '(',
      ')',
      'let:',
      'sequence:',
      'steps:',
      'tests:',
      '\t',
      '%YAML 1.1\n',
      '...\n',
      '\\u0',
      '\u0000',
      'é',
      '🌊',
      '{level_m}',
    ],
  )
  const edits = fc.array(
    fc.tuple(fc.nat(sound.length), fc.nat(6), fc.oneof(words, fc.string({ maxLength: 4 }))),
    { minLength: 1, maxLength: 2 },
  )
  const mutated = edits.map((all) =>
    all.reduce((text, [at, length, by]) => text.slice(0, at) + by + text.slice(at + length), sound),
  )
  const garbage = fc.oneof(
    fc.string({ maxLength: 400 }),
    fc.array(words, { maxLength: 80 }).map((all) => all.join('')),
    mutated,
    mutated,
  )
  let slowest = 0
  let sounds = 0
  fc.assert(
    fc.property(garbage, (text) => {
      const before = process.cpuUsage()
      const { rules, faults } = load(text)
      const { user, system } = process.cpuUsage(before)
      slowest = Math.max(slowest, (user + system) / 1000)
      const lines = text.split('\n')
      sounds += rules.length
      // A place is always one in the file.
      return faults.every(
        ({ line, column }) =>
          line >= 1 && line <= lines.length && column >= 1 && column <= lines[line - 1]!.length + 1,
      )
    }),
    { seed: 20260104, numRuns: 2000 },
  )
  t.ok(slowest < 100, `slowest ${Math.round(slowest)} ms of CPU`)
  t.ok(sounds > 10, `${sounds} mutants were sound rules`)
})
