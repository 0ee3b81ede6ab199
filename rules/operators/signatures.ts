import type { ValueType } from '../language/ast.js'
import type { Family, Parameter, Signature } from './operator.js'

/** Longest window and halflife. A year of comparison needs a little over a year. */
export const DURATION_MAX = 400 * 86_400_000

/** The metric an operator reads. */
export const METRIC: Parameter = { name: 'm', type: 'metric', constant: true }
/** A condition, judged at each message of the key. */
export const CONDITION: Parameter = { name: 'condition', type: 'condition', constant: true }
/** Length of the sliding window. */
export const WINDOW: Parameter = duration('w')
/**
 * `warmup=`: how much of the window must have been seen (newest − oldest sample in it) before there is a value. Absent
 * from the constants where not written: the operator's own default holds (w/2 for most).
 */
export const WARMUP: Parameter = {
  name: 'warmup',
  type: 'duration',
  constant: true,
  named: true,
  min: 0,
  max: DURATION_MAX,
}
/** `min=`: smallest spread that counts, in the metric's unit. */
export const MIN_SPREAD: Parameter = {
  name: 'min',
  type: 'number',
  constant: true,
  named: true,
  min: 0,
  default: 0,
}
/** `method=` of a trend line. */
export const METHOD: Parameter = {
  name: 'method',
  type: 'text',
  constant: true,
  named: true,
  default: 'theil_sen',
  choices: ['theil_sen', 'least_squares'],
}

export function duration(name: string): Parameter {
  return { name, type: 'duration', constant: true, min: 1, max: DURATION_MAX }
}

export function number(name: string, min: number, max?: number): Parameter {
  return { name, type: 'number', constant: true, min, ...(max === undefined ? {} : { max }) }
}

export function text(name: string): Parameter {
  return { name, type: 'text', constant: true }
}

/** A signature without fields of its own. */
export function signature(
  name: string,
  family: Family,
  parameters: readonly Parameter[],
  result: ValueType,
  cost: string,
  memory: string,
  fields: Readonly<Record<string, ValueType>> = {},
): Signature {
  return { name, family, parameters, result, fields, cost, memory }
}

/** `f(m, w)` over all samples of the key. */
export function setSignature(
  name: string,
  cost: string,
  memory: string,
  extra: readonly Parameter[] = [],
): Signature {
  return signature(name, 'set', [METRIC, WINDOW, ...extra, WARMUP], 'number', cost, memory)
}

/** `f(m, w)` over the samples of the message's device. */
export function successionSignature(
  name: string,
  cost: string,
  memory: string,
  extra: readonly Parameter[] = [],
): Signature {
  return signature(name, 'succession', [METRIC, WINDOW, ...extra, WARMUP], 'number', cost, memory)
}
