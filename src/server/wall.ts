/**
 * The wall's side of the engine's loop. The loop calls `alert` for every transition before it looks at the next message
 * and `samples` for every message; both return at once. Everything slow (charts, heartbeats, snapshots) happens in a
 * tick of its own, once a second.
 */
import { type AlertState, Board } from '../alerts/board.js'
import type { Transition } from '../model/alert.js'
import { BOUNDS } from '../model/bounds.js'
import type { SampleBatch } from '../model/columns.js'
import type { MetricRegistry } from '../model/metrics.js'
import type { Clock } from '../model/ports.js'
import type { DeviceRegistry } from '../model/registry.js'
import type { SeriesIndex } from '../model/series.js'
import { LiveSeries, type Ring } from './live-series.js'
import { WallClient, type WallLine, type WallServices } from './wall-client.js'
import type { WallMetrics } from './wall-metrics.js'
import { type Chart, HEARTBEAT_MS, type Heartbeat, type WallStatus } from './wire.js'

/** What the wall needs to know of the rules in force. */
export interface WatchedRule {
  readonly rule: string
  readonly metrics: readonly string[]
  /** Names of registry limits (`device.limit.x`) that the rule compares with. */
  readonly limits: readonly string[]
}

export interface WallOptions {
  /** Changes at every start of the engine: a client with another one gets a snapshot. */
  readonly epoch: string
  readonly clock: Clock
  /** Version of the pages; a wall that sees another one loads itself anew. */
  readonly build: string
  /** `event`: recordings are played in, the wall shows REPLAY. */
  readonly clockMode: 'arrival' | 'event'
  readonly metrics: WallMetrics
  /** Read at each use, since they may be reloaded. */
  readonly metricRegistry: () => MetricRegistry
  readonly registry: () => DeviceRegistry
  readonly rules: () => readonly WatchedRule[]
  /** Newest record judged, and messages waiting to be judged. */
  readonly progress: () => { readonly seq: number; readonly backlog: number }
}

interface Recent {
  readonly seq: number
  readonly bytes: Buffer
  /** Arrival → sent, ms. */
  readonly lag: number
}

export class Wall implements WallServices {
  readonly epoch: string
  readonly metrics: WallMetrics
  readonly live: LiveSeries
  readonly board = new Board()
  readonly #options: WallOptions
  readonly #clients = new Set<WallClient>()
  readonly #feeds = new Map<string, 'up' | 'down'>()
  /** Ring of the last transitions; `#recentCount` were ever written. */
  readonly #recent: Recent[] = []
  #recentCount = 0
  #snapshot: Buffer | null = null
  #open: AlertState[] | null = null
  #names: { registry: DeviceRegistry; bytes: Buffer } | null = null
  #watched: { rules: readonly WatchedRule[]; metrics: Set<string> } = { rules: [], metrics: new Set() }
  #timer: NodeJS.Timeout | null = null

  constructor(options: WallOptions) {
    this.#options = options
    this.epoch = options.epoch
    this.metrics = options.metrics
    this.live = new LiveSeries({
      watches: (metric) => this.#watchedMetrics().has(metric),
      interval: (device) => options.registry().devices.get(device)?.expected_interval,
    })
  }

  // -- from the engine's loop

  /** One transition: to every wall, at once. Cost: one serialisation and one socket write a wall. */
  alert(t: Transition): void {
    this.board.apply(t)
    this.#snapshot = null
    this.#open = null
    // A shadow rule is recorded and announced to nobody.
    if (t.shadow) return
    const bytes = Buffer.from(JSON.stringify(t))
    const arrived = this.#options.clockMode === 'event' ? t.raised : t.received
    const lag = Math.max(0, this.#options.clock.now() - arrived)
    this.#recent[this.#recentCount % BOUNDS.wall_recent] = { seq: t.seq, bytes, lag }
    this.#recentCount++
    for (const client of this.#clients) client.alert(bytes)
  }

  /** Rows [from, to) of one message of `stream` (id of `index.streams`); a row nobody charts costs one array read. */
  samples(batch: SampleBatch, from: number, to: number, index: SeriesIndex, stream = 0): void {
    this.live.samples(batch, from, to, index, stream)
  }

  feed(name: string, state: 'up' | 'down' | 'caught_up'): void {
    this.#feeds.set(name, state === 'down' ? 'down' : 'up')
  }

  /** Alerts that recovery found open, by their transitions in the order of the log; tells nobody. */
  restore(transitions: Iterable<Transition>): void {
    for (const t of transitions) this.board.apply(t)
    this.#snapshot = null
    this.#open = null
  }

  // -- life

  /** Starts the heartbeat. */
  start(): void {
    this.#timer ??= setInterval(() => this.tick(), HEARTBEAT_MS)
  }

  /** One heartbeat and one round of series frames. */
  tick(): void {
    this.live.flush()
    for (const client of this.#clients) client.tick()
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    for (const client of this.#clients) client.goAway()
  }

  // -- for the socket and REST

  /** True where one more wall may connect. */
  get hasRoom(): boolean {
    return this.#clients.size < BOUNDS.walls
  }

  join(
    line: WallLine,
    who: { readonly name: string; readonly address: string },
    permitted: () => boolean,
  ): WallClient {
    const client = new WallClient(line, who, this, permitted)
    this.#clients.add(client)
    this.metrics.clients.set(this.#clients.size)
    return client
  }

  gone(client: WallClient): void {
    this.#clients.delete(client)
    this.metrics.clients.set(this.#clients.size)
  }

  /** The walls connected now. */
  walls(): WallStatus[] {
    const now = this.#options.clock.now()
    const monotonic = this.monotonic()
    return [...this.#clients].map((client) => ({
      name: client.name,
      address: client.address,
      last_paint: client.painted === null ? null : Math.round(now - (monotonic - client.painted)),
      charts: client.charts,
      dropped: client.dropped,
      backlog_bytes: client.backlog,
    }))
  }

  feedsDown(): string[] {
    return [...this.#feeds].filter(([, state]) => state === 'down').map(([name]) => name)
  }

  // -- what clients ask

  monotonic(): number {
    return this.#options.clock.monotonic()
  }

  snapshot(): Buffer {
    this.#snapshot ??= Buffer.from(
      JSON.stringify({
        type: 'snapshot',
        epoch: this.epoch,
        seq: this.board.seq,
        alerts: [...this.board.values()].filter((a) => !a.shadow),
      }),
    )
    return this.#snapshot
  }

  names(): Buffer {
    const registry = this.#options.registry()
    if (this.#names?.registry !== registry) {
      const sites: Record<string, string> = {}
      let left = BOUNDS.wall_site_names
      for (const { site, name } of registry.sites.values())
        if (name !== site && left-- > 0) sites[site] = name
      this.#names = { registry, bytes: Buffer.from(JSON.stringify({ type: 'names', sites })) }
    }
    return this.#names.bytes
  }

  missed(epoch: string, since: number): readonly Buffer[] | null {
    if (epoch !== this.epoch) return null
    const oldest = Math.max(0, this.#recentCount - BOUNDS.wall_recent)
    // What was pushed out of the ring may belong to the same record as its oldest entry: such a client gets a snapshot.
    if (oldest > 0 && since <= this.#recent[oldest % BOUNDS.wall_recent]!.seq) return null
    const found: Buffer[] = []
    for (let i = this.#recentCount - 1; i >= oldest; i--) {
      const recent = this.#recent[i % BOUNDS.wall_recent]!
      if (recent.seq < since) break
      found.push(recent.bytes)
    }
    return found.reverse()
  }

  lagOf(seq: number): number | null {
    const oldest = Math.max(0, this.#recentCount - BOUNDS.wall_recent)
    let low = oldest
    let high = this.#recentCount - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const recent = this.#recent[middle % BOUNDS.wall_recent]!
      if (recent.seq === seq) return recent.lag
      if (recent.seq < seq) low = middle + 1
      else high = middle - 1
    }
    return null
  }

  heartbeat(dropped: number): Buffer {
    const { seq, backlog } = this.#options.progress()
    const heartbeat: Heartbeat = {
      type: 'heartbeat',
      epoch: this.epoch,
      seq,
      server_time: this.#options.clock.now(),
      newest_event_time: Number.isNaN(this.live.newest) ? null : this.live.newest,
      backlog,
      dropped,
      build: this.#options.build,
      clock: this.#options.clockMode,
      feeds_down: this.feedsDown(),
    }
    return Buffer.from(JSON.stringify(heartbeat))
  }

  openAlerts(): readonly AlertState[] {
    this.#open ??= [...this.board.values()].filter((a) => a.condition !== 'resolved' && !a.shadow)
    return this.#open
  }

  chart(ring: Ring, from: number, continues: boolean): Chart {
    const metric = this.#options.metricRegistry().get(ring.metric)
    const device = this.#options.registry().devices.get(ring.device)
    const named = new Set(
      this.#watchedRules()
        .filter((rule) => rule.metrics.includes(ring.metric))
        .flatMap((rule) => rule.limits),
    )
    return {
      id: ring.id,
      device: ring.device,
      metric: ring.metric,
      stream: ring.stream,
      name: metric?.name ?? { en: ring.metric, vi: ring.metric },
      unit: metric?.unit ?? '',
      decimals: metric?.decimals ?? 2,
      site: this.#siteName(device?.site),
      ward: device?.ward ?? '',
      limits: Object.entries(device?.limit ?? {})
        .filter(([name]) => named.has(name))
        .map(([name, value]) => ({ name, value })),
      interval_ms: ring.interval(),
      continues,
      ...ring.columns(from),
    }
  }

  #siteName(site: string | undefined): string {
    if (site === undefined) return ''
    return this.#options.registry().sites.get(site)?.name ?? site
  }

  #watchedRules(): readonly WatchedRule[] {
    this.#watchedMetrics()
    return this.#watched.rules
  }

  /** Metrics that rules name, made anew when the rules in force are others. */
  #watchedMetrics(): Set<string> {
    const rules = this.#options.rules()
    if (rules !== this.#watched.rules)
      this.#watched = { rules, metrics: new Set(rules.flatMap((rule) => rule.metrics)) }
    return this.#watched.metrics
  }
}
