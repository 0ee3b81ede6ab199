import type { Operator, PlaceOperator } from '../../rules/operators/operator.js'
import type { SampleWindow } from '../../rules/operators/window.js'

/** The operators of one input (one metric of one key, or one condition), and the windows they share. */
export interface InputState {
  readonly windows: SampleWindow[]
  readonly operators: Operator[]
  /** For each of these operators, which of its inputs this is. */
  readonly ordinals: number[]
}

/**
 * What a scope keeps for one key: newest values by metric slot, and operators by call slot. Scopes keyed wider than a
 * device keep one more of these for each device, for the functions of succession.
 */
export interface KeyState {
  readonly key: number
  readonly text: string
  /** By metric slot of the scope: newest value and its event time; empty where the series index serves (direct scopes). */
  readonly values: Float64Array
  readonly times: Float64Array
  /** Newest event time of an accepted sample. */
  newest: number
  /** By call slot of the scope. */
  readonly operators: (Operator | null)[]
  /** By call slot: functions of the device's positions. */
  readonly places: (PlaceOperator | null)[]
  /** By input slot of the scope. */
  readonly inputs: (InputState | null)[]
  /** Message whose position the place functions have had. */
  placeStamp: number
  /** By call slot: message that last fed it, for operators fed at judgements. */
  readonly judgedStamp: number[]
  /** By device id; null where the key is the device. */
  readonly devices: Map<number, KeyState> | null
}
