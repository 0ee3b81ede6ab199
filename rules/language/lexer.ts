import type { ErrorCode } from '../../src/model/errors.js'

/**
 * Words of the expression language. One token at a time, by sticky patterns that never look back: O(length) whatever
 * the text holds.
 */
export type TokenKind = 'number' | 'duration' | 'text' | 'name' | 'symbol' | 'end'

export interface Token {
  readonly kind: TokenKind
  /** Offset of its first character, and of the first after it. */
  readonly at: number
  readonly end: number
  /** A name with its dots (`device.limit.alarm1`), a symbol, or the content of a text. */
  readonly text: string
  /** Of a number; ms of a duration; else 0. */
  readonly value: number
}

/** What is wrong in one expression: `at` is an offset in its text. The loader turns it into file:line:column. */
export interface ExpressionFault {
  readonly code: ErrorCode
  readonly at: number
  readonly message: string
}

/** Ends the reading of one expression; caught in `parseExpression` alone. */
export class SyntaxFault extends Error {
  readonly fault: ExpressionFault

  constructor(code: ErrorCode, at: number, message: string) {
    super(message)
    this.name = 'SyntaxFault'
    this.fault = { code, at, message }
  }
}

const SPACE = /[ \t\r\n]*/y
const NAME = /[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*/y
const DURATION = /(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+(?![A-Za-z0-9_.])/y
const NUMBER = /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![A-Za-z0-9_])/y
const NUMBER_LIKE = /[0-9][A-Za-z0-9_.]*/y
const SYMBOL = /==|!=|<=|>=|[<>+\-*/(),.=[\]]/y
const DURATION_PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A hundred years: beyond it ms stop being exact in sums, and nobody means it. */
const DURATION_LITERAL_MAX = 36_500 * 86_400_000

/** What people of other languages write, and what it is here. */
const FOREIGN: Readonly<Record<string, string>> = {
  '&': "'and'",
  '|': "'or'",
  '!': "'not'",
  '"': "single quotes: 'text'",
  '`': "single quotes: 'text'",
  '%': 'no remainder operator: there is none',
  '^': 'a product: there is no power operator',
  '?': "'if(condition, a, b)'",
  ':': "'if(condition, a, b)'",
  '{': 'parentheses',
  '}': 'parentheses',
  ';': 'one expression only',
}

/** The token at or after `from`. Throws SyntaxFault at a character that begins none. */
export function nextToken(text: string, from: number): Token {
  SPACE.lastIndex = from
  SPACE.test(text)
  const at = SPACE.lastIndex
  if (at >= text.length) return { kind: 'end', at: text.length, end: text.length, text: '', value: 0 }
  const first = text.charCodeAt(at)
  if (first >= 48 && first <= 57) return numberToken(text, at)
  if (first === 39) return textToken(text, at)
  NAME.lastIndex = at
  if (NAME.test(text)) {
    const end = NAME.lastIndex
    return { kind: 'name', at, end, text: text.slice(at, end), value: 0 }
  }
  SYMBOL.lastIndex = at
  if (SYMBOL.test(text)) {
    const end = SYMBOL.lastIndex
    return { kind: 'symbol', at, end, text: text.slice(at, end), value: 0 }
  }
  const character = String.fromCodePoint(text.codePointAt(at)!)
  const instead = Object.hasOwn(FOREIGN, character) ? `; write ${FOREIGN[character]}` : ''
  throw new SyntaxFault('HD_RULE_SYNTAX', at, `${shown(character)} has no meaning here${instead}`)
}

function numberToken(text: string, at: number): Token {
  DURATION.lastIndex = at
  if (DURATION.test(text)) {
    const end = DURATION.lastIndex
    let ms = 0
    for (const [, amount, unit] of text.slice(at, end).matchAll(DURATION_PART))
      ms += Number(amount) * UNIT_MS[unit!]!
    if (ms > DURATION_LITERAL_MAX)
      throw new SyntaxFault('HD_RULE_LIMIT', at, 'this duration is longer than 36500d')
    return { kind: 'duration', at, end, text: '', value: Math.round(ms) }
  }
  NUMBER.lastIndex = at
  if (NUMBER.test(text)) {
    const end = NUMBER.lastIndex
    const value = Number(text.slice(at, end))
    if (!Number.isFinite(value)) throw new SyntaxFault('HD_RULE_LIMIT', at, 'this number is too large')
    return { kind: 'number', at, end, text: '', value }
  }
  NUMBER_LIKE.lastIndex = at
  NUMBER_LIKE.test(text)
  const word = text.slice(at, NUMBER_LIKE.lastIndex)
  throw new SyntaxFault(
    'HD_RULE_SYNTAX',
    at,
    `'${word.slice(0, 40)}' is neither a number nor a duration (units: ms s m h d)`,
  )
}

/** `'text'`; a quote inside is doubled. */
function textToken(text: string, at: number): Token {
  let content = ''
  let from = at + 1
  for (;;) {
    const quote = text.indexOf("'", from)
    if (quote < 0) throw new SyntaxFault('HD_RULE_SYNTAX', at, 'this text has no closing quote')
    content += text.slice(from, quote)
    if (text[quote + 1] !== "'") return { kind: 'text', at, end: quote + 1, text: content, value: 0 }
    content += "'"
    from = quote + 2
  }
}

/** A character as a message may hold it: what cannot be seen by its number. */
export function shown(character: string): string {
  const code = character.codePointAt(0)!
  return /[\p{L}\p{N}\p{P}\p{S}]/u.test(character)
    ? `'${character}'`
    : `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}
