import fc from 'fast-check'
import t from 'tap'
import { parseFeed } from '../../../rules/language/test-shorthand.js'
import { load, printed } from './setting.js'

t.test('the shorthand is promtool’s', async (t) => {
  const cases: [string, (number | null)[], number?][] = [
    ['1+1x3 every 1m', [1, 2, 3, 4]],
    ['1.8+0.02x2 every 30s', [1.8, 1.82, 1.84], 30_000],
    ['10-2.5x2', [10, 7.5, 5]],
    ['-2-1x1', [-2, -3]],
    ['5x3', [5, 5, 5, 5]],
    ['0+0x0', [0]],
    ['1 2 _ 4', [1, 2, null, 4]],
    ['1+1x1 _x2 9', [1, 2, null, null, 9]],
    ['1e3+1x1 every 1.5h', [1000, 1001], 5_400_000],
    ['  7  every   1s ', [7], 1000],
  ]
  for (const [text, values, every = 60_000] of cases) {
    const parsed = parseFeed(text, 60_000)
    t.strictSame(parsed, { values, every }, text)
  }
  t.match(parseFeed('1', 5000), { every: 5000 }, 'the default')
})

t.test('what is no feed is refused where it goes wrong', async (t) => {
  const cases: [string, number, RegExp][] = [
    ['', 0, /at least one value/],
    ['every 1m', 0, /at least one value/],
    ['1 2 x', 4, /no number/],
    ['1+1', 0, /no number/],
    ['1+1x', 0, /no number/],
    ['1 every 1q', 2, /no number/],
    ['1 every 0s', 1, /longer than 0/],
    ['1 1+1x200000', 2, /at most 100000/],
    ['1+1e308x9', 0, /too large/],
    ['Infinity', 0, /no number/],
    ['NaN', 0, /no number/],
  ]
  for (const [text, at, message] of cases) {
    const parsed = parseFeed(text, 60_000)
    t.ok('message' in parsed && message.test(parsed.message), text)
    t.equal('at' in parsed ? parsed.at : -1, at, `${text}: position`)
  }
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'0 1 + - x _ e . every m s'.split(' '), ' ') }),
      (text) => {
        const parsed = parseFeed(text, 1000)
        return 'message' in parsed
          ? parsed.at >= 0 && parsed.at <= text.length
          : parsed.every >= 1 && parsed.values.length > 0
      },
    ),
    { seed: 20260106, numRuns: 3000 },
  )
})

t.test('strings of a list are played one after the other, and gaps keep their place', async (t) => {
  const { rules, faults } = load(`rule: r
title: { en: t, vi: t }
category: flood
levels: { high: { when: level_m > 1 } }
tests:
  - name: x
    start: 2026-05-01T06:00
    feed: { level_m: [ "1+1x1 every 1m", "_ 5 every 10s", 7 ], temp_c: 20 }
    expect: [ { at: 0s, level: none }, { within: [0s, 2m], level: high } ]
  - { name: y, start: "2026-05-01T06:00:00Z", feed: { level_m: 1 }, expect: [ { at: 1m, level: unknown } ] }
  - { name: z, start: 2026-05-02, feed: { level_m: 1 }, expect: [] }
`)
  t.strictSame(printed(faults), [])
  const [x, y, z] = rules[0]!.tests
  const start = Date.UTC(2026, 3, 30, 23)
  t.equal(x!.start, start, 'the city is seven hours ahead')
  t.strictSame(x!.feed, [
    {
      metric: 'level_m',
      samples: [
        { time: start, value: 1 },
        { time: start + 60_000, value: 2 },
        { time: start + 130_000, value: 5 },
        { time: start + 140_000, value: 7 },
      ],
    },
    { metric: 'temp_c', samples: [{ time: start, value: 20 }] },
  ])
  t.strictSame(x!.expect, [
    { at: 0, level: 'none', line: 9 },
    { within: [0, 120_000], level: 'high', line: 9 },
  ])
  t.equal(y!.start, Date.UTC(2026, 4, 1, 6))
  t.equal(z!.start, Date.UTC(2026, 4, 1, 17))
  t.equal(y!.line, 10)
})
