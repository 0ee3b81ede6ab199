/** `haidang rules diff A B`: what a change of the rules would do, and which windows would begin empty. */
import { diffRules, type RuleChange } from '../../rules/language/diff.js'
import { loadRules } from '../../rules/language/load.js'
import { formatFault } from '../model/errors.js'
import { parseArguments } from './arguments.js'
import { type Command, EXIT_FAULTS, EXIT_FINE, type Io, wrongUsage } from './command.js'
import { counted, readRulesInput, unreadable } from './rules-input.js'

export const rules: Command = {
  name: 'rules',
  summary: 'compare two rule sets: what is new, gone or changed, and which windows begin empty',
  usage: 'haidang rules diff A B   (files or folders: the running set, the new set)',
  async run(args, io) {
    const parsed = parseArguments(args, {})
    if (typeof parsed === 'string') return wrongUsage(rules, parsed, io)
    const [verb, a, b, ...rest] = parsed.positionals
    if (verb !== 'diff') return wrongUsage(rules, `there is 'rules diff', not 'rules ${verb ?? ''}'`, io)
    if (a === undefined || b === undefined || rest.length > 0)
      return wrongUsage(rules, 'two files or folders are needed', io)
    try {
      const before = await rulesOf(a, io)
      const after = await rulesOf(b, io)
      if (before === null || after === null) return EXIT_FAULTS
      const changes = diffRules(before, after)
      for (const change of changes) io.stdout.write(`${printChange(change)}\n`)
      const resets = changes.reduce((sum, change) => sum + change.resets.length, 0)
      io.stdout.write(
        changes.length === 0
          ? 'no rule differs; every window stays\n'
          : `${counted(changes.length, 'rule')} ${changes.length === 1 ? 'differs' : 'differ'}; ${counted(resets, 'window')} would begin empty and warm up from ClickHouse\n`,
      )
      return EXIT_FINE
    } catch (error) {
      unreadable(error, io)
      return EXIT_FAULTS
    }
  },
}

/** The rules below a path, or null after printing why they do not load. */
async function rulesOf(path: string, io: Io): Promise<ReturnType<typeof loadRules>['rules'] | null> {
  const { files, environment, faults } = await readRulesInput([path], io)
  const loaded = environment === null ? { rules: [], faults: [] } : loadRules(files, environment)
  const errors = [...faults, ...loaded.faults].filter(({ severity }) => severity === 'error')
  for (const fault of errors) io.stdout.write(`${formatFault(fault)}\n`)
  return errors.length > 0 ? null : loaded.rules
}

const SIGNS = { added: '+', removed: '-', changed: '~' } as const

function printChange({ id, change, parts, resets, kept, dropped }: RuleChange): string {
  const lines = [`${SIGNS[change]} ${id} ${change}${parts.length > 0 ? `: ${parts.join(', ')}` : ''}`]
  for (const { operator, reason } of resets) lines.push(`    resets  ${operator}  (${reason})`)
  for (const operator of kept) lines.push(`    keeps   ${operator}`)
  for (const operator of dropped) lines.push(`    drops   ${operator}`)
  return lines.join('\n')
}
