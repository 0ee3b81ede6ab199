/**
 * One seeded simulation: a city's minutes through the real engine while everything around it misbehaves and the engine
 * dies at chosen steps; then the invariants of DESIGN.md 6:
 *
 *   1 acknowledged ⇒ logged, and every message in the store exactly once
 *   2 alert ids and canonical transitions equal those of an undisturbed run
 *   3 each transition told to the sink at least once, none under two keys
 *   4 queues stay bounded
 */
import type { Sink } from '../../src/alerts/sinks/sink.js'
import type { Transition } from '../../src/model/alert.js'
import { BOUNDS } from '../../src/model/bounds.js'
import { Broker } from './brokers.js'
import { RULES, workload } from './city.js'
import { SimulatedDisk } from './disk.js'
import { Engine } from './engine.js'
import { Random } from './random.js'
import { Store } from './store.js'
import { type CrashKind, type CrashPoint, EPOCH, Life, World } from './world.js'

/** Ways to break the engine on purpose; each must be caught. */
export const SABOTAGES = [
  'ack before sync',
  'disk lies',
  'cursor before delivery',
  'shipment regrouped',
  'redelivery not recognised',
] as const
export type Sabotage = (typeof SABOTAGES)[number]

/** Steps at which an engine may die, with how often they come in one life, roughly. */
const STEPS: readonly (readonly [label: string, often: number])[] = [
  ['write', 150],
  ['sync', 150],
  ['ack', 200],
  ['insert', 12],
  ['tell', 25],
  ['rename', 40],
  ['sync directory', 60],
  ['unlink', 15],
  ['open create', 60],
  ['open write', 1],
  ['truncate', 1],
]

/** Workloads are few and reused, so that each undisturbed run is made once. */
const WORKLOADS = 16
const STEPS_MAX = 60_000

/** What goes wrong in a run. */
export interface Plan {
  /** One entry for each life but the last. */
  readonly crashes: readonly (readonly CrashPoint[])[]
  readonly syncMs: number
  readonly ioErrors: number
  /** Virtual ms at which the disk is full, and for how long. */
  readonly full: readonly (readonly [from: number, ms: number])[]
  readonly storeErrors: number
  readonly sinkErrors: number
  readonly sinkMs: number
  /** Wall clock: at, by. */
  readonly jumps: readonly (readonly [at: number, by: number])[]
  /** Connections cut: at, for how long. */
  readonly cuts: readonly (readonly [at: number, ms: number])[]
}

export function planOf(seed: number): Plan {
  const random = new Random(seed * 2 + 1)
  const jumping = seed % 8 === 7
  const crashes: CrashPoint[][] = []
  const deaths = jumping ? 0 : random.integer(1, 4)
  for (let life = 0; life < deaths; life++) {
    // Several points a life: the first that is reached kills.
    const points: CrashPoint[] = []
    for (let p = 0; p < 2; p++) {
      const [label, often] = random.pick(STEPS)
      points.push({
        label,
        nth: random.integer(1, Math.max(1, Math.ceil(often / (random.chance(0.5) ? 1 : 6)))),
        side: random.pick(['before', 'after'] as const),
        kind: random.chance(0.6) ? 'power' : 'kill',
      })
    }
    crashes.push(points)
  }
  const times = (count: number): number[] =>
    Array.from({ length: count }, () => random.integer(5000, 235_000))
  return {
    crashes,
    syncMs: random.pick([0, 4, 30, 400]),
    ioErrors: random.chance(0.2) ? 0.03 : 0,
    full: seed % 8 === 5 ? times(2).map((at) => [at, random.integer(500, 20_000)] as const) : [],
    storeErrors: random.pick([0, 0.3]),
    sinkErrors: random.pick([0, 0.3]),
    sinkMs: random.pick([1, 40, 900]),
    jumps: jumping ? times(3).map((at) => [at, random.pick([-3_600_000, 3_600_000, 40_000])] as const) : [],
    cuts: random.chance(0.5)
      ? times(2).map(
          (at) =>
            [at, random.chance(0.3) ? random.integer(65_000, 80_000) : random.integer(100, 4000)] as const,
        )
      : [],
  }
}

const CALM: Plan = {
  crashes: [],
  syncMs: 0,
  ioErrors: 0,
  full: [],
  storeErrors: 0,
  sinkErrors: 0,
  sinkMs: 1,
  jumps: [],
  cuts: [],
}

export interface Outcome {
  /** Violated invariants, each with what was found; none: all hold. */
  readonly violations: readonly string[]
  readonly trace: readonly string[]
  readonly stats: {
    readonly messages: number
    readonly transitions: number
    readonly deaths: number
    readonly redelivered: number
    readonly flagged: number
    readonly checkpoints: number
    readonly differing: number
  }
  readonly canonical: ReadonlyMap<string, readonly string[]>
  /**
   * The engine died after transitions had overtaken samples in a full log (they may use its reserve, so that people
   * are told): what was judged before the death cannot be judged again in the same order, and invariant 2 is not asked.
   */
  readonly overtaken: boolean
}

const undisturbed = new Map<number, Promise<Outcome>>()

/** Runs one seed. Deterministic: the same seed and sabotage give the same outcome. */
export async function simulate(seed: number, sabotage: Sabotage | null = null): Promise<Outcome> {
  const calm = await undisturbedRun(seed % WORKLOADS)
  const run = await perform(seed, planOf(seed), sabotage)
  const violations = [...calm.violations.map((v) => `undisturbed run: ${v}`), ...run.violations]
  if (run.overtaken) return { ...run, violations }
  for (const id of new Set([...calm.canonical.keys(), ...run.canonical.keys()])) {
    const wanted = calm.canonical.get(id) ?? []
    const found = run.canonical.get(id) ?? []
    if (wanted.join('\n') !== found.join('\n'))
      violations.push(
        `alert ${id}: undisturbed\n    ${wanted.join('\n    ')}\n  here\n    ${found.join('\n    ')}`,
      )
  }
  return { ...run, violations }
}

function undisturbedRun(of: number): Promise<Outcome> {
  let run = undisturbed.get(of)
  if (run === undefined) {
    run = perform(of, CALM, null)
    undisturbed.set(of, run)
  }
  return run
}

async function perform(seed: number, plan: Plan, sabotage: Sabotage | null): Promise<Outcome> {
  const world = new World(seed)
  const { random } = world
  const disk = new SimulatedDisk(new Random(seed + 77))
  Object.assign(disk.faults, { syncMs: plan.syncMs, ioErrors: plan.ioErrors, lies: sabotage === 'disk lies' })
  const brokers = [
    new Broker('jetstream', world, new Random(seed + 1)),
    new Broker('mqtt', world, new Random(seed + 2)),
  ]
  const store = new Store(new Random(seed + 3))
  store.errors = plan.storeErrors
  const { publications, end } = workload(seed % WORKLOADS)
  for (const { at, broker, device, stamp, level } of publications)
    world.schedule(at, () => brokers[broker === 'jetstream' ? 0 : 1]!.publish(device, stamp, level))
  for (const broker of brokers) broker.acknowledgesEarly = sabotage === 'ack before sync'

  const told = new Map<string, string>()
  const toldTimes = new Map<string, number>()
  let engine: Engine | null = null
  let lives = 0
  let pendingMax = 0
  let checkpoints = 0
  let differing = 0
  let heldEver = false
  let overtaken = false
  const violations: string[] = []

  const begin = (): void => {
    const crashes = plan.crashes[lives] ?? []
    lives++
    const life = new Life(world, crashes, (kind: CrashKind) => {
      disk.crash(kind)
      for (const broker of brokers) broker.disconnect(null)
      note()
      if (heldEver) overtaken = true
      engine = null
      // Now and then for longer than `absent`: the backlog must not be outrun by the clock.
      world.schedule(random.chance(0.15) ? random.integer(65_000, 80_000) : random.integer(20, 3000), begin)
    })
    const sink: Sink = {
      name: 'sink',
      open: async () => {},
      write: (transition, key) =>
        life.step('tell', random.next() * plan.sinkMs, () => {
          if (random.chance(plan.sinkErrors / 2)) return 'retry'
          const canonical = canonicalText(transition)
          told.set(key, canonical)
          toldTimes.set(key, (toldTimes.get(key) ?? 0) + 1)
          return random.chance(plan.sinkErrors / 2) ? 'retry' : 'ok'
        }),
      close: async () => {},
    }
    const starting = Engine.start({
      world,
      life,
      disk: disk.mount(life),
      brokers,
      store,
      sink,
      rules: JSON.stringify(RULES),
      cursorFirst: sabotage === 'cursor before delivery',
      regroups: sabotage === 'shipment regrouped',
      forgetful: sabotage === 'redelivery not recognised',
    })
    starting.then(
      (started) => {
        engine = started
      },
      (error: Error) => {
        // A disk that fails while recovering: the supervisor starts it again.
        world.say(`start failed: ${error.message}`)
        if (life.alive) life.die('kill')
      },
    )
  }
  const note = (): void => {
    if (engine === null) return
    pendingMax = Math.max(pendingMax, engine.pendingMax)
    checkpoints += engine.checkpointsWritten
    differing += engine.recovery.differing
    heldEver ||= engine.heldMax > 0
  }
  for (const [at, by] of plan.jumps) world.schedule(at, () => world.jump(by))
  for (const [at, ms] of plan.full) {
    world.schedule(at, () => {
      disk.faults.capacity = disk.usedBytes + 500
      world.say('disk full')
    })
    world.schedule(at + ms, () => {
      disk.faults.capacity = Number.POSITIVE_INFINITY
      world.say('disk has room')
    })
  }
  for (const [at, ms] of plan.cuts) {
    const broker = random.pick(brokers)
    world.schedule(at, () => {
      if (engine !== null) broker.disconnect(engine.loop)
    })
    world.schedule(at + ms, () => {
      const now = engine
      if (now?.isAlive) broker.connect(now.life, now.loop, () => now.loop.now())
    })
  }
  begin()
  // At rest: all is said and done, and has been for some ticks (what they fire has to be told, too).
  let restingSince = Number.POSITIVE_INFINITY
  const done = (): boolean => {
    const resting =
      world.monotonic() >= end &&
      engine !== null &&
      engine.settled &&
      brokers.every((b) => b.drained && b.caughtUp)
    if (!resting) restingSince = Number.POSITIVE_INFINITY
    else if (restingSince === Number.POSITIVE_INFINITY) restingSince = world.monotonic()
    return world.monotonic() - restingSince >= 8000
  }
  const quiet = await world.run(done, STEPS_MAX)
  note()
  const last = engine as Engine | null
  last?.end()
  if (!quiet)
    violations.push(
      `never came to rest: ${JSON.stringify({ time: world.monotonic(), end, log: last?.log.status(), last: last?.log.lastSeq, shipped: last?.shippedSeq, sink: last?.runner.status(), drained: brokers.map((b) => b.drained) })}`,
    )

  // 1: every message exactly once.
  const counts = new Map<string, { judged: number; flagged: number }>()
  for (const { device, value, duplicate } of store.rows) {
    const key = `${device} ${value}`
    const count = counts.get(key) ?? { judged: 0, flagged: 0 }
    if (duplicate) count.flagged++
    else count.judged++
    counts.set(key, count)
  }
  let flagged = 0
  for (const { device, at, level, broker } of publications) {
    const count = counts.get(`${device} ${level}`) ?? { judged: 0, flagged: 0 }
    flagged += count.flagged
    if (count.judged !== 1)
      violations.push(`message ${device} at ${at} over ${broker}: ${count.judged} times in the store`)
    if (count.flagged > 0 && broker === 'jetstream')
      violations.push(`message ${device} at ${at}: stored as duplicate, though its sequence tells`)
  }
  const seqs = store.rows.map((row) => row.seq)
  if (seqs.some((seq, i) => i > 0 && seq < seqs[i - 1]!)) violations.push('rows are not in order of seq')

  // 3: what the sink heard.
  const keys = new Map<string, string>()
  for (const [key, canonical] of told) {
    const other = keys.get(canonical)
    if (other !== undefined) violations.push(`told under two keys, ${other} and ${key}: ${canonical}`)
    keys.set(canonical, key)
  }
  for (const transition of store.transitions)
    if (!keys.has(canonicalText(transition))) violations.push(`never told: ${canonicalText(transition)}`)
  if (keys.size > store.transitions.length)
    violations.push(`told ${keys.size}, logged ${store.transitions.length}`)

  // 4: bounds.
  if (pendingMax > 210_000) violations.push(`log held ${pendingMax} bytes in memory`)
  for (const { feed, inFlightMax } of brokers)
    if (inFlightMax > BOUNDS.unacknowledged) violations.push(`${feed}: ${inFlightMax} in flight`)

  const canonical = new Map<string, string[]>()
  for (const transition of store.transitions) {
    const lines = canonical.get(transition.id) ?? []
    lines.push(canonicalText(transition))
    canonical.set(transition.id, lines)
  }
  return {
    violations,
    trace: world.trace,
    canonical,
    overtaken,
    stats: {
      messages: publications.length,
      transitions: store.transitions.length,
      deaths: lives - 1,
      redelivered: brokers.reduce((sum, b) => sum + b.redelivered, 0),
      flagged,
      checkpoints,
      differing,
    },
  }
}

/** A transition without what may differ: seq, received, raised. */
function canonicalText({ seq: _s, received: _r, raised: _a, ...rest }: Transition): string {
  const { id, rule, status, level, previous, time, opened, device, values } = rest
  return `${id} ${rule} ${device} ${status} ${previous}→${level} at ${time - EPOCH} opened ${opened - EPOCH} ${JSON.stringify(values)} ${rest.reason ?? ''}`
}
