/** What the tests of the rule language share: a small city, and rules of a few lines around one condition. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Expression } from '../../../rules/language/ast.js'
import { type LoadedRules, loadRules, type RuleEnvironment } from '../../../rules/language/load.js'
import type { Fault } from '../../../src/model/errors.js'
import { metricRegistry } from '../../../src/model/metrics.js'
import { deviceRegistry, EMPTY_REGISTRY } from '../../../src/model/registry.js'

/** dist/test/rules/language → the clone. */
export const ROOT = path.resolve(import.meta.dirname, '../../../..')

export const METRICS = metricRegistry([readFileSync(path.join(ROOT, 'src/model/metrics.yaml'), 'utf8')])

export const BARE: RuleEnvironment = {
  metrics: METRICS,
  registry: EMPTY_REGISTRY,
  zones: new Map([
    ['port', null],
    ['line-05', null],
  ]),
  timezone: 'Asia/Ho_Chi_Minh',
}

export const CITY: RuleEnvironment = {
  ...BARE,
  registry: deviceRegistry(`
devices:
  - { device: g1, kind: river_gauge, ward: an-bien, limit: { alarm1: 2, alarm2: 2.5 }, datum_m: 1.5, expected_interval: 1m }
  - { device: g2, kind: river_gauge, ward: an-bien, limit: { alarm1: 2 } }
  - { device: b1, kind: bus, route: line-05, electric: true, limit: { speed: 50 } }
`),
}

export function load(text: string, environment: RuleEnvironment = BARE): LoadedRules {
  return loadRules([{ file: 'r.yaml', text }], environment)
}

/** A rule whose one level has this condition; `extra` are further lines of the document. */
export function ruleText(when: string, extra = ''): string {
  return `rule: r\ntitle: { en: t, vi: t }\ncategory: flood\n${extra}levels:\n  high:\n    when: ${JSON.stringify(when)}\n`
}

/** Faults as `line:column severity code message`. */
export function printed(faults: readonly Fault[]): string[] {
  return faults.map(
    ({ line, column, severity, code, message }) => `${line}:${column} ${severity} ${code} ${message}`,
  )
}

/** The checked condition of ruleText, or its faults with columns counted from the condition's first character. */
export function condition(
  when: string,
  environment: RuleEnvironment = BARE,
  extra = '',
): { readonly expression: Expression | null; readonly faults: readonly (Fault & { readonly at: number })[] } {
  const { rules, faults } = load(ruleText(when, extra), environment)
  const first = "    when: '".length + 1
  return {
    expression: rules[0]?.levels[0]?.when ?? null,
    faults: faults.map((fault) => ({ ...fault, at: fault.column - first })),
  }
}
