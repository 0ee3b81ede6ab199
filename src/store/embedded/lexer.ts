/**
 * Tokens of ClickHouse SQL, as far as the door needs them: where literals, quoted names and comments begin and end.
 * Whatever is not read with certainty is a fault, never a guess: what this and ClickHouse's own lexer could read
 * differently must not pass. Pure; O(length).
 */
export type TokenKind = 'word' | 'quoted' | 'string' | 'number' | 'symbol'

export interface Token {
  readonly kind: TokenKind
  /** As written, quotes included. */
  readonly text: string
  /** Name of a word or quoted name (without its quotes); `text` otherwise. */
  readonly name: string
  /** Offsets of its first character and of the one after it. */
  readonly start: number
  readonly end: number
}

export class LexerFault extends Error {}

const SPACE = /[ \t\n\r\f\v]/
const WORD_START = /[A-Za-z_]/
const WORD = /[A-Za-z0-9_]/
const DIGIT = /[0-9]/

/**
 * Tokens of `sql` from the start, comments left out; stops after `until` says so (for INSERT … FORMAT, whose rest is
 * payload and no SQL). Throws LexerFault on an unfinished literal or comment, a heredoc, and on characters outside
 * ASCII that stand outside literals (look-alike quotes and spaces).
 */
export function tokens(sql: string, until?: (token: Token, all: readonly Token[]) => boolean): Token[] {
  const all: Token[] = []
  let i = 0
  while (i < sql.length) {
    const c = sql[i]!
    const next = sql[i + 1]
    if (SPACE.test(c)) {
      i++
    } else if (c === '-' && next === '-') {
      i = lineEnd(sql, i)
    } else if (c === '#' && (next === ' ' || next === '!')) {
      i = lineEnd(sql, i)
    } else if (c === '/' && next === '*') {
      const close = sql.indexOf('*/', i + 2)
      if (close < 0) throw new LexerFault('a comment is not closed')
      if (sql.slice(i + 2, close).includes('/*')) throw new LexerFault('a comment inside a comment')
      i = close + 2
    } else {
      const start = i
      let kind: TokenKind
      if (c === "'") {
        i = quoteEnd(sql, i, "'")
        kind = 'string'
      } else if (c === '"' || c === '`') {
        i = quoteEnd(sql, i, c)
        kind = 'quoted'
      } else if (WORD_START.test(c)) {
        while (i < sql.length && WORD.test(sql[i]!)) i++
        kind = 'word'
      } else if (DIGIT.test(c)) {
        // 12, 1.5, 1e9, 1e-9, 0x1F, 1_000: a letter right after is part of the number's text.
        while (
          i < sql.length &&
          (/[0-9A-Za-z_.]/.test(sql[i]!) || (/[+-]/.test(sql[i]!) && /[eEpP]/.test(sql[i - 1]!)))
        )
          i++
        kind = 'number'
      } else if (c === '$' || c === '#') {
        // Heredocs; and a # that is no comment here could become one beside another blank.
        throw new LexerFault(`${c} is not allowed`)
      } else if (c.charCodeAt(0) > 126 || c.charCodeAt(0) < 32) {
        throw new LexerFault(
          `character U+${c.codePointAt(0)!.toString(16).padStart(4, '0')} outside a literal`,
        )
      } else {
        i++
        kind = 'symbol'
      }
      const text = sql.slice(start, i)
      const token: Token = { kind, text, name: kind === 'quoted' ? unquoted(text) : text, start, end: i }
      all.push(token)
      if (until?.(token, all)) break
    }
  }
  return all
}

/** Joins tokens back to SQL without the comments, a blank where there was a gap: what was judged is what is run. */
export function joined(all: readonly Token[]): string {
  let sql = ''
  for (let i = 0; i < all.length; i++) {
    if (i > 0 && all[i]!.start > all[i - 1]!.end) sql += ' '
    sql += all[i]!.text
  }
  return sql
}

function lineEnd(sql: string, from: number): number {
  const end = sql.indexOf('\n', from)
  return end < 0 ? sql.length : end
}

/** Index after the closing quote; `\x` and a doubled quote do not close. */
function quoteEnd(sql: string, from: number, quote: string): number {
  for (let i = from + 1; i < sql.length; i++) {
    const c = sql[i]
    if (c === '\\') i++
    else if (c === quote) {
      if (sql[i + 1] === quote) i++
      else return i + 1
    }
  }
  throw new LexerFault(quote === "'" ? 'a text literal is not closed' : 'a quoted name is not closed')
}

function unquoted(text: string): string {
  const quote = text[0]!
  return text.slice(1, -1).replaceAll(quote + quote, quote)
}
