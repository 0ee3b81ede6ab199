import fc from 'fast-check'
import t from 'tap'
import type { BinaryOperator } from '../../../rules/language/ast.js'
import {
  COMPARISON,
  NESTING_MAX,
  NODES_MAX,
  NOT,
  PRECEDENCE,
  parseExpression,
  UNARY,
} from '../../../rules/language/parser.js'
import type { Syntax } from '../../../rules/language/syntax.js'

/** A tree with all its parentheses: what binds to what. */
function shape(node: Syntax): string {
  switch (node.kind) {
    case 'number':
      return String(node.value)
    case 'duration':
      return `${node.value}ms`
    case 'boolean':
      return String(node.value)
    case 'text':
      return `'${node.value}'`
    case 'list':
      return `[${node.items.join('|')}]`
    case 'name':
      return node.name
    case 'unary':
      return `(${node.operator} ${shape(node.operand)})`
    case 'binary':
      return `(${shape(node.left)} ${node.operator} ${shape(node.right)})`
    case 'call': {
      const args = node.args.map(({ name, value }) =>
        name === '' ? shape(value) : `${name}=${shape(value)}`,
      )
      return `${node.name}(${args.join(', ')})${node.field === '' ? '' : `.${node.field}`}`
    }
  }
}

t.test('operators bind as RULES.md lists them', async (t) => {
  const cases: Record<string, string> = {
    'a or b and c': '(a or (b and c))',
    'not a and b': '((not a) and b)',
    'not a == b': '(not (a == b))',
    'not not a': '(not (not a))',
    'a == b + c * d': '(a == (b + (c * d)))',
    'a - b - c': '((a - b) - c)',
    'a / b / c * d': '(((a / b) / c) * d)',
    '-a * b': '((- a) * b)',
    'a - -b': '(a - (- b))',
    '- - a': '(- (- a))',
    '-a < -2': '((- a) < (- 2))',
    '(a or b) and c': '((a or b) and c)',
    'a < b or c >= d': '((a < b) or (c >= d))',
    "label in ['x', 'y'] and not b": '((label in [x|y]) and (not b))',
    'hour in [-1, 2.5]': '(hour in [-1|2.5])',
    'a and (not b)': '(a and (not b))',
    'if(a, b, c) + 1': '(if(a, b, c) + 1)',
    "slope(level_m, 30m, method='least_squares').low":
      "slope(level_m, 1800000ms, method='least_squares').low",
    'device.limit.alarm1 * 2': '(device.limit.alarm1 * 2)',
    'f()': 'f()',
    'a==b': '(a == b)',
    'a<-b': '(a < (- b))',
    true: 'true',
    "'it''s'": "'it's'",
    "''": "''",
    '\n  a\n or\tb ': '(a or b)',
  }
  for (const [text, expected] of Object.entries(cases)) {
    const { tree, fault } = parseExpression(text)
    t.equal(tree === null ? fault.message : shape(tree), expected, text)
  }
})

t.test('numbers and durations are read to the letter', async (t) => {
  const values: Record<string, number> = {
    '12.5': 12.5,
    '0': 0,
    '1e3': 1000,
    '2.5e-1': 0.25,
    '500ms': 500,
    '30s': 30_000,
    '10m': 600_000,
    '2h': 7_200_000,
    '7d': 604_800_000,
    '1h30m': 5_400_000,
    '1.5h': 5_400_000,
  }
  for (const [text, value] of Object.entries(values)) {
    const { tree } = parseExpression(text)
    t.equal(tree?.kind === 'number' || tree?.kind === 'duration' ? tree.value : undefined, value, text)
  }
})

t.test('what is no expression is refused where it goes wrong', async (t) => {
  const cases: [text: string, at: number, message: RegExp, code?: string][] = [
    ['', 0, /missing/],
    ['   ', 0, /missing/],
    ['a <', 3, /ends where a value/],
    ['a < b < c', 6, /do not chain/],
    ['a == b == c', 7, /do not chain/],
    ['a < b in [1]', 6, /do not chain/],
    ['(a', 0, /never closed/],
    ['a and (b or c', 6, /never closed/],
    ['f(a, b', 1, /never closed/],
    ['a)', 1, /should end/],
    ['a b', 2, /should end/],
    ['a = b', 2, /compare with '=='/],
    ['a && b', 2, /write 'and'/],
    ['!a', 0, /write 'not'/],
    ['a == "x"', 5, /single quotes/],
    ["a == 'x", 5, /no closing quote/],
    ['a == not b', 5, /binds weaker/],
    ['a not in [1]', 2, /stands before/],
    ['and b', 0, /a value should stand/],
    ['a or', 4, /ends where/],
    ['10min', 0, /units: ms s m h d/],
    ['a > 5x', 4, /units/],
    ['1.', 1, /should end/],
    ['.5', 0, /a value should stand/],
    ['x in 5', 5, /a list should stand/],
    ['x in []', 6, /a text or a number/],
    ["x in [1, 'a']", 9, /not both/, 'HD_RULE_TYPE'],
    ['x in [1, 2', 5, /never closed/],
    ['[1]', 0, /only at the right of 'in'/],
    ['f(a).', 5, /field/],
    ['f(a).b.c', 6, /no fields/],
    ['f(a,)', 4, /a value should stand/],
    ['f(a b)', 4, /'\)' or an operator/],
    ["constructor.constructor('return process')()", 0, /unknown function/, 'HD_RULE_UNKNOWN_NAME'],
    ['level_m > đ', 10, /'đ' has no meaning/],
    ['a \u0000', 2, /U\+0000/],
    [`1${'0'.repeat(400)}`, 0, /too large/, 'HD_RULE_LIMIT'],
    ['99999999d', 0, /36500d/, 'HD_RULE_LIMIT'],
    [`x in [${'1,'.repeat(1000)}1]`, 2006, /at most 1000/, 'HD_RULE_LIMIT'],
  ]
  for (const [text, at, message, code = 'HD_RULE_SYNTAX'] of cases) {
    const { fault } = parseExpression(text)
    const name = text.length > 60 ? `${text.slice(0, 60)}…` : text
    t.match(fault?.message ?? 'no fault', message, name)
    t.equal(fault?.at, at, `${name}: position`)
    t.equal(fault?.code, code, `${name}: code`)
  }
})

t.test('depth and length are bounded, with a position', async (t) => {
  const deep: [string, (n: number) => string][] = [
    ['parentheses', (n) => `${'('.repeat(n)}a${')'.repeat(n)}`],
    ['minus signs', (n) => `${'-'.repeat(n)}a`],
    ['nots', (n) => `${'not '.repeat(n)}a`],
    ['calls', (n) => `${'f('.repeat(n)}a${')'.repeat(n)}`],
  ]
  for (const [what, text] of deep) {
    t.equal(parseExpression(text(NESTING_MAX)).fault, null, `${NESTING_MAX} ${what}`)
    const { fault } = parseExpression(text(NESTING_MAX + 1))
    t.equal(fault?.code, 'HD_RULE_LIMIT', `${NESTING_MAX + 1} ${what}`)
    const started = performance.now()
    t.equal(parseExpression(text(100_000)).fault?.at, fault?.at, `100 000 ${what}: the same place`)
    t.ok(performance.now() - started < 500, 'at once')
  }
  t.equal(parseExpression(`a${' + a'.repeat(NODES_MAX / 2 - 1)}`).fault, null)
  t.equal(parseExpression(`a${' + a'.repeat(1_000_000)}`).fault?.code, 'HD_RULE_LIMIT', 'a million terms')
})

// Random trees: printed with only the parentheses that precedence asks for, they come back as they were.

const names = fc.constantFrom('a', 'level_m', 'device.kind', 'attrs.x', '_x9')
const leaf: fc.Arbitrary<Syntax> = fc.oneof(
  names.map((name): Syntax => ({ kind: 'name', name, at: 0 })),
  fc.integer({ min: 0, max: 1e6 }).map((value): Syntax => ({ kind: 'number', value: value / 8, at: 0 })),
  fc.integer({ min: 0, max: 1e9 }).map((value): Syntax => ({ kind: 'duration', value, at: 0 })),
  fc.boolean().map((value): Syntax => ({ kind: 'boolean', value, at: 0 })),
  fc.string().map((value): Syntax => ({ kind: 'text', value, at: 0 })),
)
const operators = Object.keys(PRECEDENCE).filter((one) => one !== 'in') as BinaryOperator[]
const { tree } = fc.letrec<{ tree: Syntax }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    leaf,
    fc
      .record({ operator: fc.constantFrom(...operators), left: tie('tree'), right: tie('tree') })
      .map(({ operator, left, right }): Syntax => ({ kind: 'binary', operator, left, right, at: 0 })),
    fc
      .record({
        left: tie('tree'),
        items: fc.array(fc.integer({ min: -99, max: 99 }), { minLength: 1, maxLength: 3 }),
      })
      .map(
        ({ left, items }): Syntax => ({
          kind: 'binary',
          operator: 'in',
          left,
          right: { kind: 'list', items, at: 0 },
          at: 0,
        }),
      ),
    fc
      .record({ operator: fc.constantFrom('-' as const, 'not' as const), operand: tie('tree') })
      .map(({ operator, operand }): Syntax => ({ kind: 'unary', operator, operand, at: 0 })),
    fc
      .record({
        args: fc.array(fc.tuple(fc.constantFrom('', '', 'min'), tie('tree')), { maxLength: 3 }),
        field: fc.constantFrom('', 'low'),
      })
      .map(
        ({ args, field }): Syntax => ({
          kind: 'call',
          name: 'f',
          args: args.map(([name, value]) => ({ name, at: 0, value })),
          field,
          fieldAt: 0,
          at: 0,
        }),
      ),
  ),
}))

function sparse(node: Syntax, lowest = 0): string {
  const bracketed = (text: string, precedence: number) => (precedence < lowest ? `(${text})` : text)
  switch (node.kind) {
    case 'text':
      return `'${node.value.replaceAll("'", "''")}'`
    case 'list':
      return `[${node.items.join(', ')}]`
    case 'unary':
      return node.operator === 'not'
        ? bracketed(`not ${sparse(node.operand, NOT)}`, NOT)
        : bracketed(`-${sparse(node.operand, UNARY)}`, UNARY)
    case 'binary': {
      const own = PRECEDENCE[node.operator]
      return bracketed(
        `${sparse(node.left, own === COMPARISON ? own + 1 : own)} ${node.operator} ${sparse(node.right, own + 1)}`,
        own,
      )
    }
    case 'call': {
      const args = node.args.map(({ name, value }) => `${name === '' ? '' : `${name}=`}${sparse(value)}`)
      return `${node.name}(${args.join(', ')})${node.field === '' ? '' : `.${node.field}`}`
    }
    default:
      return shape(node)
  }
}

t.test('what is printed with as few parentheses as can be parses to the same tree', async () => {
  fc.assert(
    fc.property(tree, (node) => {
      const parsed = parseExpression(sparse(node))
      return parsed.tree !== null && shape(parsed.tree) === shape(node)
    }),
    { seed: 20260101, numRuns: 2000 },
  )
})

t.test('no text makes the parser throw, and every fault lies within the text', async () => {
  const words = fc.constantFrom(
    ..."and or not in ( ) [ ] , . = == < <= - + * / 5 30m level_m f( 'x' ' \"".split(' '),
  )
  const text = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.array(words, { maxLength: 60 }).map((all) => all.join(' ')),
  )
  fc.assert(
    fc.property(text, (one) => {
      const { tree, fault } = parseExpression(one)
      return (
        (tree === null) !== (fault === null) && (fault === null || (fault.at >= 0 && fault.at <= one.length))
      )
    }),
    { seed: 20260102, numRuns: 5000 },
  )
})
