/** A rule at work: its closures, its scope, and the state of its keys. */
import type { Expression, Rule } from '../../rules/language/ast.js'
import type { Evaluate, EvaluateText } from '../../rules/language/compile.js'
import type { AlertCell, LevelSpec } from '../alerts/lifecycle.js'
import type { Scope } from './scope.js'
import type { SequenceState } from './sequence.js'

export interface RuntimeLevel extends LevelSpec {
  readonly when: Evaluate
  readonly clear: Evaluate | null
}

export interface AbsentState {
  /** Event time of the newest sample that counts; of the first record where there was none yet. */
  newest: number
  spoke: boolean
  armed: boolean
  feed: number
  device: number
}

export interface RuntimeSequence {
  readonly steps: readonly {
    readonly streams: ReadonlySet<string> | null
    readonly when: Evaluate
    readonly metrics: ReadonlySet<number>
    readonly readsMessage: boolean
  }[]
  readonly capturing: number
  readonly states: Map<number, SequenceState>
}

/** A rule at work. `cells` and the like are its state; they move to the next rule set at a reload. */
export interface RuntimeRule {
  readonly rule: Rule
  /** Position by id: the order of lines. */
  index: number
  /** Position by dependency: rules that `alert()` or `inhibit_by` names come first. */
  order: number
  readonly scope: Scope
  readonly metricIds: readonly number[]
  /** Metrics that cause a judgement, its own or, where it has none, those of the rules it watches. */
  triggers: ReadonlySet<number>
  readonly levels: readonly RuntimeLevel[]
  /** Operators fed at judgements: value to push, NaN to push nothing. */
  readonly judged: readonly { readonly slot: number; readonly input: number; readonly value: Evaluate }[]
  readonly expressions: ReadonlyMap<Expression, Evaluate | EvaluateText>
  readonly values: readonly { readonly metric: string; readonly id: number; readonly read: Evaluate }[]
  readonly eta: Evaluate | null
  readonly sequence: RuntimeSequence | null
  readonly legalFrom: number
  readonly legalTo: number
  readonly watches: readonly RuntimeRule[]
  readonly inhibitors: readonly RuntimeRule[]
  /** Rules to judge again when this one's level changes. */
  readonly dependents: RuntimeRule[]
  /** Rules whose announcements this one holds back. */
  readonly inhibits: RuntimeRule[]
  readonly cells: Map<number, AlertCell>
  /** Keys whose alert is open. */
  readonly open: Set<number>
  readonly absents: Map<number, AbsentState>
  /** `agree` by call signature: last time each device met the condition. */
  touchStamp: number
  touchKey: number
  skipped: number
}
