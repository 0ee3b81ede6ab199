import { OPERATORS } from '../../../rules/operators/index.js'
import type { Constants, Operator, OperatorContext } from '../../../rules/operators/operator.js'
import { SampleWindow } from '../../../rules/operators/window.js'
import { StateBytes, StateSource } from '../../../src/engine/state-bytes.js'

export const SECOND = 1000
export const MINUTE = 60_000
export const HOUR = 3_600_000
export const DAY = 24 * HOUR
/** Asia/Ho_Chi_Minh. */
export const OFFSET = 7 * HOUR
/** 2026-11-21T10:00+07:00. */
export const START = Date.UTC(2026, 10, 21, 3)

/** One operator on one input, fed as the engine feeds it: the windows first, then the operator. */
export class Rig {
  readonly operator: Operator
  readonly #windows = new Map<number, SampleWindow>()
  readonly #name: string
  readonly #constants: Constants
  readonly #late: number

  constructor(name: string, constants: Constants, late = 5 * MINUTE) {
    this.#name = name
    this.#constants = constants
    this.#late = late
    this.operator = this.#make()
  }

  #make(): Operator {
    const context: OperatorContext = {
      window: (ms) => {
        let window = this.#windows.get(ms)
        if (window === undefined) {
          window = new SampleWindow(ms, this.#late)
          this.#windows.set(ms, window)
        }
        return window
      },
      late: this.#late,
      metricMin: Number.NaN,
      metricMax: Number.NaN,
      zoneOffset: () => OFFSET,
    }
    const kind = OPERATORS.get(this.#name)
    if (kind === undefined) throw new Error(`no operator ${this.#name}`)
    return kind.create(this.#constants, context)
  }

  push(time: number, value: number, input = 0): void {
    for (const window of this.#windows.values()) window.push(time, value)
    this.operator.push?.(time, value, input)
  }

  read(time: number, field = '', x = Number.NaN): number {
    return this.operator.read(time, field, x)
  }

  /** Pushes and reads at the sample's own time. */
  feed(time: number, value: number, field = '', x = Number.NaN): number {
    this.push(time, value)
    return this.read(time, field, x)
  }

  /** Another one that goes on from this one's checkpoint. */
  reborn(): Rig {
    const bytes = new StateBytes()
    for (const window of this.#windows.values()) window.save(bytes)
    this.operator.save(bytes)
    const source = new StateSource(bytes.take())
    const next = new Rig(this.#name, this.#constants, this.#late)
    for (const window of next.#windows.values()) window.load(source)
    next.operator.load(source)
    return next
  }
}

export interface Sample {
  readonly time: number
  readonly value: number
}

/** Mulberry32: the same numbers for the same seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Standard normal numbers (Box–Muller). */
export function normal(next: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
}

export type Shape = 'noise' | 'steps' | 'constant' | 'digits' | 'large'

/**
 * A run of samples in order of arrival: uneven, with gaps longer than any window of the tests, equal times, and some out
 * of order by up to `late`.
 */
export function series(seed: number, shape: Shape, n: number, late: number): Sample[] {
  const next = random(seed)
  const gauss = normal(next)
  const samples: Sample[] = []
  let clock = START + Math.floor(next() * HOUR)
  let level = gauss() * 10
  for (let i = 0; i < n; i++) {
    const kind = next()
    clock +=
      kind < 0.05
        ? 0
        : kind < 0.9
          ? Math.floor(next() * 20 * SECOND)
          : kind < 0.985
            ? Math.floor(next() * 3 * MINUTE)
            : 15 * MINUTE
    if (shape === 'steps' && next() < 0.05) level += gauss() * 20
    let value = level
    if (shape === 'noise' || shape === 'steps') value += gauss()
    else if (shape === 'digits') value = Math.round(gauss() * 3) / 10
    else if (shape === 'large') value = 1e9 + gauss()
    else if (next() < 0.01) level += 1
    const behind = next() < 0.15 ? Math.floor(next() * late) : 0
    samples.push({ time: clock - behind, value })
  }
  return samples
}

/** Samples of (t − w, t], by time and then by arrival, out of those that have arrived. */
export function within(arrived: readonly Sample[], t: number, w: number): Sample[] {
  const found = arrived.filter((sample) => sample.time > t - w && sample.time <= t)
  // Sorting is stable: equal times stay in order of arrival.
  return found.sort((a, b) => a.time - b.time)
}

/** Newest − oldest ≥ w/2 and two samples. */
export function warm(samples: readonly Sample[], warmup: number): boolean {
  return samples.length >= 2 && samples.at(-1)!.time - samples[0]!.time >= warmup
}

export function close(a: number, b: number, tolerance = 1e-9): boolean {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b)
  if (a === b) return true
  return Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(a), Math.abs(b))
}
