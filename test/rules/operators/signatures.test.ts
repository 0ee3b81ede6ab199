import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { OPERATORS, PLACE_OPERATORS, SIGNATURES } from '../../../rules/operators/index.js'

const RULES = '/work/shared/RULES.md'
/** In the table, and no calls of an operator: metrics of their own. */
const METRICS = ['speed_kmh', 'heading_deg']

t.test(
  'every function of RULES.md’s table has a signature',
  { skip: existsSync(RULES) ? false : `no ${RULES}` },
  async (t) => {
    const table = readFileSync(RULES, 'utf8').split('## Functions')[1]!.split('## Sequences')[0]!
    const rows = table.split('\n').filter((line) => line.startsWith('| `'))
    const names = rows.flatMap((row) =>
      [...row.split('|')[1]!.matchAll(/`([^`]+)`/g)].flatMap(([, code]) => namesOf(code!)),
    )
    t.ok(names.length > 45, `${names.length} names`)
    for (const name of names) t.ok(SIGNATURES.has(name) || METRICS.includes(name), name)
  },
)

/** `count sum avg` or `rate(m, w)` or `median(m, w)` as names. */
function namesOf(code: string): string[] {
  if (code.startsWith('(') || /['.]/.test(code.split('(')[0]!)) return []
  return code.includes('(') ? [...code.matchAll(/([a-z_0-9]+)\(/g)].map(([, name]) => name!) : code.split(' ')
}

t.test('a machine for every signature, but for those whose state is the engine’s', async (t) => {
  const engineWide = ['disagrees', 'agree', 'across', 'count_devices', 'near_alert', 'alert', 'gap_to_next']
  for (const [name, signature] of SIGNATURES) {
    t.equal(signature.name, name)
    t.equal(OPERATORS.has(name) || PLACE_OPERATORS.has(name), !engineWide.includes(name), name)
    t.ok(signature.cost !== '' && signature.memory !== '', `${name} states its cost and memory`)
    const parameters = signature.parameters.map((one) => one.name)
    t.same([...new Set(parameters)], parameters, `${name} has each parameter once`)
    t.ok(
      signature.parameters.filter((one) => !one.constant).length <= 1,
      `${name} has one dynamic argument at most`,
    )
    const firstNamed = signature.parameters.findIndex((one) => one.named === true)
    t.ok(
      firstNamed < 0 || signature.parameters.slice(firstNamed).every((one) => one.named === true),
      `${name}: named ones last`,
    )
  }
  for (const kind of [...OPERATORS.values(), ...PLACE_OPERATORS.values()])
    t.equal(SIGNATURES.get(kind.signature.name), kind.signature)
})
