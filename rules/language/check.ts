import type { ErrorCode } from '../../src/model/errors.js'
import type { MetricRegistry } from '../../src/model/metrics.js'
import { QUALITY_NAMES } from '../../src/model/quality.js'
import type { Parameter, Signature } from '../operators/operator.js'
import type { BinaryOperator, Call, Expression, Name, ValueType } from './ast.js'
import type { ExpressionFault } from './lexer.js'
import { NODES_MAX } from './parser.js'
import { printCall, printDuration } from './print.js'
import { didYouMean } from './suggest.js'
import { type Argument, type Syntax, startOf } from './syntax.js'

/** What every expression of a rule set may name. */
export interface Surroundings {
  readonly metrics: MetricRegistry
  readonly signatures: ReadonlyMap<string, Signature>
  /** Registry attributes that some device has, beyond those every device may have, with the type of their values. */
  readonly attributes: ReadonlyMap<string, ValueType>
  /** Names of zones and lines. */
  readonly zones: { has(name: string): boolean; keys(): Iterable<string> }
  /** Ids of all rules of the set. */
  readonly rules: ReadonlySet<string>
}

/** A checked expression; `open` where the type of a free attribute is still decided by what it meets. */
export interface Checked {
  readonly expression: Expression
  readonly open: boolean
}

/** What one expression may name besides, and where its faults go. */
export interface Scope {
  /** `undefined`: no such `let`; `null`: it has a fault of its own (already reported). */
  let(name: string): Checked | null | undefined
  readonly letNames: Iterable<string>
  /** Steps of the sequence that took their sample before this expression is judged. */
  readonly steps: ReadonlySet<string>
  /** Whether `matched` means something here. */
  readonly matched: boolean
  fault(fault: ExpressionFault): void
  /** A use that the loader looks at once all rules are known. */
  uses(what: 'alert' | 'limit' | 'attribute', name: string, at: number): void
}

/** Fields of the message at hand, and their types. */
const MESSAGE_FIELDS: ReadonlyMap<string, ValueType> = new Map([
  ['label', 'text'],
  ['device', 'text'],
  ['stream', 'text'],
  ['source', 'text'],
  ['confidence', 'number'],
  ['lat', 'number'],
  ['lon', 'number'],
])
const CALENDAR: ReadonlySet<string> = new Set(['hour', 'weekday', 'month'])
const DEVICE_FIELDS: ReadonlyMap<string, ValueType> = new Map([
  ['device', 'text'],
  ['kind', 'text'],
  ['site', 'text'],
  ['ward', 'text'],
  ['agency', 'text'],
  ['lat', 'number'],
  ['lon', 'number'],
  ['expected_interval', 'duration'],
])
const SITE_FIELDS: ReadonlyMap<string, ValueType> = new Map([
  ['site', 'text'],
  ['name', 'text'],
  ['ward', 'text'],
  ['lat', 'number'],
  ['lon', 'number'],
])
/** Metrics that exist in every city: a label or a position without a number. */
const EVENT_METRICS: ReadonlySet<string> = new Set(['event', 'position'])

/** Names that a `let` or a step cannot take. */
export const RESERVED: ReadonlySet<string> = new Set([
  ...MESSAGE_FIELDS.keys(),
  ...CALENDAR,
  'attrs',
  'quality',
  'limit',
  'site',
  'matched',
  'true',
  'false',
  'and',
  'or',
  'not',
  'in',
])

/** Functions of plain values: fewest and most arguments. */
const SCALARS: ReadonlyMap<string, readonly [number, number]> = new Map([
  ['if', [3, 3]],
  ['abs', [1, 1]],
  ['min', [2, 16]],
  ['max', [2, 16]],
  ['round', [1, 2]],
  ['clamp', [3, 3]],
  ['hypot', [2, 16]],
])

export function isMetric(metrics: MetricRegistry, name: string): boolean {
  return metrics.has(name) || EVENT_METRICS.has(name)
}

/**
 * Gives every node its type and every name its meaning, writes `let`s out, and turns calls into operators. One checker
 * serves one rule set: it remembers how large each expression is once its `let`s are written out.
 */
export class Checker {
  readonly #around: Surroundings
  readonly #sizes = new Map<Expression, number>()

  constructor(around: Surroundings) {
    this.#around = around
  }

  /** Before each rule: sizes are remembered for the `let`s of one rule alone. */
  begin(): void {
    this.#sizes.clear()
  }

  /** The checked expression, or null where it has faults, all of which went to the scope. `wanted` null: any type. */
  check(tree: Syntax, scope: Scope, wanted: ValueType | null): Checked | null {
    const checked = new Walk(this.#around, this.#sizes, scope).node(tree)
    if (checked === null || wanted === null) return checked
    const settled = settle(checked, wanted)
    if (settled.expression.type === wanted) return settled
    scope.fault({
      code: 'HD_RULE_TYPE',
      at: tree.kind === 'unary' ? tree.at : startOf(tree),
      message: `this must be ${article(wanted)}, and is ${article(settled.expression.type)}`,
    })
    return null
  }
}

/** An open node takes the type it is needed in; every other stays as it is. */
function settle(checked: Checked, type: ValueType): Checked {
  const { expression, open } = checked
  if (!open || expression.kind !== 'name') return checked
  return { expression: { ...expression, type }, open: false }
}

class Walk {
  readonly #around: Surroundings
  readonly #sizes: Map<Expression, number>
  readonly #scope: Scope

  constructor(around: Surroundings, sizes: Map<Expression, number>, scope: Scope) {
    this.#around = around
    this.#sizes = sizes
    this.#scope = scope
  }

  node(node: Syntax): Checked | null {
    const { at } = node
    switch (node.kind) {
      case 'number':
        return this.#closed({ kind: 'number', value: node.value, type: 'number', at })
      case 'duration':
        return this.#closed({ kind: 'duration', value: node.value, type: 'duration', at })
      case 'boolean':
        return this.#closed({ kind: 'boolean', value: node.value, type: 'boolean', at })
      case 'text':
        return this.#closed({ kind: 'text', value: node.value, type: 'text', at })
      case 'list':
        return this.#closed({
          kind: 'list',
          items: node.items,
          type: typeof node.items[0] === 'string' ? 'text' : 'number',
          at,
        })
      case 'name':
        return this.#name(node.name, at)
      case 'unary':
        return this.#unary(node)
      case 'binary':
        return this.#binary(node)
      case 'call':
        return this.#call(node)
    }
  }

  #fault(code: ErrorCode, at: number, message: string): null {
    this.#scope.fault({ code, at, message })
    return null
  }

  /** Counts a new node; null (with a fault) where the expression has grown too large through its `let`s. */
  #made(expression: Expression, open: boolean, children: readonly Expression[]): Checked | null {
    let size = 1
    for (const child of children) size += this.#sizes.get(child) ?? 1
    if (size > NODES_MAX)
      return this.#fault(
        'HD_RULE_LIMIT',
        expression.at,
        `with its lets written out the expression has more than ${NODES_MAX} parts`,
      )
    this.#sizes.set(expression, size)
    return { expression, open }
  }

  #closed(expression: Expression, ...children: Expression[]): Checked | null {
    return this.#made(expression, false, children)
  }

  // -- names

  #name(text: string, at: number): Checked | null {
    const dot = text.indexOf('.')
    if (dot < 0) return this.#plainName(text, at)
    const head = text.slice(0, dot)
    const rest = text.slice(dot + 1)
    const named = (name: Name, type: ValueType, open = false) =>
      this.#made({ kind: 'name', name, type, at }, open, [])
    switch (head) {
      case 'device': {
        if (rest.startsWith('limit.')) return this.#limit(rest.slice(6), at)
        if (rest === 'limit')
          return this.#fault('HD_RULE_UNKNOWN_NAME', at, `a limit has a name, as in device.limit.alarm1`)
        if (rest.includes('.'))
          return this.#fault(
            'HD_RULE_UNKNOWN_NAME',
            at,
            `unknown name '${cut(text)}': device attributes have no parts`,
          )
        const type = DEVICE_FIELDS.get(rest) ?? this.#around.attributes.get(rest)
        if (type === undefined) this.#scope.uses('attribute', rest, at)
        return named({ of: 'device', attribute: rest }, type ?? 'text', type === undefined)
      }
      case 'limit':
        return this.#limit(rest, at)
      case 'site': {
        const type = SITE_FIELDS.get(rest)
        if (type === undefined)
          return this.#fault(
            'HD_RULE_UNKNOWN_NAME',
            at,
            `a site has no '${cut(rest)}'${didYouMean(rest, SITE_FIELDS.keys())}`,
          )
        return named({ of: 'site', attribute: rest }, type)
      }
      case 'attrs':
        return named({ of: 'message', field: 'attrs', path: rest }, 'text', true)
      case 'quality': {
        const bit = (QUALITY_NAMES as readonly string[]).indexOf(rest)
        if (bit < 0)
          return this.#fault(
            'HD_RULE_UNKNOWN_NAME',
            at,
            `there is no quality mark '${cut(rest)}'${didYouMean(rest, QUALITY_NAMES)}`,
          )
        return named({ of: 'quality', bit }, 'boolean')
      }
      default:
        break
    }
    if (this.#scope.steps.has(head)) return this.#stepField(head, rest, at)
    const inlined = this.#scope.let(head)
    if (inlined === null) return null
    if (inlined !== undefined) return this.#letField(head, inlined.expression, rest, at)
    return this.#unknownName(text, at)
  }

  #plainName(text: string, at: number): Checked | null {
    const inlined = this.#scope.let(text)
    if (inlined === null) return null
    if (inlined !== undefined) return inlined
    const field = MESSAGE_FIELDS.get(text)
    if (field !== undefined)
      return this.#closed({
        kind: 'name',
        name: { of: 'message', field: text as 'label', path: '' },
        type: field,
        at,
      })
    if (CALENDAR.has(text))
      return this.#closed({
        kind: 'name',
        name: { of: 'calendar', field: text as 'hour' },
        type: 'number',
        at,
      })
    if (text === 'matched') {
      if (!this.#scope.matched)
        return this.#fault(
          'HD_RULE_UNKNOWN_NAME',
          at,
          `'matched' has a meaning only in the levels of a rule with a sequence`,
        )
      return this.#closed({ kind: 'name', name: { of: 'matched' }, type: 'boolean', at })
    }
    if (isMetric(this.#around.metrics, text))
      return this.#closed({ kind: 'name', name: { of: 'metric', metric: text }, type: 'number', at })
    return this.#unknownName(text, at)
  }

  #limit(limit: string, at: number): Checked | null {
    if (limit.includes('.'))
      return this.#fault('HD_RULE_UNKNOWN_NAME', at, `'${cut(limit)}' is no limit: limits have no parts`)
    this.#scope.uses('limit', limit, at)
    return this.#closed({ kind: 'name', name: { of: 'limit', limit }, type: 'number', at })
  }

  #stepField(step: string, field: string, at: number): Checked | null {
    const attrs = field.startsWith('attrs.')
    const type = attrs
      ? 'text'
      : (MESSAGE_FIELDS.get(field) ?? (isMetric(this.#around.metrics, field) ? 'number' : undefined))
    if (type === undefined)
      return this.#fault(
        'HD_RULE_UNKNOWN_NAME',
        at,
        `the sample of step '${cut(step)}' has no '${cut(field)}'${didYouMean(field, [...MESSAGE_FIELDS.keys(), ...this.#around.metrics.keys()])}`,
      )
    return this.#made({ kind: 'name', name: { of: 'step', step, field }, type, at }, attrs, [])
  }

  /** `eta.low` where the let is a call with a band. */
  #letField(name: string, expression: Expression, field: string, at: number): Checked | null {
    if (expression.kind === 'call' && expression.field === '') {
      const { fields } = this.#around.signatures.get(expression.call.name)!
      if (Object.hasOwn(fields, field)) {
        const inner = expression.call.condition === null ? [] : [expression.call.condition]
        return this.#made({ ...expression, field, type: fields[field]! }, false, [
          ...inner,
          ...Object.values(expression.call.dynamic),
        ])
      }
    }
    return this.#fault('HD_RULE_UNKNOWN_NAME', at, `'${cut(name)}' has no field '${cut(field)}'`)
  }

  #unknownName(text: string, at: number): null {
    if (this.#around.signatures.has(text) || SCALARS.has(text))
      return this.#fault(
        'HD_RULE_UNKNOWN_NAME',
        at,
        `'${text}' is a function and needs its arguments: ${this.#usage(text)}`,
      )
    if (DEVICE_FIELDS.has(text) || text === 'site' || this.#around.attributes.has(text))
      return this.#fault('HD_RULE_UNKNOWN_NAME', at, `unknown name '${text}': did you mean 'device.${text}'?`)
    const candidates = [
      ...this.#scope.letNames,
      ...this.#scope.steps,
      ...this.#around.metrics.keys(),
      ...MESSAGE_FIELDS.keys(),
      ...CALENDAR,
      'matched',
    ]
    return this.#fault(
      'HD_RULE_UNKNOWN_NAME',
      at,
      `unknown name '${cut(text)}'${didYouMean(text, candidates)}`,
    )
  }

  // -- operators

  #unary(node: Extract<Syntax, { kind: 'unary' }>): Checked | null {
    const operand = this.node(node.operand)
    if (operand === null) return null
    const { operator, at } = node
    if (operator === 'not') {
      const inner = this.#want(operand, 'boolean', node.operand, `'not' negates a condition`)
      return inner === null
        ? null
        : this.#closed({ kind: 'unary', operator, operand: inner, type: 'boolean', at }, inner)
    }
    const inner = settle(operand, 'number').expression
    if (inner.type !== 'number' && inner.type !== 'duration')
      return this.#fault(
        'HD_RULE_TYPE',
        at,
        `'-' is of numbers and durations, and this is ${article(inner.type)}`,
      )
    return this.#closed({ kind: 'unary', operator, operand: inner, type: inner.type, at }, inner)
  }

  #binary(node: Extract<Syntax, { kind: 'binary' }>): Checked | null {
    const { operator, at } = node
    let left = this.node(node.left)
    const right = this.node(node.right)
    if (left === null || right === null) return null
    const made = (l: Expression, r: Expression, type: ValueType) =>
      this.#closed({ kind: 'binary', operator, left: l, right: r, type, at }, l, r)
    switch (operator) {
      case 'or':
      case 'and': {
        const l = this.#want(left, 'boolean', node.left, `'${operator}' joins conditions`)
        const r = this.#want(right, 'boolean', node.right, `'${operator}' joins conditions`)
        return l === null || r === null ? null : made(l, r, 'boolean')
      }
      case 'in': {
        left = settle(left, right.expression.type)
        return left.expression.type === right.expression.type
          ? made(left.expression, right.expression, 'boolean')
          : this.#mismatch(operator, left.expression, right.expression, at)
      }
      case '==':
      case '!=':
      case '<':
      case '<=':
      case '>':
      case '>=': {
        const ordered = operator !== '==' && operator !== '!='
        const fallback = ordered ? 'number' : 'text'
        const l = settle(left, right.open ? fallback : right.expression.type).expression
        const r = settle(right, l.type).expression
        if (l.type !== r.type) return this.#mismatch(operator, l, r, at)
        if (ordered && l.type !== 'number' && l.type !== 'duration')
          return this.#fault(
            'HD_RULE_TYPE',
            at,
            `'${operator}' orders numbers or durations, and these are ${l.type}: use == or !=`,
          )
        return made(l, r, 'boolean')
      }
      case '+':
      case '-':
      case '*':
      case '/': {
        const l = settle(left, 'number').expression
        const r = settle(right, 'number').expression
        const type = arithmetic(operator, l.type, r.type)
        return type === null ? this.#mismatch(operator, l, r, at) : made(l, r, type)
      }
    }
  }

  #mismatch(operator: BinaryOperator, left: Expression, right: Expression, at: number): null {
    const types = new Set([left.type, right.type])
    let hint = ''
    if (types.has('number') && types.has('duration'))
      hint = operator === '/' ? '' : ': write the number with its unit (45m), or divide by a duration'
    return this.#fault(
      'HD_RULE_TYPE',
      at,
      `'${operator}' cannot join ${article(left.type)} (left) and ${right.kind === 'list' ? `a list of ${right.type}s` : article(right.type)} (right)${hint}`,
    )
  }

  #want(checked: Checked, type: ValueType, node: Syntax, why: string): Expression | null {
    const { expression } = settle(checked, type)
    if (expression.type === type) return expression
    return this.#fault('HD_RULE_TYPE', startOf(node), `${why}, and this is ${article(expression.type)}`)
  }

  // -- calls

  #call(node: Extract<Syntax, { kind: 'call' }>): Checked | null {
    const { name, at } = node
    const signature = this.#around.signatures.get(name)
    const scalar = SCALARS.get(name)
    if (signature === undefined && scalar === undefined) {
      const candidates = [...this.#around.signatures.keys(), ...SCALARS.keys()]
      // The arguments are looked at all the same: all faults at once.
      for (const arg of node.args) this.node(arg.value)
      return this.#fault(
        'HD_RULE_UNKNOWN_NAME',
        at,
        `unknown function '${cut(name)}'${didYouMean(name, candidates)}`,
      )
    }
    if (scalar === undefined) return this.#operator(node, signature!, new Map())
    const checked = new Map<Argument, Checked | null>()
    if (signature !== undefined && isWindowForm(node.args)) {
      // `min` and `max`: a metric and a duration are the window, anything else is plain.
      const [first, second] = node.args as [Argument, Argument]
      checked.set(first, this.node(first.value))
      checked.set(second, this.node(second.value))
      const m = checked.get(first)
      const w = checked.get(second)
      if (m === null || w === null) {
        for (const arg of node.args.slice(2)) this.node(arg.value)
        return null
      }
      if (
        metricOf(m?.expression) !== null &&
        (w?.expression.type === 'duration' || node.args.some((arg) => arg.name !== ''))
      )
        return this.#operator(node, signature, checked)
    }
    return this.#scalar(node, scalar, checked)
  }

  #scalar(
    node: Extract<Syntax, { kind: 'call' }>,
    [fewest, most]: readonly [number, number],
    known: ReadonlyMap<Argument, Checked | null>,
  ): Checked | null {
    const { name, args, at } = node
    const checked = args.map((arg) => (known.has(arg) ? known.get(arg)! : this.node(arg.value)))
    for (const arg of args)
      if (arg.name !== '')
        return this.#fault('HD_RULE_ARGUMENTS', arg.at, `${name}() takes no argument by name`)
    if (args.length < fewest || args.length > most)
      return this.#fault(
        'HD_RULE_ARGUMENTS',
        at,
        `${this.#usage(name)} takes ${range(fewest, most)}, not ${args.length}`,
      )
    if (node.field !== '') return this.#fault('HD_RULE_UNKNOWN_NAME', node.fieldAt, `${name}() has no fields`)
    if (checked.includes(null)) return null
    const values = checked as Checked[]
    const out: Expression[] = []
    let from = 0
    if (name === 'if') {
      const condition = this.#want(
        values[0]!,
        'boolean',
        args[0]!.value,
        'the first argument of if() is a condition',
      )
      if (condition === null) return null
      out.push(condition)
      from = 1
    }
    // What remains has one type: that of the first that has one, else number.
    const rest = values.slice(from)
    const type = rest.find((value) => !value.open)?.expression.type ?? 'number'
    for (const [i, value] of rest.entries()) {
      const { expression } = settle(value, type)
      const arg = args[from + i]!.value
      if (expression.type !== type)
        return this.#fault(
          'HD_RULE_TYPE',
          startOf(arg),
          `${name}() needs arguments of one type: this is ${article(expression.type)}, another ${article(type)}`,
        )
      out.push(expression)
    }
    const number = name === 'hypot' || name === 'round'
    if (name !== 'if' && (number ? type !== 'number' : type !== 'number' && type !== 'duration'))
      return this.#fault(
        'HD_RULE_TYPE',
        startOf(args[0]!.value),
        `${name}() is of numbers${number ? '' : ' or durations'}, and this is ${article(type)}`,
      )
    return this.#closed({ kind: 'scalar', name, args: out, type, at }, ...out)
  }

  #operator(
    node: Extract<Syntax, { kind: 'call' }>,
    signature: Signature,
    known: ReadonlyMap<Argument, Checked | null>,
  ): Checked | null {
    const bound = this.#bind(node, signature)
    if (bound === null) {
      for (const arg of node.args) if (!known.has(arg)) this.#argumentFaults(arg, signature)
      return null
    }
    let metric = ''
    let condition: Expression | null = null
    const constants: Record<string, number | string> = {}
    const dynamic: Record<string, Expression> = {}
    let sound = true
    for (const parameter of signature.parameters) {
      const arg = bound.get(parameter)
      if (arg === undefined) {
        if (parameter.default !== undefined) constants[parameter.name] = parameter.default
        continue
      }
      const value = this.#value(signature, parameter, arg, known)
      if (value === null) sound = false
      else if (typeof value === 'object') {
        if (parameter.type === 'condition') condition = value
        else dynamic[parameter.name] = value
      } else if (parameter.type === 'metric') metric = value as string
      else constants[parameter.name] = value
    }
    let type = signature.result
    if (node.field !== '') {
      if (!Object.hasOwn(signature.fields, node.field)) {
        const fields = Object.keys(signature.fields)
        const has = fields.length === 0 ? 'no fields' : fields.map((field) => `.${field}`).join(' ')
        return this.#fault(
          'HD_RULE_UNKNOWN_NAME',
          node.fieldAt,
          `${signature.name}() has no field '${cut(node.field)}', it has ${has}`,
        )
      }
      type = signature.fields[node.field]!
    }
    if (!sound) return null
    const parts = { name: signature.name, metric, condition, constants, dynamic }
    const call: Call = { ...parts, signature: printCall(parts, signature.parameters) }
    const children = condition === null ? Object.values(dynamic) : [condition, ...Object.values(dynamic)]
    return this.#closed({ kind: 'call', call, field: node.field, type, at: node.at }, ...children)
  }

  /** Which argument belongs to which parameter; null (with a fault) where they do not fit. */
  #bind(node: Extract<Syntax, { kind: 'call' }>, signature: Signature): Map<Parameter, Argument> | null {
    const bound = new Map<Parameter, Argument>()
    const positional = signature.parameters.filter((parameter) => parameter.named !== true)
    let next = 0
    for (const arg of node.args) {
      let parameter: Parameter | undefined
      if (arg.name === '') {
        parameter = positional[next++]
        if (parameter === undefined)
          return this.#fault(
            'HD_RULE_ARGUMENTS',
            startOf(arg.value),
            `${this.#usage(signature.name)} takes ${range(positional.length, positional.length)}, and this is one more`,
          )
      } else {
        parameter = signature.parameters.find((one) => one.name === arg.name)
        if (parameter === undefined) {
          const names = signature.parameters.map((one) => one.name)
          return this.#fault(
            'HD_RULE_ARGUMENTS',
            arg.at,
            `${signature.name}() has no argument '${cut(arg.name)}'${didYouMean(arg.name, names)}`,
          )
        }
      }
      if (bound.has(parameter))
        return this.#fault(
          'HD_RULE_ARGUMENTS',
          arg.at,
          `the argument '${parameter.name}' of ${signature.name}() is given twice`,
        )
      bound.set(parameter, arg)
    }
    const missing = positional.find((parameter) => !bound.has(parameter) && parameter.default === undefined)
    if (missing !== undefined)
      return this.#fault(
        'HD_RULE_ARGUMENTS',
        node.at,
        `${this.#usage(signature.name)} takes ${range(positional.length, positional.length)}, not ${node.args.length}: '${missing.name}' is missing`,
      )
    return bound
  }

  /** Looks for faults inside an argument of a call that is itself refused. */
  #argumentFaults(arg: Argument, signature: Signature): void {
    const special = signature.parameters.some(({ type }) => type === 'function' || type === 'label')
    if (!(special && arg.value.kind === 'name')) this.node(arg.value)
  }

  /** One argument: a metric, text or number that is known now, or an expression; null (with a fault) where it is wrong. */
  #value(
    signature: Signature,
    parameter: Parameter,
    arg: Argument,
    known: ReadonlyMap<Argument, Checked | null>,
  ): Expression | number | string | null {
    const where = `the argument '${parameter.name}' of ${signature.name}()`
    const at = startOf(arg.value)
    if (parameter.type === 'function' || parameter.type === 'label')
      return this.#word(parameter, arg.value, where)
    const checked = known.get(arg) ?? this.node(arg.value)
    if (checked === null) return null
    if (parameter.type === 'metric') {
      const metric = metricOf(checked.expression)
      if (metric === null)
        return this.#fault(
          'HD_RULE_TYPE',
          at,
          `${where} is a metric by its name, as in ${signature.name}(level_m, …)`,
        )
      if (parameter.counter === true && this.#around.metrics.get(metric)?.counter !== true)
        return this.#fault(
          'HD_RULE_TYPE',
          at,
          `${signature.name}() is of counters, and '${metric}' is none (metrics.yaml says which are)`,
        )
      return metric
    }
    const wanted: ValueType = parameter.type === 'condition' ? 'boolean' : parameter.type
    const { expression } = settle(checked, wanted)
    if (expression.type !== wanted) return this.#wrongType(parameter, wanted, expression, where, at)
    if (parameter.type === 'condition') return expression
    if (!parameter.constant) {
      if (expression.kind === 'text') this.#knownZone(expression.value, at)
      return expression
    }
    const value = constantOf(expression)
    if (value === undefined)
      return this.#fault(
        'HD_RULE_ARGUMENTS',
        at,
        `${where} must be known when the rule is loaded: a plain ${wanted}, not a computed one`,
      )
    return this.#within(signature, parameter, value, where, at)
  }

  #wrongType(parameter: Parameter, wanted: ValueType, found: Expression, where: string, at: number): null {
    if (found.type === 'duration' && (parameter.name === 'radius' || parameter.name === 'metres'))
      return this.#fault(
        'HD_RULE_TYPE',
        at,
        `${where} is metres, a plain number: with a unit (500m) it is a duration of minutes`,
      )
    const hint = wanted === 'duration' && found.type === 'number' ? ', as in 10m' : ''
    return this.#fault(
      'HD_RULE_TYPE',
      at,
      `${where} is ${article(wanted)}${hint}, and this is ${article(found.type)}`,
    )
  }

  #within(
    signature: Signature,
    parameter: Parameter,
    value: number | string,
    where: string,
    at: number,
  ): number | string | null {
    const { min, max, choices, integer } = parameter
    const unit = parameter.type === 'duration' ? printDuration : String
    if (typeof value === 'number') {
      if (!Number.isFinite(value)) return this.#fault('HD_RULE_LIMIT', at, `${where} is no finite number`)
      if (min !== undefined && value < min)
        return this.#fault('HD_RULE_LIMIT', at, `${where} is at least ${unit(min)}, not ${unit(value)}`)
      if (max !== undefined && value > max)
        return this.#fault('HD_RULE_LIMIT', at, `${where} is at most ${unit(max)}, not ${unit(value)}`)
      if (integer === true && !Number.isInteger(value))
        return this.#fault('HD_RULE_ARGUMENTS', at, `${where} is a whole number, not ${value}`)
      return value
    }
    if (choices !== undefined && !choices.includes(value))
      return this.#fault(
        'HD_RULE_ARGUMENTS',
        at,
        `${where} is one of ${choices.map((one) => `'${one}'`).join(' ')}, not '${cut(value)}'${didYouMean(value, choices)}`,
      )
    if (parameter.name === 'rule') {
      if (!this.#around.rules.has(value))
        return this.#fault(
          'HD_RULE_UNKNOWN_NAME',
          at,
          `there is no rule '${cut(value)}'${didYouMean(value, this.#around.rules)}`,
        )
      if (signature.name === 'alert') this.#scope.uses('alert', value, at)
    }
    if (parameter.name === 'zone' && !this.#knownZone(value, at)) return null
    return value
  }

  #knownZone(name: string, at: number): boolean {
    if (this.#around.zones.has(name)) return true
    this.#fault(
      'HD_RULE_UNKNOWN_NAME',
      at,
      `there is no zone '${cut(name)}'${didYouMean(name, this.#around.zones.keys())}`,
    )
    return false
  }

  /** `max` of across(max, …), `label` of distinct(label, …): a bare word. */
  #word(parameter: Parameter, value: Syntax, where: string): string | null {
    const word = value.kind === 'name' ? value.name : ''
    if (parameter.type === 'label') {
      if (word === 'label' || word === 'device' || /^attrs\../.test(word)) return word
      return this.#fault('HD_RULE_ARGUMENTS', startOf(value), `${where} is 'label', 'device' or 'attrs.x'`)
    }
    const choices = parameter.choices ?? []
    if (choices.includes(word)) return word
    return this.#fault(
      'HD_RULE_ARGUMENTS',
      startOf(value),
      `${where} is one of ${choices.join(' ')}${didYouMean(word, choices)}`,
    )
  }

  /** `slope(m, w, method=…)` for messages. */
  #usage(name: string): string {
    const signature = this.#around.signatures.get(name)
    if (signature === undefined) return `${name}()`
    return `${name}(${signature.parameters.map((one) => (one.named === true ? `${one.name}=…` : one.name)).join(', ')})`
  }
}

/** A first and a second argument without names: what `min` and `max` need to be a window. */
function isWindowForm(args: readonly Argument[]): boolean {
  return args.length >= 2 && args[0]!.name === '' && args[1]!.name === ''
}

/** The metric that an expression is the newest value of, else null. */
function metricOf(expression: Expression | undefined): string | null {
  if (expression?.kind !== 'name') return null
  if (expression.name.of === 'metric') return expression.name.metric
  return expression.name.of === 'message' && expression.name.field === 'confidence' ? 'confidence' : null
}

function arithmetic(operator: '+' | '-' | '*' | '/', left: ValueType, right: ValueType): ValueType | null {
  if (left === 'number' && right === 'number') return 'number'
  if (left === 'duration' && right === 'duration') {
    if (operator === '*') return null
    return operator === '/' ? 'number' : 'duration'
  }
  if (left === 'duration' && right === 'number' && (operator === '*' || operator === '/')) return 'duration'
  if (left === 'number' && right === 'duration' && operator === '*') return 'duration'
  return null
}

/** Value of an expression made of literals alone (`2 * 30m`), else undefined. */
export function constantOf(expression: Expression): number | string | undefined {
  switch (expression.kind) {
    case 'number':
    case 'duration':
    case 'text':
      return expression.value
    case 'unary': {
      const value = constantOf(expression.operand)
      return typeof value === 'number' && expression.operator === '-' ? -value : undefined
    }
    case 'binary': {
      const left = constantOf(expression.left)
      const right = constantOf(expression.right)
      if (typeof left !== 'number' || typeof right !== 'number') return undefined
      switch (expression.operator) {
        case '+':
          return left + right
        case '-':
          return left - right
        case '*':
          return left * right
        case '/':
          return right === 0 ? undefined : left / right
        default:
          return undefined
      }
    }
    default:
      return undefined
  }
}

function article(type: ValueType): string {
  return type === 'boolean' ? 'a condition' : `a ${type}`
}

function range(fewest: number, most: number): string {
  const count = fewest === most ? String(fewest) : `${fewest} to ${most}`
  return `${count} argument${count === '1' ? '' : 's'}`
}

/** A name as a message may repeat it. */
function cut(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
