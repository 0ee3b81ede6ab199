import { LEVELS, type LevelIndex } from '../../src/model/alert.js'
import type { MetricRegistry } from '../../src/model/metrics.js'
import type { Device, DeviceRegistry } from '../../src/model/registry.js'
import { parseIsoTime, ZoneClock } from '../../src/model/time.js'
import { SIGNATURES } from '../operators/index.js'
import type {
  Expression,
  LevelRule,
  Rule,
  RuleTest,
  SequenceStep,
  Title,
  TitlePart,
  ValueType,
} from './ast.js'
import { Checker, isMetric, RESERVED } from './check.js'
import type { BilingualText, RuleDocument, TestText } from './envelope.js'
import { ruleFacts } from './facts.js'
import { RuleNames, type Use } from './names.js'
import { attributeTypes, registryValue } from './registry-values.js'
import { didYouMean } from './suggest.js'
import { decimalsMetric, SHORT_CHARS, titlePieces } from './title.js'
import type { LocatedText } from './yaml-reader.js'

/** What rules may refer to besides each other. */
export interface RuleEnvironment {
  readonly metrics: MetricRegistry
  readonly registry: DeviceRegistry
  /** Zones and route lines by name. */
  readonly zones: ReadonlyMap<string, unknown>
  /** The city's zone: midnights of `legal`, starts of tests. */
  readonly timezone: string
}

/** A rule with what the checks over the whole set need. Sound only where its file has no error. */
export interface CompiledRule {
  readonly rule: Rule
  readonly document: RuleDocument
  /** Rules whose level it reads by alert(), and where. */
  readonly alerts: readonly { readonly rule: string; readonly offset: number }[]
}

const NO_STEPS: ReadonlySet<string> = new Set()
/** What every device may have, so that a key of it needs no device that has it yet. */
const KEY_ATTRIBUTES: ReadonlySet<string> = new Set([
  'device',
  'kind',
  'site',
  'ward',
  'agency',
  'route',
  'zone',
])
/** Devices named in one warning. */
const DEVICES_SHOWN = 5

/** Turns documents of one rule set into rules; faults go to the documents' files. */
export class Compiler {
  readonly #environment: RuleEnvironment
  readonly #attributes: ReadonlyMap<string, ValueType>
  readonly #rules: ReadonlySet<string>
  readonly #checker: Checker
  readonly #clock: ZoneClock

  /** `rules`: the ids that expressions may name. Throws RangeError where the environment's timezone is none. */
  constructor(environment: RuleEnvironment, rules: ReadonlySet<string>) {
    this.#environment = environment
    this.#attributes = attributeTypes(environment.registry)
    this.#rules = rules
    this.#clock = new ZoneClock(environment.timezone)
    const { metrics, zones } = environment
    this.#checker = new Checker({
      metrics,
      signatures: SIGNATURES,
      attributes: this.#attributes,
      zones,
      rules,
    })
  }

  rule(document: RuleDocument): CompiledRule {
    const { file, sequenced } = document
    this.#checker.begin()
    const names = new RuleNames(document, this.#checker, this.#environment.metrics)
    const lets = names.lets()
    const where =
      document.where === null ? null : names.expression(document.where, 'boolean', NO_STEPS, false)
    const steps = this.#steps(document, names)
    const levels: LevelRule[] = []
    for (const { level, when, clear, for: wait, hold } of document.levels) {
      const condition = names.expression(when, 'boolean', NO_STEPS, sequenced)
      const falling = clear === null ? null : names.expression(clear, 'boolean', NO_STEPS, sequenced)
      const index = LEVELS.indexOf(level) as Exclude<LevelIndex, 0>
      if (condition !== null) levels.push({ level, index, when: condition, clear: falling, for: wait, hold })
    }
    const title = this.#title(document, document.title, names)
    const short = document.short === null ? title : this.#short(document, document.short, names)
    const tests = document.tests.map((test) => this.#test(document, test))
    const key = document.key.map(({ text }) => text)
    const sequence = document.sequence === null ? null : { within: document.sequence.within, steps }
    const facts = ruleFacts({ where, levels, sequence, key }, SIGNATURES)
    this.#attributesKnown(document, document.key, 'key')
    this.#attributesKnown(document, document.group, 'group')
    this.#inhibitorsKnown(document)
    this.#unknownAttributes(document, names.attributes)
    this.#missingLimits(document, where, names.limits)
    return {
      document,
      alerts: names.alerts.map(({ name, offset }) => ({ rule: name, offset })),
      rule: {
        id: document.id.text,
        title,
        short,
        category: document.category,
        owner: document.owner,
        legal: document.legal,
        streams: document.streams,
        where,
        key,
        late: document.late,
        lets,
        levels,
        absent: document.absent,
        inhibitBy: document.inhibitBy.map(({ text }) => text),
        group: document.group.map(({ text }) => text),
        remind: document.remind,
        escalate: document.escalate,
        playbook: document.playbook,
        mode: document.mode,
        sequence,
        ...facts,
        tests,
        file: file.file,
        line: file.line(document.at),
      },
    }
  }

  /** A step may use the samples of the steps before it, save of those that forbid: they took none. */
  #steps(document: RuleDocument, names: RuleNames): SequenceStep[] {
    const steps: SequenceStep[] = []
    const earlier = new Set<string>()
    for (const { name, at, not, streams, when } of document.sequence?.steps ?? []) {
      if (!not && (RESERVED.has(name) || name === 'device' || document.lets.has(name)))
        document.file.fault(
          'HD_CONFIG_VALUE',
          at,
          `'${name}' has a meaning of its own: call the step otherwise`,
        )
      const condition = names.expression(when, 'boolean', new Set(earlier), false)
      if (!not) earlier.add(name)
      if (condition !== null) steps.push({ name, not, streams, when: condition })
    }
    return steps
  }

  // -- titles

  #title(document: RuleDocument, { en, vi }: BilingualText, names: RuleNames): Title {
    const english = this.#titleParts(document, en, names)
    // One text standing for both languages is looked at once, or its faults would be told twice.
    return { en: english, vi: vi === en ? english : this.#titleParts(document, vi, names) }
  }

  #titleParts(document: RuleDocument, text: LocatedText, names: RuleNames): TitlePart[] {
    const { pieces, fault } = titlePieces(text.text)
    if (fault !== null) document.file.fault(fault.code, text.locate(fault.at), fault.message)
    const parts: TitlePart[] = []
    // A sequence's title may show the samples that its last match took.
    const steps = new Set((document.sequence?.steps ?? []).filter(({ not }) => !not).map(({ name }) => name))
    for (const piece of pieces) {
      if (typeof piece === 'string') parts.push(piece)
      else {
        const expression = names.part(text, piece.at, piece.text, steps, document.sequenced)
        if (expression !== null) parts.push({ expression, metric: decimalsMetric(expression) })
      }
    }
    return parts
  }

  #short(document: RuleDocument, text: BilingualText, names: RuleNames): Title {
    const title = this.#title(document, text, names)
    for (const lang of ['en', 'vi'] as const) {
      const fixed = title[lang].filter((part) => typeof part === 'string').join('')
      const length = [...fixed].length
      if (length > SHORT_CHARS)
        document.file.warn(
          'HD_CONFIG_VALUE',
          text[lang].at,
          `short.${lang} has ${length} characters without its values; the wall's line holds ${SHORT_CHARS} and cuts the rest`,
        )
    }
    return title
  }

  // -- what the set and the registry know

  #attributesKnown(document: RuleDocument, names: readonly LocatedText[], what: string): void {
    if (this.#environment.registry.devices.size === 0) return
    for (const { text, at } of names)
      if (!KEY_ATTRIBUTES.has(text) && !this.#attributes.has(text))
        document.file.warn(
          'HD_RULE_UNKNOWN_NAME',
          at,
          `${what}: no registered device has '${text}', so no sample is judged${didYouMean(text, [...KEY_ATTRIBUTES, ...this.#attributes.keys()])}`,
        )
  }

  #inhibitorsKnown(document: RuleDocument): void {
    for (const { text, at } of document.inhibitBy)
      if (!this.#rules.has(text))
        document.file.warn(
          'HD_RULE_UNKNOWN_NAME',
          at,
          `inhibit_by: there is no rule '${text.slice(0, 60)}' in this set, so it inhibits nothing${didYouMean(text, this.#rules)}`,
        )
  }

  #unknownAttributes(document: RuleDocument, uses: readonly Use[]): void {
    if (this.#environment.registry.devices.size === 0) return
    for (const { name, offset } of uses)
      document.file.warn(
        'HD_RULE_UNKNOWN_NAME',
        offset,
        `no registered device has '${name.slice(0, 60)}': device.${name.slice(0, 60)} is missing everywhere${didYouMean(name, this.#attributes.keys())}`,
      )
  }

  /**
   * Limits that the rule names and a device it judges lacks. Which devices it judges is known where `where` is over the
   * registry; else those count that have other limits, and all where none has this one.
   */
  #missingLimits(document: RuleDocument, where: Expression | null, uses: readonly Use[]): void {
    const { devices, sites } = this.#environment.registry
    if (devices.size === 0 || uses.length === 0) return
    const first = new Map<string, number>()
    for (const { name, offset } of uses) if (!first.has(name)) first.set(name, offset)
    const lacking = new Map([...first.keys()].map((limit) => [limit, { count: 0, shown: [] as string[] }]))
    const known = new Set<string>()
    for (const device of devices.values()) {
      const judged =
        where === null
          ? undefined
          : registryValue(where, device, device.site === undefined ? undefined : sites.get(device.site))
      if (judged === false) continue
      for (const [limit, { shown }] of lacking) {
        if (Object.hasOwn(device.limit, limit)) known.add(limit)
        else if (judged === true || hasLimits(device)) {
          lacking.get(limit)!.count++
          if (shown.length < DEVICES_SHOWN) shown.push(device.device)
        }
      }
    }
    for (const [limit, offset] of first) {
      const { count, shown } = lacking.get(limit)!
      if (count > 0) {
        const more = count > shown.length ? ` and ${count - shown.length} more` : ''
        document.file.warn(
          'HD_RULE_UNKNOWN_NAME',
          offset,
          `limit.${limit.slice(0, 60)} is missing for ${shown.join(', ')}${more}`,
        )
      } else if (!known.has(limit))
        document.file.warn(
          'HD_RULE_UNKNOWN_NAME',
          offset,
          `no registered device has limit.${limit.slice(0, 60)}`,
        )
    }
  }

  // -- tests

  #test(document: RuleDocument, test: TestText): RuleTest {
    const start = this.#start(document, test)
    const feed = test.feed.map(({ metric, values, times }) => {
      this.#metricKnown(document, metric)
      const samples: { time: number; value: number }[] = []
      for (const [i, value] of values.entries())
        if (value !== null) samples.push({ time: start + times[i]!, value })
      return { metric: metric.text, samples }
    })
    const messages = test.send.map(({ at, metrics, ...message }) => {
      for (const { metric } of metrics) this.#metricKnown(document, metric)
      return {
        ...message,
        time: start + at,
        metrics: Object.fromEntries(metrics.map(({ metric, value }) => [metric.text, value])),
      }
    })
    const expect = test.expect.map(({ offset, ...expectation }) => ({
      ...expectation,
      line: document.file.line(offset),
    }))
    return {
      name: test.name,
      start,
      stream: test.stream,
      device: test.device,
      feed,
      messages,
      expect,
      line: document.file.line(test.at),
    }
  }

  #metricKnown(document: RuleDocument, { text, at }: LocatedText): void {
    const { metrics } = this.#environment
    if (isMetric(metrics, text)) return
    const message = `unknown metric '${text.slice(0, 60)}'${didYouMean(text, metrics.keys())}`
    document.file.fault('HD_RULE_UNKNOWN_NAME', at, message)
  }

  /** The test's zero: `start:`, else midnight of legal.from, else of 2026-01-01, in the city's zone. */
  #start(document: RuleDocument, { start }: TestText): number {
    if (start === null) return this.#clock.midnight(document.legal?.from ?? '2026-01-01')
    const midnight = this.#clock.midnight(start.text)
    if (!Number.isNaN(midnight)) return midnight
    const guess = parseIsoTime(start.text, 0)
    if (Number.isNaN(guess)) {
      document.file.fault(
        'HD_CONFIG_VALUE',
        start.at,
        `start is a date and time like 2026-01-31T06:00, in the city's zone unless it names one, not '${start.text.slice(0, 60)}'`,
      )
      return 0
    }
    return parseIsoTime(start.text, this.#clock.offset(guess - this.#clock.offset(guess)))
  }
}

function hasLimits(device: Device): boolean {
  for (const _ in device.limit) return true
  return false
}
