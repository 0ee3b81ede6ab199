import type { BinaryOperator } from './ast.js'

/**
 * What the parser makes of an expression's text: no types yet, no meaning of names. `at` is where a fault about the
 * node points: the operator of a binary node, the first character of everything else.
 */
export type Syntax =
  | { readonly kind: 'number'; readonly value: number; readonly at: number }
  | { readonly kind: 'duration'; readonly value: number; readonly at: number }
  | { readonly kind: 'boolean'; readonly value: boolean; readonly at: number }
  | { readonly kind: 'text'; readonly value: string; readonly at: number }
  | { readonly kind: 'list'; readonly items: readonly (number | string)[]; readonly at: number }
  | { readonly kind: 'name'; readonly name: string; readonly at: number }
  | {
      readonly kind: 'call'
      readonly name: string
      readonly args: readonly Argument[]
      /** `.low` after the call, or ''. */
      readonly field: string
      readonly fieldAt: number
      readonly at: number
    }
  | { readonly kind: 'unary'; readonly operator: '-' | 'not'; readonly operand: Syntax; readonly at: number }
  | {
      readonly kind: 'binary'
      readonly operator: BinaryOperator
      readonly left: Syntax
      readonly right: Syntax
      readonly at: number
    }

export interface Argument {
  /** Of `name=value`; '' for a positional one. */
  readonly name: string
  readonly at: number
  readonly value: Syntax
}

/** First character of a node's text: where a fault about its value points. */
export function startOf(node: Syntax): number {
  let first = node
  while (first.kind === 'binary') first = first.left
  return first.at
}
