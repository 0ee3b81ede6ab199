/** A YAML (or JSON) text that a person wrote: its plain value, and where in the text each part of it stands. */
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type ParsedNode,
  parseDocument,
} from 'yaml'
import { RuleFile } from '../../rules/language/source.js'
import type { ErrorCode, Fault } from '../model/errors.js'

export type Path = readonly (string | number)[]

/** Aliases followed in one text; each of a "billion laughs" counts again. */
const ALIASES_MAX = 100

export class ConfigText {
  readonly #file: RuleFile
  readonly #document: Document.Parsed<ParsedNode> | null
  /** Undefined where the text is no YAML (a fault says so) or is empty. */
  readonly value: unknown

  /** Never throws: what is wrong with the text is in `faults`. O(text), as the parse itself. */
  constructor(name: string, text: string) {
    this.#file = new RuleFile(name, text)
    this.#document = this.#parsed(text)
    this.value = this.#document === null ? undefined : this.#plain(this.#document)
  }

  /** In order of position. */
  get faults(): readonly Fault[] {
    return this.#file.faults
      .map((fault) => ({ ...fault, text: withoutSecrets(fault.text ?? '') }))
      .sort((a, b) => a.line - b.line || a.column - b.column)
  }

  fault(code: ErrorCode, at: number, message: string, severity: Fault['severity'] = 'error'): void {
    this.#file.fault(code, at, message, severity)
  }

  /** Line of an offset, from 1. */
  line(offset: number): number {
    return this.#file.line(offset)
  }

  /** Offset of the value at `path`; of the nearest part above it that is there, where it is not. */
  at(path: Path): number {
    return this.#find(path).at
  }

  /** Offset of the key that `path` ends in; of the item, where it ends in a list. */
  keyAt(path: Path): number {
    return this.#find(path).key
  }

  /** Where something is missing: the first key of the map at `path`. */
  startOf(path: Path): number {
    const { node, at } = this.#find(path)
    const first = isMap(node) ? node.items[0]?.key : undefined
    return isScalar(first) ? (first.range?.[0] ?? at) : at
  }

  #find(path: Path): { node: Node | null; at: number; key: number } {
    let node: Node | null = this.#document?.contents ?? null
    let at = node?.range?.[0] ?? 0
    let key = at
    for (const step of path) {
      let next: unknown
      const inside: unknown = isAlias(node) ? node.resolve(this.#document!) : node
      if (isMap(inside)) {
        const pair = inside.items.find(
          (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step),
        )
        if (pair === undefined) break
        key = (pair.key as Node).range?.[0] ?? at
        next = pair.value
        at = key
      } else if (isSeq(inside)) {
        next = inside.items[Number(step)]
        if (next === undefined) break
        key = (next as Node | null)?.range?.[0] ?? at
      } else break
      node = (next ?? null) as Node | null
      // An empty value stands where its key does.
      if (node !== null && !(isScalar(node) && node.range?.[0] === node.range?.[1]))
        at = node.range?.[0] ?? at
    }
    return { node, at, key }
  }

  #parsed(text: string): Document.Parsed<ParsedNode> | null {
    let document: Document.Parsed<ParsedNode>
    try {
      document = parseDocument(text, { version: '1.2', prettyErrors: false, logLevel: 'error' })
    } catch (error) {
      // The reader recurses: 100 000 brackets end its stack.
      this.fault('HD_CONFIG_SYNTAX', 0, `cannot be read as YAML: ${(error as Error).message}`)
      return null
    }
    let readable = true
    for (const { code, message, pos } of document.errors) {
      const at = Math.min(pos[0], text.length)
      if (code === 'DUPLICATE_KEY') {
        const key = /^[^:\s]+/.exec(text.slice(at))?.[0] ?? ''
        this.fault('HD_CONFIG_UNKNOWN_KEY', at, `'${key.slice(0, 60)}' stands twice`)
      } else {
        readable = false
        this.fault('HD_CONFIG_SYNTAX', at, explained(code, message))
      }
    }
    return readable ? (document as Document.Parsed<ParsedNode>) : null
  }

  #plain(document: Document.Parsed<ParsedNode>): unknown {
    try {
      return document.toJS({ maxAliasCount: ALIASES_MAX }) ?? undefined
    } catch (error) {
      this.fault('HD_CONFIG_SYNTAX', 0, `cannot be read as YAML: ${(error as Error).message}`)
      return undefined
    }
  }
}

function explained(code: string, message: string): string {
  if (code === 'TAB_AS_INDENT') return 'tabs cannot indent in YAML: use spaces'
  if (code === 'MULTIPLE_DOCS') return 'one document only: there is a second one after ---'
  return `no YAML: ${message.split('\n', 1)[0]!.slice(0, 160)}`
}

/** A line as it may be shown: same columns, secrets as stars. */
function withoutSecrets(line: string): string {
  const stars = (whole: string, before: string): string => before + '*'.repeat(whole.length - before.length)
  return line
    .replace(/((?:password|passwd|pass|token|secret)["']?\s*:\s*)[^\s,}]+/gi, stars)
    .replace(/(:\/\/)[^/\s@]*(?=@)/g, stars)
}
