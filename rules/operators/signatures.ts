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

const SHARED_WINDOW = 'the shared window: 16 B a sample up to 4 096, then 64 panes'
const SORTED = 'the shared window and 8 B a sample for its sorted values'
const BAND = { low: 'number', high: 'number' } as const
const ROUTE: Parameter = { name: 'route', type: 'text', constant: false }

/** Every function of RULES.md that is more than arithmetic on plain values. */
export const ALL: readonly Signature[] = [
  setSignature('count', 'O(1)', SHARED_WINDOW),
  setSignature('sum', 'O(1)', SHARED_WINDOW),
  setSignature('avg', 'O(1)', SHARED_WINDOW),
  setSignature('min', 'O(1) amortised', SHARED_WINDOW),
  setSignature('max', 'O(1) amortised', SHARED_WINDOW),
  successionSignature('first', 'O(1)', SHARED_WINDOW),
  successionSignature('last', 'O(1)', SHARED_WINDOW),
  successionSignature('delta', 'O(1)', SHARED_WINDOW),
  setSignature('range', 'O(1) amortised', SHARED_WINDOW),
  setSignature('stddev', 'O(1)', SHARED_WINDOW),
  setSignature('var', 'O(1)', SHARED_WINDOW),
  setSignature('median', 'O(log n), n ≤ 4 096', SORTED),
  setSignature('quantile', 'O(log n), n ≤ 4 096', SORTED, [number('q', 0, 1)]),
  setSignature('mad', 'O(log n), n ≤ 4 096', SORTED),
  signature('share', 'condition', [CONDITION, WINDOW, WARMUP], 'number', 'O(1)', SHARED_WINDOW),
  signature('count_if', 'condition', [CONDITION, WINDOW, WARMUP], 'number', 'O(1)', SHARED_WINDOW),
  signature(
    'distinct',
    'set',
    [{ name: 'label', type: 'label', constant: true }, WINDOW, WARMUP],
    'number',
    'O(1)',
    'the shared window and 32 B a distinct value',
  ),
  signature(
    'rate',
    'succession',
    [{ ...METRIC, counter: true }, WINDOW, WARMUP],
    'number',
    'O(1)',
    SHARED_WINDOW,
  ),
  signature(
    'slope',
    'succession',
    [METRIC, WINDOW, METHOD, WARMUP],
    'number',
    'O(k), k ≤ 64 points',
    SHARED_WINDOW,
    BAND,
  ),
  signature(
    'forecast',
    'succession',
    [METRIC, { ...duration('horizon'), min: 0 }, WINDOW, METHOD, WARMUP],
    'number',
    'O(k), k ≤ 64 points',
    SHARED_WINDOW,
    BAND,
  ),
  signature(
    'time_to',
    'succession',
    [
      METRIC,
      { name: 'limit', type: 'number', constant: false },
      WINDOW,
      {
        name: 'direction',
        type: 'text',
        constant: true,
        named: true,
        default: 'up',
        choices: ['up', 'down'],
      },
      METHOD,
      WARMUP,
    ],
    'duration',
    'O(k), k ≤ 64 points',
    SHARED_WINDOW,
    { low: 'duration', high: 'duration' },
  ),
  signature('ewma', 'succession', [METRIC, duration('halflife'), WARMUP], 'number', 'O(1)', '32 B'),
  signature('ewmsd', 'succession', [METRIC, duration('halflife'), WARMUP], 'number', 'O(1)', '40 B'),
  successionSignature('zscore', 'O(1)', SHARED_WINDOW, [MIN_SPREAD]),
  successionSignature('robust_z', 'O(log n), n ≤ 4 096', SORTED, [MIN_SPREAD]),
  signature(
    'seasonal_z',
    'succession',
    [METRIC, { ...duration('period'), min: 3_600_000 }, WINDOW, MIN_SPREAD],
    'number',
    'O(1), O(c log c) once a judgement for c samples kept of that hour',
    '16 B a sample kept, at most 256 an hour of the period',
  ),
  signature(
    'change',
    'succession',
    [METRIC, WINDOW, MIN_SPREAD, WARMUP],
    'number',
    'O(log n), n ≤ 4 096',
    SORTED,
    { sign: 'number' },
  ),
  signature(
    'anomaly',
    'succession',
    [METRIC, MIN_SPREAD, WARMUP],
    'number',
    'O(log n), n ≤ 512',
    '16 KiB at most',
  ),
  signature('spike', 'succession', [METRIC, MIN_SPREAD, WARMUP], 'boolean', 'O(1)', '1 KiB'),
  signature('stuck', 'succession', [METRIC, WINDOW], 'boolean', 'O(1)', '24 B'),
  successionSignature('lag', 'O(log n)', SHARED_WINDOW),
  signature('changed', 'succession', [METRIC], 'boolean', 'O(1)', '16 B'),
  signature('since', 'condition', [CONDITION], 'duration', 'O(1)', '16 B'),
  signature('held', 'condition', [CONDITION], 'duration', 'O(1)', '16 B'),
  signature('in_zone', 'place', [text('zone')], 'boolean', 'O(log e), e edges near', '8 B'),
  signature('entered', 'place', [text('zone')], 'boolean', 'O(log e), e edges near', '16 B'),
  signature('left', 'place', [text('zone')], 'boolean', 'O(log e), e edges near', '16 B'),
  signature('dwell', 'place', [text('zone')], 'duration', 'O(log e), e edges near', '24 B'),
  signature('distance_to', 'place', [text('zone')], 'number', 'O(e), e edges of the zone', '16 B'),
  signature('moved', 'place', [WINDOW, WARMUP], 'number', 'O(1)', SHARED_WINDOW),
  signature('off_route', 'place', [ROUTE], 'number', 'O(e), e edges of the line', '16 B'),
  signature('gap_to_next', 'place', [ROUTE], 'number', 'O(v), v vehicles of the route', '16 B a vehicle'),
  signature('nowcast', 'succession', [METRIC], 'number', 'O(1)', '13 hours of 24 B'),
  {
    ...signature('vn_aqi', 'succession', [], 'number', 'O(1)', '6 × 13 hours of 24 B'),
    metrics: ['pm25_ugm3', 'pm10_ugm3', 'o3_ugm3', 'no2_ugm3', 'so2_ugm3', 'co_ugm3'],
  },
  signature(
    'disagrees',
    'registry',
    [METRIC, { ...number('k', 3, 64), integer: true }, number('radius', 0, 100_000), MIN_SPREAD],
    'number',
    'O(k)',
    'none of its own',
  ),
  signature(
    'agree',
    'registry',
    [CONDITION, { ...number('k', 1, 64), integer: true }, number('radius', 0, 100_000), WINDOW],
    'number',
    'O(k)',
    '8 B a device',
  ),
  signature(
    'across',
    'registry',
    [
      {
        name: 'f',
        type: 'function',
        constant: true,
        choices: ['count', 'sum', 'avg', 'min', 'max', 'range', 'stddev', 'var', 'median', 'mad'],
      },
      METRIC,
    ],
    'number',
    'O(d), d devices of the area, at most once a judgement',
    'none of its own',
  ),
  signature(
    'count_devices',
    'registry',
    [CONDITION],
    'number',
    'O(d), d devices of the area',
    '8 B a device',
  ),
  signature(
    'near_alert',
    'alert',
    [text('rule'), number('metres', 0, 1_000_000)],
    'number',
    'O(open alerts of that rule)',
    'none of its own',
  ),
  signature('alert', 'alert', [text('rule')], 'number', 'O(1)', 'none of its own'),
]
