import { parse } from 'yaml'
import { HaidangError } from './errors.js'
import { parseDuration } from './time.js'

/** One registered device. `attributes` holds whatever else the city wrote, typed by its value. */
export interface Device {
  readonly device: string
  readonly kind: string | undefined
  readonly site: string | undefined
  readonly ward: string | undefined
  readonly agency: string | undefined
  readonly lat: number
  readonly lon: number
  readonly limit: Readonly<Record<string, number>>
  /** ms; undefined where the registry does not say. */
  readonly expected_interval: number | undefined
  readonly attributes: Readonly<Record<string, string | number | boolean>>
}

export interface Site {
  readonly site: string
  readonly name: string
  readonly ward: string | undefined
  readonly lat: number
  readonly lon: number
}

export interface DeviceRegistry {
  readonly devices: ReadonlyMap<string, Device>
  readonly sites: ReadonlyMap<string, Site>
}

export const EMPTY_REGISTRY: DeviceRegistry = { devices: new Map(), sites: new Map() }

/**
 * Registry of a YAML (or JSON) text: a list of devices, or a map `{devices: [...], sites: [...]}`.
 * Throws HD_CONFIG_SYNTAX, HD_CONFIG_VALUE or HD_CONFIG_MISSING, naming the entry.
 */
export function deviceRegistry(text: string): DeviceRegistry {
  let document: unknown
  try {
    document = parse(text)
  } catch (cause) {
    throw new HaidangError('HD_CONFIG_SYNTAX', `devices: ${(cause as Error).message}`, { cause })
  }
  if (document === null || document === undefined) return EMPTY_REGISTRY
  const map = Array.isArray(document) ? { devices: document } : (document as Record<string, unknown>)
  const devices = new Map<string, Device>()
  const sites = new Map<string, Site>()
  for (const raw of listOf(map['sites'], 'sites')) {
    const site = text1(raw['site'], 'sites: site')
    sites.set(site, {
      site,
      name: raw['name'] === undefined ? site : String(raw['name']),
      ward: optionalText(raw['ward']),
      lat: degrees(raw['lat'], `site ${site}: lat`),
      lon: degrees(raw['lon'], `site ${site}: lon`),
    })
  }
  for (const raw of listOf(map['devices'], 'devices')) {
    const device = text1(raw['device'], 'devices: device')
    if (devices.has(device)) throw new HaidangError('HD_CONFIG_VALUE', `devices: '${device}' stands twice`)
    const { device: _d, kind, site, ward, agency, lat, lon, limit, expected_interval, ...rest } = raw
    const attributes: Record<string, string | number | boolean> = Object.create(null)
    for (const [name, value] of Object.entries(rest))
      if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
        attributes[name] = value
    const limits: Record<string, number> = Object.create(null)
    if (limit !== undefined && limit !== null) {
      if (typeof limit !== 'object')
        throw new HaidangError('HD_CONFIG_VALUE', `device ${device}: limit must be a map`)
      for (const [name, value] of Object.entries(limit as object)) {
        if (value === null) continue
        if (typeof value !== 'number')
          throw new HaidangError('HD_CONFIG_VALUE', `device ${device}: limit.${name} must be a number`)
        limits[name] = value
      }
    }
    const siteId = optionalText(site)
    const home = siteId === undefined ? undefined : sites.get(siteId)
    devices.set(device, {
      device,
      kind: optionalText(kind),
      site: siteId,
      ward: optionalText(ward) ?? home?.ward,
      agency: optionalText(agency),
      lat: lat === undefined ? (home?.lat ?? Number.NaN) : degrees(lat, `device ${device}: lat`),
      lon: lon === undefined ? (home?.lon ?? Number.NaN) : degrees(lon, `device ${device}: lon`),
      limit: limits,
      expected_interval: interval(expected_interval, device),
      attributes,
    })
  }
  return { devices, sites }
}

/** Value of a registry attribute of a device, for keys and `device.…`; undefined where it has none. */
export function deviceAttribute(
  device: Device | undefined,
  name: string,
): string | number | boolean | undefined {
  if (device === undefined) return undefined
  switch (name) {
    case 'device':
      return device.device
    case 'kind':
    case 'site':
    case 'ward':
    case 'agency':
      return device[name]
    case 'lat':
    case 'lon':
      return Number.isNaN(device[name]) ? undefined : device[name]
    case 'expected_interval':
      return device.expected_interval
    default:
      return device.attributes[name]
  }
}

function listOf(value: unknown, what: string): Record<string, unknown>[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw new HaidangError('HD_CONFIG_VALUE', `${what}: expected a list`)
  return value.map((entry) => {
    if (entry === null || typeof entry !== 'object' || Array.isArray(entry))
      throw new HaidangError('HD_CONFIG_VALUE', `${what}: each entry must be a map`)
    return entry as Record<string, unknown>
  })
}

function text1(value: unknown, what: string): string {
  if (typeof value !== 'string' && typeof value !== 'number')
    throw new HaidangError('HD_CONFIG_MISSING', `${what} is missing`)
  return String(value)
}

function optionalText(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : String(value)
}

function degrees(value: unknown, what: string): number {
  if (value === undefined || value === null) return Number.NaN
  if (typeof value !== 'number' || Math.abs(value) > 180)
    throw new HaidangError('HD_CONFIG_VALUE', `${what} must be degrees`)
  return value
}

function interval(value: unknown, device: string): number | undefined {
  if (value === undefined || value === null) return undefined
  const ms = typeof value === 'string' ? parseDuration(value) : undefined
  if (ms === undefined || ms <= 0)
    throw new HaidangError(
      'HD_CONFIG_VALUE',
      `device ${device}: expected_interval must be a duration like 10m`,
    )
  return ms
}
