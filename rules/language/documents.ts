import { type Document, type ParsedNode, parseDocument } from 'yaml'
import type { RuleFile } from './source.js'

/** A rule file larger than this is refused unread: 4 MiB are some 8 000 rules. */
export const FILE_CHARS_MAX = 4 * 1024 * 1024
/** One document: the longest real rule has 4 KiB; the YAML reader takes 0.3 s at worst for this much of anything. */
export const DOCUMENT_CHARS_MAX = 64 * 1024
/** Brackets, block indicators on one line, and leading spaces: the YAML reader recurses once for each. */
const NESTING_MAX = 32
const INDENT_MAX = 200

/** One YAML document of a file; node ranges are relative to `base`. */
export interface YamlDocument {
  readonly base: number
  readonly text: string
  readonly yaml: Document.Parsed<ParsedNode>
}

/**
 * The documents of a file, one by one. What is no YAML is a fault with its position and is passed over; the documents
 * beside it are still read. Lines of `---` part documents wherever they stand (YAML forbids them inside any text), so
 * each is parsed by itself and no file can cost more than the sum of its parts.
 */
export function* yamlDocuments(file: RuleFile): Generator<YamlDocument> {
  const { text } = file
  if (text.length > FILE_CHARS_MAX) {
    file.fault(
      'HD_RULE_LIMIT',
      0,
      `the file has ${text.length} characters, at most ${FILE_CHARS_MAX} are read: split it`,
    )
    return
  }
  for (const { base, text: chunk } of documentTexts(text)) {
    if (file.full) return
    const document = parsed(file, base, chunk)
    if (document !== null) yield document
  }
}

/** The texts between lines of `---`, each with its offset. */
export function documentTexts(text: string): { readonly base: number; readonly text: string }[] {
  const starts = [0, ...Array.from(text.matchAll(/^---(?=[ \t\r\n]|$)/gm), (match) => match.index)]
  return starts.map((base, i) => ({ base, text: text.slice(base, starts[i + 1] ?? text.length) }))
}

function parsed(file: RuleFile, base: number, text: string): YamlDocument | null {
  if (isEmpty(text)) return null
  if (text.length > DOCUMENT_CHARS_MAX) {
    file.fault(
      'HD_RULE_LIMIT',
      base,
      `the document has ${text.length} characters, a rule at most ${DOCUMENT_CHARS_MAX}`,
    )
    return null
  }
  const deep = tooDeep(text)
  if (deep >= 0) {
    file.fault('HD_RULE_LIMIT', base + deep, `nested too deep (more than ${NESTING_MAX} levels)`)
    return null
  }
  const yaml = parseDocument(text, {
    version: '1.2',
    // Every scalar is text: what a value means is decided by the key it stands under, never by how it looks.
    schema: 'failsafe',
    // Comparing every key with every other is quadratic; the envelope finds doubles itself.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'error',
  })
  const fault = yaml.errors[0] ?? yaml.warnings[0]
  if (fault !== undefined) {
    const at = Math.min(fault.pos[0], text.length)
    file.fault('HD_CONFIG_SYNTAX', base + at, explained(fault.code, fault.message, text, at))
    return null
  }
  if (yaml.contents === null) return null
  return { base, text, yaml }
}

/** Nothing but white space, comments and document marks. */
function isEmpty(text: string): boolean {
  for (const line of text.split('\n', 1000)) {
    const word = line.trim()
    if (word !== '' && word !== '---' && word !== '...' && !word.startsWith('#')) return false
  }
  return text.length < DOCUMENT_CHARS_MAX
}

/**
 * Offset where the nesting passes what the YAML reader can take, or -1. One pass over the text. To be asked before any
 * text of others is parsed: near the end of its stack the reader compiles patterns, and V8 ends the process, which no
 * `catch` can prevent (30 000 times `? ` do it).
 */
export function tooDeep(text: string): number {
  let depth = 0
  let excess = 0
  let lineStart = true
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (lineStart) {
      const stop = indicators(text, i)
      if (stop >= 0) return stop
      lineStart = false
    }
    if (code === 10) lineStart = true
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > NESTING_MAX) return i
    } else if (code === 0x5d || code === 0x7d) {
      if (depth > 0) depth--
      else if (++excess > NESTING_MAX) return i
    }
  }
  return -1
}

/** Spaces and `- ? :` at the beginning of a line, each of which may open a level; offset of the one too many, or -1. */
function indicators(text: string, from: number): number {
  let count = 0
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (i - from > INDENT_MAX && code === 32) return i
    if (code === 32 || code === 9) continue
    const indicator = code === 0x2d || code === 0x3f || code === 0x3a
    const next = text.charCodeAt(i + 1)
    if (!indicator || !(next === 32 || next === 9)) return -1
    if (++count > NESTING_MAX) return i
  }
  return -1
}

/** What the YAML reader found, in the words of someone who writes conditions. */
function explained(code: string, message: string, text: string, at: number): string {
  const quote = `put the whole value in quotes or write it in block style`
  if (code === 'UNEXPECTED_TOKEN' && /^Unexpected flow-(seq|map)-(start|end)/.test(message))
    return `inside { } a plain value ends at any of , [ ] { }: ${quote}`
  if (code === 'UNEXPECTED_TOKEN' && message.endsWith('at node end'))
    return `a value that begins with a quote ends at the next one, and here more follows: ${quote}`
  if (code === 'BLOCK_AS_IMPLICIT_KEY' && text.slice(at).split('\n', 1)[0]!.includes(': '))
    return `': ' inside a plain value begins a map: ${quote}`
  if (code === 'MISSING_CHAR' && message.startsWith('Missing , between flow'))
    return `a value that begins with { or [ is a map or a list, and here more follows: ${quote}`
  if (code === 'TAB_AS_INDENT') return 'tabs cannot indent in YAML: use spaces'
  return `no YAML: ${message.split('\n', 1)[0]!.slice(0, 160)}`
}
