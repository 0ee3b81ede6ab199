/**
 * One life of the engine in the simulation: the real core, loop, decoder, log, checkpoints, cursors and sink runner,
 * put together as `haidang run` does it, on a simulated disk, clock, brokers, store and sink.
 */
import { native } from '../../ingest/decoders/native.js'
import { MessageWriter } from '../../ingest/decoders/writer.js'
import { SinkRunner } from '../../src/alerts/sinks/runner.js'
import type { Sink } from '../../src/alerts/sinks/sink.js'
import { textRecords } from '../../src/engine/configure.js'
import type { CoreOptions } from '../../src/engine/core.js'
import { Fold } from '../../src/engine/fold.js'
import { Loop } from '../../src/engine/loop.js'
import type { Recovery } from '../../src/engine/recovery.js'
import { Checkpoints } from '../../src/log/checkpoints.js'
import { Cursors } from '../../src/log/cursors.js'
import type { Disk } from '../../src/log/disk.js'
import { type Log, openLog } from '../../src/log/log.js'
import { readNewest } from '../../src/log/newest.js'
import { trimPoint } from '../../src/log/trim-point.js'
import { formatFault } from '../../src/model/errors.js'
import { SeriesIndex } from '../../src/model/series.js'
import type { Broker } from './brokers.js'
import { METRICS } from './city.js'
import { type Store, ship } from './store.js'
import type { Life, World } from './world.js'

const DATA = '/data'
/** Virtual ms between two checkpoints: many in one simulation. */
const CHECKPOINT_MS = 45_000
/** The loop is asked this often whether a timer is due. */
const TICK_MS = 3000
/** Small, so that segments close, reserves matter and memory fills within one simulation. */
const LIMITS = { segment_bytes: 3000, frame_bytes: 2000, pending_bytes: 200_000 }

export interface EngineParts {
  readonly world: World
  readonly life: Life
  readonly disk: Disk
  readonly brokers: readonly Broker[]
  readonly store: Store
  readonly sink: Sink
  readonly rules: string
  /** Saves the sink's cursor before it delivers: broken, for proving that the simulation notices. */
  readonly cursorFirst: boolean
  readonly regroups: boolean
  /** Recognises no redelivery: broken likewise. */
  readonly forgetful: boolean
}

export class Engine {
  readonly log: Log
  readonly loop: Loop
  readonly recovery: Recovery
  readonly runner: SinkRunner
  readonly index: SeriesIndex
  readonly #parts: EngineParts
  readonly #options: CoreOptions
  readonly #checkpoints: Checkpoints
  readonly #cursors: Cursors
  checkpointsWritten = 0
  shippedSeq = 0
  pendingMax = 0
  heldMax = 0

  private constructor(
    parts: EngineParts,
    options: CoreOptions,
    log: Log,
    loop: Loop,
    recovery: Recovery,
    checkpoints: Checkpoints,
    cursors: Cursors,
    runner: SinkRunner,
  ) {
    this.#parts = parts
    this.#options = options
    this.log = log
    this.loop = loop
    this.index = loop.core.index
    this.recovery = recovery
    this.#checkpoints = checkpoints
    this.#cursors = cursors
    this.runner = runner
  }

  /** Recovers and begins. */
  static async start(parts: EngineParts): Promise<Engine> {
    const { life, disk, brokers } = parts
    const checkpoints = await Checkpoints.open(disk, `${DATA}/checkpoints`)
    const cursors = new Cursors(disk, `${DATA}/cursors`)
    const options: CoreOptions = {
      timezone: 'Asia/Ho_Chi_Minh',
      delivery: parts.forgetful ? {} : { jetstream: 'sequence', mqtt: 'run' },
    }
    const fold = new Fold(options)
    const { core, recovery } = fold
    let runner: SinkRunner | null = null
    let engine: Engine
    const log = await openLog({
      disk,
      directory: `${DATA}/log`,
      index: core.index,
      scheduler: life,
      limits: LIMITS,
      onSynced: () => runner?.wake(),
    })
    await readNewest(checkpoints, fold, log.recovery.lastSeq)
    const from = core.seq
    const reader = log.reader(core.index)
    await reader.replay(from + 1, (logged) => fold.apply(logged))
    await reader.close()
    core.seq = Math.max(core.seq, log.recovery.lastSeq)
    parts.world.say(`engine up at seq ${core.seq}, checkpoint ${from}, cut ${log.recovery.cutBytes} bytes`)
    const loop = new Loop(
      {
        core,
        log,
        clock: life,
        audience: { alert: () => {}, samples: () => {}, feed: () => {} },
        writer: new MessageWriter(core.index),
        feeds: brokers.map(({ feed }) => ({
          name: feed,
          decoder: native,
          profile: { source: feed, stream: 'flood' },
          clock: 'arrival' as const,
        })),
        count: (name) => {
          if (name === 'log_held_total') engine.heldMax = Math.max(engine.heldMax, loop.held + 1)
        },
      },
      recovery.received,
      recovery.feeds,
    )
    const sinkCursor = {
      load: () => cursors.load('sink'),
      save: (seq: number) => cursors.save('sink', seq),
    }
    const source = log.transitionReader()
    runner = new SinkRunner({
      sink: parts.sink,
      source: parts.cursorFirst ? { read: (from) => savingFirst(source.read(from), sinkCursor) } : source,
      cursor: sinkCursor,
      time: life,
      accepts: () => true,
      limits: { unsaved: 3, retry_ms_max: 2000, idle_ms: 10_000 },
    })
    engine = new Engine(parts, options, log, loop, recovery, checkpoints, cursors, runner)
    engine.#begin()
    return engine
  }

  get life(): Life {
    return this.#parts.life
  }

  get isAlive(): boolean {
    return this.#parts.life.alive
  }

  /** The simulation is over: nothing of this life happens any more. */
  end(): void {
    this.#parts.life.alive = false
  }

  /** Everything behind the sync has what the log has. */
  get settled(): boolean {
    const { lastSeq, syncedSeq } = this.log
    return (
      syncedSeq === lastSeq &&
      this.shippedSeq === lastSeq &&
      this.runner.status().seq === lastSeq &&
      this.loop.held === 0
    )
  }

  #begin(): void {
    const { life, world, brokers, store, rules } = this.#parts
    const { core } = this.loop
    for (const text of textRecords(
      {
        metrics: JSON.stringify(METRICS),
        registry: '',
        zones: '{"type":"FeatureCollection","features":[]}',
        rules,
      },
      0,
    ))
      if (core.texts[text.kind]?.hash !== text.hash) this.loop.text(text.kind, text.hash, text.text, null)
    if (core.faults.length > 0)
      throw new Error(`the simulation's rules: ${core.faults.map(formatFault).join('; ')}`)
    for (const broker of brokers) broker.connect(life, this.loop, () => this.loop.now())
    this.runner.start((error) => {
      throw error
    })
    const index = new SeriesIndex()
    const parts = {
      life,
      store,
      index,
      reader: this.log.reader(index),
      cursors: this.#cursors,
      random: world.random,
      regroups: this.#parts.regroups,
    }
    void ship(parts, (seq) => {
      this.shippedSeq = seq
    })
    void this.#checkpointForEver()
    const tick = (): void => {
      this.loop.tick()
      this.pendingMax = Math.max(this.pendingMax, this.log.status().pending_bytes)
      life.later(TICK_MS, tick)
    }
    life.later(TICK_MS, tick)
  }

  /** As src/log/checkpoint-worker.ts does it: a second fold reads behind the sync, and is what is written down. */
  async #checkpointForEver(): Promise<void> {
    const { life, world } = this.#parts
    const checkpoints = this.#checkpoints
    await life.after(CHECKPOINT_MS)
    const fold = new Fold(this.#options)
    await readNewest(checkpoints, fold, Number.POSITIVE_INFINITY)
    const reader = this.log.reader(fold.core.index)
    for (;;) {
      try {
        await reader.replay(fold.core.seq + 1, (logged) => fold.apply(logged))
        const { seq } = fold.core
        if (seq > checkpoints.newestSeq) await checkpoints.write(seq, [fold.save()])
        this.checkpointsWritten++
        const keepFrom = trimPoint({
          shippedSeq: this.shippedSeq,
          olderCheckpointSeq: checkpoints.olderSeq,
          sinkSeqs: [await this.#cursors.load('sink')],
          share: this.log.status().share,
        })
        const freed = await this.log.trim(keepFrom)
        world.say(`checkpoint ${seq}, kept from ${keepFrom}, freed ${freed}`)
      } catch (error) {
        world.say(`no checkpoint: ${(error as Error).message}`)
      }
      await life.after(CHECKPOINT_MS)
    }
  }
}

type Entry = { seq: number; transitions: readonly import('../../src/model/alert.js').Transition[] }

async function* savingFirst(
  entries: AsyncIterable<Entry>,
  cursor: { save(seq: number): Promise<void> },
): AsyncGenerator<Entry> {
  for await (const entry of entries) {
    if (entry.transitions.length > 0) await cursor.save(entry.seq).catch(() => {})
    yield entry
  }
}
