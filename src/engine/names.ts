/** Names of the rule language that do not depend on a rule's scope: the message, its device, the calendar, captured samples. */
import type { Name } from '../../rules/language/ast.js'
import type { Evaluate, EvaluateText } from '../../rules/language/compile.js'
import { deviceAttribute, type Site } from '../model/registry.js'
import type { SeriesIndex } from '../model/series.js'
import type { ZoneClock } from '../model/time.js'
import type { Captured, Judgement } from './judgement.js'

/** What names may ask of the core. */
export interface NameContext {
  readonly j: Judgement
  readonly index: SeriesIndex
  readonly clock: ZoneClock
  site(id: string | undefined): Site | undefined
}

/** Numbers that do not depend on the scope. */
export function bindMessageNumber(name: Name, context: NameContext): Evaluate {
  const { j, index } = context
  switch (name.of) {
    case 'message': {
      if (name.field === 'confidence') {
        const metric = index.metrics.id('confidence')
        return () => j.own(metric)
      }
      if (name.field === 'lat') return () => j.lat
      if (name.field === 'lon') return () => j.lon
      const { path } = name
      return () => toNumber(j.attribute(path))
    }
    case 'quality': {
      const { bit } = name
      return () => (j.quality & (1 << bit) ? 1 : 0)
    }
    case 'device': {
      const { attribute } = name
      return () => toNumber(deviceAttribute(j.entry, attribute))
    }
    case 'limit': {
      const { limit } = name
      return () => j.entry?.limit[limit] ?? Number.NaN
    }
    case 'calendar': {
      const { clock } = context
      if (name.field === 'hour') return () => clock.hour(j.time)
      if (name.field === 'weekday') return () => clock.weekday(j.time)
      return () => clock.month(j.time)
    }
    case 'step': {
      const { step, field } = name
      return () => {
        const captured = j.captures?.get(step)
        return captured === undefined ? Number.NaN : capturedNumber(captured, field)
      }
    }
    case 'site': {
      const { attribute } = name
      return () => {
        const site = context.site(j.entry?.site)
        return site === undefined
          ? Number.NaN
          : attribute === 'lat'
            ? site.lat
            : attribute === 'lon'
              ? site.lon
              : Number.NaN
      }
    }
    default:
      return () => Number.NaN
  }
}

export function bindText(name: Name, context: NameContext): EvaluateText {
  const { j, index } = context
  switch (name.of) {
    case 'message': {
      if (name.field === 'label') return () => j.label
      if (name.field === 'device') return () => index.devices.text(j.device)
      if (name.field === 'stream') return () => index.streams.text(j.stream)
      if (name.field === 'source') return () => index.sources.text(j.source)
      const { path } = name
      return () => toText(j.attribute(path))
    }
    case 'device': {
      const { attribute } = name
      if (attribute === 'device') return () => index.devices.text(j.device)
      return () => toText(deviceAttribute(j.entry, attribute))
    }
    case 'site': {
      const { attribute } = name
      return () => {
        const id = j.entry?.site
        if (id === undefined) return undefined
        const site = context.site(id)
        if (attribute === 'name') return site?.name ?? id
        if (attribute === 'ward') return site?.ward ?? j.entry?.ward
        return attribute === 'site' || attribute === 'id' ? id : undefined
      }
    }
    case 'step': {
      const { step, field } = name
      return () => {
        const captured = j.captures?.get(step)
        return captured === undefined ? undefined : capturedText(captured, field)
      }
    }
    default:
      return () => undefined
  }
}

export function capturedNumber(captured: Captured, field: string): number {
  if (field === 'lat') return captured.lat
  if (field === 'lon') return captured.lon
  if (field === 'time') return captured.time
  if (field.startsWith('attrs.')) return toNumber(capturedAttribute(captured, field.slice(6)))
  return captured.values[field] ?? Number.NaN
}

export function capturedText(captured: Captured, field: string): string | undefined {
  if (field === 'label') return captured.label === '' ? undefined : captured.label
  if (field === 'device') return captured.device
  return field.startsWith('attrs.') ? toText(capturedAttribute(captured, field.slice(6))) : undefined
}

function capturedAttribute(captured: Captured, path: string): unknown {
  if (captured.attrs === '') return undefined
  let value: unknown = JSON.parse(captured.attrs)
  for (const part of path.split('.')) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, part)) return undefined
    value = (value as Record<string, unknown>)[part]
  }
  return value
}

function toNumber(value: unknown): number {
  return typeof value === 'number' ? value : typeof value === 'boolean' ? (value ? 1 : 0) : Number.NaN
}

function toText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
