import type { ErrorCode } from '../../src/model/errors.js'
import type { BinaryOperator } from './ast.js'
import { type ExpressionFault, nextToken, SyntaxFault, type Token } from './lexer.js'
import type { Argument, Syntax } from './syntax.js'

/**
 * Expressions by precedence climbing:
 *
 *   or < and < not < == != < <= > >= in < + - < * / < unary -
 *
 * Comparisons do not chain: `a < b < c` is refused, since it never means what it says. Recursion is bounded by
 * NESTING_MAX and the length of a chain by NODES_MAX, so no text can exhaust the stack here or in any later walk.
 */
export const PRECEDENCE: Readonly<Record<BinaryOperator, number>> = {
  or: 1,
  and: 2,
  '==': 4,
  '!=': 4,
  '<': 4,
  '<=': 4,
  '>': 4,
  '>=': 4,
  in: 4,
  '+': 5,
  '-': 5,
  '*': 6,
  '/': 6,
}
export const NOT = 3
export const COMPARISON = 4
export const UNARY = 7

/** Parentheses, calls and signs inside each other. Nobody reads ten; 64 leaves room for generated rules. */
export const NESTING_MAX = 64
/**
 * Nodes of one expression, its `let`s written out. A rule's cost per sample is bounded by this, and every walk over an
 * expression may recurse as deep as this (a chain of `or` is that deep) without nearing the stack's end.
 */
export const NODES_MAX = 2000
/** Items of one `in [...]`. */
const LIST_MAX = 1000

export type Parsed =
  | { readonly tree: Syntax; readonly fault: null }
  | { readonly tree: null; readonly fault: ExpressionFault }

/** The tree of an expression's text, or the first fault in it. O(length). */
export function parseExpression(text: string): Parsed {
  try {
    return { tree: new Parser(text).whole(), fault: null }
  } catch (error) {
    if (error instanceof SyntaxFault) return { tree: null, fault: error.fault }
    throw error
  }
}

class Parser {
  readonly #text: string
  #token: Token
  #depth = 0
  #nodes = 0

  constructor(text: string) {
    this.#text = text
    this.#token = nextToken(text, 0)
  }

  whole(): Syntax {
    if (this.#ended()) throw fault(0, 'an expression is missing here')
    const tree = this.#expression(0)
    if (!this.#ended()) throw this.#unexpected('the expression should end')
    return tree
  }

  #expression(lowest: number): Syntax {
    let left = this.#operand(lowest)
    for (;;) {
      const operator = binaryOperator(this.#token)
      if (operator === null) return left
      const precedence = PRECEDENCE[operator]
      if (precedence < lowest) return left
      const { at } = this.#token
      this.#advance()
      const right = operator === 'in' ? this.#list() : this.#expression(precedence + 1)
      left = this.#made({ kind: 'binary', operator, left, right, at })
      if (precedence === COMPARISON) {
        const next = binaryOperator(this.#token)
        if (next !== null && PRECEDENCE[next] === COMPARISON)
          throw fault(
            this.#token.at,
            `comparisons do not chain: join them with 'and', as in 'a < b and b < c'`,
          )
      }
    }
  }

  #operand(lowest: number): Syntax {
    const token = this.#token
    switch (token.kind) {
      case 'number':
      case 'duration':
        this.#advance()
        return this.#made({ kind: token.kind, value: token.value, at: token.at })
      case 'text':
        this.#advance()
        return this.#made({ kind: 'text', value: token.text, at: token.at })
      case 'name':
        return this.#named(token, lowest)
      case 'symbol':
        break
      case 'end':
        throw fault(token.at, 'the expression ends where a value should stand')
    }
    if (token.text === '(') {
      this.#enter(token.at)
      this.#advance()
      const inner = this.#expression(0)
      this.#expect(')', token, 'this parenthesis is never closed')
      this.#depth--
      return inner
    }
    if (token.text === '-') {
      this.#enter(token.at)
      this.#advance()
      const operand = this.#expression(UNARY)
      this.#depth--
      return this.#made({ kind: 'unary', operator: '-', operand, at: token.at })
    }
    if (token.text === '[') throw fault(token.at, `a list stands only at the right of 'in'`)
    throw this.#unexpected('a value should stand')
  }

  #named(token: Token, lowest: number): Syntax {
    if (token.text === 'not') {
      if (lowest > NOT) throw fault(token.at, `'not' binds weaker than this operator: write (not …)`)
      this.#enter(token.at)
      this.#advance()
      const operand = this.#expression(NOT)
      this.#depth--
      return this.#made({ kind: 'unary', operator: 'not', operand, at: token.at })
    }
    if (token.text === 'and' || token.text === 'or' || token.text === 'in')
      throw this.#unexpected('a value should stand')
    this.#advance()
    if (token.text === 'true' || token.text === 'false')
      return this.#made({ kind: 'boolean', value: token.text === 'true', at: token.at })
    if (!this.#is('(')) return this.#made({ kind: 'name', name: token.text, at: token.at })
    // No function has a dot in its name: nothing here can be reached through anything else.
    if (token.text.includes('.'))
      throw fault(token.at, `unknown function '${token.text.slice(0, 60)}'`, 'HD_RULE_UNKNOWN_NAME')
    const opening = this.#token
    this.#enter(opening.at)
    this.#advance()
    const args: Argument[] = []
    if (!this.#is(')')) {
      args.push(this.#argument())
      while (this.#is(',')) {
        this.#advance()
        args.push(this.#argument())
      }
    }
    this.#expect(')', opening, `the arguments of ${token.text.slice(0, 64)}( are never closed`)
    this.#depth--
    let field = ''
    let fieldAt = 0
    if (this.#is('.')) {
      this.#advance()
      const name = this.#token
      if (name.kind !== 'name') throw this.#unexpected('the name of a field should stand')
      if (name.text.includes('.')) throw fault(name.at + name.text.indexOf('.'), 'a field has no fields')
      field = name.text
      fieldAt = name.at
      this.#advance()
    }
    return this.#made({ kind: 'call', name: token.text, args, field, fieldAt, at: token.at })
  }

  #argument(): Argument {
    const { kind, text, at, end } = this.#token
    // One token ahead: only `name=` makes an argument a named one.
    if (kind === 'name') {
      const next = nextToken(this.#text, end)
      if (next.kind === 'symbol' && next.text === '=') {
        this.#advance()
        this.#advance()
        return { name: text, at, value: this.#expression(0) }
      }
    }
    return { name: '', at, value: this.#expression(0) }
  }

  #list(): Syntax {
    const opening = this.#token
    if (!this.#is('[')) throw this.#unexpected(`a list should stand, as in label in ['smoke', 'flame']`)
    this.#advance()
    const items: (number | string)[] = []
    for (;;) {
      if (items.length === LIST_MAX)
        throw fault(this.#token.at, `a list has at most ${LIST_MAX} items`, 'HD_RULE_LIMIT')
      let sign = 1
      if (this.#is('-')) {
        sign = -1
        this.#advance()
      }
      const { kind, value, text, at } = this.#token
      if (kind === 'number') items.push(sign * value)
      else if (kind === 'text' && sign === 1) items.push(text)
      else throw this.#unexpected('a text or a number should stand')
      if (typeof items[0] !== typeof items.at(-1))
        throw fault(at, 'a list holds either texts or numbers, not both', 'HD_RULE_TYPE')
      this.#advance()
      if (!this.#is(',')) break
      this.#advance()
    }
    this.#expect(']', opening, 'this list is never closed')
    return this.#made({ kind: 'list', items, at: opening.at })
  }

  #made<T extends Syntax>(node: T): T {
    if (++this.#nodes > NODES_MAX)
      throw fault(node.at, `the expression has more than ${NODES_MAX} parts`, 'HD_RULE_LIMIT')
    return node
  }

  #enter(at: number): void {
    if (++this.#depth > NESTING_MAX)
      throw fault(at, `nested deeper than ${NESTING_MAX} levels`, 'HD_RULE_LIMIT')
  }

  #ended(): boolean {
    return this.#token.kind === 'end'
  }

  #is(symbol: string): boolean {
    return this.#token.kind === 'symbol' && this.#token.text === symbol
  }

  #advance(): void {
    this.#token = nextToken(this.#text, this.#token.end)
  }

  #expect(symbol: string, opening: Token, unclosed: string): void {
    if (this.#is(symbol)) this.#advance()
    else if (this.#token.kind === 'end') throw fault(opening.at, unclosed)
    else throw this.#unexpected(`'${symbol}' or an operator should stand`)
  }

  #unexpected(wanted: string): SyntaxFault {
    const { kind, text, at, end } = this.#token
    if (kind === 'symbol' && text === '=')
      return fault(at, `'=' stands only in name=value: compare with '=='`)
    if (kind === 'name' && text === 'not')
      return fault(at, `'not' stands before what it negates: not (x in [...])`)
    const found = kind === 'end' ? 'the end' : `'${this.#text.slice(at, Math.min(end, at + 40))}'`
    return fault(at, `${found} stands where ${wanted}`)
  }
}

function fault(at: number, message: string, code: ErrorCode = 'HD_RULE_SYNTAX'): SyntaxFault {
  return new SyntaxFault(code, at, message)
}

function binaryOperator(token: Token): BinaryOperator | null {
  if (token.kind === 'name')
    return token.text === 'or' || token.text === 'and' || token.text === 'in' ? token.text : null
  if (token.kind !== 'symbol') return null
  return Object.hasOwn(PRECEDENCE, token.text) ? (token.text as BinaryOperator) : null
}
