/**
 * Feeds one sink from the log, behind the sync, in order, at least once: reads from the sink's durable cursor, delivers
 * one transition at a time, and moves the cursor when the receiver has it. Never on the hot path: the engine knows
 * nothing of it, and a sink that hangs costs a place in the log and nothing else.
 *
 *   log ─► read from cursor ─► write ─┬─ ok ────► cursor
 *                                ▲    ├─ dead ──► set aside ─► cursor
 *                                └────┴─ retry (back-off; set aside after give_up_ms)
 *
 * Order is kept because "resolved" before "firing" is worse than both late. One transition that fails for
 * `give_up_ms` is set aside so that it cannot silence all that follow.
 */
import type { Transition } from '../../model/alert.js'
import { idempotencyKey, type Sink } from './sink.js'

/** The log as a sink sees it (src/log: TransitionReader). */
export interface TransitionSource {
  /** From `fromSeq` on, what is synced now; an entry without transitions only says how far it has come. */
  read(fromSeq: number): AsyncIterable<{ readonly seq: number; readonly transitions: readonly Transition[] }>
}

/** The sink's durable place: all records up to it are done with. */
export interface Cursor {
  load(): Promise<number>
  save(seq: number): Promise<void>
}

export interface DeadAnnouncement {
  readonly key: string
  readonly transition: Transition
  readonly reason: string
}

export interface SinkRunnerLimits {
  readonly retry_ms_min: number
  readonly retry_ms_max: number
  /** One transition is set aside after failing for so long. An hour: longer than most outages, shorter than a shift. */
  readonly give_up_ms: number
  /** Deliveries between two savings of the cursor: what a crash repeats at most. */
  readonly unsaved: number
  /** Set aside and kept in memory; the oldest is forgotten beyond (each was reported by `onDead`). */
  readonly dead: number
  /** Looks at the log at least this often, woken or not. */
  readonly idle_ms: number
}

export const SINK_RUNNER_LIMITS: SinkRunnerLimits = {
  retry_ms_min: 100,
  retry_ms_max: 30_000,
  give_up_ms: 3_600_000,
  unsaved: 32,
  dead: 1000,
  idle_ms: 1000,
}

export interface SinkRunnerOptions {
  readonly sink: Sink
  readonly source: TransitionSource
  readonly cursor: Cursor
  /** Monotonic time, ms, and waiting. */
  readonly time: { monotonic(): number; after(ms: number): Promise<void> }
  /** Which transitions this sink is told; by default what people hear and what ends it. */
  readonly accepts?: (transition: Transition) => boolean
  readonly onDead?: (dead: DeadAnnouncement) => void
  readonly limits?: Partial<SinkRunnerLimits>
}

export interface SinkStatus {
  readonly name: string
  readonly state: 'closed' | 'opening' | 'up' | 'retrying'
  /** Why it retries; '' while it does not. */
  readonly reason: string
  /** Done with in the log; durable a little later. */
  readonly seq: number
  readonly delivered_total: number
  readonly retries_total: number
  readonly dead_total: number
  readonly cursor_errors_total: number
}

/** Shadow rules are silent; what nobody heard fire (held back, too low) is not told either, its ending is. */
export function heard({ shadow, status, announced }: Transition): boolean {
  return !shadow && (announced !== null || status !== 'firing')
}

export class SinkRunner {
  readonly #sink: Sink
  readonly #source: TransitionSource
  readonly #cursor: Cursor
  readonly #time: SinkRunnerOptions['time']
  readonly #accepts: (transition: Transition) => boolean
  readonly #onDead: (dead: DeadAnnouncement) => void
  readonly #limits: SinkRunnerLimits
  readonly #dead: DeadAnnouncement[] = []
  #running: Promise<void> | null = null
  #closing = false
  /** Ends the current wait. */
  #wake: (() => void) | null = null
  #woken = false
  #state: SinkStatus['state'] = 'closed'
  #reason = ''
  #seq = 0
  #savedSeq = 0
  #unsaved = 0
  #delivered = 0
  #retries = 0
  #deadTotal = 0
  #cursorErrors = 0

  constructor(options: SinkRunnerOptions) {
    this.#sink = options.sink
    this.#source = options.source
    this.#cursor = options.cursor
    this.#time = options.time
    this.#accepts = options.accepts ?? heard
    this.#onDead = options.onDead ?? (() => {})
    this.#limits = { ...SINK_RUNNER_LIMITS, ...options.limits }
  }

  /** Begins; a sink that cannot be opened is tried again for ever. `onCrash` gets what no retry can mend. */
  start(onCrash: (error: unknown) => void): void {
    this.#running ??= this.#run().catch(onCrash)
  }

  /** Something new is synced. Cheap; call it after every sync. */
  wake(): void {
    this.#woken = true
    this.#wake?.()
  }

  /** Waits for the delivery at hand (the sink's timeout bounds it), saves the cursor, closes the sink. */
  async close(): Promise<void> {
    this.#closing = true
    this.wake()
    await this.#running
    await this.#sink.close()
    this.#state = 'closed'
  }

  /** What was set aside, oldest first. */
  get dead(): readonly DeadAnnouncement[] {
    return this.#dead
  }

  status(): SinkStatus {
    return {
      name: this.#sink.name,
      state: this.#state,
      reason: this.#reason,
      seq: this.#seq,
      delivered_total: this.#delivered,
      retries_total: this.#retries,
      dead_total: this.#deadTotal,
      cursor_errors_total: this.#cursorErrors,
    }
  }

  async #run(): Promise<void> {
    this.#seq = this.#savedSeq = await this.#cursor.load()
    this.#state = 'opening'
    await this.#persist(async () => {
      await this.#sink.open()
      return 'ok'
    }, Number.POSITIVE_INFINITY)
    while (!this.#closing) {
      this.#woken = false
      await this.#pass()
      if (this.#unsaved > 0) await this.#save()
      await this.#wait(this.#limits.idle_ms)
    }
    if (this.#savedSeq < this.#seq) await this.#save()
  }

  /** All that is synced now. */
  async #pass(): Promise<void> {
    for await (const { seq, transitions } of this.#source.read(this.#seq + 1)) {
      for (const transition of transitions) {
        if (!this.#accepts(transition)) continue
        if (!(await this.#deliver(transition))) return
        this.#unsaved++
      }
      this.#seq = seq
      if (this.#unsaved >= this.#limits.unsaved) await this.#save()
      if (this.#closing) return
    }
  }

  /** False where it closed before this one was done with. */
  async #deliver(transition: Transition): Promise<boolean> {
    const key = idempotencyKey(transition)
    const outcome = await this.#persist(() => this.#sink.write(transition, key), this.#limits.give_up_ms)
    if (outcome === 'closing') return false
    if (outcome === 'ok') {
      this.#delivered++
      return true
    }
    const dead = {
      key,
      transition,
      reason: outcome === 'dead' ? 'refused by the receiver' : `gave up: ${this.#reason}`,
    }
    this.#deadTotal++
    this.#dead.push(dead)
    if (this.#dead.length > this.#limits.dead) this.#dead.shift()
    this.#onDead(dead)
    return true
  }

  /** Tries until it is done, refused, or failing for longer than `giveUpMs`. */
  async #persist(
    attempt: () => Promise<'ok' | 'retry' | 'dead'>,
    giveUpMs: number,
  ): Promise<'ok' | 'dead' | 'given up' | 'closing'> {
    const begun = this.#time.monotonic()
    for (let wait = this.#limits.retry_ms_min; ; wait = Math.min(wait * 2, this.#limits.retry_ms_max)) {
      if (this.#closing) return 'closing'
      let outcome: 'ok' | 'retry' | 'dead'
      try {
        outcome = await attempt()
        this.#reason = outcome === 'retry' ? 'the receiver asks to try again' : ''
      } catch (error) {
        outcome = 'retry'
        this.#reason = (error as Error).message
      }
      if (outcome !== 'retry') {
        this.#state = 'up'
        return outcome
      }
      this.#state = 'retrying'
      this.#retries++
      if (this.#time.monotonic() - begun >= giveUpMs) return 'given up'
      await this.#pause(wait)
    }
  }

  async #save(): Promise<void> {
    try {
      await this.#cursor.save(this.#seq)
      this.#savedSeq = this.#seq
      this.#unsaved = 0
    } catch (error) {
      // What was delivered may be delivered again after a crash, under the same keys; it goes on.
      this.#cursorErrors++
      this.#reason = (error as Error).message
    }
  }

  /** Until woken or `ms` have passed. */
  async #wait(ms: number): Promise<void> {
    if (this.#woken) return
    await this.#pause(ms)
  }

  /** As `after`, ended early by close (and, while idle, by wake). */
  async #pause(ms: number): Promise<void> {
    const retrying = this.#state !== 'up'
    await Promise.race([
      this.#time.after(ms),
      new Promise<void>((resolve) => {
        this.#wake = () => {
          if (!retrying || this.#closing) resolve()
        }
      }),
    ])
    this.#wake = null
  }
}
