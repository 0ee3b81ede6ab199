import { SIGNATURES } from '../operators/index.js'
import type { Rule } from './ast.js'
import { printDuration, printExpression } from './print.js'
import { operatorCalls, ruleExpressions } from './walk.js'

/** What a change of the rule set means for one rule, and for the windows that the engine holds for it. */
export interface RuleChange {
  readonly id: string
  readonly change: 'added' | 'removed' | 'changed'
  /** Parts of the document that differ, for `changed`. */
  readonly parts: readonly string[]
  /** Operators that begin empty, each with why: what they compute, or the samples they see, is new. */
  readonly resets: readonly { readonly operator: string; readonly reason: string }[]
  /** Operators that go on as they are. */
  readonly kept: readonly string[]
  /** Operators that nothing uses any more. */
  readonly dropped: readonly string[]
}

/**
 * The rules that differ between two sets, by id. State belongs to operators, by what they compute (the call with its
 * arguments) and over which samples (streams, where, key, late, quality marks let in): another rule of the old set may
 * hold the state that a new rule needs. O(rules × expressions).
 */
export function diffRules(before: readonly Rule[], after: readonly Rule[]): RuleChange[] {
  const old = new Map(before.map((rule) => [rule.id, rule]))
  const next = new Map(after.map((rule) => [rule.id, rule]))
  const held = operatorIds(before)
  const wanted = operatorIds(after)
  const changes: RuleChange[] = []
  for (const id of [...new Set([...old.keys(), ...next.keys()])].sort()) {
    const from = old.get(id)
    const to = next.get(id)
    const parts = from !== undefined && to !== undefined ? changedParts(from, to) : []
    if (from !== undefined && to !== undefined && parts.length === 0) continue
    const resets: { operator: string; reason: string }[] = []
    const kept: string[] = []
    for (const [operatorId, operator] of to === undefined ? [] : operatorsOf(to)) {
      if (held.has(operatorId)) kept.push(operator)
      else resets.push({ operator, reason: from === undefined ? 'new' : reasonOf(from, to!, operator) })
    }
    const dropped =
      from === undefined
        ? []
        : [...operatorsOf(from)].filter(([one]) => !wanted.has(one)).map(([, operator]) => operator)
    const change = from === undefined ? 'added' : to === undefined ? 'removed' : 'changed'
    changes.push({ id, change, parts, resets, kept, dropped })
  }
  return changes
}

/** Operators of a rule: identity of the state → the call as it is written. Those without state of their own are left out. */
function operatorsOf(rule: Rule): Map<string, string> {
  const operators = new Map<string, string>()
  const scope = scopeText(rule)
  for (const call of operatorCalls(ruleExpressions(rule))) {
    const family = SIGNATURES.get(call.name)?.family
    if (family === 'alert') continue
    // A condition is pushed at each judgement: what judges the rule is part of what the operator sees.
    const judged = family === 'condition' ? `${[...rule.metrics].sort().join()}|${rule.readsMessage}` : ''
    operators.set(`${scope}|${judged}|${call.signature}`, call.signature)
  }
  if (rule.sequence !== null) operators.set(`${scope}|${sequenceText(rule)}`, 'sequence')
  return operators
}

function operatorIds(rules: readonly Rule[]): ReadonlySet<string> {
  return new Set(rules.flatMap((rule) => [...operatorsOf(rule).keys()]))
}

/** The samples that a rule's operators see. */
function scopeParts(rule: Rule): Readonly<Record<string, string>> {
  return {
    stream: rule.streams === null ? '*' : [...rule.streams].sort().join(),
    where: rule.where === null ? '' : printExpression(rule.where),
    key: rule.key.join(),
    late: printDuration(rule.late),
    'quality marks': String(rule.qualityNamed),
  }
}

function scopeText(rule: Rule): string {
  return JSON.stringify(scopeParts(rule))
}

function sequenceText(rule: Rule): string {
  const { sequence } = rule
  if (sequence === null) return ''
  const steps = sequence.steps.map(({ name, not, streams, when }) => [
    name,
    not,
    streams,
    printExpression(when),
  ])
  return JSON.stringify([sequence.within, steps])
}

function reasonOf(from: Rule, to: Rule, operator: string): string {
  const [a, b] = [scopeParts(from), scopeParts(to)]
  const scope = Object.keys(a).filter((part) => a[part] !== b[part])
  if (scope.length > 0) return `${scope.join(', ')} changed`
  if (operator === 'sequence') return 'its steps changed'
  const name = operator.slice(0, operator.indexOf('('))
  const was = [...operatorsOf(from).values()].find((one) => one.startsWith(`${name}(`))
  return was === undefined || was === operator ? 'new in this rule' : `was ${was}`
}

/** What of a rule's document can differ, as comparable text. */
function partTexts(rule: Rule): Readonly<Record<string, string>> {
  const title = (which: 'title' | 'short') =>
    JSON.stringify(
      (['en', 'vi'] as const).map((lang) =>
        rule[which][lang].map((part) =>
          typeof part === 'string' ? part : `{${printExpression(part.expression)}}`,
        ),
      ),
    )
  const level = (name: string) => {
    const found = rule.levels.find((one) => one.level === name)
    if (found === undefined) return ''
    return JSON.stringify([
      printExpression(found.when),
      found.clear === null ? null : printExpression(found.clear),
      found.for,
      found.hold,
    ])
  }
  const { stream, where, key, late } = scopeParts(rule) as Record<'stream' | 'where' | 'key' | 'late', string>
  return {
    title: title('title'),
    short: title('short'),
    category: rule.category,
    owner: rule.owner,
    legal: JSON.stringify(rule.legal),
    stream,
    where,
    key,
    late,
    let: JSON.stringify([...rule.lets].map(([name, value]) => [name, printExpression(value)])),
    sequence: sequenceText(rule),
    'levels.low': level('low'),
    'levels.medium': level('medium'),
    'levels.high': level('high'),
    'levels.critical': level('critical'),
    absent: JSON.stringify(rule.absent),
    inhibit_by: rule.inhibitBy.join(),
    group: rule.group.join(),
    remind: JSON.stringify(rule.remind),
    escalate: JSON.stringify(rule.escalate),
    playbook: JSON.stringify(rule.playbook),
    mode: rule.mode,
  }
}

function changedParts(from: Rule, to: Rule): string[] {
  const [a, b] = [partTexts(from), partTexts(to)]
  return Object.keys(a).filter((part) => a[part] !== b[part])
}
