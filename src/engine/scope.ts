/**
 * A scope is what rules have in common before any condition: streams, `where`, key, `late` and the quality marks they
 * ask for. Rules of one scope see the same samples, so they share its newest values and its operators: equal calls are
 * one operator, however many rules use them. State belongs to the scope's signature and outlives a reload.
 */
import type { Call } from '../../rules/language/ast.js'
import type { Evaluate } from '../../rules/language/compile.js'
import { OPERATORS, PLACE_OPERATORS, SIGNATURES } from '../../rules/operators/index.js'
import type { Operator, OperatorContext, PlaceOperator } from '../../rules/operators/operator.js'
import { SampleWindow } from '../../rules/operators/window.js'
import { Dictionary } from '../model/dictionary.js'
import type { MetricRegistry } from '../model/metrics.js'
import { deviceAttribute } from '../model/registry.js'
import type { Zone } from '../model/zones.js'
import type { Judgement } from './judgement.js'
import type { InputState, KeyState } from './key-state.js'
import { StateBytes, StateSource } from './state-bytes.js'

/** How the samples of one metric (or the verdicts of one condition) reach operators: one set of windows. */
export interface ScopeInput {
  readonly slot: number
  /** Metric id, -1 for a condition. */
  readonly metric: number
  /** Lives in the device's state (functions of succession) rather than in the key's. */
  readonly perDevice: boolean
}

export interface ScopeCall {
  readonly slot: number
  readonly call: Call
  readonly perDevice: boolean
  /** Inputs by position: most operators have one; vn_aqi has one a metric. */
  readonly inputs: readonly ScopeInput[]
}

/** Where zones are looked up for `key: [zone]`. */
export type ZoneOf = (lat: number, lon: number) => string | undefined

export class Scope {
  readonly signature: string
  /** null: every stream. */
  readonly streams: ReadonlySet<string> | null
  /** Over the registry alone: decided once a device. */
  readonly staticWhere: Evaluate | null
  readonly dynamicWhere: Evaluate | null
  readonly key: readonly string[]
  readonly late: number
  /** Quality marks that do not keep a sample out. */
  readonly allowed: number
  /** Key is the device and nothing is decided per message: the series index itself holds the newest values. */
  readonly direct: boolean
  readonly deviceKeyed: boolean
  readonly zoned: boolean
  /** Metric id → slot of `KeyState.values`. */
  readonly metrics = new Map<number, number>()
  readonly inputs: ScopeInput[] = []
  /** By metric id: inputs its samples feed. */
  readonly feeds = new Map<number, ScopeInput[]>()
  readonly calls: ScopeCall[] = []
  /** By call slot: equal for equal calls fed by the same messages. */
  readonly callIds: string[] = []
  /** Key texts as ids (unused where the key is the device: then ids are device ids). */
  readonly keys = new Dictionary()
  states = new Map<number, KeyState>()
  /** Slots of calls fed by the positions of judged messages. */
  readonly placeSlots: number[] = []
  /** `agree`: by call, when each device last met the condition: a few times, in order. */
  readonly met = new Map<string, Map<number, number[]>>()
  /** Functions over the devices of a key ask for each one's newest values. */
  keepsDeviceValues = false
  /** Key `zone`: the key that each device's newest position is in (−1: none), and the time of that position. */
  readonly #here = new Map<number, { key: number; time: number }>()
  /** Verdict of the message at hand: did it pass `where`, and what key is it of. */
  stamp = -1
  stampDevice = -1
  stampKey = -1
  readonly #calls = new Map<string, ScopeCall>()
  readonly #inputs = new Map<string, ScopeInput>()
  readonly #metrics: MetricRegistry
  readonly #zoneOffset: (time: number) => number
  readonly #zoneOf: ZoneOf
  readonly #zones: () => ReadonlyMap<string, Zone>

  constructor(options: {
    signature: string
    streams: ReadonlySet<string> | null
    staticWhere: Evaluate | null
    dynamicWhere: Evaluate | null
    key: readonly string[]
    late: number
    allowed: number
    metrics: MetricRegistry
    zoneOffset: (time: number) => number
    zoneOf: ZoneOf
    zones: () => ReadonlyMap<string, Zone>
  }) {
    this.signature = options.signature
    this.streams = options.streams
    this.staticWhere = options.staticWhere
    this.dynamicWhere = options.dynamicWhere
    this.key = options.key
    this.late = options.late
    this.allowed = options.allowed
    this.deviceKeyed = options.key.length === 1 && options.key[0] === 'device'
    this.direct = this.deviceKeyed && options.dynamicWhere === null && options.allowed === 0
    this.zoned = options.key.includes('zone')
    this.#metrics = options.metrics
    this.#zoneOffset = options.zoneOffset
    this.#zoneOf = options.zoneOf
    this.#zones = options.zones
  }

  /** Needs a KeyState at all: a threshold rule on a device does not. */
  get stateful(): boolean {
    return !this.direct || this.calls.length > 0
  }

  metricSlot(metric: number): number {
    let slot = this.metrics.get(metric)
    if (slot === undefined) {
      slot = this.metrics.size
      this.metrics.set(metric, slot)
    }
    return slot
  }

  /**
   * Slot of a call, shared by equal calls. `trigger` tells calls fed at judgements apart (conditions, distinct): two
   * rules that are judged by different messages count different messages. `each`: one of every device of the key, where
   * it would be one of the key.
   */
  callSlot(call: Call, metricIds: readonly number[], trigger: string, each = false): ScopeCall {
    const family = SIGNATURES.get(call.name)!.family
    const judged = family === 'condition' || call.name === 'distinct'
    const alone = !this.deviceKeyed && (family === 'succession' || family === 'place')
    const perDevice = alone || (each && !this.deviceKeyed)
    const id = `${call.signature}${judged ? `|${trigger}` : ''}${perDevice && !alone ? '|each' : ''}`
    let found = this.#calls.get(id)
    if (found === undefined) {
      const inputs =
        family === 'place'
          ? []
          : judged || metricIds.length === 0
            ? [this.#input(id, -1, perDevice)]
            : metricIds.map((m) => this.#input(String(m), m, perDevice))
      found = { slot: this.calls.length, call, perDevice, inputs }
      this.calls.push(found)
      this.callIds.push(id)
      if (family === 'place') this.placeSlots.push(found.slot)
      this.#calls.set(id, found)
    }
    return found
  }

  /** Notes where a device's position is; one older than what is known says nothing. */
  seen(device: number, key: number, time: number): void {
    const known = this.#here.get(device)
    if (known === undefined) this.#here.set(device, { key, time })
    else if (time >= known.time) {
      known.key = key
      known.time = time
    }
  }

  /** Whether the device is still of that key: it may have left a zone. */
  isHere(device: number, key: number): boolean {
    const known = this.#here.get(device)
    return known === undefined || known.key === key
  }

  lastMet(signature: string): Map<number, number[]> {
    let map = this.met.get(signature)
    if (map === undefined) {
      map = new Map<number, number[]>()
      this.met.set(signature, map)
    }
    return map
  }

  /** Into the maps that closures hold already. */
  #remember(met: ReadonlyMap<string, ReadonlyMap<number, number[]>>): void {
    for (const [signature, devices] of met) {
      const mine = this.lastMet(signature)
      for (const [device, times] of devices) mine.set(device, times)
    }
  }

  #input(name: string, metric: number, perDevice: boolean): ScopeInput {
    const id = `${name}|${perDevice}`
    let input = this.#inputs.get(id)
    if (input === undefined) {
      input = { slot: this.inputs.length, metric, perDevice }
      this.inputs.push(input)
      this.#inputs.set(id, input)
      if (metric >= 0) {
        this.metricSlot(metric)
        const list = this.feeds.get(metric)
        if (list === undefined) this.feeds.set(metric, [input])
        else list.push(input)
      }
    }
    return input
  }

  /** Text of the key of the judgement's message, '' where its device lacks an attribute (the rule does not judge it). */
  keyText(j: Judgement): string {
    if (this.key.length === 1) return this.#attribute(j, this.key[0]!)
    let text = ''
    for (const name of this.key) {
      const value = this.#attribute(j, name)
      if (value === '') return ''
      text = text === '' ? value : `${text}\u001f${value}`
    }
    return text
  }

  /** The key as printed: its attributes in the rule's order. */
  keyRecord(text: string): Record<string, string> {
    const parts = this.key.length === 1 ? [text] : text.split('\u001f')
    const record: Record<string, string> = {}
    this.key.forEach((name, i) => {
      record[name] = parts[i] ?? ''
    })
    return record
  }

  #attribute(j: Judgement, name: string): string {
    if (name === 'device') return j.index.devices.text(j.device)
    if (name === 'zone') return this.#zoneOf(j.lat, j.lon) ?? ''
    const value = deviceAttribute(j.entry, name)
    return value === undefined ? '' : String(value)
  }

  /** State of a key, undefined where there is none. The rules of a scope ask for the same one after another. */
  known(key: number): KeyState | undefined {
    if (key === this.#lastKey) return this.#last
    const state = this.states.get(key)
    if (state !== undefined) {
      this.#lastKey = key
      this.#last = state
    }
    return state
  }
  #lastKey = -1
  #last: KeyState | undefined = undefined

  state(key: number, text: string): KeyState {
    let state = this.states.get(key)
    if (state === undefined) {
      state = this.createState(key, text, false)
      this.states.set(key, state)
    }
    return state
  }

  /** State of one device of a key that is wider than a device. */
  deviceState(state: KeyState, device: number): KeyState {
    if (state.devices === null) return state
    let found = state.devices.get(device)
    if (found === undefined) {
      found = this.createState(device, '', true)
      state.devices.set(device, found)
    }
    return found
  }

  /**
   * Takes over the states of the scope that meant the same in the rule set before. Operators and windows that both have
   * go on as they are; new ones begin empty.
   */
  adopt(old: Scope): void {
    for (const [device, here] of old.#here) this.#here.set(device, here)
    const same =
      old.keepsDeviceValues === this.keepsDeviceValues &&
      old.calls.length === this.calls.length &&
      old.metrics.size === this.metrics.size &&
      this.callIds.every((id, i) => old.callIds[i] === id) &&
      [...this.metrics].every(([metric, slot]) => old.metrics.get(metric) === slot)
    this.#remember(old.met)
    if (same) {
      this.states = old.states
      this.#lastKey = -1
      return
    }
    for (const [key, before] of old.states) {
      const state = this.createState(key, before.text, false)
      this.#adoptState(state, before, old)
      for (const [device, deviceBefore] of before.devices ?? [])
        this.#adoptState(this.deviceState(state, device), deviceBefore, old)
      this.states.set(key, state)
    }
  }

  #adoptState(state: KeyState, before: KeyState, old: Scope): void {
    state.newest = before.newest
    for (const [metric, slot] of this.metrics) {
      const was = old.metrics.get(metric)
      if (was === undefined || slot >= state.values.length || was >= before.values.length) continue
      state.values[slot] = before.values[was]!
      state.times[slot] = before.times[was]!
    }
    // An operator lives on its input's windows: both move, or both begin again.
    for (const call of this.calls) {
      const was = old.callIds.indexOf(this.callIds[call.slot]!)
      if (was >= 0 && before.places[was] != null) state.places[call.slot] = before.places[was]!
      const operator = was < 0 ? null : before.operators[was]
      if (operator == null || state.operators[call.slot] === null) continue
      const fresh = state.operators[call.slot]!
      state.operators[call.slot] = operator
      call.inputs.forEach((input, i) => {
        const to = state.inputs[input.slot]!
        const from = before.inputs[old.calls[was]!.inputs[i]!.slot]!
        const at = to.operators.indexOf(fresh)
        if (at >= 0) to.operators[at] = operator
        for (const window of from.windows) {
          const place = to.windows.findIndex((w) => w.ms === window.ms)
          if (place >= 0) to.windows[place] = window
        }
      })
    }
  }

  /** State as plain data for the checkpoint. */
  save(): SavedScope {
    const bytes = new StateBytes()
    const saved = (state: KeyState): SavedState => {
      for (const input of state.inputs) for (const window of input?.windows ?? []) window.save(bytes)
      for (const operator of state.operators) operator?.save(bytes)
      for (const place of state.places) place?.save(bytes)
      return {
        key: state.key,
        values: state.values,
        times: state.times,
        newest: state.newest,
        operators: bytes.take(),
        devices: state.devices === null ? null : [...state.devices.values()].map(saved),
      }
    }
    return {
      callIds: this.callIds,
      metrics: [...this.metrics],
      keys: Array.from({ length: this.keys.size }, (_, id) => this.keys.text(id)),
      met: this.met,
      here: this.#here,
      states: [...this.states.values()].map(saved),
    }
  }

  /** Puts back what `save` gave; false where it was another program's (other calls): then this scope begins empty. */
  load(saved: SavedScope): boolean {
    if (
      saved.callIds.join() !== this.callIds.join() ||
      JSON.stringify(saved.metrics) !== JSON.stringify([...this.metrics])
    )
      return false
    for (const text of saved.keys) this.keys.id(text)
    this.#remember(saved.met)
    for (const [device, here] of saved.here) this.#here.set(device, here)
    const fill = (state: KeyState, from: SavedState): void => {
      state.newest = from.newest
      state.values.set(from.values)
      state.times.set(from.times)
      const source = new StateSource(from.operators)
      for (const input of state.inputs) for (const window of input?.windows ?? []) window.load(source)
      for (const operator of state.operators) operator?.load(source)
      for (const place of state.places) place?.load(source)
      for (const device of from.devices ?? []) fill(this.deviceState(state, device.key), device)
    }
    for (const from of saved.states)
      fill(this.state(from.key, this.deviceKeyed ? '' : this.keys.text(from.key)), from)
    return true
  }

  createState(key: number, text: string, perDevice: boolean): KeyState {
    const size = this.direct || (perDevice && !this.keepsDeviceValues) ? 0 : this.metrics.size
    const state: KeyState = {
      key,
      text,
      values: new Float64Array(size).fill(Number.NaN),
      times: new Float64Array(size).fill(Number.NEGATIVE_INFINITY),
      newest: Number.NEGATIVE_INFINITY,
      operators: [],
      places: [],
      inputs: [],
      placeStamp: -1,
      judgedStamp: [],
      devices: this.deviceKeyed || perDevice ? null : new Map(),
    }
    for (const input of this.inputs)
      state.inputs.push(input.perDevice === perDevice ? { windows: [], operators: [], ordinals: [] } : null)
    for (const call of this.calls) {
      const here = call.perDevice === perDevice
      state.operators.push(here ? this.#operator(call, state) : null)
      state.places.push(here ? this.#place(call) : null)
    }
    return state
  }

  #operator(scopeCall: ScopeCall, state: KeyState): Operator | null {
    const kind = OPERATORS.get(scopeCall.call.name)
    if (kind === undefined) return null
    const first = state.inputs[scopeCall.inputs[0]!.slot]!
    const metric = this.#metrics.get(scopeCall.call.metric)
    const context: OperatorContext = {
      window: (ms) => this.#window(first, ms),
      late: this.late,
      metricMin: metric?.min ?? Number.NaN,
      metricMax: metric?.max ?? Number.NaN,
      zoneOffset: this.#zoneOffset,
    }
    const operator = kind.create(scopeCall.call.constants, context)
    if (operator.push !== undefined)
      scopeCall.inputs.forEach((input, ordinal) => {
        const to = state.inputs[input.slot]!
        to.operators.push(operator)
        to.ordinals.push(ordinal)
      })
    return operator
  }

  #place({ call }: ScopeCall): PlaceOperator | null {
    const kind = PLACE_OPERATORS.get(call.name)
    return kind === undefined ? null : kind.create(call.constants, { late: this.late, zones: this.#zones() })
  }

  #window(input: InputState, ms: number): SampleWindow {
    let window = input.windows.find((w) => w.ms === ms)
    if (window === undefined) {
      window = new SampleWindow(ms, this.late)
      input.windows.push(window)
    }
    return window
  }
}

interface SavedState {
  readonly key: number
  readonly values: Float64Array
  readonly times: Float64Array
  readonly newest: number
  readonly operators: Float64Array
  readonly devices: readonly SavedState[] | null
}

export interface SavedScope {
  readonly callIds: readonly string[]
  readonly metrics: readonly (readonly [metric: number, slot: number])[]
  readonly keys: readonly string[]
  readonly met: ReadonlyMap<string, Map<number, number[]>>
  readonly here: ReadonlyMap<number, { key: number; time: number }>
  readonly states: readonly SavedState[]
}

/** A sample reaches one input: every window once, then the operators that listen themselves. */
export function feed(input: InputState, time: number, value: number): void {
  for (let i = 0; i < input.windows.length; i++) input.windows[i]!.push(time, value)
  for (let i = 0; i < input.operators.length; i++) input.operators[i]!.push!(time, value, input.ordinals[i]!)
}
