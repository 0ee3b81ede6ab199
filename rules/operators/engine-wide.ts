import type { Parameter, Signature } from './operator.js'
import { CONDITION, METRIC, MIN_SPREAD, number, signature, text, WINDOW } from './signatures.js'

/**
 * Functions over other devices or other rules: what they read is the engine's own state (newest values, open alerts), so
 * they have a signature here and their machine in the engine.
 */
const NONE = 'none of its own'
const AREA = 'O(d), d devices of the area'
const VALUES = '16 B a device and metric'
const K: Parameter = { ...number('k', 1, 64), integer: true }
const RADIUS: Parameter = number('radius', 0, 100_000)
const AGGREGATE: Parameter = {
  name: 'f',
  type: 'function',
  constant: true,
  choices: ['count', 'sum', 'avg', 'min', 'max', 'range', 'stddev', 'var', 'median', 'mad'],
}

export const ENGINE_WIDE: readonly Signature[] = [
  signature('disagrees', 'registry', [METRIC, K, RADIUS, MIN_SPREAD], 'number', 'O(k)', NONE),
  signature('agree', 'registry', [CONDITION, K, RADIUS, WINDOW], 'number', 'O(k)', '64 B a device'),
  signature('across', 'registry', [AGGREGATE, METRIC], 'number', AREA, VALUES),
  signature('count_devices', 'registry', [CONDITION], 'number', AREA, VALUES),
  signature(
    'near_alert',
    'alert',
    [text('rule'), number('metres', 0, 1_000_000)],
    'number',
    'O(open alerts of that rule)',
    NONE,
  ),
  signature('alert', 'alert', [text('rule')], 'number', 'O(1)', NONE),
]
