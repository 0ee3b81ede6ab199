import { isMap, isScalar, isSeq, type ParsedNode } from 'yaml'
import { LEVELS, type Level } from '../../src/model/alert.js'
import { BOUNDS } from '../../src/model/bounds.js'
import type { YamlDocument } from './documents.js'
import type { RuleFile } from './source.js'
import { parseFeed, type TestFeedText } from './test-shorthand.js'
import { type Field, type Fields, type LocatedText, YamlReader } from './yaml-reader.js'

/**
 * The envelope of a rule: everything that YAML says, with defaults filled in and the place of every part. Expressions,
 * titles and what refers to other rules are still text. Keys here are those of RULE_SCHEMA (schema.ts).
 */
export interface RuleDocument {
  readonly file: RuleFile
  /** Offset of the document's first key. */
  readonly at: number
  readonly id: LocatedText
  readonly title: BilingualText
  readonly short: BilingualText | null
  readonly category: string
  readonly owner: string
  readonly legal: { readonly basis: string; readonly from: string | null; readonly to: string | null } | null
  readonly streams: readonly string[] | null
  readonly where: LocatedText | null
  readonly key: readonly LocatedText[]
  readonly late: number
  readonly lets: ReadonlyMap<string, { readonly at: number; readonly text: LocatedText | null }>
  readonly levels: readonly LevelText[]
  readonly absent: { readonly after: number; readonly level: Level } | null
  readonly inhibitBy: readonly LocatedText[]
  readonly group: readonly LocatedText[]
  readonly remind: { readonly every: number; readonly until: string } | null
  readonly escalate: readonly { readonly after: number; readonly level: Level; readonly to: string }[]
  readonly playbook: readonly { readonly en: string; readonly vi: string }[]
  readonly mode: 'live' | 'shadow' | 'disabled'
  readonly sequence: { readonly within: number; readonly steps: readonly StepText[] } | null
  /** A `sequence` is written, if perhaps with faults: `matched` has a meaning. */
  readonly sequenced: boolean
  readonly tests: readonly TestText[]
}

export interface BilingualText {
  readonly en: LocatedText
  readonly vi: LocatedText
}
export interface LevelText {
  readonly level: Exclude<Level, 'none'>
  readonly when: LocatedText
  readonly clear: LocatedText | null
  readonly for: number
  readonly hold: number
}
export interface StepText {
  readonly name: string
  readonly at: number
  readonly not: boolean
  readonly streams: readonly string[] | null
  readonly when: LocatedText
}
export interface TestText {
  readonly name: string
  readonly at: number
  readonly start: LocatedText | null
  readonly stream: string | null
  readonly device: Readonly<Record<string, unknown>>
  readonly feed: readonly (TestFeedText & { readonly metric: LocatedText })[]
  readonly send: readonly SendText[]
  readonly expect: readonly ExpectationText[]
}
/** One message of a test; `at` is ms after its start. */
export interface SendText {
  readonly at: number
  readonly stream: string | null
  readonly label: string
  readonly metrics: readonly { readonly metric: LocatedText; readonly value: number }[]
  readonly lat: number
  readonly lon: number
  readonly attrs: string
}
export type ExpectationText = { readonly level: Level | 'unknown'; readonly offset: number } & (
  | { readonly at: number }
  | { readonly within: readonly [number, number] }
)

export const CATEGORIES = ['security', 'fire', 'flood', 'pollution', 'traffic', 'weather', 'system'] as const
export const STREAMS = ['sensor', 'camera', 'air', 'flood', 'gps'] as const
export const MODES = ['live', 'shadow', 'disabled'] as const
export const RISING_LEVELS = ['low', 'medium', 'high', 'critical'] as const
export const REMIND_UNTIL = ['acknowledged', 'confirmed', 'resolved'] as const
/** Default of `late`. */
export const LATE_DEFAULT_MS = 5 * 60_000
/** A rule's id, also a metric label and a part of NATS subjects and file names. */
export const ID_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'
/** Names of `let`s, steps, attributes. */
export const NAME_PATTERN = '^[A-Za-z_][A-Za-z0-9_]{0,63}$'

const ID = new RegExp(ID_PATTERN)
const NAME = new RegExp(NAME_PATTERN)
const DATE = /^(\d{4})-(\d{2})-(\d{2})$/
/** Entries of any one list of a rule. */
const ENTRIES_MAX = 1000

export const RULE_KEYS = [
  'rule',
  'title',
  'short',
  'category',
  'owner',
  'legal',
  'stream',
  'where',
  'key',
  'late',
  'let',
  'sequence',
  'levels',
  'absent',
  'inhibit_by',
  'group',
  'remind',
  'escalate',
  'playbook',
  'mode',
  'tests',
] as const
export const REQUIRED_KEYS = ['rule', 'title', 'category', 'levels'] as const

/** Reads one document; null where nothing of it can be used. Faults go to the file. */
export function readRule(file: RuleFile, document: YamlDocument): RuleDocument | null {
  const reader = new YamlReader(file, document)
  const { root } = reader
  if (root === null) return null
  const fields = reader.fields(root, 'a rule', RULE_KEYS, REQUIRED_KEYS)
  if (fields === null) return null
  return new EnvelopeReader(reader, fields, reader.at(root)).rule()
}

class EnvelopeReader {
  readonly #reader: YamlReader
  readonly #fields: Fields
  readonly #at: number

  constructor(reader: YamlReader, fields: Fields, at: number) {
    this.#reader = reader
    this.#fields = fields
    this.#at = at
  }

  rule(): RuleDocument | null {
    const reader = this.#reader
    const node = (key: (typeof RULE_KEYS)[number]) => this.#fields.get(key)?.value ?? null
    const id = this.#id(node('rule'))
    const title = this.#bilingual(node('title'), 'title')
    const short = this.#bilingual(node('short'), 'short')
    const category = reader.choice(node('category'), 'category', CATEGORIES)
    const owner = reader.text(node('owner'), 'owner')?.text ?? ''
    const legal = this.#legal(node('legal'))
    const streams = this.#streams(node('stream'))
    const where = reader.text(node('where'), 'where')
    const key = this.#names(node('key'), 'key')
    const late = reader.duration(node('late'), 'late')
    const lets = this.#lets(node('let'))
    const sequence = this.#sequence(node('sequence'))
    if (sequence !== null && this.#fields.has('stream'))
      reader.file.warn(
        'HD_CONFIG_VALUE',
        this.#fields.get('stream')!.at,
        'a sequence takes its streams from its steps: this is not used',
      )
    const levels = this.#levels(node('levels'))
    const absent = this.#absent(node('absent'))
    const inhibitBy = this.#ids(node('inhibit_by'), 'inhibit_by')
    const group = this.#names(node('group'), 'group')
    const remind = this.#remind(node('remind'))
    const escalate = this.#list(node('escalate'), 'escalate', (item) => this.#escalation(item))
    const playbook = this.#list(node('playbook'), 'playbook', (item) =>
      this.#bilingual(item, 'a step of the playbook'),
    )
    const mode = reader.choice(node('mode'), 'mode', MODES)
    const tests = this.#list(node('tests'), 'tests', (item) => this.#test(item))
    if (id === null || title === null || category === null) return null
    return {
      file: reader.file,
      at: this.#at,
      id,
      title,
      short,
      category,
      owner,
      legal,
      streams: sequence === null ? streams : stepStreams(sequence.steps),
      where,
      key: key.length === 0 ? [{ text: 'device', at: this.#at, locate: () => this.#at }] : key,
      late: late ?? LATE_DEFAULT_MS,
      lets,
      levels,
      absent,
      inhibitBy,
      group,
      remind,
      escalate,
      playbook: playbook.map(({ en, vi }) => ({ en: en.text, vi: vi.text })),
      mode: mode ?? 'live',
      sequence,
      sequenced: this.#fields.has('sequence'),
      tests,
    }
  }

  #id(node: ParsedNode | null): LocatedText | null {
    const found = this.#reader.text(node, 'rule')
    if (found === null || ID.test(found.text)) return found
    return this.#reader.fault(
      'HD_CONFIG_VALUE',
      found.at,
      `a rule's id has letters, digits and . _ - (128 at most), not '${found.text.slice(0, 60)}'`,
    )
  }

  #bilingual(node: ParsedNode | null, what: string): BilingualText | null {
    if (node === null) return null
    const fields = this.#reader.fields(node, what, ['en', 'vi'], [])
    if (fields === null) return null
    const en = this.#reader.text(fields.get('en')?.value ?? null, `${what}.en`)
    const vi = this.#reader.text(fields.get('vi')?.value ?? null, `${what}.vi`)
    for (const text of [en, vi])
      if (text !== null && text.text.length > BOUNDS.text_chars)
        this.#reader.fault('HD_RULE_LIMIT', text.at, `${what} is longer than ${BOUNDS.text_chars} characters`)
    if (en !== null && vi !== null) return { en, vi }
    const one = en ?? vi
    const missing = en === null ? 'en' : 'vi'
    if (fields.has(missing)) return null
    if (one === null)
      return this.#reader.fault('HD_CONFIG_MISSING', this.#reader.at(node), `${what} lacks 'en' and 'vi'`)
    this.#reader.file.warn(
      'HD_CONFIG_MISSING',
      this.#reader.at(node),
      `${what} lacks '${missing}': the other language stands for it`,
    )
    return { en: one, vi: one }
  }

  #legal(node: ParsedNode | null): RuleDocument['legal'] {
    if (node === null) return null
    const fields = this.#reader.fields(node, 'legal', ['basis', 'from', 'to'], [])
    if (fields === null) return null
    const basis = this.#reader.text(fields.get('basis')?.value ?? null, 'legal.basis')?.text ?? ''
    if (!fields.has('basis'))
      this.#reader.file.warn(
        'HD_CONFIG_MISSING',
        this.#reader.at(node),
        `legal names no 'basis': which act is it?`,
      )
    const from = this.#date(fields.get('from'), 'legal.from')
    const to = this.#date(fields.get('to'), 'legal.to')
    if (from !== null && to !== null && to <= from)
      this.#reader.fault(
        'HD_CONFIG_VALUE',
        fields.get('to')!.at,
        `legal.to (${to}) must be after legal.from (${from})`,
      )
    return { basis, from, to }
  }

  #date(field: Field | undefined, what: string): string | null {
    const found = this.#reader.text(field?.value ?? null, what)
    if (found === null) return null
    const m = DATE.exec(found.text)
    const date = m === null ? null : new Date(Date.UTC(Number(m[1]), Number(m[2]) - 1, Number(m[3])))
    if (date !== null && date.toISOString().slice(0, 10) === found.text) return found.text
    return this.#reader.fault(
      'HD_CONFIG_VALUE',
      found.at,
      `${what} is a date like 2026-01-31, not '${found.text.slice(0, 60)}'`,
    )
  }

  #streams(node: ParsedNode | null): readonly string[] | null {
    if (node === null) return null
    const items = this.#reader.items(node, 'stream')
    if (items === null) return null
    const streams = new Set<string>()
    for (const item of items) {
      const stream = this.#reader.choice(item, 'stream', STREAMS)
      if (stream !== null) streams.add(stream)
    }
    return [...streams]
  }

  /** A list of plain names: attributes of `key` and `group`. */
  #names(node: ParsedNode | null, what: string): LocatedText[] {
    const names = this.#list(node, what, (item) => {
      const found = this.#reader.text(item, what)
      if (found === null || NAME.test(found.text)) return found
      return this.#reader.fault(
        'HD_CONFIG_VALUE',
        found.at,
        `${what} names registry attributes, and '${found.text.slice(0, 60)}' cannot be one`,
      )
    })
    for (const [i, name] of names.entries())
      if (names.findIndex((other) => other.text === name.text) < i)
        this.#reader.fault('HD_CONFIG_VALUE', name.at, `'${name.text}' stands twice in ${what}`)
    return names
  }

  #ids(node: ParsedNode | null, what: string): LocatedText[] {
    return this.#list(node, what, (item) => this.#reader.text(item, what))
  }

  #list<T>(node: ParsedNode | null, what: string, read: (item: ParsedNode) => T | null): T[] {
    if (node === null) return []
    const items = this.#reader.items(node, what)
    if (items === null) return []
    if (items.length > ENTRIES_MAX) {
      this.#reader.fault(
        'HD_RULE_LIMIT',
        this.#reader.at(node),
        `${what} has ${items.length} entries, at most ${ENTRIES_MAX}`,
      )
      return []
    }
    const out: T[] = []
    for (const item of items) {
      const value = read(item)
      if (value !== null) out.push(value)
    }
    return out
  }

  #lets(node: ParsedNode | null): RuleDocument['lets'] {
    const lets = new Map<string, { at: number; text: LocatedText | null }>()
    if (node === null) return lets
    const fields = this.#reader.fields(node, 'let', null, [])
    for (const { key, at, value } of fields?.values() ?? []) {
      if (!NAME.test(key))
        this.#reader.fault(
          'HD_CONFIG_VALUE',
          at,
          `'${key.slice(0, 60)}' is no name for a let (letters, digits, _)`,
        )
      lets.set(key, { at, text: this.#reader.text(value, `let.${key.slice(0, 60)}`) })
    }
    return lets
  }

  #levels(node: ParsedNode | null): LevelText[] {
    if (node === null) return []
    const fields = this.#reader.fields(node, 'levels', RISING_LEVELS, [])
    if (fields === null) return []
    if (isMap(node) && node.items.length === 0)
      this.#reader.fault(
        'HD_CONFIG_MISSING',
        this.#reader.at(node),
        `levels needs one of ${RISING_LEVELS.join(' ')}`,
      )
    const levels: LevelText[] = []
    for (const level of RISING_LEVELS) {
      const value = fields.get(level)?.value ?? null
      if (value === null) continue
      const parts = this.#reader.fields(value, level, ['when', 'clear', 'for', 'hold'], ['when'])
      if (parts === null) continue
      const part = (key: string) => parts.get(key)?.value ?? null
      const when = this.#reader.text(part('when'), `${level}.when`)
      const clear = this.#reader.text(part('clear'), `${level}.clear`)
      const hold = this.#reader.duration(part('hold'), `${level}.hold`)
      const wait = this.#reader.duration(part('for'), `${level}.for`)
      if (when !== null) levels.push({ level, when, clear, for: wait ?? 0, hold: hold ?? 0 })
    }
    return levels
  }

  #absent(node: ParsedNode | null): RuleDocument['absent'] {
    if (node === null) return null
    const fields = this.#reader.fields(node, 'absent', ['after', 'level'], ['after'])
    if (fields === null) return null
    const after = this.#reader.duration(fields.get('after')?.value ?? null, 'absent.after', 1)
    const level = this.#reader.choice(fields.get('level')?.value ?? null, 'absent.level', RISING_LEVELS)
    return after === null ? null : { after, level: level ?? 'low' }
  }

  #remind(node: ParsedNode | null): RuleDocument['remind'] {
    if (node === null) return null
    const fields = this.#reader.fields(node, 'remind', ['every', 'until'], ['every'])
    if (fields === null) return null
    const every = this.#reader.duration(fields.get('every')?.value ?? null, 'remind.every', 1)
    const until = this.#reader.choice(fields.get('until')?.value ?? null, 'remind.until', REMIND_UNTIL)
    return every === null ? null : { every, until: until ?? 'acknowledged' }
  }

  #escalation(node: ParsedNode): RuleDocument['escalate'][number] | null {
    const fields = this.#reader.fields(node, 'a line of escalate', ['after', 'level', 'to'], ['after', 'to'])
    if (fields === null) return null
    const after = this.#reader.duration(fields.get('after')?.value ?? null, 'escalate.after')
    const level = this.#reader.choice(fields.get('level')?.value ?? null, 'escalate.level', RISING_LEVELS)
    const to = this.#reader.text(fields.get('to')?.value ?? null, 'escalate.to')
    return after === null || to === null ? null : { after, level: level ?? 'low', to: to.text }
  }

  #sequence(node: ParsedNode | null): RuleDocument['sequence'] {
    if (node === null) return null
    const reader = this.#reader
    const fields = reader.fields(node, 'sequence', ['within', 'steps'], ['within', 'steps'])
    if (fields === null) return null
    const within = reader.duration(fields.get('within')?.value ?? null, 'sequence.within', 1)
    const stepsNode = fields.get('steps')?.value ?? null
    const steps = this.#list(stepsNode, 'steps', (item) => this.#step(item))
    const names = new Set<string>()
    for (const step of steps) {
      if (step.not) continue
      if (names.has(step.name))
        reader.fault('HD_CONFIG_VALUE', step.at, `the step '${step.name}' stands twice`)
      names.add(step.name)
    }
    const first = steps[0]
    if (first?.not === true)
      reader.fault('HD_CONFIG_VALUE', first.at, `'not' cannot be the first step: it forbids after one`)
    if (stepsNode !== null && steps.length === 0 && isSeq(stepsNode) && stepsNode.items.length === 0)
      reader.fault('HD_CONFIG_MISSING', reader.at(stepsNode), 'a sequence needs steps')
    return within === null || steps.length === 0 ? null : { within, steps }
  }

  #step(node: ParsedNode): StepText | null {
    const reader = this.#reader
    const outer = reader.fields(node, 'a step', null, [])
    if (outer === null) return null
    const [field, second] = [...outer.values()]
    if (field === undefined || second !== undefined)
      return reader.fault(
        'HD_CONFIG_VALUE',
        second?.at ?? reader.at(node),
        `a step has one name, as in - smoke: { when: … }`,
      )
    if (!NAME.test(field.key))
      reader.fault(
        'HD_CONFIG_VALUE',
        field.at,
        `'${field.key.slice(0, 60)}' is no name for a step (letters, digits, _)`,
      )
    if (field.value === null) return null
    const fields = reader.fields(
      field.value,
      `the step '${field.key.slice(0, 60)}'`,
      ['stream', 'when'],
      ['when'],
    )
    if (fields === null) return null
    const streams = this.#streams(fields.get('stream')?.value ?? null)
    const when = reader.text(fields.get('when')?.value ?? null, `${field.key.slice(0, 60)}.when`)
    return when === null ? null : { name: field.key, at: field.at, not: field.key === 'not', streams, when }
  }

  // -- the rule's own tests

  #test(node: ParsedNode): TestText | null {
    const reader = this.#reader
    const fields = reader.fields(
      node,
      'a test',
      ['name', 'start', 'stream', 'device', 'feed', 'send', 'expect'],
      ['expect'],
    )
    if (fields === null) return null
    const value = (key: string) => fields.get(key)?.value ?? null
    const name = reader.text(value('name'), 'name')?.text ?? `line ${reader.file.line(reader.at(node))}`
    const start = reader.text(value('start'), 'start')
    const stream = reader.choice(value('stream'), 'stream', STREAMS)
    const deviceNode = value('device')
    const device = deviceNode === null ? {} : (this.#plain(deviceNode) as Record<string, unknown> | null)
    if (device !== null && (typeof device !== 'object' || Array.isArray(device)))
      reader.fault('HD_CONFIG_VALUE', reader.at(deviceNode!), `device is a map, as in the registry`)
    const feed = this.#feed(value('feed'))
    const send = this.#list(value('send'), 'send', (item) => this.#message(item))
    if (!fields.has('feed') && !fields.has('send'))
      reader.fault('HD_CONFIG_MISSING', reader.at(node), `a test lacks 'feed' (or 'send')`)
    const expect = this.#list(value('expect'), 'expect', (item) => this.#expectation(item))
    return { name, at: reader.at(node), start, stream, device: device ?? {}, feed, send, expect }
  }

  #feed(node: ParsedNode | null): TestText['feed'] {
    if (node === null) return []
    const out: (TestFeedText & { metric: LocatedText })[] = []
    const fields = this.#reader.fields(node, 'feed', null, [])
    for (const { key, at, value } of fields?.values() ?? []) {
      const metric: LocatedText = { text: key, at, locate: (index) => at + index }
      const values: (number | null)[] = []
      const times: number[] = []
      let clock = 0
      let every = 60_000
      for (const item of value === null
        ? []
        : (this.#reader.items(value, `feed.${key.slice(0, 60)}`) ?? [])) {
        const found = this.#reader.text(item, `feed.${key.slice(0, 60)}`)
        if (found === null) continue
        const parsed = parseFeed(found.text, every)
        if ('message' in parsed) {
          this.#reader.fault('HD_CONFIG_VALUE', found.locate(parsed.at), parsed.message)
          continue
        }
        every = parsed.every
        for (const one of parsed.values) {
          values.push(one)
          times.push(clock)
          clock += every
        }
      }
      out.push({ metric, values, times })
    }
    return out
  }

  /** `{ at: 10s, stream: camera, label: smoke, metrics: { confidence: 0.9 }, lat: 20.8, lon: 106.7, attrs: { id: x } }` */
  #message(node: ParsedNode): SendText | null {
    const reader = this.#reader
    const fields = reader.fields(
      node,
      'a message',
      ['at', 'stream', 'label', 'metrics', 'lat', 'lon', 'attrs'],
      ['at'],
    )
    if (fields === null) return null
    const value = (key: string) => fields.get(key)?.value ?? null
    const at = reader.duration(value('at'), 'at')
    const stream = reader.choice(value('stream'), 'stream', STREAMS)
    const label = reader.text(value('label'), 'label')?.text ?? ''
    const metricsNode = value('metrics')
    const metrics: { metric: LocatedText; value: number }[] = []
    for (const field of metricsNode === null
      ? []
      : (reader.fields(metricsNode, 'metrics', null, [])?.values() ?? [])) {
      const number = reader.number(field.value, `metrics.${field.key.slice(0, 60)}`)
      if (number !== null)
        metrics.push({
          metric: { text: field.key, at: field.at, locate: (index) => field.at + index },
          value: number,
        })
    }
    const lat = reader.number(value('lat'), 'lat') ?? Number.NaN
    const lon = reader.number(value('lon'), 'lon') ?? Number.NaN
    const attrsNode = value('attrs')
    const attrs = attrsNode === null ? '' : JSON.stringify(this.#plain(attrsNode))
    return at === null ? null : { at, stream, label, metrics, lat, lon, attrs }
  }

  #expectation(node: ParsedNode): ExpectationText | null {
    const reader = this.#reader
    const fields = reader.fields(node, 'an expectation', ['at', 'within', 'level'], ['level'])
    if (fields === null) return null
    const level = reader.choice(fields.get('level')?.value ?? null, 'level', [...LEVELS, 'unknown'] as const)
    const at = fields.get('at')
    const within = fields.get('within')
    const offset = reader.at(node)
    if ((at === undefined) === (within === undefined))
      return reader.fault('HD_CONFIG_MISSING', offset, `an expectation has either 'at' or 'within'`)
    if (at !== undefined) {
      const ms = reader.duration(at.value, 'at')
      return ms === null || level === null ? null : { at: ms, level, offset }
    }
    const ends = within!.value === null ? [] : (reader.items(within!.value, 'within') ?? [])
    if (ends.length !== 2)
      return reader.fault('HD_CONFIG_VALUE', within!.at, `within is a pair like [15m, 25m]`)
    const from = reader.duration(ends[0]!, 'within')
    const to = reader.duration(ends[1]!, 'within')
    if (from === null || to === null || level === null) return null
    if (to < from) return reader.fault('HD_CONFIG_VALUE', within!.at, 'within ends before it begins')
    return { within: [from, to], level, offset }
  }

  /** A value of a test's device as the registry would hold it: numbers, booleans, texts, maps, lists. */
  #plain(node: ParsedNode, depth = 0): unknown {
    const value = this.#reader.resolved(node)
    if (value === null || depth > 8) return null
    if (isScalar(value)) {
      const text = String(value.value ?? '')
      if (this.#reader.quoted(value)) return text
      if (text === 'true' || text === 'false') return text === 'true'
      if (text === '' || text === 'null' || text === '~') return null
      const number = Number(text)
      return Number.isFinite(number) && /^[-+]?[0-9.]/.test(text) ? number : text
    }
    if (isSeq(value)) return value.items.map((item) => this.#plain(item as ParsedNode, depth + 1))
    const out: Record<string, unknown> = Object.create(null)
    for (const { key, value: inner } of this.#reader.fields(value, 'device', null, [])?.values() ?? [])
      if (inner !== null) out[key] = this.#plain(inner, depth + 1)
    return out
  }
}

/** Streams of a sequence: those of its steps; null (every stream) where a step names none. */
function stepStreams(steps: readonly StepText[]): readonly string[] | null {
  const streams = new Set<string>()
  for (const step of steps) {
    if (step.streams === null) return null
    for (const stream of step.streams) streams.add(stream)
  }
  return [...streams]
}
