import { BOUNDS } from '../../src/model/bounds.js'
import type { DeviceRegistry } from '../../src/model/registry.js'
import { SIGNATURES } from '../operators/index.js'
import type { Call, Rule } from './ast.js'
import { printDuration } from './print.js'
import { registryValue } from './registry-values.js'
import { operatorCalls, ruleExpressions, walk } from './walk.js'

/** What one operator of a rule costs, in the words of its signature. */
export interface OperatorCost {
  readonly operator: string
  readonly family: string
  readonly cost: string
  readonly memory: string
  /** How its window is kept, '' where it has none. */
  readonly window: string
}

/** Cost of a rule: known before it runs, and independent of how long it has run. */
export interface RuleCost {
  readonly id: string
  /** Nodes of all conditions: the most that one judgement evaluates besides its operators. */
  readonly nodes: number
  readonly key: string
  /** Where the city is split over several engines (DESIGN.md 11): the attribute that keeps this rule whole. */
  readonly partition: string
  readonly operators: readonly OperatorCost[]
}

/** Attributes that lie within one ward, so that a partition by ward never cuts a rule's key. */
const WITHIN_WARD: ReadonlySet<string> = new Set(['device', 'site', 'ward'])

/** Costs of a rule over the devices of a registry (their expected intervals decide which windows are exact). */
export function ruleCost(rule: Rule, registry: DeviceRegistry): RuleCost {
  const expressions = ruleExpressions(rule)
  let nodes = 0
  for (const expression of expressions)
    walk(expression, () => {
      nodes++
    })
  const calls = operatorCalls(expressions)
  const interval = shortestInterval(rule, registry)
  const across = calls.some(({ name }) => {
    const family = SIGNATURES.get(name)?.family
    return (
      name === 'near_alert' ||
      (family === 'registry' && name !== 'across' && name !== 'count_devices') ||
      name === 'gap_to_next'
    )
  })
  const local = rule.key.some((attribute) => WITHIN_WARD.has(attribute))
  return {
    id: rule.id,
    nodes,
    key: rule.key.join(', '),
    partition: across ? 'ward (neighbours beyond it are not seen)' : local ? 'ward' : 'none: second tier',
    operators: calls.map((call) => operatorCost(call, interval)),
  }
}

function operatorCost(call: Call, interval: number | undefined): OperatorCost {
  const signature = SIGNATURES.get(call.name)!
  const w = call.constants['w']
  return {
    operator: call.signature,
    family: signature.family,
    cost: signature.cost,
    memory: signature.memory,
    window: typeof w === 'number' ? windowKind(w, interval) : '',
  }
}

/** Exact or panes: decided by the samples that the window holds at the device's expected interval. */
function windowKind(w: number, interval: number | undefined): string {
  const panes = `panes of ${printDuration(Math.ceil(w / 64))}`
  if (interval === undefined)
    return `exact up to ${BOUNDS.window_samples} samples in ${printDuration(w)}, ${panes} beyond`
  const samples = Math.ceil(w / interval)
  return samples <= BOUNDS.window_samples
    ? `exact (${samples} samples of a device in ${printDuration(w)})`
    : `${panes} (${samples} samples of a device in ${printDuration(w)})`
}

/** The shortest expected interval of the registered devices that the rule may judge, ms. */
function shortestInterval(rule: Rule, { devices, sites }: DeviceRegistry): number | undefined {
  let shortest: number | undefined
  for (const device of devices.values()) {
    const { expected_interval: interval } = device
    if (interval === undefined || (shortest !== undefined && interval >= shortest)) continue
    const site = device.site === undefined ? undefined : sites.get(device.site)
    if (rule.where !== null && registryValue(rule.where, device, site) === false) continue
    shortest = interval
  }
  return shortest
}
