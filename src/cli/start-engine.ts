/**
 * Puts the engine together: lock, log, recovery, core, loop, store, server, transports. Here implementations are
 * chosen; nothing here decides anything else.
 *
 *   transports ─► loop ─► core ─► wall (at once)
 *                  └────► log ─► acknowledgements, shipper, checkpointer, sinks
 */
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { Registry } from 'prom-client'
import { EmbeddedBroker } from '../../ingest/broker.js'
import { MessageWriter } from '../../ingest/decoders/writer.js'
import { textFaults } from '../config/check-texts.js'
import type { Settings } from '../config/settings.js'
import { readTexts, type Texts, withEngineRules } from '../config/texts.js'
import { textRecords } from '../engine/configure.js'
import { Core, type CoreOptions } from '../engine/core.js'
import { Fold } from '../engine/fold.js'
import { Loop } from '../engine/loop.js'
import { Checkpointer } from '../log/checkpointer.js'
import { Checkpoints } from '../log/checkpoints.js'
import { realDisk } from '../log/disk.js'
import { lockDirectory } from '../log/lock.js'
import { type Log, openLog } from '../log/log.js'
import { readNewest, UnreadableCheckpoint } from '../log/newest.js'
import { trimPoint } from '../log/trim-point.js'
import { BOUNDS } from '../model/bounds.js'
import { type Fault, formatFault, HaidangError } from '../model/errors.js'
import type { Clock } from '../model/ports.js'
import { SeriesIndex } from '../model/series.js'
import { createServer, type HaidangServer } from '../server/server.js'
import { Tokens } from '../server/tokens.js'
import { Wall } from '../server/wall.js'
import { WallMetrics } from '../server/wall-metrics.js'
import { SeriesHistory } from '../store/history.js'
import { shipmentFiles } from '../store/shipment-files.js'
import { openStore, type Store } from '../store/store.js'
import { DeadLetters } from './dead-letters.js'
import { EngineCity } from './engine-city.js'
import { type FeedPlan, feedPlans } from './feeds.js'
import { HostMetrics } from './host-metrics.js'
import { PoisonFile } from './poison.js'
import { SelfWatch } from './self-watch.js'
import { SinkThread, sinkPlaces } from './sinks.js'
import { TextWatch } from './text-watch.js'

export interface StartOptions {
  readonly settings: Settings
  /** The demo: everybody at this machine is admin, on loopback alone. */
  readonly open: boolean
  /** One line for people (stderr). */
  readonly say: (line: string) => void
}

export interface Addresses {
  readonly http: string
  readonly mqtt: string | null
  readonly sql: string | null
}

export interface RunningEngine {
  readonly addresses: Addresses
  /** A token made at this start, printed once; null where there were tokens already. */
  readonly newToken: string | null
  /** Drains, checkpoints, closes; within 10 s. */
  close(): Promise<void>
}

/** Faults of rules, registry, zones or metrics found at the start: the engine does not start with them. */
export class RulesRefused extends HaidangError {
  readonly faults: readonly Fault[]
  constructor(faults: readonly Fault[]) {
    super(
      'HD_RULE_SYNTAX',
      `${faults.length} ${faults.length === 1 ? 'fault' : 'faults'} in the rules and what they refer to`,
    )
    this.faults = faults
  }
}

const TICK_MS = 100
/** The engine looks at its own sources and log. */
const LOOK_MS = 1000
const PAGES = path.resolve(import.meta.dirname, '../../ui')
/** EX_SOFTWARE of sysexits.h: a supervisor starts us again. */
const EXIT_POISONED = 70
const STORE_WAIT_MS = 60_000
/** For what is synced to be in the store, where a person waits for it. */
const DRAIN_MS = 20_000
/** For the deliveries at hand; what is not told by then is told after the next start. */
const SINKS_CLOSE_MS = 2000

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

export async function startEngine(options: StartOptions): Promise<RunningEngine> {
  const { settings } = options
  const closing: (() => Promise<unknown>)[] = []
  try {
    return await assemble(options, settings, closing)
  } catch (error) {
    for (const close of closing.reverse()) await close().catch(() => {})
    throw error
  }
}

async function assemble(
  options: StartOptions,
  settings: Settings,
  closing: (() => Promise<unknown>)[],
): Promise<RunningEngine> {
  const { say } = options
  const clock = systemClock
  const registry = new Registry()
  const host = new HostMetrics(registry)

  // Texts first: a faulty rule must not cost the start of anything.
  const texts = await withEngineRules(await readTexts(settings.texts))
  refuseFaultyTexts(settings, texts)

  const lock = await lockDirectory(settings.data)
  closing.push(() => lock.release())

  const plans = feedPlans(settings, clock, say)
  const coreOptions: CoreOptions = {
    timezone: settings.timezone,
    late: Object.fromEntries(plans.map((plan) => [plan.setup.name, plan.late])),
    recorded: plans.filter((plan) => plan.setup.clock === 'event').map((plan) => plan.setup.name),
    delivery: Object.fromEntries(plans.map((plan) => [plan.setup.name, plan.delivery])),
  }

  // Recovery: checkpoint, then the log.
  const directories = {
    log: path.join(settings.data, 'log'),
    checkpoints: path.join(settings.data, 'checkpoints'),
  }
  const cursors = path.join(settings.data, 'sinks')
  const checkpoints = await Checkpoints.open(realDisk, directories.checkpoints)
  const shipping = await shipmentFiles(path.join(settings.data, 'shipping')).load()
  const places = await sinkPlaces(cursors, settings.sinks)
  const knownSeq = Math.max(
    checkpoints.newestSeq,
    shipping?.shipped ?? 0,
    ...[...places.values()].map((place) => place ?? 0),
  )
  let fold = new Fold(coreOptions)
  let wake = (): void => {}
  const started = performance.now()
  let log = await openLogFor(fold)
  closing.push(() => log.close())
  for (let newest = log.lastSeq; ; ) {
    try {
      await readNewest(checkpoints, fold, newest)
      break
    } catch (error) {
      // A newer program's is refused: going on without it would lose what the log no longer holds.
      if (!(error instanceof UnreadableCheckpoint)) throw error
      say(`${error.message}; the one before it is taken`)
      newest = error.seq - 1
      await log.close()
      fold = new Fold(coreOptions)
      log = await openLogFor(fold)
    }
  }
  const replayed = log.reader(fold.core.index)
  await replayed.replay(fold.core.seq + 1, (logged) => fold.apply(logged))
  await replayed.close()
  const { core } = fold
  // Numbers that were given to records which a crash took back are given again.
  core.seq = Math.max(core.seq, log.lastSeq)
  if (fold.recovery.records > 0)
    say(
      `recovered ${fold.recovery.records} records in ${Math.round(performance.now() - started)} ms${fold.recovery.differing > 0 ? `; ${fold.recovery.differing} would be decided otherwise today` : ''}`,
    )

  const sinks = await SinkThread.open(
    { sinks: settings.sinks, log: directories.log, cursors, say },
    places,
    core.seq,
  )
  closing.push(() => sinks.close(SINKS_CLOSE_MS))

  function openLogFor(one: Fold): Promise<Log> {
    return openLog({
      disk: realDisk,
      directory: directories.log,
      index: one.core.index,
      knownSeq,
      limits: { log_bytes: settings.log_bytes },
      onSynced: () => wake(),
      onDamage: (damage) => say(`log: ${damage.bytes} damaged bytes in ${damage.segment}, set aside`),
    })
  }

  const wall: Wall = new Wall({
    epoch: randomBytes(8).toString('hex'),
    clock: { now: () => loop.now(), monotonic: clock.monotonic },
    build: host.build,
    clockMode: plans.some((plan) => plan.setup.clock === 'event') ? 'event' : 'arrival',
    metrics: new WallMetrics(registry),
    metricRegistry: () => core.metrics,
    registry: () => core.registry,
    rules: () => core.watched(),
    progress: () => ({ seq: core.seq, backlog: backlogOf(plans) }),
  })
  for (const state of fold.board.values()) wall.board.put(state)

  const loop: Loop = new Loop(
    {
      core,
      log,
      clock,
      audience: wall,
      writer: new MessageWriter(core.index),
      feeds: plans.map((plan) => plan.setup),
      count: (name, label, amount) => host.count(name, label, amount),
      poison: new PoisonFile({
        file: path.join(settings.data, 'poison.json'),
        version: host.version,
        now: clock.now,
        say,
        end: () => process.exit(EXIT_POISONED),
      }),
    },
    fold.recovery.received,
    fold.recovery.feeds,
  )
  putInForce(loop, texts)

  const tokens = await Tokens.open(path.join(settings.data, 'tokens.json'), clock)
  const newToken = options.open ? null : await firstToken(tokens, settings.token)

  let shippedSeq = 0
  let olderCheckpoint = checkpoints.olderSeq
  const trim = (): void => {
    const { share } = log.status()
    log
      .trim(
        trimPoint({
          shippedSeq,
          olderCheckpointSeq: olderCheckpoint,
          sinkSeqs: sinks.status.map(({ seq }) => seq),
          share,
        }),
      )
      .catch((error: unknown) => say(`log trim: ${(error as Error).message}`))
  }

  // The store in its own time: the engine judges and logs while it starts.
  const shipperIndex = new SeriesIndex()
  let store: Store | null = null
  const storeOpened = openStore({
    directory: settings.data,
    log: log.reader(shipperIndex),
    index: shipperIndex,
    ...(settings.clickhouse === null ? {} : { clickhouse_url: settings.clickhouse }),
    door: settings.sql,
    checkToken: async (token) => {
      const principal = tokens.verify(token)
      return principal === null ? null : { who: principal.name, role: principal.role }
    },
    onAudit: (entry) => {
      loop.command('query', entry.who, '', { ...entry }, () => {})
    },
    onShipped: (seq) => {
      shippedSeq = seq
    },
    onSetAside: (entry) => say(`store: records set aside: ${JSON.stringify(entry)}`),
  })
  // Told below; it must not be an unhandled rejection until then.
  storeOpened.catch(() => {})
  closing.push(async () => (await storeOpened.catch(() => null))?.close())
  wake = () => {
    store?.wake()
    sinks.synced(log.syncedSeq)
  }

  const checkpointer = new Checkpointer({
    ...directories,
    core: coreOptions,
    syncedSeq: () => log.syncedSeq,
    onCheckpoint: (_seq, olderSeq) => {
      olderCheckpoint = olderSeq
      trim()
    },
    onError: (reason) => say(`checkpoint: ${reason}`),
  })
  closing.push(() => checkpointer.close())

  for (const plan of plans) {
    await plan.transport.open(loop)
    closing.push(() => plan.transport.close())
  }
  const self = new SelfWatch(
    loop,
    log,
    plans.map((plan) => plan.transport),
    () => sinks.status,
  )
  const ticking = setInterval(() => loop.tick(), TICK_MS)
  const looking = setInterval(() => self.look(), LOOK_MS)
  const watch = new TextWatch({
    paths: settings.texts,
    check: (changed) => textErrors(settings, changed),
    apply: (changed) => {
      withEngineRules(changed).then(
        (all) => {
          const kinds = putInForce(loop, all)
          if (kinds.length > 0) say(`${kinds.join(', ')} loaded anew`)
        },
        (error: unknown) => say(`reload: ${(error as Error).message}`),
      )
    },
    refused: (faults) => {
      for (const fault of faults) say(formatFault(fault))
      say('nothing of it is loaded; what runs goes on')
    },
    failed: (reason) => say(`reload: ${reason}`),
  })
  await watch.open()
  closing.push(async () => {
    watch.close()
    clearInterval(ticking)
    clearInterval(looking)
  })

  const deadLetters = new DeadLetters({
    loop,
    store: () => store,
    drained: (one) => within(one.drained(), DRAIN_MS),
    separatorOf: (feed) => (plans.find(({ setup }) => setup.name === feed)?.kind === 'mqtt' ? '/' : '.'),
  })
  const city = new EngineCity({ core, wall, plans: () => plans, clock: () => loop.now(), store: () => store })
  host.observe({
    core,
    log,
    loop,
    wall,
    transports: () => plans.map((plan) => plan.transport),
    store: () => store,
    sinks: () => sinks.status,
  })
  const server = await createServer({
    host: settings.http.host,
    port: settings.http.port,
    wall,
    access: options.open ? { kind: 'open' } : { kind: 'tokens', tokens },
    commands: {
      submit: (name, who, target, body) => {
        if (core.findAlert(target) === undefined && target !== '')
          throw new HaidangError('HD_SERVE_NOT_FOUND', `there is no alert '${target}'`)
        return new Promise((resolve) => {
          const seq = loop.command(name, who, target, body, () => resolve({ seq }))
        })
      },
      retryDeadLetters: (selection, who) => deadLetters.retry(selection, who),
    },
    city,
    history: {
      pipe: async (query, reply) => {
        if (store === null) throw new HaidangError('HD_STORE_CONNECT', 'the store is not up')
        await new SeriesHistory(store, () => loop.now()).pipe(query, reply)
      },
    },
    ready: () => notReady(plans, log, store),
    metrics: registry,
    clock,
    version: { version: host.version, build: host.build, node: process.version },
    pages: PAGES,
    onError: (error) => say(`server: ${String((error as Error).stack ?? error)}`),
  })
  closing.push(() => server.close())
  wall.start()

  try {
    store = await within(storeOpened, STORE_WAIT_MS)
  } catch (error) {
    if (error instanceof HaidangError && (error.code === 'HD_SERVE_PORT' || error.code === 'HD_STORE_SCHEMA'))
      throw error
    say(`store: ${(error as Error).message}; judging and logging go on without it`)
    storeOpened.then(
      (late) => {
        store = late
      },
      () => {},
    )
  }

  const addresses: Addresses = {
    http: server.url,
    mqtt: mqttAddress(plans, settings),
    sql: store?.sql_url ?? null,
  }
  return {
    addresses,
    newToken,
    close: () =>
      shutDown({
        plans,
        loop,
        log,
        checkpointer,
        sinks,
        store,
        server,
        wall,
        stopTimers: () => {
          watch.close()
          clearInterval(ticking)
          clearInterval(looking)
        },
        lock,
        say,
        wait: storeOpened,
      }),
  }
}

async function shutDown(parts: {
  plans: readonly FeedPlan[]
  loop: Loop
  log: Log
  checkpointer: Checkpointer
  sinks: SinkThread
  store: Store | null
  server: HaidangServer
  wall: Wall
  stopTimers: () => void
  lock: { release(): Promise<void> }
  say: (line: string) => void
  wait: Promise<Store>
}): Promise<void> {
  const { log } = parts
  parts.stopTimers()
  await Promise.all(parts.plans.map((plan) => plan.transport.close()))
  await within(log.flush(), 2000).catch(() => {})
  await Promise.all([
    within(parts.checkpointer.checkpoint(), 4000).catch(() => {}),
    parts.sinks.close(SINKS_CLOSE_MS),
  ])
  await parts.checkpointer.close()
  await parts.server.close()
  await parts.wall.close()
  const store = parts.store ?? (await within(parts.wait, 1000).catch(() => null))
  if (store !== null) {
    await within(store.drained(), 2000).catch(() => {})
    await store.close()
  }
  await log.close()
  await parts.lock.release()
}

/** What sources still deliver of a past: 0 where all have caught up. At least 1, since brokers do not say how much. */
function backlogOf(plans: readonly FeedPlan[]): number {
  let backlog = 0
  for (const { transport } of plans) {
    const { state, caught_up, in_flight } = transport.status
    if (state === 'up' && !caught_up) backlog += Math.max(1, in_flight)
  }
  return backlog
}

/** Every error in the texts, each with its place. */
function textErrors(settings: Settings, texts: Texts): Fault[] {
  const { metrics, registry, zones } = textFaults(settings.texts, texts)
  const beside = [...metrics, ...registry, ...zones].filter(({ severity }) => severity === 'error')
  if (beside.length > 0) return beside
  const trial = new Core({ timezone: settings.timezone })
  for (const record of textRecords(texts, 0)) trial.apply(record, [])
  return trial.faults.filter((fault) => fault.severity === 'error')
}

function refuseFaultyTexts(settings: Settings, texts: Texts): void {
  const faults = textErrors(settings, texts)
  if (faults.length > 0) throw new RulesRefused(faults)
}

/** Records what is not in force yet; says which kinds. */
function putInForce(loop: Loop, texts: Texts): string[] {
  const kinds: string[] = []
  for (const { kind, hash, text } of textRecords(texts, 0)) {
    if (loop.core.texts[kind]?.hash === hash) continue
    loop.text(kind, hash, text, null)
    kinds.push(kind)
  }
  return kinds
}

async function firstToken(tokens: Tokens, given: string | null): Promise<string | null> {
  if (given !== null) {
    tokens.adopt('HAIDANG_TOKEN', 'admin', given)
    return null
  }
  return tokens.size > 0 ? null : (await tokens.create('first', 'admin')).token
}

function mqttAddress(plans: readonly FeedPlan[], settings: Settings): string | null {
  const broker = plans.find((plan) => plan.transport instanceof EmbeddedBroker)
  return broker !== undefined
    ? (broker.transport as EmbeddedBroker).address.url
    : (settings.mqtt?.url ?? null)
}

function notReady(plans: readonly FeedPlan[], log: Log, store: Store | null): string[] {
  const reasons: string[] = []
  for (const { transport, setup } of plans) {
    const { state, last_error } = transport.status
    if (state !== 'up')
      reasons.push(`source '${setup.name}' is ${state}${last_error === '' ? '' : `: ${last_error}`}`)
  }
  const { state, reason, share } = log.status()
  if (state !== 'ok') reasons.push(`log ${state}: ${reason}`)
  else if (share >= BOUNDS.log_alarm) reasons.push(`log ${Math.round(share * 100)} % full`)
  if (store !== null && store.status.state === 'down') reasons.push(`store down: ${store.status.reason}`)
  return reasons
}

async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([
      work,
      new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => reject(new HaidangError('HD_STORE_CONNECT', `not done within ${ms} ms`, { retryable: true })),
          ms,
        )
      }),
    ])
  } finally {
    clearTimeout(timer)
  }
}
