import { joined, type Token, tokens } from './lexer.js'

/** What kind of statement a text is, and the parts the HTTP interface has to know. */
export interface Statement {
  readonly kind: 'read' | 'insert' | 'other'
  /** The statement without comments, without its closing `;` and, for a read, without its FORMAT clause. */
  readonly sql: string
  readonly tokens: readonly Token[]
  /** Name after FORMAT; undefined where there is none. */
  readonly format: string | undefined
  /** For INSERT … FORMAT: offset of the payload in the text. */
  readonly payload: number
}

const READS = new Set(['SELECT', 'WITH', 'SHOW', 'DESCRIBE', 'DESC', 'EXPLAIN', 'EXISTS', '('])

/** Parts of a statement. Throws LexerFault (see lexer.ts). */
export function parseStatement(text: string): Statement {
  let all = tokens(
    text,
    (token, before) =>
      isWord(before[0], 'INSERT') && isWord(before.at(-2), 'FORMAT') && token.kind === 'word',
  )
  if (isWord(all[0], 'INSERT')) {
    if (isWord(all.at(-2), 'FORMAT') && !isWord(all.at(-1), 'VALUES'))
      return {
        kind: 'insert',
        sql: joined(all.slice(0, -2)),
        tokens: all,
        format: all.at(-1)!.name,
        payload: payloadStart(text, all.at(-1)!.end),
      }
    return { kind: 'other', sql: text, tokens: all, format: undefined, payload: text.length }
  }
  while (all.at(-1)?.text === ';') all = all.slice(0, -1)
  const kind = all.length > 0 && READS.has(all[0]!.text.toUpperCase()) ? 'read' : 'other'
  let format: string | undefined
  if (kind === 'read' && all.length > 2 && isWord(all.at(-2), 'FORMAT') && all.at(-1)!.kind === 'word') {
    format = all.at(-1)!.name
    all = all.slice(0, -2)
  }
  return { kind, sql: joined(all), tokens: all, format, payload: text.length }
}

export function isWord(token: Token | undefined, word: string): boolean {
  return token !== undefined && token.kind === 'word' && token.text.toUpperCase() === word
}

/** ClickHouse takes the payload from after the format's name: blanks, then at most one line break. */
function payloadStart(text: string, from: number): number {
  let i = from
  while (text[i] === ' ' || text[i] === '\t' || text[i] === '\r') i++
  if (text[i] === '\n') i++
  return i
}
