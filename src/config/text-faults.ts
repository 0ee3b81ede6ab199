/**
 * What is wrong with the texts that rules refer to (registry, metrics, zones), each fault at its place: the model's own
 * readers say what they refuse, and here each entry is given to them by itself to find out which.
 */
import { type ErrorCode, type Fault, HaidangError } from '../model/errors.js'
import { metricRegistry } from '../model/metrics.js'
import { deviceRegistry } from '../model/registry.js'
import { zones } from '../model/zones.js'
import { ConfigText, type Path } from './config-text.js'
import type { TextFile } from './texts.js'

/** Faults of a device registry; none where it can be read. O(text), O(entries) readings where there are faults. */
export function registryFaults({ file, text }: TextFile): readonly Fault[] {
  if (refusal(() => deviceRegistry(text)) === null) return []
  return located(file, text, function* (value) {
    const map = (Array.isArray(value) ? { devices: value } : value) as Record<string, unknown>
    const under = (key: string): Path => (Array.isArray(value) ? [] : [key])
    const seen = new Set<string>()
    for (const [i, site] of entries(map['sites']))
      yield [[...under('sites'), i], refusal(() => deviceRegistry(JSON.stringify({ sites: [site] })))]
    for (const [i, device] of entries(map['devices'])) {
      const id = String((device as Record<string, unknown> | null)?.['device'])
      const twice = seen.has(id) ? new HaidangError('HD_CONFIG_VALUE', `devices: '${id}' stands twice`) : null
      seen.add(id)
      yield [[...under('devices'), i], twice ?? refusal(() => deviceRegistry(JSON.stringify([device])))]
    }
  })
}

/** Faults of a city's metrics. */
export function metricsFaults({ file, text }: TextFile): readonly Fault[] {
  if (refusal(() => metricRegistry([text])) === null) return []
  return located(file, text, function* (value) {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return
    for (const [metric, entry] of Object.entries(value))
      yield [[metric], refusal(() => metricRegistry([JSON.stringify({ [metric]: entry })]))]
  })
}

/** Faults of a GeoJSON text. */
export function zonesFaults({ file, text }: TextFile): readonly Fault[] {
  const whole = refusal(() => zones(text))
  if (whole === null) return []
  const position = /at position (\d+)/.exec(whole.message)
  if (whole.code === 'HD_CONFIG_SYNTAX' && position !== null) {
    const broken = new ConfigText(file, text)
    return faultsAt(broken, whole.code, Math.min(Number(position[1]), text.length), whole.message)
  }
  return located(file, text, function* (value) {
    const type = 'FeatureCollection'
    for (const [i, feature] of entries((value as Record<string, unknown> | null)?.['features']))
      yield [['features', i], refusal(() => zones(JSON.stringify({ type, features: [feature] })))]
  })
}

function refusal(read: () => unknown): HaidangError | null {
  try {
    read()
    return null
  } catch (error) {
    if (error instanceof HaidangError) return error
    throw error
  }
}

function entries(list: unknown): [number, unknown][] {
  return Array.isArray(list) ? [...list.entries()] : []
}

type Entries = (value: unknown) => Generator<readonly [Path, HaidangError | null]>

/** The refusals of entries at their places; where none of them is refused by itself, that of the whole at its beginning. */
function located(file: string, text: string, entriesOf: Entries): readonly Fault[] {
  const config = new ConfigText(file, text)
  if (config.faults.length > 0) return config.faults
  for (const [path, error] of entriesOf(config.value))
    if (error !== null) config.fault(error.code, config.at(path), error.message)
  if (config.faults.length > 0) return config.faults
  return faultsAt(config, 'HD_CONFIG_VALUE', 0, 'the file cannot be read as what it should be')
}

function faultsAt(config: ConfigText, code: ErrorCode, offset: number, message: string): readonly Fault[] {
  config.fault(code, offset, message)
  return config.faults
}
