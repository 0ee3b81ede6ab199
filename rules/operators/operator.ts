import type { Zone } from '../../src/model/zones.js'
import type { ValueType } from '../language/ast.js'
import type { SampleWindow } from './window.js'

/**
 * An operator is one function of the rule language: its signature for the checker, and a state machine per (input,
 * key) for the engine. It sees numbers and times only: never an alert, a clock, a file. Missing is NaN everywhere.
 *
 * Families, by what feeds them:
 *   set         samples of a metric over all devices of the key            avg(level_m, 10m)
 *   succession  samples of a metric of the message's device alone          slope(level_m, 30m)
 *   condition   the condition at each judged message of the key            share(temp_c > 57, 10m)
 *   place       positions of the message's device                          entered('port')
 *   registry    newest values of other devices (engine-wide state)         across(max, level_m), disagrees(…)
 *   alert       levels of other rules                                      alert('rule')
 */
export type Family = 'set' | 'succession' | 'condition' | 'place' | 'registry' | 'alert'

export interface Parameter {
  readonly name: string
  /** `metric`: a metric's name; `condition`: an expression of type boolean; `label`: `label`, `device` or `attrs.x`. */
  readonly type: 'metric' | 'number' | 'duration' | 'text' | 'condition' | 'label' | 'function'
  /** Must be known at load; else it may be an expression (evaluated at each judgement and given to `read`). */
  readonly constant: boolean
  /**
   * Positional parameters are required unless they have a default. `named` ones are written name=value and are always
   * optional: not written and without a default they are absent from the constants.
   */
  readonly named?: boolean
  readonly default?: number | string
  readonly choices?: readonly string[]
  /** Smallest allowed constant (durations in ms). */
  readonly min?: number
  /** Largest allowed constant. Windows end at 400 d. */
  readonly max?: number
  /** Type metric: must be a counter in metrics.yaml. */
  readonly counter?: boolean
  /** Type number: must be whole. */
  readonly integer?: boolean
}

export interface Signature {
  readonly name: string
  readonly family: Family
  readonly parameters: readonly Parameter[]
  /** Metrics that a function without a metric parameter reads (vn_aqi): `push` is told which by its index here. */
  readonly metrics?: readonly string[]
  readonly result: ValueType
  /** Further results: `.low .high .sign`. */
  readonly fields: Readonly<Record<string, ValueType>>
  /** One line each for `check --cost` and docs. */
  readonly cost: string
  readonly memory: string
}

/** Constant arguments: durations in ms. */
export type Constants = Readonly<Record<string, number | string>>

/** What an operator may ask of the engine when it is made for one (input, key). */
export interface OperatorContext {
  /**
   * The sliding window of `ms` on this operator's input: one per (input, key, ms), shared by all operators on it.
   * The engine pushes each accepted sample into every window once, then calls `push` of the operators.
   */
  window(ms: number): SampleWindow
  /** ms: how far behind the newest sample still enters windows. */
  readonly late: number
  /** The metric's decimals, min, max as registered; NaN where not. */
  readonly metricMin: number
  readonly metricMax: number
  /** Local hour numbering of the city: ms to add to UTC at `time`. */
  zoneOffset(time: number): number
}

/** State of one operator for one (input, key). */
export interface Operator {
  /**
   * A sample that the rule's scope accepted, in order of arrival (its time may be up to `late` behind). For `condition`
   * operators `value` is 1 or 0 (a missing condition is not pushed), for `distinct` an interned id. Left out where the
   * operator lives on its window alone. `input` is the place of the metric in the signature's `metrics`, 0 where there is
   * one input. The shared windows of this input have taken the sample before.
   */
  push?(time: number, value: number, input?: number): void
  /**
   * Result at a judgement with event time `time` (windows cover (time − w, time]); NaN is missing. `field` is '' or one
   * of `fields`; `x` is the one dynamic argument (`limit` of time_to), NaN where there is none.
   */
  read(time: number, field: string, x: number): number
  /** Everything needed to go on after `load` exactly as if nothing had happened; shared windows save themselves. */
  save(out: StateWriter): void
  load(input: StateReader): void
}

export interface OperatorKind {
  readonly signature: Signature
  create(constants: Constants, context: OperatorContext): Operator
}

/** State of one `place` function for one device. */
export interface PlaceOperator {
  /** The position of a message of the device in degrees, its own or else the registry's, before `read` at that message. */
  place(time: number, lat: number, lon: number): void
  /**
   * Result at the message of event time `time`; NaN is missing: also where that message brought no position. `route` is
   * the zone that the one dynamic argument names (off_route), undefined where there is none.
   */
  read(time: number, route: Zone | undefined): number
  save(out: StateWriter): void
  load(input: StateReader): void
}

export interface PlaceContext {
  /** As in OperatorContext. */
  readonly late: number
  /** The zones in force, by name. */
  readonly zones: ReadonlyMap<string, Zone>
}

export interface PlaceKind {
  readonly signature: Signature
  create(constants: Constants, context: PlaceContext): PlaceOperator
}

/** Checkpoint bytes of one state: numbers in order; the reader reads them in the same order. */
export interface StateWriter {
  number(value: number): void
  numbers(values: Float64Array, from: number, to: number): void
  text(value: string): void
}
export interface StateReader {
  number(): number
  /** Length as written. */
  numbers(): Float64Array
  text(): string
}
