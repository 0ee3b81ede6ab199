import fc from 'fast-check'
import t from 'tap'
import type { Expression } from '../../../rules/language/ast.js'
import { printExpression } from '../../../rules/language/print.js'
import {
  printSpan,
  printValue,
  renderShort,
  renderTitle,
  SHORT_CHARS,
  titlePieces,
} from '../../../rules/language/title.js'
import { load, METRICS } from './setting.js'

const M = 60_000
const H = 60 * M
const D = 24 * H

t.test('durations print as people say them', async (t) => {
  const cases: [number, string][] = [
    [0, '0 s'],
    [400, '0 s'],
    [12_000, '12 s'],
    [59_600, '1 min'],
    [90_000, '1 min 30 s'],
    [2 * M, '2 min'],
    [44 * M + 10_000, '44 min'],
    [59.6 * M, '1 h'],
    [H, '1 h'],
    [80 * M, '1 h 20 min'],
    [26 * H, '1 d 2 h'],
    [2 * D, '2 d'],
    [2 * D + 3 * H + 4 * M, '2 d 3 h'],
    [-80 * M, '-1 h 20 min'],
  ]
  for (const [ms, text] of cases) t.equal(printSpan(ms), text, `${ms} ms`)
})

t.test('values print by their kind', async (t) => {
  t.equal(printValue(undefined, 'number', 2, 'en'), '–')
  t.equal(printValue(Number.NaN, 'duration', null, 'en'), '–')
  t.equal(printValue(Number.POSITIVE_INFINITY, 'duration', null, 'vi'), '∞')
  t.equal(printValue(2.5, 'number', 2, 'en'), '2.50')
  t.equal(printValue(2.5, 'number', 0, 'vi'), '3')
  t.equal(printValue(-0.001, 'number', 2, 'en'), '0.00', 'no minus zero')
  t.equal(printValue(1234.5, 'number', 2, 'vi'), '1234.50', 'a point in both languages, no grouping')
  t.equal(printValue(3, 'number', null, 'en'), '3')
  t.equal(printValue(0.123456, 'number', null, 'en'), '0.12')
  t.equal(printValue(1, 'boolean', null, 'vi'), 'có')
  t.equal(printValue(false, 'boolean', null, 'en'), 'no')
  t.equal(printValue('', 'text', null, 'en'), '–')
  t.equal(printValue('Kiến An', 'text', null, 'en'), 'Kiến An')
})

t.test('a title is cut at its placeholders', async (t) => {
  t.strictSame(titlePieces('{site.name}: {level_m} m').pieces, [
    { text: 'site.name', at: 1 },
    ': ',
    { text: 'level_m', at: 14 },
    ' m',
  ])
  t.strictSame(titlePieces('a {{b}} c').pieces, ['a {b} c'])
  t.strictSame(titlePieces("{if(label == '}', 'a', 'b')}").pieces, [
    { text: "if(label == '}', 'a', 'b')", at: 1 },
  ])
  t.strictSame(titlePieces('').pieces, [])
  const faults: [string, number][] = [
    ['a {b', 2],
    ['a } b', 2],
    ['{}', 0],
    ['{ }', 0],
    ['{a {b}}', 0],
  ]
  for (const [text, at] of faults) t.equal(titlePieces(text).fault?.at, at, text)
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('{', '}', "'", 'a', ' ') }), (text) => {
      const { pieces, fault } = titlePieces(text)
      return fault !== null
        ? fault.at >= 0 && fault.at < text.length
        : pieces.every((piece) => typeof piece === 'string' || text.startsWith(piece.text, piece.at))
    }),
    { seed: 20260105, numRuns: 3000 },
  )
})

t.test(
  'a title renders with the decimals of its metrics, lets by their call, and the short one fits the wall',
  async (t) => {
    const text = `rule: r
title: { en: "{site.name}: {level_m} m, III in {eta} (rise {rise}, {count(level_m, 1h)} readings)", vi: "{site.name}: {level_m} m {gone}" }
short: { en: "{site.name} {eta}", vi: "{site.name}" }
category: flood
let: { rise: "slope(level_m, 30m)", eta: "time_to(level_m, limit.alarm3, 1h)", gone: "changed(level_m)" }
levels: { high: { when: level_m > 1 } }
`
    const { rules, faults } = load(text)
    t.strictSame(faults, [])
    const { title, short } = rules[0]!
    const values: Record<string, number | string> = {
      'site.name': 'Kiến An',
      level_m: 2.314,
      "slope(level_m, 30m, method='theil_sen')": 0.5,
      "time_to(level_m, limit.alarm3, 1h, direction='up', method='theil_sen')": 80 * M,
      'count(level_m, 1h)': 31,
      'changed(level_m)': 1,
    }
    const evaluate = (expression: Expression) => values[printExpression(expression)]
    t.equal(
      renderTitle(title.en, evaluate, METRICS, 'en'),
      'Kiến An: 2.31 m, III in 1 h 20 min (rise 0.50, 31 readings)',
    )
    t.equal(renderTitle(title.vi, evaluate, METRICS, 'vi'), 'Kiến An: 2.31 m có')
    t.equal(renderShort(short.en, evaluate, METRICS, 'en'), 'Kiến An 1 h 20 min')
    values['site.name'] = 'Trạm thủy văn Kiến An bên sông Lạch Tray'
    const cut = renderShort(short.vi, evaluate, METRICS, 'vi')
    t.equal([...cut].length, SHORT_CHARS)
    t.ok(cut.startsWith('Trạm thủy văn') && cut.endsWith('…'))
    t.equal(
      renderTitle(title.en, () => undefined, METRICS, 'en'),
      '–: – m, III in – (rise –, – readings)',
    )
  },
)
