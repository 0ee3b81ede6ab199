/**
 * Calls of the rule language bound to the engine, by family: operators of a scope's state, functions of other devices'
 * newest values, functions of other rules' levels.
 */
import type { Call, Name } from '../../rules/language/ast.js'
import {
  type Binder,
  compile,
  compileText,
  type Evaluate,
  type EvaluateText,
} from '../../rules/language/compile.js'
import { PLACE_OPERATORS, SIGNATURES } from '../../rules/operators/index.js'
import type { AlertCell } from '../alerts/lifecycle.js'
import type { MetricRegistry } from '../model/metrics.js'
import { deviceAttribute } from '../model/registry.js'
import type { Zone } from '../model/zones.js'
import type { Judgement } from './judgement.js'
import { bindMessageNumber, bindText, type NameContext } from './names.js'
import type { RuntimeRule } from './runtime-rule.js'
import type { Scope, ZoneOf } from './scope.js'

/** What calls and names may ask of the core. */
export interface CallContext extends NameContext {
  readonly metrics: MetricRegistry
  readonly zoneOf: ZoneOf
  /** Start of a calendar day of the city, ms UTC. */
  midnight(date: string): number
  /** Newest judged value of a series, NaN; and its event time, -Infinity. */
  newest(device: number, metric: number): number
  newestTime(device: number, metric: number): number
  /** Registered interval of a device, NaN where unknown. */
  expectedInterval(device: number): number
  /** Device ids of the k nearest registered devices within `radius` metres for which `accept` holds, nearest first. */
  neighbours(
    device: number,
    k: number,
    radius: number,
    accept: (device: number) => boolean,
  ): readonly number[]
  /** Great-circle metres. */
  distance(latA: number, lonA: number, latB: number, lonB: number): number
  /** Place functions inside `where`: without history. */
  placeCall(call: Call): Evaluate
  gapToNext(route: EvaluateText): Evaluate
  zone(name: string | undefined): Zone | undefined
  zones(): ReadonlyMap<string, Zone>
  /** Alerts of shadow rules are not seen outside shadow rules. */
  readonly judging: { shadow: boolean }
}

/** Without a registered interval a value is in force for an hour. */
const UNKNOWN_INTERVAL_MS = 3_600_000
const INTERVALS_HEARD = 3

export function bindCall(
  call: Call,
  field: string,
  scope: Scope,
  trigger: string,
  binder: Binder,
  judged: { slot: number; input: number; value: Evaluate }[],
  context: CallContext,
  byId: ReadonlyMap<string, RuntimeRule>,
): Evaluate {
  const { j, index } = context
  const signature = SIGNATURES.get(call.name)!
  switch (signature.family) {
    case 'registry':
      return bindRegistryCall(call, scope, judged, binder, context)
    case 'alert':
      return call.name === 'alert'
        ? bindAlert(call, scope, context, byId)
        : bindNearAlert(call, context, byId)
    case 'place': {
      const dynamic = call.dynamic['route']
      const route = dynamic === undefined ? null : compileText(dynamic, binder)
      if (!PLACE_OPERATORS.has(call.name)) return context.gapToNext(route ?? (() => undefined))
      const { slot, perDevice } = scope.callSlot(call, [], trigger)
      return () => (perDevice ? j.deviceState : j.state).places[slot]!.read(j.time, context.zone(route?.()))
    }
  }
  const scopeCall = scope.callSlot(
    call,
    callMetrics(call).map((metric) => index.metrics.id(metric)),
    trigger,
  )
  const { slot } = scopeCall
  if (signature.family === 'condition') judgedValue(compile(call.condition!, binder))
  else if (call.name === 'distinct') {
    const text = distinctText(String(call.constants['label']), context)
    judgedValue(() => {
      const value = text()
      return value === undefined || value === '' ? Number.NaN : index.labels.id(value)
    })
  }
  const dynamic = Object.values(call.dynamic)[0]
  const x: Evaluate = dynamic === undefined ? () => Number.NaN : compile(dynamic, binder)
  if (scopeCall.perDevice)
    return () => (j.windowless ? Number.NaN : j.deviceState.operators[slot]!.read(j.time, field, x()))
  return () => (j.windowless ? Number.NaN : j.state.operators[slot]!.read(j.time, field, x()))

  function judgedValue(value: Evaluate): void {
    if (!judged.some((one) => one.slot === slot))
      judged.push({ slot, input: scopeCall.inputs[0]!.slot, value })
  }
}

/** Metrics that a call's operator takes samples of. */
export function callMetrics(call: Call): readonly string[] {
  const more = (SIGNATURES.get(call.name) as { metrics?: readonly string[] } | undefined)?.metrics
  return more ?? (call.metric === '' ? [] : [call.metric])
}

function distinctText(label: string, context: CallContext): () => string | undefined {
  const { j } = context
  if (label === 'label' || label === 'device')
    return bindText({ of: 'message', field: label, path: '' }, context)
  const path = label.replace(/^attrs\./, '')
  return () => {
    const value = j.attribute(path)
    return value === undefined ? undefined : String(value)
  }
}

/** `across count_devices disagrees agree`: over the newest values of other devices. */
function bindRegistryCall(
  call: Call,
  scope: Scope,
  judged: { slot: number; input: number; value: Evaluate }[],
  binder: Binder,
  context: CallContext,
): Evaluate {
  const { j, index } = context
  const metric = call.metric === '' ? -1 : index.metrics.id(call.metric)
  const heard = (device: number, m: number): boolean => {
    const interval = context.expectedInterval(device)
    const limit = Number.isNaN(interval) ? UNKNOWN_INTERVAL_MS : INTERVALS_HEARD * interval
    return j.time - context.newestTime(device, m) <= limit
  }
  switch (call.name) {
    case 'across': {
      const reduce = reduction(String(call.constants['f']))
      return () => {
        const values: number[] = []
        for (const device of areaDevices(j, scope))
          if (heard(device, metric)) values.push(context.newest(device, metric))
        return reduce(values.filter((v) => !Number.isNaN(v)))
      }
    }
    case 'count_devices': {
      const condition = compile(call.condition!, otherBinder(context, heard))
      return () => {
        let count = 0
        let known = false
        for (const device of areaDevices(j, scope)) {
          j.other = device
          const met = condition()
          if (!Number.isNaN(met)) known = true
          if (met === 1) count++
        }
        return known ? count : 0
      }
    }
    case 'disagrees': {
      const { k, radius, min } = call.constants as Record<string, number>
      return () => {
        const own = context.newest(j.device, metric)
        const others = context.neighbours(
          j.device,
          k!,
          radius!,
          (device) => heard(device, metric) && !Number.isNaN(context.newest(device, metric)),
        )
        if (others.length < 3 || Number.isNaN(own)) return Number.NaN
        const values = others.map((device) => context.newest(device, metric))
        const middle = median(values)
        const spread = Math.max(1.4826 * median(values.map((v) => Math.abs(v - middle))), min ?? 0)
        return spread === 0 ? Number.NaN : (own - middle) / spread
      }
    }
    case 'agree': {
      const { k, radius, w } = call.constants as Record<string, number>
      const lastMet = scope.lastMet(call.signature)
      const condition = compile(call.condition!, binder)
      judged.push({
        slot: -1,
        input: -1,
        value: () => {
          if (condition() === 1) lastMet.set(j.device, Math.max(j.time, lastMet.get(j.device) ?? j.time))
          return Number.NaN
        },
      })
      return () => {
        let count = 0
        for (const device of context.neighbours(j.device, k!, radius!, () => true)) {
          const at = lastMet.get(device)
          if (at !== undefined && at > j.time - w! && at <= j.time) count++
        }
        return count
      }
    }
    default:
      return () => Number.NaN
  }
}

/** Conditions of count_devices: metrics and registry of the device looked at (`j.other`). */
function otherBinder(context: CallContext, heard: (device: number, metric: number) => boolean): Binder {
  const { j, index } = context
  const registered = <T>(read: () => T): (() => T) => {
    return () => {
      const { device, entry } = j
      j.setDevice(j.other)
      try {
        return read()
      } finally {
        j.device = device
        j.entry = entry
      }
    }
  }
  return {
    number: (name: Name) => {
      if (name.of !== 'metric') return registered(bindMessageNumber(name, context))
      const metric = index.metrics.id(name.metric)
      return () => (heard(j.other, metric) ? context.newest(j.other, metric) : Number.NaN)
    },
    text: (name: Name) => registered(bindText(name, context)),
    call: () => () => Number.NaN,
  }
}

function areaDevices(j: Judgement, scope: Scope): Iterable<number> {
  return scope.deviceKeyed || j.state?.devices == null ? [j.device] : j.state.devices.keys()
}

function bindAlert(
  call: Call,
  scope: Scope,
  context: CallContext,
  byId: ReadonlyMap<string, RuntimeRule>,
): Evaluate {
  const { j, judging } = context
  const id = String(call.constants['rule'])
  return () => {
    const target = byId.get(id)
    if (target === undefined || (target.rule.mode === 'shadow' && !judging.shadow)) return 0
    let highest = 0
    for (const key of target.open) {
      const cell = target.cells.get(key)!
      const level = cell.status === 'unknown' ? cell.beneath : cell.level
      if (level > highest && agrees(target, key, cell)) highest = level
    }
    return highest
  }

  /** Attributes that both keys have, by themselves or through the registry, are equal. */
  function agrees(target: RuntimeRule, key: number, cell: AlertCell): boolean {
    const theirs = target.scope.keyRecord(
      target.scope.deviceKeyed ? j.index.devices.text(key) : target.scope.keys.text(key),
    )
    const mine = scope.keyRecord(scope.keyText(j))
    const theirDevice = 'device' in theirs ? j.registry.devices.get(theirs['device']!) : undefined
    const myDevice = 'device' in mine ? j.registry.devices.get(mine['device']!) : undefined
    void cell
    for (const name of new Set([...Object.keys(theirs), ...Object.keys(mine)])) {
      const a = theirs[name] ?? deviceAttribute(theirDevice, name)
      const b = mine[name] ?? deviceAttribute(myDevice, name)
      if (a !== undefined && b !== undefined && String(a) !== String(b)) return false
    }
    return true
  }
}

function bindNearAlert(call: Call, context: CallContext, byId: ReadonlyMap<string, RuntimeRule>): Evaluate {
  const { j, judging } = context
  const id = String(call.constants['rule'])
  const metres = Number(call.constants['metres'])
  return () => {
    const { lat, lon } = j
    if (Number.isNaN(lat) || Number.isNaN(lon)) return Number.NaN
    const target = byId.get(id)
    if (target === undefined || (target.rule.mode === 'shadow' && !judging.shadow)) return 0
    let highest = 0
    for (const key of target.open) {
      const cell = target.cells.get(key)!
      const level = cell.status === 'unknown' ? cell.beneath : cell.level
      if (level > highest && context.distance(lat, lon, cell.lat, cell.lon) <= metres) highest = level
    }
    return highest
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The functions that `across` takes; missing of nothing, except count (0) and sum (0). */
function reduction(name: string): (values: readonly number[]) => number {
  const some =
    (f: (values: readonly number[]) => number) =>
    (values: readonly number[]): number =>
      values.length === 0 ? Number.NaN : f(values)
  const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
  const variance = (values: readonly number[]) => {
    const mean = total(values) / values.length
    return total(values.map((v) => (v - mean) ** 2)) / values.length
  }
  switch (name) {
    case 'count':
      return (values) => values.length
    case 'sum':
      return total
    case 'avg':
      return some((values) => total(values) / values.length)
    case 'min':
      return some((values) => values.reduce((a, b) => Math.min(a, b)))
    case 'max':
      return some((values) => values.reduce((a, b) => Math.max(a, b)))
    case 'range':
      return some(
        (values) => values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b)),
      )
    case 'var':
      return some(variance)
    case 'stddev':
      return some((values) => Math.sqrt(variance(values)))
    case 'median':
      return some(median)
    case 'mad':
      return some((values) => {
        const middle = median(values)
        return 1.4826 * median(values.map((v) => Math.abs(v - middle)))
      })
    default:
      return () => Number.NaN
  }
}
