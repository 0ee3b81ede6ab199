/** `haidang test`: the rules' own tests, each played through the engine's core. */
import { loadRules } from '../../rules/language/load.js'
import { runRuleTests } from '../engine/rule-tests.js'
import { formatFault } from '../model/errors.js'
import { parseArguments } from './arguments.js'
import { type Command, EXIT_FAULTS, EXIT_FINE, wrongUsage } from './command.js'
import { type RulesInput, readRulesInput, unreadable } from './rules-input.js'

export const test: Command = {
  name: 'test',
  summary: "run the rules' own tests",
  usage: 'haidang test [FILE|FOLDER …]   (none: haidang.yaml and HAIDANG_*)',
  async run(args, io) {
    const parsed = parseArguments(args, {})
    if (typeof parsed === 'string') return wrongUsage(test, parsed, io)
    let input: RulesInput
    try {
      input = await readRulesInput(parsed.positionals, io)
    } catch (error) {
      unreadable(error, io)
      return EXIT_FAULTS
    }
    const { environment } = input
    const { rules, faults } =
      environment === null ? { rules: [], faults: [] } : loadRules(input.files, environment)
    const errors = [...input.faults, ...faults].filter(({ severity }) => severity === 'error')
    for (const fault of errors) io.stdout.write(`${formatFault(fault)}\n`)
    if (errors.length > 0 || environment === null) return EXIT_FAULTS
    let passed = 0
    let failed = 0
    const setting = {
      files: input.files,
      metrics: input.metricsText,
      zones: input.zonesText,
      timezone: environment.timezone,
    }
    for (const result of runRuleTests(rules, setting)) {
      if (result.faults.length === 0) passed++
      else failed++
      io.stdout.write(`${result.faults.length === 0 ? 'ok    ' : 'FAILED'} ${result.rule}: ${result.test}\n`)
      for (const fault of result.faults) io.stdout.write(`${formatFault(fault)}\n`)
    }
    io.stdout.write(`${passed} passed, ${failed} failed\n`)
    return failed > 0 ? EXIT_FAULTS : EXIT_FINE
  },
}
