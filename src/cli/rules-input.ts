/** The rules that `check`, `test` and `rules diff` look at, with the registry, zones and metrics they refer to. */
import path from 'node:path'
import type { RuleEnvironment } from '../../rules/language/load.js'
import { readSettings } from '../config/settings.js'
import { metricsFaults, registryFaults, zonesFaults } from '../config/text-faults.js'
import { readTexts, type TextFile } from '../config/texts.js'
import { type Fault, HaidangError } from '../model/errors.js'
import { metricRegistry } from '../model/metrics.js'
import { deviceRegistry, EMPTY_REGISTRY } from '../model/registry.js'
import { zones } from '../model/zones.js'
import type { Io } from './command.js'

export interface RulesInput {
  readonly files: readonly TextFile[]
  /** null: metrics or zones cannot be read, so that nothing can be said of the rules that name them. */
  readonly environment: RuleEnvironment | null
  /** Of haidang.yaml and variables (where no rules are named), registry, metrics and zones; warnings too. */
  readonly faults: readonly Fault[]
  /** Texts of metrics and zones as the core takes them: a JSON list of YAML texts, and GeoJSON. */
  readonly metricsText: string
  readonly zonesText: string
}

/**
 * Reads the rules at `paths` (none: those of the settings) beside what haidang.yaml and HAIDANG_* name. Throws
 * HaidangError where a file is not there or cannot be read.
 */
export async function readRulesInput(
  paths: readonly string[],
  io: Pick<Io, 'env' | 'cwd'>,
): Promise<RulesInput> {
  const { settings, faults: configured } = await readSettings(io.env, io.cwd)
  const { texts: named } = settings
  const texts = await readTexts({
    ...named,
    rules: paths.length > 0 ? paths.map((one) => path.resolve(io.cwd, one)) : named.rules,
  })
  const beside = (file: string | undefined, name: string): string =>
    file ?? (named.devices === undefined ? name : path.join(path.dirname(named.devices), name))
  const [product, city = ''] = JSON.parse(texts.metrics) as string[]
  const metrics = metricsFaults({ file: beside(named.metrics, 'metrics.yaml'), text: city })
  const registry = registryFaults({ file: named.devices ?? 'devices', text: texts.registry })
  const areas = zonesFaults({ file: beside(named.zones, 'zones.geojson'), text: texts.zones })
  const usable = metrics.length === 0 && areas.length === 0
  return {
    files: (JSON.parse(texts.rules) as TextFile[]).map(({ file, text }) => ({
      file: asGiven(file, paths, io.cwd),
      text,
    })),
    metricsText: texts.metrics,
    zonesText: texts.zones,
    faults: [...(paths.length > 0 ? [] : configured), ...metrics, ...registry, ...areas],
    environment: usable
      ? {
          metrics: metricRegistry(city === '' ? [product!] : [product!, city]),
          registry: registry.length > 0 ? EMPTY_REGISTRY : deviceRegistry(texts.registry),
          zones: zones(texts.zones),
          timezone: io.env['HAIDANG_TIMEZONE'] ?? settings.timezone,
        }
      : null,
  }
}

/** A file is named as the person named it: relative where what they wrote was. */
function asGiven(file: string, paths: readonly string[], cwd: string): string {
  const given = paths.find((one) => file.startsWith(path.resolve(cwd, one)))
  if (given === undefined || path.isAbsolute(given)) return file
  return path.join(given, path.relative(path.resolve(cwd, given), file))
}

/** Prints what could not be read at all; rethrows what is no fault of a person's. */
export function unreadable(error: unknown, io: Pick<Io, 'stdout'>): void {
  if (!(error instanceof HaidangError)) throw error
  io.stdout.write(`error: ${error.message} [${error.code}]\n`)
}

/** `1 rule`, `3 rules`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
