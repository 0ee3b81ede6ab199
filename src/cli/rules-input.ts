/** The rules that `check`, `test` and `rules diff` look at, with the registry, zones and metrics they refer to. */
import type { RuleEnvironment } from '../../rules/language/load.js'
import { readTexts, type TextFile } from '../config/texts.js'
import { metricRegistry } from '../model/metrics.js'
import { deviceRegistry } from '../model/registry.js'
import { zones } from '../model/zones.js'
import type { Io } from './command.js'

export interface RulesInput {
  readonly files: readonly TextFile[]
  readonly environment: RuleEnvironment
  /** Texts of the same, as the core takes them: a JSON list of YAML texts, and GeoJSON. */
  readonly metricsText: string
  readonly zonesText: string
}

export const TIMEZONE_DEFAULT = 'Asia/Ho_Chi_Minh'

/** Reads files or folders (`paths`) beside what HAIDANG_* names. Throws HaidangError where one cannot be read or used. */
export async function readRulesInput(paths: readonly string[], env: Io['env']): Promise<RulesInput> {
  const texts = await readTexts({
    rules: paths,
    devices: env['HAIDANG_DEVICES'],
    zones: env['HAIDANG_ZONES'],
    metrics: env['HAIDANG_METRICS'],
  })
  return {
    files: JSON.parse(texts.rules) as TextFile[],
    metricsText: texts.metrics,
    zonesText: texts.zones,
    environment: {
      metrics: metricRegistry(JSON.parse(texts.metrics) as string[]),
      registry: deviceRegistry(texts.registry),
      zones: zones(texts.zones),
      timezone: env['HAIDANG_TIMEZONE'] ?? TIMEZONE_DEFAULT,
    },
  }
}

/** `1 rule`, `3 rules`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
