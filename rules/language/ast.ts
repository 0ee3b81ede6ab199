import type { Bilingual, Level, LevelIndex } from '../../src/model/alert.js'

/** Types of the expression language. A value that does not exist is missing, whatever its type. */
export type ValueType = 'number' | 'duration' | 'boolean' | 'text'

export type BinaryOperator =
  | 'or'
  | 'and'
  | '=='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | 'in'
  | '+'
  | '-'
  | '*'
  | '/'

/**
 * A checked expression: every node has its type, every name is resolved, every `let` is written out where it was used
 * (equal calls are one operator by structure, so nothing is computed twice). `at` is the offset in the expression's text.
 */
export type Expression =
  | { readonly kind: 'number'; readonly value: number; readonly type: 'number'; readonly at: number }
  | { readonly kind: 'duration'; readonly value: number; readonly type: 'duration'; readonly at: number }
  | { readonly kind: 'boolean'; readonly value: boolean; readonly type: 'boolean'; readonly at: number }
  | { readonly kind: 'text'; readonly value: string; readonly type: 'text'; readonly at: number }
  /** Only at the right of `in`. */
  | {
      readonly kind: 'list'
      readonly items: readonly (number | string)[]
      readonly type: 'number' | 'text'
      readonly at: number
    }
  | { readonly kind: 'name'; readonly name: Name; readonly type: ValueType; readonly at: number }
  | {
      readonly kind: 'unary'
      readonly operator: '-' | 'not'
      readonly operand: Expression
      readonly type: ValueType
      readonly at: number
    }
  | {
      readonly kind: 'binary'
      readonly operator: BinaryOperator
      readonly left: Expression
      readonly right: Expression
      readonly type: ValueType
      readonly at: number
    }
  /** `if abs min max round clamp hypot` on plain values. */
  | {
      readonly kind: 'scalar'
      readonly name: string
      readonly args: readonly Expression[]
      readonly type: ValueType
      readonly at: number
    }
  | {
      readonly kind: 'call'
      readonly call: Call
      readonly field: string
      readonly type: ValueType
      readonly at: number
    }

/** What a name means. */
export type Name =
  /** The key's newest value of a metric (in a sequence step: the message's own). */
  | { readonly of: 'metric'; readonly metric: string }
  /** Of the message at hand: `label`, `confidence`, `lat`, `lon`, `attrs.x` (path after the dot), `time`, `device`. */
  | {
      readonly of: 'message'
      readonly field: 'label' | 'lat' | 'lon' | 'device' | 'stream' | 'source' | 'confidence' | 'attrs'
      readonly path: string
    }
  /** `quality.stuck`: a mark of the message at hand. */
  | { readonly of: 'quality'; readonly bit: number }
  /** `device.kind`, any registry attribute of the message's device. */
  | { readonly of: 'device'; readonly attribute: string }
  /** `device.limit.x` or `limit.x`. */
  | { readonly of: 'limit'; readonly limit: string }
  /** `site.name`, `site.ward` … of the message's device's site. */
  | { readonly of: 'site'; readonly attribute: string }
  /** `hour weekday month` of the event time in the city's zone. */
  | { readonly of: 'calendar'; readonly field: 'hour' | 'weekday' | 'month' }
  /** `matched` of a sequence. */
  | { readonly of: 'matched' }
  /** `smoke.confidence`: a metric or field of the sample that an earlier step took. */
  | { readonly of: 'step'; readonly step: string; readonly field: string }

/** A call of an operator of rules/operators: arguments by the signature's parameter names, defaults filled in. */
export interface Call {
  readonly name: string
  /** Metric the operator reads, '' where it reads none. */
  readonly metric: string
  /** Condition (`share count_if since held agree count_devices`), else null. */
  readonly condition: Expression | null
  /** Constant arguments by parameter name: durations in ms, numbers, texts. */
  readonly constants: Readonly<Record<string, number | string>>
  /** Arguments that are computed at each judgement (`limit` of time_to, `route` of off_route), by parameter name. */
  readonly dynamic: Readonly<Record<string, Expression>>
  /** Equal text for equal calls: the structural hash. */
  readonly signature: string
}

export interface LevelRule {
  readonly level: Exclude<Level, 'none'>
  readonly index: Exclude<LevelIndex, 0>
  readonly when: Expression
  /** null: when `when` is false. */
  readonly clear: Expression | null
  readonly for: number
  readonly hold: number
}

export interface SequenceStep {
  readonly name: string
  readonly not: boolean
  /** null: every stream. */
  readonly streams: readonly string[] | null
  readonly when: Expression
}

export interface Sequence {
  readonly within: number
  readonly steps: readonly SequenceStep[]
}

/** A piece of a title: text, or an expression with the metric whose decimals print it ('' for none). */
export type TitlePart = string | { readonly expression: Expression; readonly metric: string }
export interface Title {
  readonly en: readonly TitlePart[]
  readonly vi: readonly TitlePart[]
}

export interface Escalation {
  readonly after: number
  readonly level: Level
  readonly to: string
}

/** One rule as the compiler hands it to the engine: checked, typed, defaults filled in. Durations in ms. */
export interface Rule {
  readonly id: string
  readonly title: Title
  readonly short: Title
  readonly category: string
  readonly owner: string
  readonly legal: { readonly basis: string; readonly from: string | null; readonly to: string | null } | null
  /** null: every stream. A sequence's are the steps' streams. */
  readonly streams: readonly string[] | null
  readonly where: Expression | null
  readonly key: readonly string[]
  readonly late: number
  /** Names of `let`, in order, for titles, `eta_ms` and the evidence page. */
  readonly lets: ReadonlyMap<string, Expression>
  /** Lowest level first. */
  readonly levels: readonly LevelRule[]
  readonly absent: { readonly after: number; readonly level: Level } | null
  readonly inhibitBy: readonly string[]
  readonly group: readonly string[]
  readonly remind: { readonly every: number; readonly until: string } | null
  readonly escalate: readonly Escalation[]
  readonly playbook: readonly Bilingual[]
  readonly mode: 'live' | 'shadow' | 'disabled'
  readonly sequence: Sequence | null
  /** Metrics the rule names anywhere (where, let used, levels, steps): what `values` shows and what judges it. */
  readonly metrics: readonly string[]
  /** Reads `label`, `attrs.…` or position: judged by every message of its streams. */
  readonly readsMessage: boolean
  /** Quality bits the rule itself names: those marks do not keep a sample out of it. */
  readonly qualityNamed: number
  readonly tests: readonly RuleTest[]
  readonly file: string
  /** Line of the document in its file, from 1. */
  readonly line: number
}

export interface RuleTest {
  readonly name: string
  /** ms UTC. */
  readonly start: number
  /** Stream of the fed samples; null: the rule's first, `sensor` where the rule names none. */
  readonly stream: string | null
  /** Registry entry of the test's device (kind, limit, site …), as written. */
  readonly device: Readonly<Record<string, unknown>>
  readonly feed: readonly TestFeed[]
  /** Single messages (`send`), for what a series of numbers cannot say: labels, positions, several streams. */
  readonly messages: readonly TestMessage[]
  readonly expect: readonly TestExpectation[]
  readonly line: number
}
/** Values at start, start + every, …; null is a gap. */
export interface TestFeed {
  readonly metric: string
  readonly samples: readonly { readonly time: number; readonly value: number }[]
}
export interface TestMessage {
  /** ms UTC. */
  readonly time: number
  /** null: the test's. */
  readonly stream: string | null
  readonly label: string
  readonly metrics: Readonly<Record<string, number>>
  /** NaN: none of its own. */
  readonly lat: number
  readonly lon: number
  /** JSON or ''. */
  readonly attrs: string
}
export type TestExpectation =
  | { readonly at: number; readonly level: Level | 'unknown'; readonly line: number }
  | { readonly within: readonly [number, number]; readonly level: Level | 'unknown'; readonly line: number }
