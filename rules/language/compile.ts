/**
 * Expressions as closures. A closure takes nothing: it reads the engine's current judgement, which the binder closes
 * over, so that judging a rule allocates nothing and looks nothing up by name.
 *
 * Numbers, durations (ms) and booleans (1, 0) are numbers and missing is NaN; a text that is missing is undefined.
 * Logic is Kleene's: NaN falls through every comparison, and `and`/`or` answer as soon as one side decides.
 */
import type { BinaryOperator, Call, Expression, Name } from './ast.js'

export type Evaluate = () => number
export type EvaluateText = () => string | undefined

/** What names and calls mean: one binder for conditions at a key, one for `where`, one for `count_devices`. */
export interface Binder {
  number(name: Name): Evaluate
  text(name: Name): EvaluateText
  /** `x` is the call's one dynamic numeric argument. */
  call(call: Call, field: string): Evaluate
}

const MISSING: Evaluate = () => Number.NaN

export function compileText(expression: Expression, binder: Binder): EvaluateText {
  switch (expression.kind) {
    case 'text': {
      const { value } = expression
      return () => value
    }
    case 'name':
      return binder.text(expression.name)
    case 'scalar': {
      if (expression.name !== 'if') return () => undefined
      const condition = compile(expression.args[0]!, binder)
      const yes = compileText(expression.args[1]!, binder)
      const no = compileText(expression.args[2]!, binder)
      return () => {
        const c = condition()
        return c === 1 ? yes() : c === 0 ? no() : undefined
      }
    }
    default:
      return () => undefined
  }
}

/** Closure of an expression of type number, duration or boolean. */
export function compile(expression: Expression, binder: Binder): Evaluate {
  switch (expression.kind) {
    case 'number':
    case 'duration': {
      const { value } = expression
      return () => value
    }
    case 'boolean': {
      const value = expression.value ? 1 : 0
      return () => value
    }
    case 'text':
    case 'list':
      return MISSING
    case 'name':
      return binder.number(expression.name)
    case 'unary': {
      const operand = compile(expression.operand, binder)
      // 1 - NaN is NaN: not missing is missing.
      return expression.operator === 'not' ? () => 1 - operand() : () => -operand()
    }
    case 'binary':
      return compileBinary(expression, binder)
    case 'scalar':
      return compileScalar(expression.name, expression.args, binder)
    case 'call':
      return binder.call(expression.call, expression.field)
  }
}

function compileBinary(expression: Expression & { kind: 'binary' }, binder: Binder): Evaluate {
  const { operator, left, right } = expression
  if (operator === 'in') return compileIn(left, right, binder)
  if (operator === 'and') {
    const [a, b] = [compile(left, binder), compile(right, binder)]
    return () => {
      const x = a()
      if (x === 0) return 0
      const y = b()
      return y === 0 ? 0 : x === 1 && y === 1 ? 1 : Number.NaN
    }
  }
  if (operator === 'or') {
    const [a, b] = [compile(left, binder), compile(right, binder)]
    return () => {
      const x = a()
      if (x === 1) return 1
      const y = b()
      return y === 1 ? 1 : x === 0 && y === 0 ? 0 : Number.NaN
    }
  }
  if (left.type === 'text' || right.type === 'text')
    return compareTexts(operator, compileText(left, binder), compileText(right, binder))
  const a = compile(left, binder)
  if (right.kind === 'number' || right.kind === 'duration') return againstConstant(operator, a, right.value)
  const b = compile(right, binder)
  switch (operator) {
    case '+':
      return () => a() + b()
    case '-':
      return () => a() - b()
    case '*':
      return () => a() * b()
    case '/':
      return () => {
        const divisor = b()
        return divisor === 0 ? Number.NaN : a() / divisor
      }
    case '<':
      return () => {
        const [x, y] = [a(), b()]
        return x < y ? 1 : x >= y ? 0 : Number.NaN
      }
    case '<=':
      return () => {
        const [x, y] = [a(), b()]
        return x <= y ? 1 : x > y ? 0 : Number.NaN
      }
    case '>':
      return () => {
        const [x, y] = [a(), b()]
        return x > y ? 1 : x <= y ? 0 : Number.NaN
      }
    case '>=':
      return () => {
        const [x, y] = [a(), b()]
        return x >= y ? 1 : x < y ? 0 : Number.NaN
      }
    case '==':
      return () => {
        const [x, y] = [a(), b()]
        return x === y ? 1 : Number.isNaN(x) || Number.isNaN(y) ? Number.NaN : 0
      }
    case '!=':
      return () => {
        const [x, y] = [a(), b()]
        return x === y ? 0 : Number.isNaN(x) || Number.isNaN(y) ? Number.NaN : 1
      }
  }
}

/** The commonest shape by far, `metric >= 2.5`: one call instead of two. */
function againstConstant(operator: BinaryOperator, a: Evaluate, k: number): Evaluate {
  switch (operator) {
    case '+':
      return () => a() + k
    case '-':
      return () => a() - k
    case '*':
      return () => a() * k
    case '/':
      return k === 0 ? MISSING : () => a() / k
    case '<':
      return () => {
        const x = a()
        return x < k ? 1 : x >= k ? 0 : Number.NaN
      }
    case '<=':
      return () => {
        const x = a()
        return x <= k ? 1 : x > k ? 0 : Number.NaN
      }
    case '>':
      return () => {
        const x = a()
        return x > k ? 1 : x <= k ? 0 : Number.NaN
      }
    case '>=':
      return () => {
        const x = a()
        return x >= k ? 1 : x < k ? 0 : Number.NaN
      }
    case '==':
      return () => {
        const x = a()
        return x === k ? 1 : Number.isNaN(x) ? Number.NaN : 0
      }
    case '!=':
      return () => {
        const x = a()
        return x === k ? 0 : Number.isNaN(x) ? Number.NaN : 1
      }
    default:
      return MISSING
  }
}

function compareTexts(operator: BinaryOperator, a: EvaluateText, b: EvaluateText): Evaluate {
  const compared = (test: (x: string, y: string) => boolean): Evaluate => {
    return () => {
      const x = a()
      if (x === undefined) return Number.NaN
      const y = b()
      return y === undefined ? Number.NaN : test(x, y) ? 1 : 0
    }
  }
  switch (operator) {
    case '==':
      return compared((x, y) => x === y)
    case '!=':
      return compared((x, y) => x !== y)
    case '<':
      return compared((x, y) => x < y)
    case '<=':
      return compared((x, y) => x <= y)
    case '>':
      return compared((x, y) => x > y)
    case '>=':
      return compared((x, y) => x >= y)
    default:
      return MISSING
  }
}

function compileIn(left: Expression, right: Expression, binder: Binder): Evaluate {
  const items = right.kind === 'list' ? right.items : []
  if (left.type === 'text') {
    const value = compileText(left, binder)
    const set = new Set(items as readonly string[])
    return () => {
      const x = value()
      return x === undefined ? Number.NaN : set.has(x) ? 1 : 0
    }
  }
  const value = compile(left, binder)
  const set = new Set(items as readonly number[])
  return () => {
    const x = value()
    return Number.isNaN(x) ? Number.NaN : set.has(x) ? 1 : 0
  }
}

function compileScalar(name: string, args: readonly Expression[], binder: Binder): Evaluate {
  const [a = MISSING, b = MISSING, c = MISSING] = args.map((arg) => compile(arg, binder))
  switch (name) {
    case 'if':
      return () => {
        const condition = a()
        return condition === 1 ? b() : condition === 0 ? c() : Number.NaN
      }
    case 'abs':
      return () => Math.abs(a())
    case 'round':
      if (args.length === 1) return () => Math.round(a())
      return () => {
        const scale = 10 ** b()
        return Math.round(a() * scale) / scale
      }
    case 'clamp':
      return () => Math.min(Math.max(a(), b()), c())
    case 'min':
    case 'max':
    case 'hypot': {
      const all = args.map((arg) => compile(arg, binder))
      const values = new Float64Array(all.length)
      const f = name === 'min' ? Math.min : name === 'max' ? Math.max : Math.hypot
      return () => {
        for (let i = 0; i < all.length; i++) {
          const x = all[i]!()
          if (Number.isNaN(x)) return Number.NaN
          values[i] = x
        }
        return f(...values)
      }
    }
    default:
      return MISSING
  }
}
