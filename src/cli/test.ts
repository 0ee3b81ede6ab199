/** `haidang test`: the rules' own tests, each played through the engine's core. */
import { loadRules } from '../../rules/language/load.js'
import { runRuleTests } from '../engine/rule-tests.js'
import { formatFault, HaidangError } from '../model/errors.js'
import { parseArguments } from './arguments.js'
import { type Command, EXIT_FAULTS, EXIT_FINE, wrongUsage } from './command.js'
import { type RulesInput, readRulesInput } from './rules-input.js'

export const test: Command = {
  name: 'test',
  summary: "run the rules' own tests",
  usage: 'haidang test [FILE|FOLDER …]   (none: HAIDANG_RULES)',
  async run(args, io) {
    const parsed = parseArguments(args, {})
    if (typeof parsed === 'string') return wrongUsage(test, parsed, io)
    const configured = io.env['HAIDANG_RULES']
    const paths =
      parsed.positionals.length > 0 ? parsed.positionals : configured === undefined ? [] : [configured]
    if (paths.length === 0) return wrongUsage(test, 'name files or folders, or set HAIDANG_RULES', io)
    let input: RulesInput
    try {
      input = await readRulesInput(paths, io.env)
    } catch (error) {
      if (!(error instanceof HaidangError)) throw error
      io.stdout.write(`error: ${error.message} [${error.code}]\n`)
      return EXIT_FAULTS
    }
    const { rules, faults } = loadRules(input.files, input.environment)
    const errors = faults.filter(({ severity }) => severity === 'error')
    for (const fault of errors) io.stdout.write(`${formatFault(fault)}\n`)
    if (errors.length > 0) return EXIT_FAULTS
    let passed = 0
    let failed = 0
    const setting = {
      files: input.files,
      metrics: input.metricsText,
      zones: input.zonesText,
      timezone: input.environment.timezone,
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
