/** `haidang check`: every fault of every rule file with its line, column and caret, before anything starts. */
import { ruleCost } from '../../rules/language/cost.js'
import { loadRules } from '../../rules/language/load.js'
import { formatFault, HaidangError } from '../model/errors.js'
import { parseArguments } from './arguments.js'
import { type Command, EXIT_FAULTS, EXIT_FINE, wrongUsage } from './command.js'
import { counted, type RulesInput, readRulesInput } from './rules-input.js'

export const check: Command = {
  name: 'check',
  summary: 'report every fault of the rules and of what they refer to',
  usage: 'haidang check [--cost] [FILE|FOLDER …]   (none: HAIDANG_RULES)',
  async run(args, io) {
    const parsed = parseArguments(args, { cost: { type: 'boolean' } })
    if (typeof parsed === 'string') return wrongUsage(check, parsed, io)
    const { values, positionals } = parsed
    const configured = io.env['HAIDANG_RULES']
    const paths = positionals.length > 0 ? positionals : configured === undefined ? [] : [configured]
    if (paths.length === 0) return wrongUsage(check, 'name files or folders, or set HAIDANG_RULES', io)
    let input: RulesInput
    try {
      input = await readRulesInput(paths, io.env)
    } catch (error) {
      if (!(error instanceof HaidangError)) throw error
      io.stdout.write(`error: ${error.message} [${error.code}]\n`)
      return EXIT_FAULTS
    }
    const { rules, faults } = loadRules(input.files, input.environment)
    for (const fault of faults) io.stdout.write(`${formatFault(fault)}\n`)
    const errors = faults.filter(({ severity }) => severity === 'error').length
    if (values['cost'] === true)
      for (const rule of rules) {
        const cost = ruleCost(rule, input.environment.registry)
        io.stdout.write(
          `${cost.id}  key ${cost.key}; partition ${cost.partition}; at most ${cost.nodes} steps a judgement\n`,
        )
        for (const { operator, family, cost: time, memory, window } of cost.operators)
          io.stdout.write(
            `  ${operator}  [${family}] ${time} a sample; ${memory}${window === '' ? '' : `; window ${window}`}\n`,
          )
      }
    const warnings = faults.length - errors
    const files = counted(input.files.length, 'file')
    if (errors > 0)
      io.stdout.write(`${counted(errors, 'error')}, ${counted(warnings, 'warning')} in ${files}\n`)
    else
      io.stdout.write(
        `${counted(rules.length, 'rule')} in ${files}: fine${warnings > 0 ? `, ${counted(warnings, 'warning')}` : ''}\n`,
      )
    return errors > 0 ? EXIT_FAULTS : EXIT_FINE
  },
}
