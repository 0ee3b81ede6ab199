import type { Call, Expression, Rule } from './ast.js'

/** Calls `visit` for a node and everything below it, conditions and arguments of calls included, in the order of the text. */
export function walk(expression: Expression, visit: (node: Expression) => void): void {
  visit(expression)
  switch (expression.kind) {
    case 'unary':
      walk(expression.operand, visit)
      break
    case 'binary':
      walk(expression.left, visit)
      walk(expression.right, visit)
      break
    case 'scalar':
      for (const arg of expression.args) walk(arg, visit)
      break
    case 'call':
      if (expression.call.condition !== null) walk(expression.call.condition, visit)
      for (const argument of Object.values(expression.call.dynamic)) walk(argument, visit)
      break
    default:
      break
  }
}

/** Every expression that decides what a rule does, in the order of its text; `let`s only as far as these use them. */
export function decidingExpressions(rule: Pick<Rule, 'where' | 'levels' | 'sequence'>): Expression[] {
  const out: Expression[] = []
  if (rule.where !== null) out.push(rule.where)
  for (const { when, clear } of rule.levels) out.push(...(clear === null ? [when] : [when, clear]))
  for (const step of rule.sequence?.steps ?? []) out.push(step.when)
  return out
}

/** Every expression of a rule: what decides, its `let`s and its titles. */
export function ruleExpressions(
  rule: Pick<Rule, 'where' | 'levels' | 'sequence' | 'lets' | 'title' | 'short'>,
): Expression[] {
  const out = decidingExpressions(rule)
  out.push(...rule.lets.values())
  for (const part of [...rule.title.en, ...rule.title.vi, ...rule.short.en, ...rule.short.vi])
    if (typeof part !== 'string') out.push(part.expression)
  return out
}

/** The operator calls of some expressions, each signature once, in the order of their first appearance. */
export function operatorCalls(expressions: Iterable<Expression>): Call[] {
  const calls = new Map<string, Call>()
  for (const expression of expressions)
    walk(expression, (node) => {
      if (node.kind === 'call' && !calls.has(node.call.signature)) calls.set(node.call.signature, node.call)
    })
  return [...calls.values()]
}
