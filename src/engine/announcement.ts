/** A change of an alert as the Transition that people, sinks and ClickHouse see. Pure. */
import { createHash } from 'node:crypto'
import type { Title } from '../../rules/language/ast.js'
import { renderShort, renderTitle } from '../../rules/language/title.js'
import type { AlertCell, Change } from '../alerts/lifecycle.js'
import { LEVELS, type Level, type LevelIndex, type Transition } from '../model/alert.js'
import type { MetricRegistry } from '../model/metrics.js'
import type { Judgement } from './judgement.js'
import type { RuntimeRule } from './runtime-rule.js'

/** `a_` + 12 hex digits of hash(rule, key, n): the same whatever order redelivery brings. */
export function alertId(rule: string, keyText: string, n: number): string {
  return `a_${createHash('sha256').update(`${rule}\n${keyText}\n${n}`).digest('hex').slice(0, 12)}`
}

/**
 * Level at which people hear a change: one lower when a sensor fault makes it unconfirmed (critical is never silenced:
 * it is heard as high; low is not heard), in full when a value stands out of range on its dangerous side.
 */
export function announcedLevel(level: LevelIndex, unconfirmed: boolean, dangerous: boolean): Level | null {
  if (!unconfirmed || dangerous || level === 0) return LEVELS[level]!
  return level === 1 ? null : LEVELS[level - 1]!
}

export interface Announced {
  readonly rule: RuntimeRule
  readonly cell: AlertCell
  readonly keyText: string
  readonly change: Change
  readonly unconfirmed: boolean
  readonly seq: number
  readonly received: number
}

/** Dresses a change; `j` stands at the alert's key. */
export function transitionOf(a: Announced, j: Judgement, metrics: MetricRegistry): Transition {
  const { rule, cell, change } = a
  const { rule: definition } = rule
  const values: Record<string, number> = {}
  let dangerous = false
  for (const { metric, read } of rule.values) {
    const value = read()
    if (!Number.isFinite(value)) continue
    values[metric] = value
    const known = metrics.get(metric)
    if (
      known !== undefined &&
      ((known.danger !== 'down' && value > known.max) || (known.danger !== 'up' && value < known.min))
    )
      dangerous = true
  }
  const eta = rule.eta === null ? Number.NaN : rule.eta()
  const entry = j.entry
  const key = rule.scope.keyRecord(a.keyText)
  const shadow = definition.mode === 'shadow'
  const site = key['site'] ?? entry?.site ?? ''
  return {
    type: 'alert',
    seq: a.seq,
    id: alertId(definition.id, a.keyText, cell.n),
    rule: definition.id,
    key,
    category: definition.category,
    status: change.status,
    level: LEVELS[change.level]!,
    previous: LEVELS[change.previous]!,
    time: change.time,
    received: a.received,
    raised: a.received,
    opened: cell.opened,
    title: rendered(definition.title, rule, metrics),
    short: rendered(definition.short, rule, metrics, renderShort),
    device: j.index.devices.text(j.device),
    site,
    ward: key['ward'] ?? entry?.ward ?? '',
    agency: key['agency'] ?? entry?.agency ?? '',
    lat: Number.isNaN(cell.lat) ? null : cell.lat,
    lon: Number.isNaN(cell.lon) ? null : cell.lon,
    values,
    eta_ms: Number.isFinite(eta) ? Math.round(eta) : null,
    unconfirmed: a.unconfirmed,
    announced: shadow || !change.announced ? null : announcedLevel(change.level, a.unconfirmed, dangerous),
    flapping: change.flapping,
    shadow,
    ...(change.reason === undefined ? {} : { reason: change.reason }),
  }
}

function rendered(
  title: Title,
  rule: RuntimeRule,
  metrics: MetricRegistry,
  render = renderTitle,
): { en: string; vi: string } {
  const evaluate = (
    expression: Parameters<Parameters<typeof renderTitle>[1]>[0],
  ): number | string | undefined => rule.expressions.get(expression)?.()
  return { en: render(title.en, evaluate, metrics, 'en'), vi: render(title.vi, evaluate, metrics, 'vi') }
}
