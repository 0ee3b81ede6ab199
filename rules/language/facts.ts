import type { Signature } from '../operators/operator.js'
import type { Expression, Rule } from './ast.js'
import { decidingExpressions, walk } from './walk.js'

/** What a rule's expressions read: which messages judge it, and which values it shows. */
export interface RuleFacts {
  readonly metrics: readonly string[]
  readonly readsMessage: boolean
  readonly qualityNamed: number
}

/**
 * Facts of a rule from what decides it (where, levels, steps, and the lets they use). `metrics` are in order of first
 * appearance. A rule that names no metric and watches no other rule (`quality.bad`, `hour > 22`) is judged by every
 * message of its streams: there is nothing else that could judge it.
 */
export function ruleFacts(
  rule: Pick<Rule, 'where' | 'levels' | 'sequence' | 'key'>,
  signatures: ReadonlyMap<string, Signature>,
): RuleFacts {
  const metrics = new Set<string>()
  let readsMessage = rule.key.includes('zone')
  let watches = false
  let qualityNamed = 0
  const visit = (node: Expression): void => {
    if (node.kind === 'name') {
      const { name } = node
      if (name.of === 'metric') metrics.add(name.metric)
      else if (name.of === 'quality') qualityNamed |= 1 << name.bit
      else if (name.of === 'message') {
        if (name.field === 'confidence') metrics.add('confidence')
        else if (
          name.field === 'label' ||
          name.field === 'attrs' ||
          name.field === 'lat' ||
          name.field === 'lon'
        )
          readsMessage = true
      }
    } else if (node.kind === 'call') {
      const { call } = node
      const signature = signatures.get(call.name)
      if (call.metric !== '') metrics.add(call.metric)
      if (signature?.family === 'alert') watches = true
      for (const metric of signature?.metrics ?? []) metrics.add(metric)
      if (signature?.family === 'place' || call.name === 'near_alert') readsMessage = true
      if (
        signature?.parameters.some(
          ({ type, name }) => type === 'label' && call.constants[name] !== 'device',
        ) === true
      )
        readsMessage = true
    }
  }
  for (const expression of decidingExpressions(rule)) walk(expression, visit)
  return {
    metrics: [...metrics],
    readsMessage: readsMessage || (metrics.size === 0 && !watches),
    qualityNamed,
  }
}
