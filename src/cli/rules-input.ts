/** The rules that `check`, `test` and `rules diff` look at, with the registry, zones and metrics they refer to. */
import path from 'node:path'
import type { RuleEnvironment } from '../../rules/language/load.js'
import { hasError, textFaults } from '../config/check-texts.js'
import { readSettings } from '../config/settings.js'
import { readTexts, type TextFile, type Texts } from '../config/texts.js'
import { type Fault, HaidangError } from '../model/errors.js'
import { metricRegistry } from '../model/metrics.js'
import { deviceRegistry, EMPTY_REGISTRY } from '../model/registry.js'
import { zones } from '../model/zones.js'
import type { Io } from './command.js'

export interface RulesInput {
  readonly files: readonly TextFile[]
  /** null: metrics or zones cannot be read, so that nothing can be said of the rules that name them. */
  readonly environment: RuleEnvironment | null
  /** Of haidang.yaml and variables (where asked for), registry, metrics and zones; warnings too. */
  readonly faults: readonly Fault[]
  /** Texts of metrics and zones as the core takes them: a JSON list of YAML texts, and GeoJSON. */
  readonly metricsText: string
  readonly zonesText: string
}

/**
 * Reads the rules at `paths` (none: those of the settings) beside what haidang.yaml and HAIDANG_* name. Faults of the
 * settings are told where no rules are named, or `withSettings` asks for them. Throws HaidangError where a file is not there or cannot be read.
 */
export async function readRulesInput(
  paths: readonly string[],
  io: Pick<Io, 'env' | 'cwd'>,
  withSettings = paths.length === 0,
): Promise<RulesInput> {
  const { settings, faults: configured } = await readSettings(io.env, io.cwd)
  const { texts: named } = settings
  const rules = paths.length > 0 ? paths.map((one) => path.resolve(io.cwd, one)) : named.rules
  let texts: Texts
  try {
    texts = await readTexts({ ...named, rules })
  } catch (error) {
    // What the settings name and is not there has been told at its place, and the rest of them with it.
    if (!(error instanceof HaidangError) || !configured.some(({ code }) => code === error.code)) throw error
    return { files: [], environment: null, faults: configured, metricsText: '[]', zonesText: '' }
  }
  const { metrics, registry, zones: areas } = textFaults(named, texts)
  const usable = !hasError(metrics) && !hasError(areas)
  return {
    files: (JSON.parse(texts.rules) as TextFile[]).map(({ file, text }) => ({
      file: asGiven(file, paths, io.cwd),
      text,
    })),
    metricsText: texts.metrics,
    zonesText: texts.zones,
    faults: [...(withSettings ? configured : []), ...metrics, ...registry, ...areas],
    environment: usable
      ? {
          metrics: metricRegistry(JSON.parse(texts.metrics) as string[]),
          registry: hasError(registry) ? EMPTY_REGISTRY : deviceRegistry(texts.registry),
          zones: zones(texts.zones),
          timezone: settings.timezone,
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
