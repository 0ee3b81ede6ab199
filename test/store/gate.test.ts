/** The lexer and the first gate, without a database: what is refused, what passes, and that what is judged is what is run. */
import fc from 'fast-check'
import t from 'tap'
import { exceptionOf } from '../../src/store/embedded/exception.js'
import { judge } from '../../src/store/embedded/gate.js'
import { joined, LexerFault, tokens } from '../../src/store/embedded/lexer.js'
import { parseStatement } from '../../src/store/embedded/statement.js'

function fault(sql: string): unknown {
  try {
    return tokens(sql)
  } catch (error) {
    return error
  }
}

t.test('comments go, literals stay', async (t) => {
  for (const [sql, expected] of [
    ['SELECT 1 -- x\n, 2', 'SELECT 1 , 2'],
    ['SELECT/**/1', 'SELECT 1'],
    ['SELECT \'-- no comment\', "a/*b*/"', 'SELECT \'-- no comment\', "a/*b*/"'],
    ['SELECT 1 # x', 'SELECT 1'],
    ['SELECT a.b, x.1, .5, 1e-3, a<=b, a->b, a::Int8', 'SELECT a.b, x.1, .5, 1e-3, a<=b, a->b, a::Int8'],
    ["SELECT 'it''s', 'a\\'b'", "SELECT 'it''s', 'a\\'b'"],
    ['a - /* x */ - b', 'a - - b'],
    ['a -/* x */- b', 'a - - b'],
  ] as const)
    t.equal(joined(tokens(sql)), expected, sql)
})

t.test('what cannot be read with certainty is refused', async (t) => {
  for (const sql of [
    "'",
    '"',
    '`',
    '/*',
    '/* /* */ */',
    '$$x$$',
    '$1',
    'a\u00a0b',
    '\u201cx\u201d',
    '\u0000',
    "'a\\",
    '\ufeffSELECT 1',
  ])
    t.ok(fault(sql) instanceof LexerFault, JSON.stringify(sql))
})

t.test('reading a text again gives the same tokens: comments cannot hide in the joints', async () => {
  const piece = fc.constantFrom(
    'SELECT',
    ' ',
    '-',
    '/',
    '*',
    "'",
    '"',
    '`',
    '\\',
    '\n',
    '#',
    '!',
    'a',
    '1',
    '.',
    ';',
    '(',
    ')',
    '--',
    '/*',
    '*/',
    "''",
    'é',
    '$',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      let first: ReturnType<typeof tokens>
      try {
        first = tokens(pieces.join(''))
      } catch (fault) {
        return fault instanceof LexerFault
      }
      const again = tokens(joined(first))
      return JSON.stringify(again.map((x) => x.text)) === JSON.stringify(first.map((x) => x.text))
    }),
    { seed: 7, numRuns: 20_000 },
  )
})

t.test('statements and their parts', async (t) => {
  t.match(parseStatement('SELECT 1 FORMAT JSON;'), { kind: 'read', sql: 'SELECT 1', format: 'JSON' })
  t.match(parseStatement('SELECT 1'), { kind: 'read', format: undefined })
  t.match(parseStatement('  (SELECT 1)'), { kind: 'read' })
  t.match(parseStatement('CREATE TABLE x (a Int8)'), { kind: 'other' })
  const insert = 'INSERT INTO t (a, b) FORMAT CSV\n1,"x'
  t.match(parseStatement(insert), {
    kind: 'insert',
    sql: 'INSERT INTO t (a, b)',
    format: 'CSV',
    payload: insert.indexOf('1,'),
  })
  t.match(parseStatement('INSERT INTO t VALUES (1)'), { kind: 'other' })
  t.match(parseStatement('INSERT INTO t SELECT 1'), { kind: 'other' })
})

t.test('roles: raw bytes and the audit are for admins', async (t) => {
  for (const sql of [
    'SELECT * FROM audit',
    'SELECT * FROM haidang.`dead_letters`',
    'SELECT 1 IN (SELECT seq FROM configurations)',
  ]) {
    t.ok('refused' in judge(sql, 'analyst'), sql)
    t.ok('statement' in judge(sql, 'admin'), sql)
  }
})

t.test('names that look like refused ones and are columns or functions of everyday', async (t) => {
  for (const sql of [
    'SELECT time, device, source, value FROM air',
    'SELECT deltaSum(value) FROM samples',
    'SELECT airport(1)',
    'SELECT lat, lon FROM gps WHERE speed_kmh > 60',
    'SELECT filled, filename FROM x',
    "SELECT extractURLParameter(attrs, 'a') FROM samples",
    "SELECT format('{}', 1)",
    'SELECT name FROM system.columns',
  ])
    t.ok('statement' in judge(sql, 'analyst'), sql)
})

t.test("chDB's errors as ClickHouse words them", async (t) => {
  const e = exceptionOf(
    new Error(
      'Code: 60. DB::Exception: Code: 60. DB::Exception: Unknown table x. (UNKNOWN_TABLE) (version 26.7.2.1). (UNKNOWN_TABLE)',
    ),
  )
  t.equal(
    e.body('26.7.2.1'),
    'Code: 60. DB::Exception: Unknown table x. (UNKNOWN_TABLE) (version 26.7.2.1 (embedded build))\n',
  )
  t.equal(e.status, 404)
  t.match(exceptionOf(new Error('something else')), { code: 1001 })
})
