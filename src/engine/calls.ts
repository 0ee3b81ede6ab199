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
import { walk } from '../../rules/language/walk.js'
import { PLACE_OPERATORS, SIGNATURES } from '../../rules/operators/index.js'
import type { MetricRegistry } from '../model/metrics.js'
import { deviceAttribute } from '../model/registry.js'
import type { Zone } from '../model/zones.js'
import type { KeyState } from './key-state.js'
import { bindMessageNumber, bindText, type NameContext } from './names.js'
import { median, reduction } from './reductions.js'
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
  /** Newest event time of anything the device was judged by, -Infinity. */
  deviceNewest(device: number): number
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
      return bindRegistryCall(call, scope, trigger, judged, binder, context)
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
  else if (call.name === 'distinct') judgedValue(distinctValue(call, context))
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

/** The interned value that distinct() counts at the message at hand; NaN for none. */
function distinctValue(call: Call, context: CallContext): Evaluate {
  const text = distinctText(String(call.constants['label']), context)
  return () => {
    const value = text()
    return value === undefined || value === '' ? Number.NaN : context.index.labels.id(value)
  }
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

type Judged = { slot: number; input: number; value: Evaluate }[]

/** `across count_devices disagrees agree`: over other devices. */
function bindRegistryCall(
  call: Call,
  scope: Scope,
  trigger: string,
  judged: Judged,
  binder: Binder,
  context: CallContext,
): Evaluate {
  const { j, index } = context
  const metric = call.metric === '' ? -1 : index.metrics.id(call.metric)
  const fresh = (device: number, time: number): boolean => {
    const interval = context.expectedInterval(device)
    return j.time - time <= (Number.isNaN(interval) ? UNKNOWN_INTERVAL_MS : INTERVALS_HEARD * interval)
  }
  const heard = (device: number, m: number): boolean => fresh(device, context.newestTime(device, m))
  switch (call.name) {
    case 'across': {
      const reduce = reduction(String(call.constants['f']))
      const area = areaOf(scope, context, fresh)
      const value = area.newest(metric)
      return () => reduce([...area.devices()].map(value).filter((v) => !Number.isNaN(v)))
    }
    case 'count_devices': {
      const area = areaOf(scope, context, fresh)
      const condition = compile(call.condition!, otherBinder(area, scope, trigger, judged, binder, context))
      return () => {
        const { other } = j
        let count = 0
        for (const device of area.devices()) {
          j.other = device
          if (condition() === 1) count++
        }
        j.other = other
        return count
      }
    }
    case 'disagrees': {
      const { k, radius, min } = call.constants as Record<string, number>
      return () => {
        // The message's own value: one out of order is older than the newest.
        const brought = j.own(metric)
        const own = Number.isNaN(brought) ? context.newest(j.device, metric) : brought
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
      const met = scope.lastMet(call.signature)
      const condition = compile(call.condition!, binder)
      const metrics = conditionMetrics(call).map((name) => index.metrics.id(name))
      const known = (device: number): boolean =>
        metrics.length === 0
          ? fresh(device, context.deviceNewest(device))
          : metrics.some((m) => heard(device, m))
      judged.push({
        slot: -1,
        input: -1,
        value: () => {
          if (condition() === 1) noteMet(met, j.device, j.time)
          return Number.NaN
        },
      })
      return () => {
        let count = 0
        for (const device of context.neighbours(j.device, k!, radius!, known))
          if (met.get(device)?.some((at) => at > j.time - w! && at <= j.time) === true) count++
        return count
      }
    }
    default:
      return () => Number.NaN
  }
}

/** Metrics that the condition of a call reads, by name or inside a function. */
function conditionMetrics(call: Call): string[] {
  const metrics = new Set<string>()
  walk(call.condition!, (node) => {
    if (node.kind === 'name' && node.name.of === 'metric') metrics.add(node.name.metric)
    if (node.kind === 'call') for (const metric of callMetrics(node.call)) metrics.add(metric)
  })
  return [...metrics]
}

/** Times kept of each device: a message out of order asks for one before the newest. */
const MET_KEPT = 8

/** Puts `time` among the newest times at which the device met the condition, in order. */
function noteMet(met: Map<number, number[]>, device: number, time: number): void {
  const times = met.get(device)
  if (times === undefined) {
    met.set(device, [time])
    return
  }
  let at = times.length
  while (at > 0 && times[at - 1]! > time) at--
  if (times[at - 1] === time) return
  times.splice(at, 0, time)
  if (times.length > MET_KEPT) times.shift()
}

/** The devices of the judgement's key, and the newest values the rule knows of each while it is heard. */
interface Area {
  devices(): Iterable<number>
  newest(metric: number): (device: number) => number
  /** State of one of them; undefined where it has none. */
  state(device: number): KeyState | undefined
}

function areaOf(scope: Scope, context: CallContext, fresh: (device: number, time: number) => boolean): Area {
  const { j } = context
  if (scope.deviceKeyed)
    return {
      devices: () => [j.device],
      newest: (metric) => {
        if (scope.direct)
          return (device) =>
            fresh(device, context.newestTime(device, metric)) ? context.newest(device, metric) : Number.NaN
        const slot = scope.metricSlot(metric)
        return (device) => (fresh(device, j.state.times[slot]!) ? j.state.values[slot]! : Number.NaN)
      },
      state: () => j.state,
    }
  scope.keepsDeviceValues = true
  return {
    *devices() {
      for (const device of j.state.devices!.keys()) if (scope.isHere(device, j.key)) yield device
    },
    newest: (metric) => {
      const slot = scope.metricSlot(metric)
      return (device) => {
        const state = j.state.devices!.get(device)!
        return fresh(device, state.times[slot]!) ? state.values[slot]! : Number.NaN
      }
    },
    state: (device) => {
      const state = j.state.devices!.get(device)
      return state !== undefined && fresh(device, state.newest) ? state : undefined
    },
  }
}

/**
 * Conditions of count_devices: names and functions are of the device looked at (`j.other`), a place where it was last;
 * functions over an area are the judgement's own.
 */
function otherBinder(
  area: Area,
  scope: Scope,
  trigger: string,
  judged: Judged,
  binder: Binder,
  context: CallContext,
): Binder {
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
  const other: Binder = {
    number: (name: Name) => {
      if (name.of !== 'metric') return registered(bindMessageNumber(name, context))
      const value = area.newest(index.metrics.id(name.metric))
      return () => value(j.other)
    },
    text: (name: Name) => registered(bindText(name, context)),
    call: (call, field) => {
      const { family } = SIGNATURES.get(call.name)!
      if (family === 'registry' || family === 'alert' || call.name === 'gap_to_next')
        return binder.call(call, field)
      const route = call.dynamic['route']
      const zone = family !== 'place' || route === undefined ? null : registered(compileText(route, other))
      const { slot, inputs } = scope.callSlot(
        call,
        callMetrics(call).map((metric) => index.metrics.id(metric)),
        trigger,
        true,
      )
      if (family === 'place')
        return () => {
          const state = area.state(j.other)
          return state?.places[slot]?.read(state.newest, context.zone(zone?.())) ?? Number.NaN
        }
      const value =
        family === 'condition'
          ? compile(call.condition!, other)
          : call.name === 'distinct'
            ? distinctValue(call, context)
            : null
      if (value !== null && !judged.some((one) => one.slot === slot))
        judged.push({
          slot,
          input: inputs[0]!.slot,
          value: () => {
            j.other = j.device
            return value()
          },
        })
      const dynamic = Object.values(call.dynamic)[0]
      const x: Evaluate = dynamic === undefined ? () => Number.NaN : compile(dynamic, other)
      return () =>
        j.windowless
          ? Number.NaN
          : (area.state(j.other)?.operators[slot]?.read(j.time, field, x()) ?? Number.NaN)
    },
  }
  return other
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
      if (level > highest && agrees(target, key)) highest = level
    }
    return highest
  }

  /** Attributes that both keys have, by themselves or through the registry, are equal. */
  function agrees(target: RuntimeRule, key: number): boolean {
    const theirs = target.scope.keyRecord(
      target.scope.deviceKeyed ? j.index.devices.text(key) : target.scope.keys.text(key),
    )
    const mine = scope.keyRecord(scope.keyText(j))
    const theirDevice = 'device' in theirs ? j.registry.devices.get(theirs['device']!) : undefined
    const myDevice = 'device' in mine ? j.registry.devices.get(mine['device']!) : undefined
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
