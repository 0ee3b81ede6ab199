import { parse } from 'yaml'
import type { Bilingual } from './alert.js'
import { HaidangError } from './errors.js'

/** What the city knows of one metric; decoders convert to `unit`, rules read `danger` and `counter`. */
export interface Metric {
  readonly metric: string
  readonly unit: string
  /** Smallest and largest possible value; beyond them a sample is `out_of_range`. */
  readonly min: number
  readonly max: number
  /** Side on which out of range is dangerous (a wall of water), not just a broken sensor. */
  readonly danger: 'up' | 'down' | 'both'
  readonly decimals: number
  /** Ever-growing count: the only metrics `rate()` takes. */
  readonly counter: boolean
  readonly name: Bilingual
}

export type MetricRegistry = ReadonlyMap<string, Metric>

/**
 * Registry of YAML texts (the product's metrics.yaml first, then the city's, which adds or replaces): a map of
 * `name: {unit, min, max, danger, decimals, counter, en, vi}`. Throws HD_CONFIG_SYNTAX or HD_CONFIG_VALUE.
 */
export function metricRegistry(texts: readonly string[]): MetricRegistry {
  const registry = new Map<string, Metric>()
  for (const text of texts) {
    let document: unknown
    try {
      document = parse(text)
    } catch (cause) {
      throw new HaidangError('HD_CONFIG_SYNTAX', `metrics: ${(cause as Error).message}`, { cause })
    }
    if (document === null || document === undefined) continue
    if (typeof document !== 'object' || Array.isArray(document))
      throw new HaidangError('HD_CONFIG_VALUE', 'metrics: expected a map of metric names')
    for (const [metric, raw] of Object.entries(document as Record<string, unknown>)) {
      if (!/^[a-z][a-z0-9_]*$/.test(metric))
        throw new HaidangError('HD_CONFIG_VALUE', `metrics: '${metric}' is not snake_case`)
      const entry = (raw ?? {}) as Record<string, unknown>
      const number = (key: string, fallback: number): number => {
        const value = entry[key] ?? fallback
        if (typeof value !== 'number' || Number.isNaN(value))
          throw new HaidangError(
            'HD_CONFIG_VALUE',
            `metrics: ${metric}.${key} must be a number, not ${JSON.stringify(value)}`,
          )
        return value
      }
      const danger = entry['danger'] ?? 'up'
      if (danger !== 'up' && danger !== 'down' && danger !== 'both')
        throw new HaidangError('HD_CONFIG_VALUE', `metrics: ${metric}.danger must be up, down or both`)
      registry.set(metric, {
        metric,
        unit: String(entry['unit'] ?? ''),
        min: number('min', Number.NEGATIVE_INFINITY),
        max: number('max', Number.POSITIVE_INFINITY),
        danger,
        decimals: number('decimals', 2),
        counter: entry['counter'] === true,
        name: { en: String(entry['en'] ?? metric), vi: String(entry['vi'] ?? entry['en'] ?? metric) },
      })
    }
  }
  return registry
}
