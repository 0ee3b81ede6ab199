/**
 * Virtual time and processes that can die. Everything that happens is an event in one queue, so a seed decides every
 * order; a process that has died never hears again from what it was waiting for, as after `kill -9`.
 */
import { setImmediate as macrotask } from 'node:timers/promises'
import type { Scheduler } from '../../src/log/scheduler.js'
import type { Clock } from '../../src/model/ports.js'
import { Random } from './random.js'

/** How a process dies: killed (the kernel keeps what it had written) or with the machine (only what was synced). */
export type CrashKind = 'kill' | 'power'

/** Where a process dies: at the n-th step of a label, before or after its effect. */
export interface CrashPoint {
  readonly label: string
  readonly nth: number
  readonly side: 'before' | 'after'
  readonly kind: CrashKind
}

interface Event {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** ms UTC at the beginning of every simulation. */
export const EPOCH = 1_795_294_800_000

export class World implements Clock {
  readonly random: Random
  /** Happenings, newest last, for the report of a failing seed. */
  readonly trace: string[] = []
  #time = 0
  #wallOffset = EPOCH
  #order = 0
  #events: Event[] = []

  constructor(seed: number) {
    this.random = new Random(seed)
  }

  monotonic(): number {
    return this.#time
  }

  now(): number {
    return Math.floor(this.#time + this.#wallOffset)
  }

  /** What every good clock of the city shows, ms UTC: devices and brokers go by it. */
  trueTime(): number {
    return Math.floor(this.#time + EPOCH)
  }

  /** The engine's wall clock jumps; monotonic time does not. */
  jump(ms: number): void {
    this.#wallOffset += ms
    this.say(`wall clock jumps ${ms} ms`)
  }

  say(what: string): void {
    if (this.trace.length < 5000) this.trace.push(`${this.#time.toFixed(1)} ${what}`)
  }

  schedule(delay: number, run: () => void): void {
    const event = { at: this.#time + delay, order: this.#order++, run }
    const events = this.#events
    // A binary heap by (at, order).
    let i = events.length
    events.push(event)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!earlier(event, events[parent]!)) break
      events[i] = events[parent]!
      i = parent
    }
    events[i] = event
  }

  /** Runs events until `done` or none is left, or `stepsMax` were run (then false: something waits for ever). */
  async run(done: () => boolean, stepsMax: number): Promise<boolean> {
    await macrotask()
    for (let step = 0; step < stepsMax; step++) {
      if (done()) return true
      if (!(await this.step())) return done()
    }
    return done()
  }

  /** Runs one event and all that it makes ready; false where there is none. */
  async step(): Promise<boolean> {
    const event = this.#pop()
    if (event === undefined) return false
    this.#time = Math.max(this.#time, event.at)
    event.run()
    // Microtasks drain before a macrotask.
    await macrotask()
    return true
  }

  #pop(): Event | undefined {
    const events = this.#events
    const first = events[0]
    const last = events.pop()
    if (first === undefined || last === undefined || events.length === 0) return first
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= events.length) break
      if (child + 1 < events.length && earlier(events[child + 1]!, events[child]!)) child++
      if (!earlier(events[child]!, last)) break
      events[i] = events[child]!
      i = child
    }
    events[i] = last
    return first
  }
}

function earlier(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

const NEVER = new Promise<never>(() => {})

/** One life of one process: its steps take virtual time and may be its last. */
export class Life implements Scheduler {
  readonly world: World
  readonly #crashes: readonly CrashPoint[]
  readonly #onCrash: (kind: CrashKind) => void
  readonly #counts = new Map<string, number>()
  alive = true

  constructor(world: World, crashes: readonly CrashPoint[], onCrash: (kind: CrashKind) => void) {
    this.world = world
    this.#crashes = crashes
    this.#onCrash = onCrash
  }

  monotonic(): number {
    return this.world.monotonic()
  }

  now(): number {
    return this.world.now()
  }

  soon(run: () => void): void {
    this.later(0, run)
  }

  after(ms: number): Promise<void> {
    return new Promise((resolve) => this.later(ms, resolve))
  }

  /** Runs `run` after `ms` of virtual time, if the process lives then. */
  later(ms: number, run: () => void): void {
    this.world.schedule(ms, () => {
      if (this.alive) run()
    })
  }

  die(kind: CrashKind): void {
    if (!this.alive) return
    this.alive = false
    this.world.say(`crash: ${kind}`)
    this.#onCrash(kind)
  }

  /** One step that can be awaited: `effect` happens after `ms`; the process may die before or after it. */
  step<T>(label: string, ms: number, effect: () => T): Promise<T> {
    if (!this.alive || this.#dies(label, 'before')) return NEVER
    return new Promise((resolve, reject) => {
      this.later(ms, () => {
        try {
          const result = effect()
          if (this.#dies(label, 'after')) return
          resolve(result)
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  #dies(label: string, side: 'before' | 'after'): boolean {
    const key = `${label} ${side}`
    const nth = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, nth)
    const point = this.#crashes.find((c) => c.label === label && c.side === side && c.nth === nth)
    if (point === undefined) return false
    this.world.say(`${side} step ${label} #${nth}`)
    this.die(point.kind)
    return true
  }
}
