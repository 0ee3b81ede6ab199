import { QUALITY_NAMES } from '../../src/model/quality.js'
import type { Call, Expression, Name } from './ast.js'
import { COMPARISON, NOT, PRECEDENCE, UNARY } from './parser.js'

/**
 * A checked expression as text that parses and checks to the same expression again: what structural equality, `rules
 * diff` and the evidence page compare and show. Every `let` is written out, arguments have one fixed form.
 */
export function printExpression(expression: Expression): string {
  return printed(expression, 0)
}

/** `lowest`: the weakest precedence that needs no parentheses where this stands. */
function printed(e: Expression, lowest: number): string {
  switch (e.kind) {
    case 'number':
      return bracketed(String(e.value), e.value < 0 ? UNARY : UNARY + 1, lowest)
    case 'duration':
      return bracketed(printDuration(e.value), e.value < 0 ? UNARY : UNARY + 1, lowest)
    case 'boolean':
      return String(e.value)
    case 'text':
      return quoted(e.value)
    case 'list':
      return `[${e.items.map((item) => (typeof item === 'string' ? quoted(item) : String(item))).join(', ')}]`
    case 'name':
      return printName(e.name)
    case 'unary':
      return e.operator === 'not'
        ? bracketed(`not ${printed(e.operand, NOT)}`, NOT, lowest)
        : bracketed(`-${printed(e.operand, UNARY + 1)}`, UNARY, lowest)
    case 'binary': {
      const precedence = PRECEDENCE[e.operator]
      // Comparisons do not chain, so their left side needs parentheses too where it is one.
      const left = printed(e.left, precedence === COMPARISON ? precedence + 1 : precedence)
      const right = printed(e.right, precedence + 1)
      return bracketed(`${left} ${e.operator} ${right}`, precedence, lowest)
    }
    case 'scalar':
      return `${e.name}(${e.args.map((arg) => printed(arg, 0)).join(', ')})`
    case 'call':
      return e.field === '' ? e.call.signature : `${e.call.signature}.${e.field}`
  }
}

function bracketed(text: string, precedence: number, lowest: number): string {
  return precedence < lowest ? `(${text})` : text
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

export function printName(name: Name): string {
  switch (name.of) {
    case 'metric':
      return name.metric
    case 'message':
      return name.field === 'attrs' ? `attrs.${name.path}` : name.field
    case 'quality':
      return `quality.${QUALITY_NAMES[name.bit]}`
    case 'device':
      return `device.${name.attribute}`
    case 'limit':
      return `limit.${name.limit}`
    case 'site':
      return `site.${name.attribute}`
    case 'calendar':
      return name.field
    case 'matched':
      return 'matched'
    case 'step':
      return `${name.step}.${name.field}`
  }
}

/** Arguments of a call, each as it is written: `{m: 'level_m', w: 600000}` and their types by name. */
export function printCall(
  call: Pick<Call, 'name' | 'metric' | 'condition' | 'constants' | 'dynamic'>,
  parameters: readonly { readonly name: string; readonly type: string; readonly named?: boolean }[],
): string {
  const args: string[] = []
  for (const { name, type, named } of parameters) {
    let text: string
    if (type === 'metric') text = call.metric
    else if (type === 'condition') text = call.condition === null ? '' : printExpression(call.condition)
    else if (Object.hasOwn(call.dynamic, name)) text = printExpression(call.dynamic[name]!)
    else {
      const value = call.constants[name]
      if (value === undefined) continue
      if (type === 'duration') text = printDuration(value as number)
      else if (type === 'text') text = quoted(value as string)
      else text = String(value)
    }
    args.push(named === true ? `${name}=${text}` : text)
  }
  return `${call.name}(${args.join(', ')})`
}

const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
]

/** ms as a literal of the language, in the largest unit that leaves no fraction: 5 400 000 is `90m`. */
export function printDuration(ms: number): string {
  const sign = ms < 0 ? '-' : ''
  const size = Math.abs(ms)
  for (const [unit, of] of UNITS) if (size !== 0 && size % of === 0) return `${sign}${size / of}${unit}`
  return `${sign}${size}ms`
}
