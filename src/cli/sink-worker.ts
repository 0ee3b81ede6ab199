/**
 * The sinks' thread: a runner for each, reading the log behind the sync with its own cursor. Signatures, TLS and a
 * receiver that hangs cost the engine's thread nothing; it only says how far the log is synced.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { SINKS } from '../alerts/sinks/index.js'
import { SinkRunner, type SinkStatus } from '../alerts/sinks/runner.js'
import type { SinkSettings } from '../config/settings.js'
import { Cursors } from '../log/cursors.js'
import { realDisk } from '../log/disk.js'
import { TransitionReader } from '../log/reader.js'
import { realScheduler } from '../log/scheduler.js'

export interface SinkWork {
  /** Folder of the log's segments. */
  readonly log: string
  /** Folder of the sinks' cursors. */
  readonly cursors: string
  readonly syncedSeq: number
  /** `begin`: where the cursor stands now. */
  readonly sinks: readonly { readonly settings: SinkSettings; readonly begin: number }[]
}
export type SinkAsk = { readonly kind: 'synced'; readonly seq: number } | { readonly kind: 'close' }
export type SinkTold =
  /** `answers`: to an ask `synced`. */
  | { readonly kind: 'status'; readonly sinks: readonly SinkStatus[]; readonly answers: boolean }
  | { readonly kind: 'dead'; readonly sink: string; readonly key: string; readonly reason: string }
  | { readonly kind: 'closed'; readonly sinks: readonly SinkStatus[] }

/** How old a status may be where no sync asks for one. */
const STATUS_MS = 250

const work = workerData as SinkWork
const port = parentPort!
let synced = work.syncedSeq
const cursors = new Cursors(realDisk, work.cursors)
const runners = work.sinks.map(({ settings, begin }) => {
  const { name, kind, options, secret } = settings
  const runner = new SinkRunner({
    sink: SINKS.get(kind)!.create(options, { name, now: Date.now, secret }),
    source: new TransitionReader({
      disk: realDisk,
      directory: work.log,
      synced: () => synced,
      // The engine's own readers meet the same damage and tell it.
      onDamage: () => {},
    }),
    cursor: { load: async () => begin, save: (seq) => cursors.save(name, seq) },
    time: realScheduler,
    onDead: ({ key, reason }) => tell({ kind: 'dead', sink: name, key, reason }),
  })
  runner.start((error) => {
    // A damaged frame that no retry can read: the thread ends, and the engine starts another one.
    throw error
  })
  return runner
})

function tell(told: SinkTold): void {
  port.postMessage(told)
}

function statuses(): SinkStatus[] {
  return runners.map((runner) => runner.status())
}

const telling = setInterval(() => tell({ kind: 'status', sinks: statuses(), answers: false }), STATUS_MS)

port.on('message', (ask: SinkAsk) => {
  if (ask.kind === 'synced') {
    synced = ask.seq
    for (const runner of runners) runner.wake()
    tell({ kind: 'status', sinks: statuses(), answers: true })
    return
  }
  clearInterval(telling)
  Promise.all(runners.map((runner) => runner.close())).then(
    () => tell({ kind: 'closed', sinks: statuses() }),
    (error: unknown) => {
      throw error
    },
  )
})
