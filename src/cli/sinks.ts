/**
 * The configured sinks, in a thread of their own (sink-worker.ts): starts it, tells it how far the log is synced, keeps
 * what it says of itself, and starts another one should it end.
 */
import { Worker } from 'node:worker_threads'
import type { SinkStatus } from '../alerts/sinks/runner.js'
import type { SinkSettings } from '../config/settings.js'
import { Cursors } from '../log/cursors.js'
import { realDisk } from '../log/disk.js'
import type { SinkAsk, SinkTold, SinkWork } from './sink-worker.js'

export interface SinkThreadOptions {
  readonly sinks: readonly SinkSettings[]
  /** Folder of the log's segments. */
  readonly log: string
  /** Folder of the cursors; made where it is not there. */
  readonly cursors: string
  /** One line for people. */
  readonly say: (line: string) => void
}

/** A thread that ended is started again after this. */
const RESTART_MS = 1000
/** Lines about refused announcements, one sink: the first at once, further ones at most this often. */
const SAY_MS = 10_000

/** Where each sink stands in the log, from its file; null for a sink that is new. */
export async function sinkPlaces(
  directory: string,
  sinks: readonly SinkSettings[],
): Promise<Map<string, number | null>> {
  const cursors = new Cursors(realDisk, directory)
  const places = new Map<string, number | null>()
  for (const { name } of sinks) places.set(name, (await cursors.has(name)) ? await cursors.load(name) : null)
  return places
}

export class SinkThread {
  readonly #options: SinkThreadOptions
  /** By name; kept over restarts of the thread. */
  readonly #begin: ReadonlyMap<string, number>
  readonly #said = new Map<string, { at: number; unsaid: number }>()
  #worker: Worker | null = null
  #status: readonly SinkStatus[]
  #syncedSeq = 0
  #toldSeq = 0
  #asked = false
  #closing = false
  #closed: (() => void) | null = null
  #restart: NodeJS.Timeout | undefined

  private constructor(options: SinkThreadOptions, begin: ReadonlyMap<string, number>) {
    this.#options = options
    this.#begin = begin
    this.#status = options.sinks.map(({ name }) => closedStatus(name, begin.get(name) ?? 0))
  }

  /**
   * Starts them. A new sink (place null) begins behind `lastSeq`: what stands in the log is no news to a receiver that
   * was not there. Its place is durable before anything can happen behind it.
   */
  static async open(
    options: SinkThreadOptions,
    places: ReadonlyMap<string, number | null>,
    lastSeq: number,
  ): Promise<SinkThread> {
    const cursors = new Cursors(realDisk, options.cursors)
    const begin = new Map<string, number>()
    for (const { name } of options.sinks) {
      const place = places.get(name) ?? null
      begin.set(name, place ?? lastSeq)
      if (place !== null) continue
      await cursors.save(name, lastSeq).catch((error: unknown) => {
        // A full disk: it is saved with the first delivery.
        options.say(`sink ${name}: its place in the log cannot be kept yet: ${(error as Error).message}`)
      })
    }
    const thread = new SinkThread(options, begin)
    thread.#syncedSeq = lastSeq
    thread.#start()
    return thread
  }

  /** All records up to `seq` are synced. Cheap: one message is under way at most. */
  synced(seq: number): void {
    this.#syncedSeq = seq
    if (this.#asked || this.#worker === null || seq <= this.#toldSeq) return
    this.#asked = true
    this.#toldSeq = seq
    this.#ask({ kind: 'synced', seq })
  }

  /** At most a quarter of a second old. */
  get status(): readonly SinkStatus[] {
    return this.#status
  }

  /** Waits for the deliveries at hand, `ms` at most; what is not delivered then is delivered after the next start. */
  async close(ms: number): Promise<void> {
    this.#closing = true
    clearTimeout(this.#restart)
    const worker = this.#worker
    if (worker === null) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#closed = () => {
        clearTimeout(timer)
        resolve()
      }
      this.#ask({ kind: 'close' })
    })
    this.#worker = null
    await worker.terminate()
  }

  #start(): void {
    const { log, cursors, sinks } = this.#options
    if (sinks.length === 0) return
    this.#toldSeq = this.#syncedSeq
    this.#asked = false
    const worker = new Worker(new URL('./sink-worker.js', import.meta.url), {
      execArgv: [],
      workerData: {
        log,
        cursors,
        syncedSeq: this.#syncedSeq,
        sinks: sinks.map((settings, i) => ({
          settings,
          begin: Math.max(this.#begin.get(settings.name) ?? 0, this.#status[i]!.seq),
        })),
      } satisfies SinkWork,
    })
    this.#worker = worker
    worker.unref()
    worker.on('message', (told: SinkTold) => this.#told(told))
    worker.on('error', (error) => this.#options.say(`sinks: ${error.message}`))
    worker.on('exit', () => {
      this.#closed?.()
      if (this.#worker !== worker || this.#closing) return
      this.#worker = null
      this.#status = this.#status.map((one) => ({ ...one, state: 'closed' }))
      this.#restart = setTimeout(() => this.#start(), RESTART_MS)
      this.#restart.unref()
    })
  }

  #ask(ask: SinkAsk): void {
    this.#worker?.postMessage(ask)
  }

  #told(told: SinkTold): void {
    if (told.kind === 'dead') {
      this.#sayDead(told.sink, `${told.key}: ${told.reason}`)
      return
    }
    this.#status = told.sinks
    if (told.kind === 'closed') this.#closed?.()
    else if (told.answers) {
      this.#asked = false
      this.synced(this.#syncedSeq)
    }
  }

  #sayDead(sink: string, what: string): void {
    const now = performance.now()
    const said = this.#said.get(sink)
    if (said !== undefined && now - said.at < SAY_MS) {
      said.unsaid++
      return
    }
    const more = said === undefined || said.unsaid === 0 ? '' : `, and ${said.unsaid} before it`
    this.#options.say(`sink ${sink}: set aside ${what}${more}`)
    this.#said.set(sink, { at: now, unsaid: 0 })
  }
}

function closedStatus(name: string, seq: number): SinkStatus {
  return {
    name,
    state: 'closed',
    reason: '',
    seq,
    delivered_total: 0,
    retries_total: 0,
    dead_total: 0,
    cursor_errors_total: 0,
  }
}
