import { isAlias, isMap, isScalar, isSeq, type ParsedNode, Scalar, type YAMLMap } from 'yaml'
import type { ErrorCode } from '../../src/model/errors.js'
import { parseDuration } from '../../src/model/time.js'
import type { YamlDocument } from './documents.js'
import { scalarOffset } from './scalar-positions.js'
import type { RuleFile } from './source.js'
import { didYouMean } from './suggest.js'

/** Aliases followed in one document. A rule needs none or a few; each of a "billion laughs" counts again. */
const ALIASES_MAX = 100
/** Longest time in a rule: as the longest window. */
export const RULE_DURATION_MAX = 400 * 86_400_000

/** A text of the file with the place of each of its characters. */
export interface LocatedText {
  readonly text: string
  /** Offset in the file of its first character (its quote, where it has one). */
  readonly at: number
  /** Offset in the file of the character `index` of `text`. */
  locate(index: number): number
}

/** A key and what stands under it. */
export interface Field {
  readonly key: string
  /** Offset of the key in the file. */
  readonly at: number
  /** null: nothing, or something already reported. */
  readonly value: ParsedNode | null
}

export type Fields = ReadonlyMap<string, Field>

/**
 * Reads the nodes of one YAML document: each method gives the value, or null after reporting what is wrong with it, so
 * that a reader goes on and finds every fault in one pass.
 */
export class YamlReader {
  readonly file: RuleFile
  readonly #document: YamlDocument
  #aliases = 0

  constructor(file: RuleFile, document: YamlDocument) {
    this.file = file
    this.#document = document
  }

  get root(): ParsedNode | null {
    return this.#document.yaml.contents
  }

  at(node: ParsedNode): number {
    return this.#document.base + node.range[0]
  }

  fault(code: ErrorCode, at: number, message: string): null {
    this.file.fault(code, at, message)
    return null
  }

  /** Follows an alias; the number of them is bounded, however they are nested. */
  resolved(node: ParsedNode): ParsedNode | null {
    if (!isAlias(node)) return node
    if (++this.#aliases > ALIASES_MAX) {
      if (this.#aliases === ALIASES_MAX + 1)
        this.fault('HD_RULE_LIMIT', this.at(node), `the document follows more than ${ALIASES_MAX} aliases`)
      return null
    }
    const target = node.resolve(this.#document.yaml) as ParsedNode | undefined
    if (target === undefined)
      return this.fault(
        'HD_CONFIG_SYNTAX',
        this.at(node),
        `there is no anchor '&${node.source.slice(0, 60)}' above`,
      )
    return target
  }

  /**
   * The fields of a map. Unknown keys, keys that stand twice and required keys that are missing are faults; so is a
   * comma that cut a plain value in a flow map in two. `known` null: any key.
   */
  fields(
    node: ParsedNode,
    what: string,
    known: readonly string[] | null,
    required: readonly string[],
  ): Fields | null {
    const map = this.resolved(node)
    if (map === null) return null
    if (!isMap(map))
      return this.fault(
        'HD_CONFIG_VALUE',
        this.at(node),
        `${what} is a map of ${known?.join(' ') ?? 'names'}`,
      )
    const fields = new Map<string, Field>()
    const cut = this.#commaTrap(map as YAMLMap.Parsed, known)
    let previous: Field | null = null
    for (const { key, value } of (map as YAMLMap.Parsed).items) {
      if (this.file.full) return null
      if (!isScalar(key)) {
        this.fault('HD_CONFIG_SYNTAX', this.at(key), `a key of ${what} must be a plain word`)
        continue
      }
      const name = String(key.value)
      const at = this.at(key)
      if (cut !== null && value === null && at > cut) {
        // The pieces behind the comma are no keys, and what stands before it is no value.
        if (previous !== null && previous.at < cut) fields.set(previous.key, { ...previous, value: null })
        continue
      }
      const field: Field = { key: name, at, value }
      previous = field
      if (known !== null && !known.includes(name)) this.#unknownKey(field, what, known)
      else if (fields.has(name)) this.fault('HD_CONFIG_UNKNOWN_KEY', at, `'${name}' stands twice in ${what}`)
      else if (isEmpty(value)) {
        this.fault('HD_CONFIG_MISSING', at, `'${name.slice(0, 60)}' has no value`)
        fields.set(name, { ...field, value: null })
      } else fields.set(name, field)
    }
    const start = (map as YAMLMap.Parsed).items[0]?.key
    for (const name of required)
      if (!fields.has(name))
        this.fault('HD_CONFIG_MISSING', start ? this.at(start) : this.at(node), `${what} lacks '${name}'`)
    return fields
  }

  /**
   * `{ when: min(a, 2) > 1 }`: in a flow map the comma ends the value and `2) > 1` becomes a key without a value.
   * Reported at the first such comma; its offset, or null.
   */
  #commaTrap(map: YAMLMap.Parsed, known: readonly string[] | null): number | null {
    if (map.flow !== true) return null
    for (const [i, { key, value }] of map.items.entries()) {
      if (i === 0 || value !== null || !isScalar(key) || known?.includes(String(key.value)) === true) continue
      const before = map.items[i - 1]!
      const comma = this.#document.base + this.#document.text.lastIndexOf(',', key.range[0])
      const name = isScalar(before.key) ? String(before.key.value).slice(0, 60) : ''
      this.fault(
        'HD_CONFIG_SYNTAX',
        comma,
        `inside { } this comma ends the value of '${name}': put the value in quotes or write it in block style`,
      )
      return comma
    }
    return null
  }

  #unknownKey({ key, at }: Field, what: string, known: readonly string[]): void {
    const hint = didYouMean(key, known)
    this.fault(
      'HD_CONFIG_UNKNOWN_KEY',
      at,
      `${what} has no '${key.slice(0, 60)}'${hint === '' ? ` (it has: ${known.join(' ')})` : hint}`,
    )
  }

  /** Items of a list; a single value stands for a list of one. Null where it is missing or wrong. */
  items(node: ParsedNode, what: string): ParsedNode[] | null {
    const list = this.resolved(node)
    if (list === null) return null
    if (isSeq(list)) return list.items as ParsedNode[]
    if (isScalar(list)) return [node]
    return this.fault('HD_CONFIG_VALUE', this.at(node), `${what} is a list`)
  }

  text(node: ParsedNode | null, what: string): LocatedText | null {
    if (node === null) return null
    const scalar = this.resolved(node)
    if (scalar === null) return null
    if (!isScalar(scalar))
      return this.fault(
        'HD_CONFIG_VALUE',
        this.at(node),
        `${what} is a text, not a ${isSeq(scalar) ? 'list' : 'map'}`,
      )
    const text = String(scalar.value ?? '')
    const { base } = this.#document
    const source = this.#document.text
    return {
      text,
      at: this.at(scalar),
      locate: (index) => base + scalarOffset(source, scalar as Scalar.Parsed, index),
    }
  }

  /** Whether a scalar stands in quotes (then it is text, whatever it looks like). */
  quoted(node: ParsedNode): boolean {
    return isScalar(node) && node.type !== Scalar.PLAIN
  }

  /** One of `choices`. */
  choice<T extends string>(node: ParsedNode | null, what: string, choices: readonly T[]): T | null {
    const found = this.text(node, what)
    if (found === null) return null
    if ((choices as readonly string[]).includes(found.text)) return found.text as T
    return this.fault(
      'HD_CONFIG_VALUE',
      found.at,
      `${what} is one of ${choices.join(' ')}, not '${found.text.slice(0, 60)}'${didYouMean(found.text, choices)}`,
    )
  }

  /** A finite number. */
  number(node: ParsedNode | null, what: string): number | null {
    const found = this.text(node, what)
    if (found === null) return null
    const value = Number(found.text)
    if (found.text.trim() !== '' && Number.isFinite(value)) return value
    return this.fault('HD_CONFIG_VALUE', found.at, `${what} is a number, not '${found.text.slice(0, 60)}'`)
  }

  /** A duration in ms. */
  duration(node: ParsedNode | null, what: string, least = 0): number | null {
    const found = this.text(node, what)
    if (found === null) return null
    const ms = found.text.length > 40 ? undefined : found.text === '0' ? 0 : parseDuration(found.text)
    if (ms === undefined)
      return this.fault(
        'HD_CONFIG_VALUE',
        found.at,
        `${what} is a duration like 30s 10m 2h 7d, not '${found.text.slice(0, 60)}'`,
      )
    if (ms > RULE_DURATION_MAX)
      return this.fault('HD_RULE_LIMIT', found.at, `${what} is at most 400d, not ${found.text}`)
    if (ms < least) return this.fault('HD_CONFIG_VALUE', found.at, `${what} is longer than 0`)
    return Math.round(ms)
  }
}

function isEmpty(value: ParsedNode | null): boolean {
  return (
    value === null || (isScalar(value) && value.type === Scalar.PLAIN && String(value.value ?? '') === '')
  )
}
