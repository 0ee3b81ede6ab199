/**
 * Rules bound to the engine: closures over the current judgement, scopes shared by structure, and an index from
 * (stream, metric) to the scopes that can match, so that a sample touches only the rules that can match it.
 */
import type { Expression, Name, Rule, TitlePart } from '../../rules/language/ast.js'
import {
  type Binder,
  compile,
  compileText,
  type Evaluate,
  type EvaluateText,
} from '../../rules/language/compile.js'
import { printExpression } from '../../rules/language/print.js'
import { ruleExpressions, walk } from '../../rules/language/walk.js'
import { SIGNATURES } from '../../rules/operators/index.js'
import { bindCall, type CallContext, callMetrics } from './calls.js'
import { bindMessageNumber, bindText, capturedNumber, capturedText } from './names.js'
import type { RuntimeRule } from './runtime-rule.js'
import { Scope } from './scope.js'
import { capturingSteps, type SequenceState } from './sequence.js'

export interface Plan {
  readonly entries: readonly { readonly scope: Scope; readonly metricSlot: number }[]
  /** In judging order. */
  readonly rules: readonly RuntimeRule[]
}

export const NO_PLAN: Plan = { entries: [], rules: [] }

export class RuleSet {
  readonly rules: readonly RuntimeRule[]
  readonly byId: ReadonlyMap<string, RuntimeRule>
  readonly scopes: ReadonlyMap<string, Scope>
  /** Lines must be sorted by rule id after judging: judging order differs from it. */
  readonly reordered: boolean
  readonly #byMetric = new Map<number, RuntimeRule[]>()
  readonly #byMessage: RuntimeRule[] = []
  /** Scopes that keep something of a metric, be it only for a title: rules judge by fewer metrics than they show. */
  readonly #keepers = new Map<number, Scope[]>()
  readonly #scopeIds = new Map<Scope, number>()
  /** Plans by the rules in them: devices of one kind share one. */
  readonly #plans = new Map<string, Plan>()

  constructor(rules: readonly Rule[], context: CallContext) {
    const scopes = new Map<string, Scope>()
    const byId = new Map<string, RuntimeRule>()
    const sorted = [...rules].sort((a, b) => (a.id < b.id ? -1 : 1))
    const list = sorted.map((rule) => bindRule(rule, context, scopes, byId))
    list.forEach((rule, i) => {
      rule.index = i
      byId.set(rule.rule.id, rule)
    })
    for (const rule of list) {
      for (const id of watchedIds(rule.rule)) {
        const target = byId.get(id)
        if (target !== undefined && target !== rule) {
          ;(rule.watches as RuntimeRule[]).push(target)
          target.dependents.push(rule)
        }
      }
      for (const id of rule.rule.inhibitBy) {
        const target = byId.get(id)
        if (target !== undefined && target !== rule) {
          ;(rule.inhibitors as RuntimeRule[]).push(target)
          target.inhibits.push(rule)
        }
      }
    }
    this.rules = list
    this.byId = byId
    this.scopes = scopes
    for (const scope of scopes.values()) {
      this.#scopeIds.set(scope, this.#scopeIds.size)
      if (!scope.stateful) continue
      for (const metric of scope.direct ? scope.feeds.keys() : scope.metrics.keys()) {
        const some = this.#keepers.get(metric)
        if (some === undefined) this.#keepers.set(metric, [scope])
        else some.push(scope)
      }
    }
    const order = judgingOrder(list)
    order.forEach((rule, i) => {
      rule.order = i
      rule.triggers = triggersOf(rule, new Set())
    })
    // What a change causes at once in another rule is printed beside it, whatever stands between them.
    this.reordered = order.some(
      (rule, i) => rule.index !== i || rule.dependents.length + rule.inhibits.length > 0,
    )
    for (const rule of order) {
      if (rule.rule.mode === 'disabled') continue
      if (rule.rule.readsMessage) this.#byMessage.push(rule)
      else
        for (const metric of rule.triggers) {
          const some = this.#byMetric.get(metric)
          if (some === undefined) this.#byMetric.set(metric, [rule])
          else some.push(rule)
        }
    }
  }

  /**
   * What a series of this metric and stream touches, for the device of the current judgement (`where` over the registry
   * is decided here, once a series).
   */
  plan(metric: number, stream: string, decide: (scope: Scope) => boolean): Plan {
    const candidates = this.#byMetric.get(metric) ?? []
    const keepers = this.#keepers.get(metric) ?? []
    if (candidates.length + keepers.length + this.#byMessage.length === 0) return NO_PLAN
    const verdicts = new Map<Scope, boolean>()
    const takes = (scope: Scope): boolean => {
      let yes = verdicts.get(scope)
      if (yes === undefined) {
        yes = (scope.streams === null || scope.streams.has(stream)) && decide(scope)
        verdicts.set(scope, yes)
      }
      return yes
    }
    const rules = [...candidates, ...this.#byMessage].filter((rule) => takes(rule.scope))
    const kept = new Set([...keepers.filter(takes), ...rules.map((rule) => rule.scope)])
    const scopes = [...kept].filter((scope) => scope.stateful)
    if (rules.length === 0 && scopes.length === 0) return NO_PLAN
    rules.sort((a, b) => a.order - b.order)
    const id = [
      metric,
      rules.map((rule) => rule.index).join(),
      scopes.map((scope) => this.#scopeIds.get(scope)).join(),
    ].join('|')
    let plan = this.#plans.get(id)
    if (plan === undefined) {
      const entries = scopes.map((scope) => ({
        scope,
        metricSlot: scope.direct ? -1 : (scope.metrics.get(metric) ?? -1),
      }))
      plan = { entries, rules }
      this.#plans.set(id, plan)
    }
    return plan
  }
}

function bindRule(
  rule: Rule,
  context: CallContext,
  scopes: Map<string, Scope>,
  byId: ReadonlyMap<string, RuntimeRule>,
): RuntimeRule {
  const { j, index } = context
  const scope = scopeOf(rule, context, scopes)
  const metricIds = rule.metrics.map((metric) => index.metrics.id(metric))
  for (const id of metricIds) scope.metricSlot(id)
  const trigger = rule.readsMessage ? '*' : [...rule.metrics].sort().join(',')
  const judged: { slot: number; input: number; value: Evaluate }[] = []
  const sequenceStates = new Map<number, SequenceState>()
  const binder: Binder = {
    number: (name) => bindNumber(name, scope, context, sequenceStates),
    text: (name) => bindText(name, context),
    call: (call, field) => bindCall(call, field, scope, trigger, binder, judged, context, byId),
  }
  // A step that uses captured samples is decided again for hits that came earlier: with what those hits brought.
  const stepBinder: Binder = {
    number: (name) => {
      const live = binder.number(name)
      if (name.of !== 'metric' && name.of !== 'message') return live
      const field =
        name.of === 'metric' ? name.metric : name.field === 'attrs' ? `attrs.${name.path}` : name.field
      return () => (j.hit === null ? live() : capturedNumber(j.hit, field))
    },
    text: (name) => {
      const live = binder.text(name)
      if (name.of !== 'message') return live
      const field = name.field === 'attrs' ? `attrs.${name.path}` : name.field
      return () => (j.hit === null ? live() : capturedText(j.hit, field))
    },
    call: (call, field) => {
      const live = binder.call(call, field)
      return () => (j.hit === null || j.hit === j.liveHit ? live() : Number.NaN)
    },
  }
  const expressions = new Map<Expression, Evaluate | EvaluateText>()
  const parts: TitlePart[] = [...rule.title.en, ...rule.title.vi, ...rule.short.en, ...rule.short.vi]
  for (const part of parts)
    if (typeof part !== 'string')
      expressions.set(
        part.expression,
        part.expression.type === 'text'
          ? compileText(part.expression, binder)
          : compile(part.expression, binder),
      )
  const eta = rule.lets.get('eta')
  return {
    rule,
    index: 0,
    order: 0,
    scope,
    metricIds,
    triggers: new Set(metricIds),
    levels: rule.levels.map((level) => ({
      index: level.index,
      for: level.for,
      hold: level.hold,
      clears: level.clear !== null,
      when: compile(level.when, binder),
      clear: level.clear === null ? null : compile(level.clear, binder),
    })),
    judged,
    expressions,
    values: namedMetrics(rule).map((metric) => ({
      metric,
      id: index.metrics.id(metric),
      read: bindNumber({ of: 'metric', metric }, scope, context, sequenceStates),
    })),
    eta: eta === undefined ? null : compile(eta, binder),
    sequence:
      rule.sequence === null
        ? null
        : {
            steps: rule.sequence.steps.map((step) => {
              const metrics = new Set<number>()
              let readsMessage = false
              walk(step.when, (node) => {
                if (node.kind === 'name' && node.name.of === 'metric')
                  metrics.add(index.metrics.id(node.name.metric))
                if (node.kind === 'name' && node.name.of === 'message') {
                  if (node.name.field === 'confidence') metrics.add(index.metrics.id('confidence'))
                  else readsMessage = true
                }
                if (node.kind === 'call') {
                  for (const metric of callMetrics(node.call)) metrics.add(index.metrics.id(metric))
                  if (SIGNATURES.get(node.call.name)?.family === 'place') readsMessage = true
                }
              })
              return {
                streams: step.streams === null ? null : new Set(step.streams),
                when: compile(step.when, stepBinder),
                metrics,
                readsMessage: readsMessage || metrics.size === 0,
              }
            }),
            capturing: capturingSteps(rule.sequence, (step) => {
              let found = false
              walk(step.when, (node) => {
                if (node.kind === 'name' && node.name.of === 'step') found = true
              })
              return found
            }),
            states: sequenceStates,
          },
    legalFrom: rule.legal?.from == null ? Number.NEGATIVE_INFINITY : context.midnight(rule.legal.from),
    legalTo: rule.legal?.to == null ? Number.POSITIVE_INFINITY : context.midnight(rule.legal.to),
    watches: [],
    inhibitors: [],
    dependents: [],
    inhibits: [],
    cells: new Map(),
    open: new Set(),
    absents: new Map(),
    touchStamp: -1,
    touchKey: -1,
    skipped: 0,
  }

  function bindNumber(
    name: Name,
    scope: Scope,
    context: CallContext,
    states: ReadonlyMap<number, SequenceState>,
  ): Evaluate {
    switch (name.of) {
      case 'metric': {
        const metric = index.metrics.id(name.metric)
        if (scope.direct) {
          const { newest } = context
          return () => {
            if (j.behind) {
              const own = j.own(metric)
              if (!Number.isNaN(own)) return own
            }
            return newest(j.device, metric)
          }
        }
        const slot = scope.metricSlot(metric)
        return () => {
          if (j.behind) {
            const own = j.own(metric)
            if (!Number.isNaN(own)) return own
          }
          return j.state.values[slot] ?? Number.NaN
        }
      }
      case 'matched':
        return () => {
          const state = states.get(j.key)
          return state !== undefined && j.time >= state.matchedAt && j.time < state.matchedUntil ? 1 : 0
        }
      default:
        return bindMessageNumber(name, context)
    }
  }
}

/** Every metric that a rule names, in its conditions first, then in its `let`s and titles. */
function namedMetrics(rule: Rule): string[] {
  const metrics = new Set(rule.metrics)
  for (const expression of ruleExpressions(rule))
    walk(expression, (node) => {
      if (node.kind === 'name' && node.name.of === 'metric') metrics.add(node.name.metric)
      if (node.kind === 'call') for (const metric of callMetrics(node.call)) metrics.add(metric)
    })
  return [...metrics]
}

function scopeOf(rule: Rule, context: CallContext, scopes: Map<string, Scope>): Scope {
  const [fixed, perMessage] = splitWhere(rule.where)
  const signature = JSON.stringify([
    rule.streams === null ? null : [...rule.streams].sort(),
    rule.where === null ? null : printExpression(rule.where),
    rule.key,
    rule.late,
    rule.qualityNamed,
  ])
  let scope = scopes.get(signature)
  if (scope === undefined) {
    const { j, index } = context
    const binder: Binder = {
      number: (name) => {
        if (name.of !== 'metric') return bindMessageNumber(name, context)
        const metric = index.metrics.id(name.metric)
        return () => {
          const own = j.own(metric)
          return Number.isNaN(own) ? context.newest(j.device, metric) : own
        }
      },
      text: (name) => bindText(name, context),
      call: (call) => context.placeCall(call),
    }
    const all = (list: readonly Expression[]): Evaluate | null => {
      if (list.length === 0) return null
      const closures = list.map((e) => compile(e, binder))
      return () => {
        for (const closure of closures) if (closure() !== 1) return 0
        return 1
      }
    }
    scope = new Scope({
      signature,
      streams: rule.streams === null ? null : new Set(rule.streams),
      staticWhere: all(fixed),
      dynamicWhere: all(perMessage),
      key: rule.key,
      late: rule.late,
      allowed: rule.qualityNamed,
      metrics: context.metrics,
      zoneOffset: (time) => context.clock.offset(time),
      zoneOf: context.zoneOf,
      zones: () => context.zones(),
    })
    scopes.set(signature, scope)
  }
  return scope
}

/** The conjuncts of `where`: those over the registry alone, and the rest. A conjunction acts only if all are true. */
function splitWhere(where: Expression | null): [Expression[], Expression[]] {
  const fixed: Expression[] = []
  const rest: Expression[] = []
  const take = (e: Expression): void => {
    if (e.kind === 'binary' && e.operator === 'and') {
      take(e.left)
      take(e.right)
    } else (overRegistry(e) ? fixed : rest).push(e)
  }
  if (where !== null) take(where)
  return [fixed, rest]
}

/** Depends on the device's registry entry alone. */
export function overRegistry(expression: Expression): boolean {
  let yes = true
  walk(expression, (node) => {
    if (node.kind === 'call') yes = false
    if (
      node.kind === 'name' &&
      node.name.of !== 'device' &&
      node.name.of !== 'limit' &&
      node.name.of !== 'site' &&
      !(node.name.of === 'message' && node.name.field === 'device')
    )
      yes = false
  })
  return yes
}

/** Rules whose levels an expression of this rule reads by alert(). */
function watchedIds(rule: Rule): ReadonlySet<string> {
  const ids = new Set<string>()
  const look = (e: Expression): void =>
    walk(e, (node) => {
      if (node.kind === 'call' && (node.call.name === 'alert' || node.call.name === 'near_alert'))
        ids.add(String(node.call.constants['rule']))
    })
  for (const level of rule.levels) {
    look(level.when)
    if (level.clear !== null) look(level.clear)
  }
  for (const step of rule.sequence?.steps ?? []) look(step.when)
  return ids
}

/** By id, but watched rules and inhibitors first. `check` refuses cycles of alert(); a cycle of inhibitors falls back to ids. */
function judgingOrder(rules: readonly RuntimeRule[]): RuntimeRule[] {
  const order: RuntimeRule[] = []
  const state = new Map<RuntimeRule, 'open' | 'done'>()
  const visit = (rule: RuntimeRule): void => {
    if (state.has(rule)) return
    state.set(rule, 'open')
    for (const first of [...rule.watches, ...rule.inhibitors]) visit(first)
    state.set(rule, 'done')
    order.push(rule)
  }
  for (const rule of rules) visit(rule)
  return order
}

function triggersOf(rule: RuntimeRule, seen: Set<RuntimeRule>): ReadonlySet<number> {
  if (rule.metricIds.length > 0 || seen.has(rule)) return new Set(rule.metricIds)
  seen.add(rule)
  return new Set(rule.watches.flatMap((watched) => [...triggersOf(watched, seen)]))
}
