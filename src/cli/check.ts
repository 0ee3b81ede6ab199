/** `haidang check`: every fault of every rule file with its line, column and caret, before anything starts. */
import path from 'node:path'
import { ruleCost } from '../../rules/language/cost.js'
import { loadRules } from '../../rules/language/load.js'
import { isSettingsFile } from '../config/settings.js'
import { formatFault } from '../model/errors.js'
import { parseArguments } from './arguments.js'
import { type Command, EXIT_FAULTS, EXIT_FINE, wrongUsage } from './command.js'
import { counted, type RulesInput, readRulesInput, unreadable } from './rules-input.js'

export const check: Command = {
  name: 'check',
  summary: 'report every fault of the rules, of what they refer to and of the settings',
  usage: 'haidang check [--cost] [haidang.yaml] [RULES …]   (none: what haidang.yaml and HAIDANG_* say)',
  async run(args, io) {
    const parsed = parseArguments(args, { cost: { type: 'boolean' } })
    if (typeof parsed === 'string') return wrongUsage(check, parsed, io)
    const { values, positionals } = parsed
    const named: string[] = []
    for (const one of positionals) if (await isSettingsFile(path.resolve(io.cwd, one))) named.push(one)
    if (named.length > 1)
      return wrongUsage(check, `one configuration at a time, not ${named.join(' and ')}`, io)
    const [config] = named
    const env = config === undefined ? io.env : { ...io.env, HAIDANG_CONFIG: config }
    let input: RulesInput
    try {
      input = await readRulesInput(
        positionals.filter((one) => one !== config),
        { env, cwd: io.cwd },
        config !== undefined || positionals.length === 0,
      )
    } catch (error) {
      unreadable(error, io)
      return EXIT_FAULTS
    }
    const { environment } = input
    const loaded = environment === null ? { rules: [], faults: [] } : loadRules(input.files, environment)
    const { rules } = loaded
    const faults = [...input.faults, ...loaded.faults]
    for (const fault of faults) io.stdout.write(`${formatFault(fault)}\n`)
    const errors = faults.filter(({ severity }) => severity === 'error').length
    if (values['cost'] === true && environment !== null)
      for (const rule of rules) {
        const cost = ruleCost(rule, environment.registry)
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
