/**
 * What is wrong with the texts that rules refer to (registry, metrics, zones): every fault at once, each at its line and
 * column. The core reads the same texts without positions and stops at the first; what it refuses is an error here, what it
 * takes and a person can hardly have meant is a warning.
 */

import path from 'node:path'
import { RuleFile } from '../../rules/language/source.js'
import { didYouMean, nearest } from '../../rules/language/suggest.js'
import { type ErrorCode, type Fault, HaidangError } from '../model/errors.js'
import { metricRegistry } from '../model/metrics.js'
import { deviceRegistry } from '../model/registry.js'
import { zones } from '../model/zones.js'
import { ConfigText, type Path } from './config-text.js'
import { jsonFaultOffset, jsonOffsets } from './json-text.js'
import { offsetOf } from './report.js'
import type { TextFile, TextPaths, Texts } from './texts.js'
import { DEVICE_LIST_SCHEMA, DEVICE_SCHEMA, METRICS_SCHEMA, REGISTRY_SCHEMA } from './texts-schema.js'
import { schemaFaults } from './validate.js'

type Fields = Readonly<Record<string, unknown>>

/** Faults of a device registry (YAML or JSON). O(text). */
export function registryFaults({ file, text }: TextFile): readonly Fault[] {
  const config = new ConfigText(file, text)
  const { value } = config
  if (config.faults.length > 0 || value === undefined) return config.faults
  const isList = Array.isArray(value)
  if (!isList && !hasRegistryShape(value)) {
    config.fault('HD_CONFIG_VALUE', 0, "a registry is a list of devices, or a map of 'devices' and 'sites'")
    return config.faults
  }
  reportSchema(config, isList ? DEVICE_LIST_SCHEMA : REGISTRY_SCHEMA, value)
  const sites = isList ? [] : maps((value as Fields)['sites'], ['sites'])
  const devices = isList ? maps(value, []) : maps((value as Fields)['devices'], ['devices'])
  reportTwice(config, devices, 'device', 'error')
  reportTwice(config, sites, 'site', 'warning')
  if (!hasError(config.faults)) reportRefusal(config, () => deviceRegistry(text))
  for (const { path, fields } of [...sites, ...devices]) warnOfPosition(config, path, fields)
  const names = new Set(sites.map(({ fields }) => String(fields['site'])))
  for (const { path, fields } of devices) {
    warnOfAttributes(config, path, fields)
    const site = fields['site']
    if (site != null && names.size > 0 && !names.has(String(site)))
      warn(config, [...path, 'site'], `there is no site '${String(site)}'${didYouMean(String(site), names)}`)
  }
  return config.faults
}

function hasRegistryShape(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ('devices' in value || 'sites' in value)
}

interface Entry {
  readonly path: Path
  readonly fields: Fields
}

/** The maps of a list with their paths; what is none has been reported by the schema. */
function maps(list: unknown, at: Path): Entry[] {
  if (!Array.isArray(list)) return []
  return list.flatMap((fields: unknown, i) => (isMap(fields) ? [{ path: [...at, i], fields }] : []))
}

function isMap(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function reportTwice(
  config: ConfigText,
  entries: readonly Entry[],
  key: string,
  severity: Fault['severity'],
): void {
  const first = new Map<string, Path>()
  for (const { path, fields } of entries) {
    const id = fields[key]
    if (id === undefined || id === null) continue
    const before = first.get(String(id))
    if (before === undefined) first.set(String(id), path)
    else {
      const line = config.line(config.at([...before, key]))
      config.fault(
        'HD_CONFIG_VALUE',
        config.at([...path, key]),
        `the ${key} '${String(id)}' stands twice, first in line ${line}`,
        severity,
      )
    }
  }
}

/** The core takes up to 180 for both; a latitude beyond 90 is a longitude. */
function warnOfPosition(config: ConfigText, path: Path, { lat, lon }: Fields): void {
  if (typeof lat === 'number' && Math.abs(lat) > 90 && Math.abs(lat) <= 180)
    warn(config, [...path, 'lat'], `a latitude of ${lat}: are lat and lon swapped?`)
  if ((lat == null) !== (lon == null))
    warn(
      config,
      [...path, lat == null ? 'lon' : 'lat'],
      `'${lat == null ? 'lon' : 'lat'}' alone is no position`,
    )
}

const KNOWN: readonly string[] = Object.keys(DEVICE_SCHEMA.properties)
/** What people write for a key of ours; as an attribute it would silently do nothing. */
const SLIPS: Readonly<Record<string, string>> = {
  id: 'device',
  type: 'kind',
  limits: 'limit',
  latitude: 'lat',
  longitude: 'lon',
  lng: 'lon',
  long: 'lon',
  interval: 'expected_interval',
}

function warnOfAttributes(config: ConfigText, path: Path, fields: Fields): void {
  for (const [key, value] of Object.entries(fields)) {
    if (KNOWN.includes(key)) continue
    const meant = Object.hasOwn(SLIPS, key) ? SLIPS[key]! : nearest(key, ['expected_interval'])
    if (meant !== undefined && !(meant in fields))
      config.fault(
        'HD_CONFIG_UNKNOWN_KEY',
        config.keyAt([...path, key]),
        `'${key}' is an attribute like any other: did you mean '${meant}'?`,
        'warning',
      )
    else if (typeof value === 'object' && value !== null)
      config.fault(
        'HD_CONFIG_VALUE',
        config.keyAt([...path, key]),
        `the attribute '${key}' is a ${Array.isArray(value) ? 'list' : 'map'}: nothing reads it`,
        'warning',
      )
  }
}

/** Faults of a city's metrics (YAML). */
export function metricsFaults({ file, text }: TextFile): readonly Fault[] {
  const config = new ConfigText(file, text)
  const { value } = config
  if (config.faults.length > 0 || value === undefined) return config.faults
  reportSchema(config, METRICS_SCHEMA, value)
  for (const [metric, entry] of Object.entries(isMap(value) ? value : {})) {
    if (!isMap(entry)) continue
    const { min, max } = entry
    if (typeof min === 'number' && typeof max === 'number' && !(min < max))
      config.fault(
        'HD_CONFIG_VALUE',
        config.at([metric, 'min']),
        `'${metric}' has a min of ${min} and a max of ${max}: every sample would be out of range`,
      )
    for (const key of ['min', 'max'])
      if (Number.isNaN(entry[key]))
        config.fault('HD_CONFIG_VALUE', config.at([metric, key]), `'${metric}.${key}' is a number, not .nan`)
  }
  if (!hasError(config.faults)) reportRefusal(config, () => metricRegistry([text]))
  return config.faults
}

/** Faults of a GeoJSON text, one a feature. */
export function zonesFaults({ file, text }: TextFile): readonly Fault[] {
  const whole = refusal(() => zones(text))
  if (whole === null) return []
  const report = new RuleFile(file, text)
  if (whole.code === 'HD_CONFIG_SYNTAX') {
    const at = jsonFaultOffset(text)
    const early = at >= text.trimEnd().length ? 'it ends too early' : `unexpected '${text.slice(at, at + 1)}'`
    report.fault(whole.code, Math.max(0, at), `no JSON: ${early}`)
    return report.faults
  }
  const found = featureFaults(JSON.parse(text))
  const offsets = jsonOffsets(
    text,
    found.map(({ path }) => path),
  )
  for (const [i, { error }] of found.entries()) report.fault(error.code, offsets[i]!, error.message)
  // Refused only as a whole: no collection, too many vertices, one name for an area and a line.
  if (found.length === 0) report.fault(whole.code, 0, whole.message)
  return report.faults
}

interface FeatureFault {
  readonly path: Path
  readonly error: HaidangError
}

function featureFaults(value: unknown): FeatureFault[] {
  const features = isMap(value) ? value['features'] : undefined
  if (!Array.isArray(features)) return []
  return features.flatMap((feature: unknown, i) => {
    const error = refusal(() => zones(JSON.stringify({ type: 'FeatureCollection', features: [feature] })))
    if (error === null) return []
    const path: Path = ['features', i]
    if (!isMap(feature)) return [{ path, error: renumbered(error, i) }]
    const name = isMap(feature['properties']) ? feature['properties']['name'] : undefined
    if (typeof name !== 'string' || name === '')
      return [{ path: [...path, 'properties', 'name'], error: renumbered(error, i) }]
    const geometry: Path = [...path, 'geometry']
    const point = isMap(feature['geometry'])
      ? badPoint(feature['geometry']['coordinates'], [...geometry, 'coordinates'])
      : undefined
    return [{ path: /point \d+/.test(error.message) ? (point ?? geometry) : geometry, error }]
  })
}

/** Given to the core by itself every feature was number 0. */
function renumbered(error: HaidangError, index: number): HaidangError {
  return new HaidangError(error.code, error.message.replace('feature 0', `feature ${index}`))
}

/** Path of the first position that is none: the first list whose beginning is no list again. */
function badPoint(value: unknown, path: Path): Path | undefined {
  if (!Array.isArray(value)) return path
  const [lon, lat] = value
  if (value.length > 0 && !Array.isArray(lon))
    return typeof lon === 'number' && typeof lat === 'number' && Math.abs(lat) <= 90 && Math.abs(lon) <= 180
      ? undefined
      : path
  for (const [i, part] of value.entries()) {
    const bad = badPoint(part, [...path, i])
    if (bad !== undefined) return bad
  }
  return undefined
}

function reportSchema(config: ConfigText, schema: object, value: unknown): void {
  // The core passes over keys that it does not know.
  for (const { path, place, code, message } of schemaFaults(schema, value))
    config.fault(
      code,
      offsetOf(config, path, place),
      message,
      code === 'HD_CONFIG_UNKNOWN_KEY' ? 'warning' : 'error',
    )
}

/** The core has the last word: what it refuses for a reason not known here is an error all the same. */
function reportRefusal(config: ConfigText, read: () => unknown): void {
  const error = refusal(read)
  if (error !== null) config.fault(error.code, 0, error.message)
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

function warn(config: ConfigText, path: Path, message: string, code: ErrorCode = 'HD_CONFIG_VALUE'): void {
  config.fault(code, config.at(path), message, 'warning')
}

export interface TextFaults {
  readonly metrics: readonly Fault[]
  readonly registry: readonly Fault[]
  readonly zones: readonly Fault[]
}

/** Faults of all that `readTexts` read but the rules, under the names of their files. */
export function textFaults(paths: TextPaths, texts: Texts): TextFaults {
  const beside = (name: string): string =>
    paths.devices === undefined ? name : path.join(path.dirname(paths.devices), name)
  // The product's own stands first and has its test.
  const [, city = ''] = JSON.parse(texts.metrics) as string[]
  return {
    metrics: metricsFaults({ file: paths.metrics ?? beside('metrics.yaml'), text: city }),
    registry: registryFaults({ file: paths.devices ?? 'devices.yaml', text: texts.registry }),
    zones: zonesFaults({ file: paths.zones ?? beside('zones.geojson'), text: texts.zones }),
  }
}

export function hasError(faults: readonly Fault[]): boolean {
  return faults.some(({ severity }) => severity === 'error')
}
