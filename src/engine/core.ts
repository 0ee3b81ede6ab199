/**
 * The core: takes records in order, returns the transitions each caused. It never reads the time, a file, a socket or
 * a random number, so live, replay, backtest and recovery are one path.
 *
 *   record ─► feed's clock ─► timers due ─► samples marked and applied ─► touched rules judged ─► transitions
 */
import type { Rule } from '../../rules/language/ast.js'
import { loadRules } from '../../rules/language/load.js'
import { printExpression } from '../../rules/language/print.js'
import { walk } from '../../rules/language/walk.js'
import {
  type AlertCell,
  becomeUnknown,
  type Change,
  createCell,
  end,
  expireTimer,
  isQuiet,
  judge,
} from '../alerts/lifecycle.js'
import type { LevelIndex, Transition } from '../model/alert.js'
import { LEVELS } from '../model/alert.js'
import { BOUNDS, FUTURE_MS, LATE_MS } from '../model/bounds.js'
import { type Fault, HaidangError } from '../model/errors.js'
import { type MetricRegistry, metricRegistry } from '../model/metrics.js'
import { QUALITY, QUALITY_UNJUDGED } from '../model/quality.js'
import type {
  CommandRecord,
  DeadLetterRecord,
  EngineRecord,
  FeedRecord,
  MessageRecord,
  TextRecord,
} from '../model/record.js'
import { type DeviceRegistry, deviceAttribute, deviceRegistry, EMPTY_REGISTRY } from '../model/registry.js'
import { SeriesIndex } from '../model/series.js'
import { ZoneClock } from '../model/time.js'
import { type Zone, zones } from '../model/zones.js'
import { alertId, transitionOf } from './announcement.js'
import type { CallContext } from './calls.js'
import { Deliveries, type DeliveryMode, type SavedDeliveries } from './deliveries.js'
import { Duplicates } from './duplicates.js'
import { type Captured, Judgement } from './judgement.js'
import type { KeyState } from './key-state.js'
import { Places } from './places.js'
import { NO_PLAN, overRegistry, type Plan, RuleSet } from './ruleset.js'
import type { AbsentState, RuntimeRule } from './runtime-rule.js'
import { feed, type SavedScope, type Scope } from './scope.js'
import { arrive, createSequenceState, expire, type SequenceState } from './sequence.js'
import { type Timer, Timers } from './timers.js'

export interface CoreOptions {
  /** IANA zone of the city. */
  readonly timezone?: string
  readonly index?: SeriesIndex
  /** How far behind its device's newest a sample may be and still be judged, by feed name; ms. */
  readonly late?: Readonly<Record<string, number>>
  /** Feeds of recordings (`clock: event`): only what they deliver moves their clock, never a tick. */
  readonly recorded?: readonly string[]
  /** How redelivery is recognised, by feed name; `none` where left out. */
  readonly delivery?: Readonly<Record<string, DeliveryMode>>
}

/** Arrival clock of one feed, and the timers that follow it. */
interface Feed {
  clock: number
  up: boolean
  caughtUp: boolean
  readonly recorded: boolean
  readonly timers: Timers
}

/** Does the wall clock carry this feed's clock on while it is silent? Not while it is down or has a backlog to deliver. */
function ticks(feed: Feed): boolean {
  return feed.up && feed.caughtUp && !feed.recorded
}

const GAPS = 8
const FRESH_INTERVALS = 1.5

export class Core {
  readonly index: SeriesIndex
  readonly clock: ZoneClock
  /** seq of the last applied record. */
  seq = 0
  /** Newest event time judged, ms UTC; -Infinity before the first. */
  newestEvent = Number.NEGATIVE_INFINITY
  readonly counters = {
    samples: 0,
    late: 0,
    duplicate: 0,
    future: 0,
    out_of_range: 0,
    unjudged: 0,
    keyless: 0,
    judgements: 0,
    series_refused: 0,
  }

  metrics: MetricRegistry = new Map()
  registry: DeviceRegistry = EMPTY_REGISTRY
  zones: ReadonlyMap<string, Zone> = new Map()
  /** Texts in force, as recorded: for reloads and checkpoints. */
  readonly texts: Partial<Record<TextRecord['kind'], TextRecord>> = {}
  rules: RuleSet
  faults: readonly Fault[] = []

  readonly deliveries = new Deliveries()
  readonly #late: Readonly<Record<string, number>>
  readonly #delivery: Readonly<Record<string, DeliveryMode>>
  readonly #recorded: ReadonlySet<string>
  readonly #feeds = new Map<number, Feed>()
  readonly #duplicates = new Duplicates()
  readonly #places: Places
  readonly #j: Judgement
  readonly #judging = { shadow: false }
  // By series id.
  #newestTime: Float64Array = new Float64Array(1024).fill(Number.NEGATIVE_INFINITY)
  #newestValue: Float64Array = new Float64Array(1024).fill(Number.NaN)
  /** Newest event time seen at all, judged or not: only a sample that is not newer can be a duplicate. */
  #seenTime: Float64Array = new Float64Array(1024).fill(Number.NEGATIVE_INFINITY)
  #range: (readonly [min: number, max: number] | null)[] = []
  #plans: (Plan | undefined)[] = []
  #planStream: number[] = []
  // By device id.
  #deviceNewest: Float64Array = new Float64Array(256).fill(Number.NEGATIVE_INFINITY)
  #gaps: Float32Array = new Float32Array(256 * GAPS)
  #gapCount: Uint32Array = new Uint32Array(256)

  // Of the record at hand.
  #out: Transition[] = []
  #received = 0
  #feedId = 0
  #stamp = 0
  /** A message's rules are being judged, not a timer. */
  #atMessage = false
  #touched: Touched[] = []
  #touchedCount = 0

  constructor(options: CoreOptions = {}) {
    this.index = options.index ?? new SeriesIndex()
    this.clock = new ZoneClock(options.timezone ?? 'Asia/Ho_Chi_Minh')
    this.#late = options.late ?? {}
    this.#delivery = options.delivery ?? {}
    this.#recorded = new Set(options.recorded)
    this.#j = new Judgement(this.index, this.registry)
    this.#places = new Places(this.#j)
    this.rules = new RuleSet([], this.#context())
  }

  /** Applies one record and appends the transitions it caused to `out`. Throws only on a programmer's error. */
  apply(record: EngineRecord, out: Transition[]): void {
    this.seq = record.seq
    this.#out = out
    this.#received = record.received
    switch (record.kind) {
      case 'message':
        this.#take(record)
        this.#applyMessage(record)
        break
      case 'tick':
        for (const [id, one] of this.#feeds) if (ticks(one)) this.#tick(id, one, record.received)
        break
      case 'feed':
        this.#applyFeed(record)
        break
      case 'command':
        this.#applyCommand(record)
        break
      case 'dead_letter':
        this.#take(record)
        break
      default:
        this.#applyText(record)
    }
  }

  get openAlerts(): number {
    return this.rules.rules.reduce((sum, rule) => sum + rule.open.size, 0)
  }

  /** What the wall's charts look for: metrics and limits that rules name. The same list until rules change. */
  watched(): readonly {
    readonly rule: string
    readonly metrics: readonly string[]
    readonly limits: readonly string[]
  }[] {
    if (this.#watched.rules !== this.rules)
      this.#watched = {
        rules: this.rules,
        list: this.rules.rules.map(({ rule }) => ({
          rule: rule.id,
          metrics: rule.metrics,
          limits: limitsOf(rule),
        })),
      }
    return this.#watched.list
  }
  #watched: {
    rules: RuleSet | null
    list: readonly {
      readonly rule: string
      readonly metrics: readonly string[]
      readonly limits: readonly string[]
    }[]
  } = { rules: null, list: [] }

  #take({ feed, identity, received }: MessageRecord | DeadLetterRecord): void {
    if (identity !== 0) this.deliveries.take(feed, this.deliveryMode(feed), identity, received)
  }

  deliveryMode(feed: number): DeliveryMode {
    return this.#delivery[this.index.sources.text(feed)] ?? 'none'
  }

  /** When the first timer is due that a tick at `now` could fire; Infinity where there is none. */
  get nextDue(): number {
    let next = Number.POSITIVE_INFINITY
    for (const one of this.#feeds.values()) if (ticks(one) && one.timers.next < next) next = one.timers.next
    return next
  }

  /** Newest judged value of a series and its event time; NaN and -Infinity where there is none. */
  newest(device: number, metric: number): { value: number; time: number } {
    const series = this.index.find(device, metric)
    return series < 0 || series >= this.#newestTime.length
      ? { value: Number.NaN, time: Number.NEGATIVE_INFINITY }
      : { value: this.#newestValue[series]!, time: this.#newestTime[series]! }
  }

  /** Newest event time of a device's judged samples, -Infinity where it never spoke. */
  deviceNewest(device: number): number {
    return device < this.#deviceNewest.length ? this.#deviceNewest[device]! : Number.NEGATIVE_INFINITY
  }

  // ── checkpoint ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Everything that later records depend on, as plain data (structured-clone safe). O(state). */
  save(): CoreState {
    const { index } = this
    const size = index.size
    const devices = index.devices.size
    return {
      format: CHECKPOINT_FORMAT,
      seq: this.seq,
      newestEvent: this.newestEvent,
      counters: { ...this.counters },
      dictionaries: [index.devices, index.metrics, index.labels, index.streams, index.sources].map((d) =>
        d.texts(),
      ),
      seriesDevice: Uint32Array.from({ length: size }, (_, s) => index.deviceOf(s)),
      seriesMetric: Uint32Array.from({ length: size }, (_, s) => index.metricOf(s)),
      newestTime: this.#newestTime.slice(0, size),
      newestValue: this.#newestValue.slice(0, size),
      seenTime: this.#seenTime.slice(0, size),
      deviceNewest: this.#deviceNewest.slice(0, devices),
      gaps: this.#gaps.slice(0, devices * GAPS),
      gapCount: this.#gapCount.slice(0, devices),
      duplicates: [
        ...this.#duplicates.entries(
          Math.max(Number.NEGATIVE_INFINITY, ...[...this.#feeds.values()].map((f) => f.clock)),
        ),
      ].flat(),
      texts: this.texts,
      feeds: [...this.#feeds].map(([id, f]) => ({
        id,
        clock: f.clock,
        up: f.up,
        caughtUp: f.caughtUp,
        recorded: f.recorded,
        timers: [...f.timers.all()],
      })),
      scopes: new Map([...this.rules.scopes].map(([signature, scope]) => [signature, scope.save()])),
      rules: new Map(
        this.rules.rules.map((rule) => [
          rule.rule.id,
          {
            cells: rule.cells,
            open: rule.open,
            absents: rule.absents,
            sequences: rule.sequence?.states ?? new Map(),
          },
        ]),
      ),
      places: this.#places.save(),
      deliveries: this.deliveries.save(),
    }
  }

  /**
   * Puts a fresh core where `save` was taken. Throws HD_LOG_VERSION for a newer format; anything that cannot be read
   * throws too, and the caller takes the older checkpoint.
   */
  load(state: CoreState): void {
    if (state.format > CHECKPOINT_FORMAT)
      throw new HaidangError(
        'HD_LOG_VERSION',
        `checkpoint format ${state.format} is of a newer program; this one reads ${CHECKPOINT_FORMAT}`,
      )
    if (state.format !== CHECKPOINT_FORMAT)
      throw new Error(`format ${state.format}, not ${CHECKPOINT_FORMAT}`)
    const { index } = this
    for (const [i, dictionary] of [
      index.devices,
      index.metrics,
      index.labels,
      index.streams,
      index.sources,
    ].entries())
      for (const text of state.dictionaries[i]!) dictionary.id(text)
    for (let s = 0; s < state.seriesDevice.length; s++)
      index.series(state.seriesDevice[s]!, state.seriesMetric[s]!)
    this.#growSeries()
    this.#newestTime.set(state.newestTime)
    this.#newestValue.set(state.newestValue)
    this.#seenTime.set(state.seenTime)
    this.#deviceNewest.set(state.deviceNewest)
    this.#gaps.set(state.gaps)
    this.#gapCount.set(state.gapCount)
    const out: Transition[] = []
    this.#out = out
    for (const kind of ['metrics', 'registry', 'zones', 'rules'] as const) {
      const text = state.texts[kind]
      if (text !== undefined) this.#applyText(text)
    }
    for (let i = 0; i + 5 < state.duplicates.length; i += 6) {
      const [series, time, value, label, attrs, received] = state.duplicates.slice(i, i + 6) as [
        number,
        number,
        number,
        number,
        number,
        number,
      ]
      this.#duplicates.restore(series, time, value, label, attrs, received)
    }
    for (const [signature, saved] of state.scopes) this.rules.scopes.get(signature)?.load(saved)
    for (const [id, saved] of state.rules) {
      const rule = this.rules.byId.get(id)
      if (rule === undefined) continue
      for (const [key, cell] of saved.cells) rule.cells.set(key, cell)
      for (const key of saved.open) rule.open.add(key)
      for (const [key, absent] of saved.absents) rule.absents.set(key, absent)
      for (const [key, sequence] of saved.sequences) rule.sequence?.states.set(key, sequence)
    }
    this.#places.load(state.places)
    this.deliveries.load(state.deliveries)
    for (const saved of state.feeds) {
      const one = this.#feeds.get(saved.id) ?? this.#newFeed(saved.id, saved.recorded)
      one.clock = saved.clock
      one.up = saved.up
      one.caughtUp = saved.caughtUp
      for (const timer of saved.timers) one.timers.push(timer)
    }
    Object.assign(this.counters, state.counters)
    this.newestEvent = state.newestEvent
    this.seq = state.seq
  }

  // ── configuration ─────────────────────────────────────────────────────────────────────────────────────────────

  #applyText(record: TextRecord): void {
    this.texts[record.kind] = record
    switch (record.kind) {
      case 'metrics':
        this.metrics = metricRegistry(JSON.parse(record.text) as string[])
        this.#range = []
        break
      case 'registry':
        this.registry = deviceRegistry(record.text)
        this.#members.clear()
        this.#j.setRegistry(this.registry)
        break
      case 'zones':
        this.zones = record.text.trim() === '' ? new Map() : zones(record.text)
        break
      case 'rules':
        break
    }
    this.#places.configure(this.zones, this.registry)
    const rules = this.texts.rules
    if (rules === undefined) return
    const files = JSON.parse(rules.text) as { file: string; text: string }[]
    const loaded = loadRules(files, {
      metrics: this.metrics,
      registry: this.registry,
      zones: this.zones,
      timezone: this.clock.zone,
    })
    this.faults = loaded.faults
    // All files load or none do: the running set stays.
    if (loaded.faults.some((fault) => fault.severity === 'error')) return
    this.#swap(new RuleSet(loaded.rules, this.#context()))
  }

  /** A new rule set in force: state goes on where it means the same, alerts of removed rules end. */
  #swap(next: RuleSet): void {
    const before = this.rules
    for (const [signature, scope] of next.scopes) {
      const old = before.scopes.get(signature)
      if (old !== undefined) adoptScope(scope, old)
    }
    const renumbered = new Map<number, RuntimeRule>()
    for (const old of before.rules) {
      const rule = next.byId.get(old.rule.id)
      const sameKey = rule !== undefined && rule.rule.key.join() === old.rule.key.join()
      if (rule === undefined || !sameKey || rule.rule.mode === 'disabled') {
        for (const key of [...old.open])
          this.#endAlert(old, key, this.#received, rule?.rule.mode === 'disabled' ? 'disabled' : 'removed')
        if (rule !== undefined && sameKey) adoptCells(rule, old)
        continue
      }
      adoptCells(rule, old)
      renumbered.set(old.index, rule)
    }
    this.rules = next
    this.#plans = []
    this.#planStream = []
    for (const one of this.#feeds.values()) {
      const timers = [...one.timers.all()]
      one.timers.clear()
      for (const timer of timers) {
        const rule = renumbered.get(timer.rule)
        if (rule !== undefined) one.timers.push({ ...timer, rule: rule.index })
      }
    }
    for (const [id, one] of this.#feeds) this.#armFromStart(id, one)
  }

  #context(): CallContext {
    return {
      j: this.#j,
      index: this.index,
      metrics: this.metrics,
      clock: this.clock,
      judging: this.#judging,
      zoneOf: (lat, lon) => this.#places.zoneOf(lat, lon),
      midnight: (date) => this.clock.midnight(date),
      site: (id) => (id === undefined ? undefined : this.registry.sites.get(id)),
      newest: (device, metric) => {
        const series = this.index.find(device, metric)
        return series < 0 || series >= this.#newestValue.length ? Number.NaN : this.#newestValue[series]!
      },
      newestTime: (device, metric) => {
        const series = this.index.find(device, metric)
        return series < 0 || series >= this.#newestTime.length
          ? Number.NEGATIVE_INFINITY
          : this.#newestTime[series]!
      },
      deviceNewest: (device) => this.deviceNewest(device),
      expectedInterval: (device) =>
        this.registry.devices.get(this.index.devices.text(device))?.expected_interval ?? Number.NaN,
      neighbours: (device, k, radius, accept) => this.#places.neighbours(device, k, radius, accept),
      distance: (latA, lonA, latB, lonB) => this.#places.distance(latA, lonA, latB, lonB),
      placeCall: (call) => this.#places.call(call),
      gapToNext: (route) => this.#places.gapToNext(route),
      zone: (name) => this.#places.zone(name),
      zones: () => this.zones,
    }
  }

  // ── clocks ────────────────────────────────────────────────────────────────────────────────────────────────────

  #feed(id: number): Feed {
    return this.#feeds.get(id) ?? this.#newFeed(id, this.#recorded.has(this.index.sources.text(id)))
  }

  #recording(source: number): Feed {
    return this.#feeds.get(source) ?? this.#newFeed(source, true)
  }

  #newFeed(id: number, recorded: boolean): Feed {
    const one: Feed = {
      clock: Number.NEGATIVE_INFINITY,
      up: true,
      caughtUp: true,
      recorded,
      timers: new Timers(),
    }
    this.#feeds.set(id, one)
    return one
  }

  /** Newest `received` of a feed, or of a recording by its source; -Infinity before the first. */
  clockOf(id: number): number {
    return this.#feeds.get(id)?.clock ?? Number.NEGATIVE_INFINITY
  }

  #advance(id: number, one: Feed, clock: number): void {
    if (clock > one.clock) this.#tick(id, one, clock)
  }

  /**
   * As #advance, and at a clock that has not moved too: a sample that arrives long after its time makes timers that were
   * due before it came. They wait for what else bears the same arrival, and fire at the latest here.
   */
  #tick(id: number, one: Feed, clock: number): void {
    if (clock < one.clock) return
    const first = one.clock === Number.NEGATIVE_INFINITY
    one.clock = clock
    if (first) this.#armFromStart(id, one)
    for (let timer = one.timers.popBefore(clock); timer !== undefined; timer = one.timers.popBefore(clock))
      this.#fire(id, timer)
  }

  /** The feed whose clock began first: devices that never spoke follow it. */
  #armed: number | null = null

  /** Timers that need no sample: registered devices that never spoke, rules that expire. */
  #armFromStart(id: number, one: Feed): void {
    if (one.clock === Number.NEGATIVE_INFINITY || (this.#armed !== null && this.#armed !== id)) return
    this.#armed = id
    for (const rule of this.rules.rules) {
      const { absent, where } = rule.rule
      if (
        rule.rule.mode === 'disabled' ||
        absent === null ||
        (where !== null && !overRegistry(where)) ||
        rule.scope.zoned
      )
        continue
      for (const name of this.registry.devices.keys()) {
        const device = this.index.devices.id(name)
        this.#j.setDevice(device)
        this.#j.batch = null
        if (rule.scope.staticWhere !== null && rule.scope.staticWhere() !== 1) continue
        const key = this.#keyOf(rule.scope)
        if (key < 0 || rule.absents.has(key)) continue
        const state: AbsentState = { newest: one.clock, spoke: false, armed: true, feed: id, device }
        rule.absents.set(key, state)
        one.timers.push({
          due: state.newest + absent.after,
          rule: rule.index,
          key: this.#keyText(rule.scope, key),
          keyId: key,
          kind: 'absent',
        })
      }
    }
  }

  #applyFeed(record: FeedRecord): void {
    const one = this.#feed(record.feed)
    if (record.state === 'up') {
      this.deliveries.connected(record.feed, this.deliveryMode(record.feed))
      one.up = true
      one.caughtUp = false
    } else if (record.state === 'down') one.up = false
    else {
      one.up = true
      one.caughtUp = true
      this.#advance(record.feed, one, record.received)
    }
  }

  #fire(feedId: number, timer: Timer): void {
    const rule = this.rules.rules[timer.rule]
    if (rule === undefined) return
    this.#feedId = feedId
    const { keyId: key, due } = timer
    const cell = rule.cells.get(key)
    // Outside its dates a rule is silent; what is open ends by its own timer.
    if (timer.kind !== 'legal' && due >= rule.legalTo) return
    switch (timer.kind) {
      case 'level': {
        if (cell === undefined || cell.due !== due) return
        this.#stand(rule, key, cell.device, due)
        const fresh = due - cell.newest <= FRESH_INTERVALS * this.#interval(cell.device)
        expireTimer(cell, rule.levels, due, fresh, (change) => this.#print(rule, key, cell, change))
        this.#arm(rule, key, cell)
        break
      }
      case 'absent': {
        const state = rule.absents.get(key)
        const after = rule.rule.absent?.after
        if (state === undefined || after === undefined || !state.armed) return
        const silent = Math.max(state.newest + after, rule.legalFrom)
        if (silent > due) this.#feed(state.feed).timers.push({ ...timer, due: silent })
        if (silent !== due) return
        state.armed = false
        const unknown = this.#cell(rule, key)
        unknown.device = state.device
        unknown.feed = feedId
        this.#stand(rule, key, state.device, due)
        this.#locate(unknown)
        becomeUnknown(unknown, LEVELS.indexOf(rule.rule.absent!.level) as LevelIndex, due, (change) =>
          this.#print(rule, key, unknown, change),
        )
        this.#arm(rule, key, unknown)
        break
      }
      case 'sequence': {
        const state = rule.sequence?.states.get(key)
        if (state === undefined || cell === undefined) return
        this.#stand(rule, key, cell.device, due)
        const before = state.matchedUntil
        if (due >= state.due)
          this.#matched(
            rule,
            key,
            state,
            cell,
            expire(state, rule.rule.sequence!, due, rule.sequence!.capturing, this.#fitsWith(rule)),
          )
        else if (due === state.matchedUntil) this.#matched(rule, key, state, cell, Number.NaN)
        else return
        this.#armSequence(rule, key, state, state.matchedUntil > before)
        break
      }
      case 'legal':
        this.#endAlert(rule, key, due, 'expired')
    }
  }

  /** Expected interval of a device: registered, else the median of its last 8 gaps, else without limit. */
  #interval(device: number): number {
    const registered = this.registry.devices.get(this.index.devices.text(device))?.expected_interval
    if (registered !== undefined) return registered
    const count = device < this.#gapCount.length ? Math.min(this.#gapCount[device]!, GAPS) : 0
    if (count === 0) return Number.POSITIVE_INFINITY
    const gaps = this.#gaps.slice(device * GAPS, device * GAPS + count).sort()
    return count % 2 === 1 ? gaps[count >> 1]! : (gaps[count / 2 - 1]! + gaps[count / 2]!) / 2
  }

  // ── messages ──────────────────────────────────────────────────────────────────────────────────────────────────

  #applyMessage(record: MessageRecord): void {
    const feed = this.#feed(record.feed)
    // A recording has a clock of its own: the next one played into the same feed may be years older.
    const clockId = feed.recorded ? record.source : record.feed
    const one = feed.recorded ? this.#recording(clockId) : feed
    this.#advance(clockId, one, one.caughtUp ? record.received : backlogClock(record))
    this.#feedId = clockId
    this.#stamp++
    this.#touchedCount = 0
    const { batch, from, to } = record
    const { index } = this
    this.#growSeries()
    const late = this.#late[index.sources.text(record.feed)] ?? LATE_MS
    for (let i = from; i < to; i++) this.#mark(record, i, late)

    const j = this.#j
    j.batch = batch
    j.from = from
    j.to = to
    j.stream = record.stream
    j.source = record.source
    j.captures = null
    let device = -1
    for (let i = from; i < to; i++) {
      const series = batch.series[i]!
      if (series >= BOUNDS.series) {
        this.counters.series_refused++
        continue
      }
      const owner = index.deviceOf(series)
      if (owner !== device) {
        device = owner
        j.setDevice(owner)
      }
      const plan = this.#planOf(series, record.stream)
      if (plan !== NO_PLAN)
        this.#apply(
          plan,
          series,
          Math.min(batch.time[i]!, record.received),
          batch.value[i]!,
          batch.quality[i]!,
        )
    }
    this.#judgeTouched()
  }

  /** Quality marks of one row, and the newest values of its series. */
  #mark(record: MessageRecord, i: number, late: number): void {
    const { batch, received } = record
    const series = batch.series[i]!
    const device = this.index.deviceOf(series)
    const value = batch.value[i]!
    let time = batch.time[i]!
    let quality = batch.quality[i]!
    this.counters.samples++
    const range = this.#rangeOf(this.index.metricOf(series))
    if (range !== null && (value < range[0] || value > range[1])) {
      quality |= QUALITY.out_of_range
      this.counters.out_of_range++
    }
    if (time > received) {
      if (time - received > FUTURE_MS) {
        quality |= QUALITY.future
        batch.attrs[i] = withClaimedTime(batch.attrs[i]!, time)
        batch.time[i] = received
        this.counters.future++
      }
      time = received
    }
    if (series >= BOUNDS.series) {
      batch.quality[i] = quality
      return
    }
    if (time < this.#deviceNewest[device]! - late) {
      quality |= QUALITY.late
      this.counters.late++
    }
    const label = batch.label[i]!
    const attrs = batch.attrs[i]!
    if (
      time <= this.#seenTime[series]! &&
      this.#duplicates.has(series, batch.time[i]!, value, label, attrs, received)
    ) {
      quality |= QUALITY.duplicate
      this.counters.duplicate++
    } else this.#duplicates.add(series, batch.time[i]!, value, label, attrs, received)
    if (time > this.#seenTime[series]!) this.#seenTime[series] = time
    batch.quality[i] = quality
    if ((quality & QUALITY_UNJUDGED) !== 0) {
      this.counters.unjudged++
      return
    }
    if (this.#places.follows && !Number.isNaN(batch.lat[i]!))
      this.#places.fix(device, time, batch.lat[i]!, batch.lon[i]!)
    if (time >= this.#newestTime[series]!) {
      this.#newestTime[series] = time
      this.#newestValue[series] = value
    }
    const newest = this.#deviceNewest[device]!
    if (time > newest) {
      if (newest !== Number.NEGATIVE_INFINITY) {
        this.#gaps[device * GAPS + (this.#gapCount[device]! % GAPS)] = time - newest
        this.#gapCount[device]!++
      }
      this.#deviceNewest[device] = time
      if (time > this.newestEvent) this.newestEvent = time
    }
  }

  #rangeOf(metric: number): readonly [number, number] | null {
    let range = this.#range[metric]
    if (range === undefined) {
      const known = this.metrics.get(this.index.metrics.text(metric))
      range = known === undefined ? null : [known.min, known.max]
      this.#range[metric] = range
    }
    return range
  }

  #planOf(series: number, stream: number): Plan {
    const known = this.#plans[series]
    if (known !== undefined && this.#planStream[series] === stream) return known
    const plan = this.rules.plan(
      this.index.metricOf(series),
      this.index.streams.text(stream),
      (scope) => scope.staticWhere === null || scope.staticWhere() === 1,
    )
    this.#plans[series] = plan
    this.#planStream[series] = stream
    return plan
  }

  /** One row reaches the scopes and rules of its plan. */
  #apply(plan: Plan, series: number, time: number, value: number, quality: number): void {
    const excluded = quality & QUALITY_UNJUDGED
    const { rules, entries } = plan
    const metric = this.index.metricOf(series)
    for (let e = 0; e < entries.length; e++) {
      const { scope, metricSlot } = entries[e]!
      if ((excluded & ~scope.allowed) !== 0) continue
      this.#accept(
        scope,
        metric,
        metricSlot,
        scope.direct ? this.#newestTime[series]! : Number.NEGATIVE_INFINITY,
        time,
        value,
      )
    }
    for (let r = 0; r < rules.length; r++) {
      const rule = rules[r]!
      const { scope } = rule
      if ((excluded & ~scope.allowed) !== 0) continue
      const key = scope.direct ? this.#j.device : this.#acceptedKey(scope, time)
      if (key < 0) continue
      this.#touch(rule, key, time)
    }
  }

  /** Does the message pass the scope's `where`, and what key is it of? Decided once a message, device and scope. */
  #acceptedKey(scope: Scope, time: number): number {
    const device = this.#j.device
    if (scope.stamp === this.#stamp && scope.stampDevice === device) return scope.stampKey
    scope.stamp = this.#stamp
    scope.stampDevice = device
    scope.stampKey = -1
    if (scope.dynamicWhere !== null && scope.dynamicWhere() !== 1) return -1
    scope.stampKey = this.#keyOf(scope)
    if (scope.zoned && !Number.isNaN(this.#j.lat)) scope.seen(device, scope.stampKey, time)
    if (scope.stampKey < 0) this.counters.keyless++
    return scope.stampKey
  }

  #keyOf(scope: Scope): number {
    if (scope.deviceKeyed) return this.#j.device
    const text = scope.keyText(this.#j)
    return text === '' ? -1 : scope.keys.id(text)
  }

  #keyText(scope: Scope, key: number): string {
    return scope.deviceKeyed ? this.index.devices.text(key) : scope.keys.text(key)
  }

  /** `newest`: of the series, where the scope keeps none itself. */
  #accept(
    scope: Scope,
    metric: number,
    metricSlot: number,
    newest: number,
    time: number,
    value: number,
  ): void {
    const key = this.#acceptedKey(scope, time)
    if (key < 0) return
    const state = scope.known(key) ?? scope.state(key, this.#keyText(scope, key))
    const deviceState = scope.deviceState(state, this.#j.device)
    if (time > deviceState.newest && deviceState !== state) deviceState.newest = time
    if (metricSlot >= 0 && scope.keepsDeviceValues && time >= deviceState.times[metricSlot]!) {
      deviceState.times[metricSlot] = time
      deviceState.values[metricSlot] = value
    }
    if (metricSlot >= 0 && time >= state.times[metricSlot]!) {
      state.times[metricSlot] = time
      state.values[metricSlot] = value
    }
    if (time > state.newest) state.newest = time
    // Of the metric's own samples: what other rules of the scope read must not matter.
    if (time < (metricSlot >= 0 ? state.times[metricSlot]! : newest) - scope.late) return
    const inputs = scope.feeds.get(metric)
    if (inputs === undefined) return
    for (let i = 0; i < inputs.length; i++) {
      const { slot, perDevice } = inputs[i]!
      feed((perDevice ? deviceState : state).inputs[slot]!, time, value)
    }
  }

  #touch(rule: RuntimeRule, key: number, time: number): void {
    const { device } = this.#j
    if (rule.touchStamp === this.#stamp) {
      for (let i = 0; i < this.#touchedCount; i++) {
        const one = this.#touched[i]!
        if (one.rule === rule && one.key === key) {
          if (time > one.time) one.time = time
          one.device = device
          return
        }
      }
    }
    rule.touchStamp = this.#stamp
    const i = this.#touchedCount++
    const one = this.#touched[i]
    if (one === undefined) this.#touched.push({ rule, key, device, time })
    else {
      one.rule = rule
      one.key = key
      one.device = device
      one.time = time
    }
  }

  #judgeTouched(): void {
    const count = this.#touchedCount
    if (count === 0) return
    const touched = this.#touched
    const printed = this.#out.length
    if (count > 1) this.#sortTouched(count)
    this.#atMessage = true
    for (let i = 0; i < count; i++) {
      const one = touched[i]!
      if (this.#j.device !== one.device) this.#j.setDevice(one.device)
      this.#judge(one.rule, one.key, one.time)
    }
    this.#atMessage = false
    if (this.rules.reordered && this.#out.length - printed > 1) this.#sortPrinted(printed)
  }

  #sortTouched(count: number): void {
    const touched = this.#touched
    let sorted = true
    for (let i = 1; i < count && sorted; i++) sorted = touched[i - 1]!.rule.order < touched[i]!.rule.order
    if (sorted) return
    const part = touched.slice(0, count).sort((a, b) => {
      if (a.rule !== b.rule) return a.rule.order - b.rule.order
      return this.#keyText(a.rule.scope, a.key) < this.#keyText(b.rule.scope, b.key) ? -1 : 1
    })
    for (let i = 0; i < count; i++) touched[i] = part[i]!
  }

  /** Rules by id, then key; lines of one alert stay in walking order. */
  #sortPrinted(from: number): void {
    const lines = this.#out.splice(from)
    const keys = lines.map((line) => `${line.rule}\n${Object.values(line.key).join('\u001f')}`)
    const order = lines
      .map((_, i) => i)
      .sort((a, b) => (keys[a]! < keys[b]! ? -1 : keys[a]! > keys[b]! ? 1 : a - b))
    for (const i of order) this.#out.push(lines[i]!)
  }

  // ── judging ───────────────────────────────────────────────────────────────────────────────────────────────────

  #judge(rule: RuntimeRule, key: number, time: number): void {
    this.counters.judgements++
    const j = this.#j
    const { scope } = rule
    j.key = key
    j.time = time
    if (scope.stateful) {
      j.state = scope.known(key) ?? scope.state(key, this.#keyText(scope, key))
      j.deviceState = scope.deviceState(j.state, j.device)
    }
    const newest = scope.direct ? this.#newestOf(rule, time) : newestInKey(rule, j.state)
    j.behind = time < newest
    j.windowless = time < newest - scope.late
    this.#judging.shadow = rule.rule.mode === 'shadow'
    if (scope.placeSlots.length > 0) this.#place(scope, time)
    if (rule.judged.length > 0 && !j.windowless) this.#feedJudged(rule, time)
    // Outside its dates a rule is silent, and its windows are fed all the same.
    if (rule.rule.absent !== null && !j.behind && time < rule.legalTo && this.#speaks(rule))
      this.#present(rule, key, time)
    if (time >= rule.legalFrom && time < rule.legalTo) {
      if (rule.sequence !== null) this.#stepSequence(rule, key, time, newest)
      else this.#judgeLevels(rule, key, rule.cells.get(key), time, j.behind)
    }
    j.behind = false
    j.windowless = false
  }

  /** Does the message bring a metric that the rule reads? One that reads the message itself is judged by others too. */
  #speaks(rule: RuntimeRule): boolean {
    return !rule.rule.readsMessage || rule.triggers.size === 0 || this.#brings(rule.triggers)
  }

  /** Newest event time among the metrics that the rule reads of the device. */
  #newestOf(rule: RuntimeRule, time: number): number {
    const { device } = this.#j
    if (time >= this.#deviceNewest[device]!) return time
    if (rule.rule.readsMessage) return this.#deviceNewest[device]!
    let newest = time
    for (const metric of rule.metricIds) {
      const series = this.index.find(device, metric)
      if (series >= 0 && this.#newestTime[series]! > newest) newest = this.#newestTime[series]!
    }
    return newest
  }

  /** The message's position reaches the place functions of its scope, once. */
  #place(scope: Scope, time: number): void {
    const j = this.#j
    const state = j.deviceState
    if (state.placeStamp === this.#stamp) return
    state.placeStamp = this.#stamp
    const { lat, lon } = j
    if (Number.isNaN(lat) || Number.isNaN(lon)) return
    for (const slot of scope.placeSlots) state.places[slot]?.place(time, lat, lon)
  }

  #feedJudged(rule: RuntimeRule, time: number): void {
    const j = this.#j
    for (const { slot, input, value } of rule.judged) {
      // Equal calls share an operator: the first rule of the message feeds it.
      const state = slot < 0 ? null : rule.scope.calls[slot]!.perDevice ? j.deviceState : j.state
      if (state !== null && state.judgedStamp[slot] === this.#stamp) continue
      const x = value()
      if (state === null) continue
      state.judgedStamp[slot] = this.#stamp
      if (!Number.isNaN(x)) feed(state.inputs[input]!, time, x)
    }
  }

  #judgeLevels(
    rule: RuntimeRule,
    key: number,
    known: AlertCell | undefined,
    time: number,
    behind: boolean,
  ): void {
    // While unknown nothing rises or falls: only a sample ends it, never a timer or another rule.
    if (known?.status === 'unknown' && this.#j.batch === null) return
    const { levels } = rule
    let any = false
    const when = this.#verdicts
    for (let i = 0; i < levels.length; i++) {
      const verdict = levels[i]!.when()
      when[levels[i]!.index] = verdict
      if (verdict === 1) any = true
    }
    // The common case by far: nothing is the matter, nothing stands.
    if (!any && (known === undefined || (isQuiet(known) && known.status === 'closed'))) {
      if (known !== undefined && !behind) {
        if (time > known.newest) known.newest = time
        for (const level of levels) known.when[level.index] = when[level.index]!
      }
      return
    }
    const cell = known ?? this.#cell(rule, key)
    for (const level of levels) {
      // An older sample's verdict stands only where it raises: it says nothing of what came after it.
      if (!behind || (when[level.index] === 1 && level.for === 0 && level.index > cell.beneath))
        cell.when[level.index] = when[level.index]!
      if (level.clear !== null && level.index <= Math.max(cell.beneath, cell.level) && !behind)
        cell.clear[level.index] = level.clear()
    }
    if (!behind || cell.status === 'closed') {
      cell.device = this.#j.device
      cell.feed = this.#feedId
      this.#locate(cell)
    }
    judge(cell, levels, time, behind, (change) => this.#print(rule, key, cell, change))
    this.#arm(rule, key, cell)
  }
  readonly #verdicts = [Number.NaN, Number.NaN, Number.NaN, Number.NaN, Number.NaN]

  #locate(cell: AlertCell): void {
    cell.lat = this.#j.lat
    cell.lon = this.#j.lon
  }

  #cell(rule: RuntimeRule, key: number): AlertCell {
    let cell = rule.cells.get(key)
    if (cell === undefined) {
      cell = createCell()
      rule.cells.set(key, cell)
    }
    return cell
  }

  #arm(rule: RuntimeRule, key: number, cell: AlertCell): void {
    if (Number.isFinite(cell.due)) {
      const text = this.#keyText(rule.scope, key)
      this.#feed(cell.feed).timers.push({
        due: cell.due,
        rule: rule.index,
        key: text,
        keyId: key,
        kind: 'level',
      })
    }
  }

  #present(rule: RuntimeRule, key: number, time: number): void {
    let state = rule.absents.get(key)
    if (state === undefined) {
      state = { newest: time, spoke: true, armed: false, feed: this.#feedId, device: this.#j.device }
      rule.absents.set(key, state)
    }
    if (time > state.newest || !state.armed) state.newest = time
    if (!state.spoke) {
      // Its first sample may be older than the first record: another timer then, and the one set finds itself stale.
      if (time < state.newest) state.armed = false
      state.spoke = true
      state.newest = time
    }
    state.feed = this.#feedId
    state.device = this.#j.device
    if (!state.armed) {
      state.armed = true
      this.#feed(state.feed).timers.push({
        due: state.newest + rule.rule.absent!.after,
        rule: rule.index,
        key: this.#keyText(rule.scope, key),
        keyId: key,
        kind: 'absent',
      })
    }
  }

  /** Puts the judgement at a key without a message: for timers. */
  #stand(rule: RuntimeRule, key: number, device: number, time: number): void {
    const j = this.#j
    j.batch = null
    j.from = 0
    j.to = 0
    j.captures = lastMatch(rule.sequence?.states.get(key))
    j.behind = false
    j.windowless = false
    j.setDevice(device)
    j.key = key
    j.time = time
    this.#judging.shadow = rule.rule.mode === 'shadow'
    if (rule.scope.stateful) {
      j.state = rule.scope.known(key) ?? rule.scope.state(key, this.#keyText(rule.scope, key))
      j.deviceState = rule.scope.deviceState(j.state, device)
    }
  }

  // ── sequences ─────────────────────────────────────────────────────────────────────────────────────────────────

  #stepSequence(rule: RuntimeRule, key: number, time: number, newest: number): void {
    const j = this.#j
    const sequence = rule.sequence!
    const stream = this.index.streams.text(j.stream)
    let fits = 0
    let candidate = false
    sequence.steps.forEach((step, i) => {
      if (step.streams !== null && !step.streams.has(stream)) return
      if (!step.readsMessage && !this.#brings(step.metrics)) return
      candidate = true
      if ((sequence.capturing & (1 << i)) === 0 && step.when() === 1) fits |= 1 << i
    })
    let state = sequence.states.get(key)
    const cell = this.#cell(rule, key)
    cell.device = j.device
    cell.feed = this.#feedId
    this.#locate(cell)
    if (time > cell.newest) cell.newest = time
    if (state === undefined) {
      state = createSequenceState()
      sequence.states.set(key, state)
    }
    const decides = fits !== 0 || (candidate && sequence.capturing !== 0 && state.hits.length > 0)
    if (!decides || j.windowless) {
      // Nothing for the steps; the levels may read more than `matched`.
      this.#matched(rule, key, state, cell, Number.NaN)
      return
    }
    const until = state.matchedUntil
    const captured = this.#capture()
    j.liveHit = captured
    const at = arrive(
      state,
      rule.rule.sequence!,
      { time, fits, captured },
      Math.max(newest, time),
      rule.scope.late,
      sequence.capturing,
      this.#fitsWith(rule),
    )
    this.#matched(rule, key, state, cell, at)
    this.#armSequence(rule, key, state, state.matchedUntil > until)
  }

  #matched(rule: RuntimeRule, key: number, state: SequenceState, cell: AlertCell, at: number): void {
    const j = this.#j
    j.captures = lastMatch(state)
    if (!Number.isNaN(at)) {
      // The transition's time is that of the last step, which a late sample may have completed after the fact.
      j.time = at
      this.#judgeLevels(rule, key, cell, at, false)
    } else this.#judgeLevels(rule, key, cell, j.time, j.behind)
    j.captures = null
  }

  /** Timers for a start whose last `not` silence fulfils and, after a new match, for the end of `matched`. */
  #armSequence(rule: RuntimeRule, key: number, state: SequenceState, renewed: boolean): void {
    const push = (due: number): void => {
      this.#feed(this.#feedId).timers.push({
        due,
        rule: rule.index,
        key: this.#keyText(rule.scope, key),
        keyId: key,
        kind: 'sequence',
      })
    }
    if (state.due !== state.armed) {
      state.armed = state.due
      if (Number.isFinite(state.due)) push(state.due)
    }
    if (renewed) push(state.matchedUntil)
  }

  #brings(metrics: ReadonlySet<number>): boolean {
    const { batch, from, to, device } = this.#j
    if (batch === null) return false
    for (let i = from; i < to; i++) {
      const series = batch.series[i]!
      if (this.index.deviceOf(series) === device && metrics.has(this.index.metricOf(series))) return true
    }
    return false
  }

  #capture(): Captured {
    const { batch, from, to, device, time } = this.#j
    const values: Record<string, number> = {}
    let attrs = ''
    for (let i = from; i < to; i++) {
      const series = batch!.series[i]!
      if (this.index.deviceOf(series) !== device) continue
      values[this.index.metrics.text(this.index.metricOf(series))] = batch!.value[i]!
      if (batch!.attrs[i] !== '') attrs = batch!.attrs[i]!
    }
    return {
      time,
      label: this.#j.label ?? '',
      lat: this.#j.lat,
      lon: this.#j.lon,
      device: this.index.devices.text(device),
      attrs,
      values,
    }
  }

  #fitsWith(
    rule: RuntimeRule,
  ): (
    hit: { captured: Captured; time: number },
    step: number,
    captures: ReadonlyMap<string, Captured>,
  ) => boolean {
    const j = this.#j
    return (hit, step, captures) => {
      const before = j.captures
      j.captures = captures
      j.hit = hit.captured
      const yes = rule.sequence!.steps[step]!.when() === 1
      j.hit = null
      j.captures = before
      return yes
    }
  }

  // ── alerts ────────────────────────────────────────────────────────────────────────────────────────────────────

  #print(rule: RuntimeRule, key: number, cell: AlertCell, change: Change): void {
    const unconfirmed = this.#inhibited(rule, cell)
    cell.unconfirmed = unconfirmed
    cell.seq = this.seq
    if (change.status === 'resolved') rule.open.delete(key)
    else if (!rule.open.has(key)) {
      rule.open.add(key)
      if (Number.isFinite(rule.legalTo))
        this.#feed(cell.feed).timers.push({
          due: rule.legalTo,
          rule: rule.index,
          key: this.#keyText(rule.scope, key),
          keyId: key,
          kind: 'legal',
        })
    }
    this.#out.push(
      transitionOf(
        {
          rule,
          cell,
          keyText: this.#keyText(rule.scope, key),
          change,
          unconfirmed,
          seq: this.seq,
          received: this.#received,
        },
        this.#j,
        this.metrics,
      ),
    )
    if (rule.inhibits.length > 0 && change.status === 'resolved')
      this.#confirm(rule, cell.device, change.time)
    if (rule.dependents.length > 0) this.#judgeDependents(rule, key, cell.device, change.time)
  }

  #inhibited(rule: RuntimeRule, cell: AlertCell): boolean {
    for (const inhibitor of rule.inhibitors) {
      // A shadow rule changes nothing that people hear.
      if (inhibitor.rule.mode === 'shadow' && rule.rule.mode !== 'shadow') continue
      for (const key of inhibitor.open) {
        const theirs = inhibitor.cells.get(key)!
        if (theirs.status === 'firing' && theirs.device === cell.device) return true
      }
    }
    return false
  }

  /** An inhibitor has ended: what it held back is announced in full. */
  #confirm(inhibitor: RuntimeRule, device: number, time: number): void {
    for (const rule of inhibitor.inhibits)
      for (const key of rule.open) {
        const cell = rule.cells.get(key)!
        if (!cell.unconfirmed || cell.device !== device || this.#inhibited(rule, cell)) continue
        this.#aside(() => {
          this.#stand(rule, key, device, time)
          this.#print(rule, key, cell, {
            status: cell.status === 'unknown' ? 'unknown' : 'firing',
            level: cell.level,
            previous: cell.level,
            time,
            flapping: cell.flapping,
            announced: true,
          })
        })
      }
  }

  /** Rules that read this one's level are judged again at once. */
  #judgeDependents(rule: RuntimeRule, key: number, device: number, time: number): void {
    // A message's change concerns the message's device; a timer's all that see it.
    const devices = this.#atMessage ? [device] : this.#sharing(rule, key, device)
    // While a message is judged, dependents it touches come later anyway; the others, and all at timers, come now.
    for (const dependent of rule.dependents) {
      if (dependent.rule.mode === 'disabled' || dependent.sequence !== null) continue
      if (dependent.touchStamp === this.#stamp && this.#atMessage) continue
      this.#aside(() => {
        const judged = new Set<number>()
        for (const one of devices) this.#judgeDependent(dependent, one, time, judged)
      })
    }
  }

  #judgeDependent(dependent: RuntimeRule, device: number, time: number, judged: Set<number>): void {
    const j = this.#j
    j.batch = null
    j.setDevice(device)
    const { scope } = dependent
    if (scope.staticWhere !== null && scope.staticWhere() !== 1) return
    if (scope.dynamicWhere !== null) return
    const key = this.#keyOf(scope)
    if (key < 0 || judged.has(key) || time < dependent.legalFrom || time >= dependent.legalTo) return
    judged.add(key)
    this.#stand(dependent, key, device, time)
    this.#judgeLevels(dependent, key, dependent.cells.get(key), time, false)
  }

  /**
   * Devices through whose keys others see this alert: that of its last judgement first, then those that share its key
   * and have spoken. O(devices) once a key shape and registry.
   */
  #sharing(rule: RuntimeRule, key: number, device: number): readonly number[] {
    const { scope } = rule
    if (scope.deviceKeyed || scope.zoned || scope.key.includes('device')) return [device]
    const shape = scope.key.join('\u001f')
    let members = this.#members.get(shape)
    if (members === undefined) {
      members = new Map()
      for (const [name, entry] of this.registry.devices) {
        const values = scope.key.map((attribute) => deviceAttribute(entry, attribute))
        if (values.includes(undefined)) continue
        const text = values.join('\u001f')
        const some = members.get(text)
        if (some === undefined) members.set(text, [name])
        else some.push(name)
      }
      this.#members.set(shape, members)
    }
    const others = (members.get(this.#keyText(scope, key)) ?? [])
      .map((name) => this.index.devices.id(name))
      .filter((one) => one !== device && this.deviceNewest(one) > Number.NEGATIVE_INFINITY)
    return [device, ...others]
  }
  readonly #members = new Map<string, Map<string, string[]>>()

  /** Does something at another key and puts the judgement back. */
  #aside(act: () => void): void {
    const j = this.#j
    const { time, behind, windowless, device, key, state, deviceState, entry, batch, from, to, captures } = j
    const { shadow } = this.#judging
    const verdicts = [...this.#verdicts]
    act()
    Object.assign(j, {
      time,
      behind,
      windowless,
      device,
      key,
      state,
      deviceState,
      entry,
      batch,
      from,
      to,
      captures,
    })
    this.#judging.shadow = shadow
    verdicts.forEach((v, i) => {
      this.#verdicts[i] = v
    })
  }

  #endAlert(rule: RuntimeRule, key: number, time: number, reason: 'expired' | 'removed' | 'disabled'): void {
    const cell = rule.cells.get(key)
    if (cell === undefined || cell.status === 'closed') return
    this.#stand(rule, key, cell.device, time)
    end(cell, time, reason, (change) => this.#print(rule, key, cell, change))
  }

  /**
   * Makes an alert stand as the log says it was announced: used in recovery where today's code would have decided
   * otherwise. `undefined`: as it stood before `own`, this program's own first transition of that alert in the record.
   */
  adopt(own: Transition | undefined, logged: readonly Transition[]): void {
    const any = own ?? logged[0]
    const rule = any === undefined ? undefined : this.rules.byId.get(any.rule)
    if (any === undefined || rule === undefined) return
    const text = Object.values(any.key).join('\u001f')
    const key = rule.scope.deviceKeyed ? this.index.devices.id(text) : rule.scope.keys.id(text)
    const cell = this.#cell(rule, key)
    if (own !== undefined) {
      const opened = own.previous === 'none' && own.opened === own.time
      if (opened) cell.n = Math.max(0, cell.n - 1)
      cell.level = LEVELS.indexOf(own.previous) as LevelIndex
      cell.beneath = cell.level
      cell.flapping = false
      cell.status = opened ? 'closed' : 'firing'
    }
    for (const line of logged) {
      if (line.status !== 'firing' && line.status !== 'unknown' && line.status !== 'resolved') continue
      if (cell.status === 'closed' && line.status !== 'resolved') cell.n++
      cell.status = line.status === 'resolved' ? 'closed' : line.status
      cell.level = LEVELS.indexOf(line.level) as LevelIndex
      if (line.status !== 'unknown') cell.beneath = cell.level
      cell.opened = line.opened
      cell.flapping = line.flapping
      cell.unconfirmed = line.unconfirmed
      cell.seq = line.seq
      cell.device = this.index.devices.id(line.device)
      for (let i = 1; i <= cell.level; i++) if (Number.isNaN(cell.rose[i]!)) cell.rose[i] = line.time
    }
    if (cell.status === 'closed') rule.open.delete(key)
    else rule.open.add(key)
  }

  // ── people ────────────────────────────────────────────────────────────────────────────────────────────────────

  #applyCommand(record: CommandRecord): void {
    const found = this.findAlert(record.target)
    const status = COMMAND_STATUS[record.name]
    if (found === undefined || status === undefined) return
    const { rule, key, cell } = found
    const until = record.body['until']
    if (status === 'acknowledged') cell.acknowledged = true
    if (status === 'shelved') cell.shelved = typeof until === 'number' ? until : Number.POSITIVE_INFINITY
    if (status === 'unshelved') cell.shelved = 0
    this.#stand(rule, key, cell.device, record.received)
    cell.seq = this.seq
    // The result of a confirmation is what was written down; a remark beside it stays in the command's record.
    const note = record.body['result'] ?? record.body['note']
    const to = record.body['to']
    const level = cell.level
    const base = transitionOf(
      {
        rule,
        cell,
        keyText: this.#keyText(rule.scope, key),
        change: {
          status: 'firing',
          level,
          previous: level,
          time: record.received,
          flapping: cell.flapping,
          announced: false,
        },
        unconfirmed: cell.unconfirmed,
        seq: this.seq,
        received: record.received,
      },
      this.#j,
      this.metrics,
    )
    this.#out.push({
      ...base,
      status,
      by: record.who,
      ...(status === 'assigned' && typeof to === 'string' ? { agency: to } : {}),
      ...(typeof note === 'string' ? { note } : {}),
      ...(typeof until === 'number' ? { until } : {}),
    })
  }

  /** The alert with this id, open or lately closed. O(cells): commands are rare. */
  findAlert(id: string): { rule: RuntimeRule; key: number; cell: AlertCell } | undefined {
    for (const rule of this.rules.rules)
      for (const [key, cell] of rule.cells)
        if (cell.n > 0 && this.alertIdOf(rule, key, cell) === id) return { rule, key, cell }
    return undefined
  }

  alertIdOf(rule: RuntimeRule, key: number, cell: AlertCell): string {
    return alertId(rule.rule.id, this.#keyText(rule.scope, key), cell.n)
  }

  // ── growth ────────────────────────────────────────────────────────────────────────────────────────────────────

  #growSeries(): void {
    const { size } = this.index
    if (size > this.#newestTime.length) {
      const length = Math.max(size, this.#newestTime.length * 2)
      this.#newestTime = grown(this.#newestTime, length, Number.NEGATIVE_INFINITY)
      this.#newestValue = grown(this.#newestValue, length, Number.NaN)
      this.#seenTime = grown(this.#seenTime, length, Number.NEGATIVE_INFINITY)
    }
    const devices = this.index.devices.size
    if (devices > this.#deviceNewest.length) {
      const length = Math.max(devices, this.#deviceNewest.length * 2)
      this.#deviceNewest = grown(this.#deviceNewest, length, Number.NEGATIVE_INFINITY)
      const gaps = new Float32Array(length * GAPS)
      gaps.set(this.#gaps)
      this.#gaps = gaps
      const counts = new Uint32Array(length)
      counts.set(this.#gapCount)
      this.#gapCount = counts
    }
  }
}

/** Raised whenever the saved shape changes meaning: an older checkpoint is then not read, and the log is. */
export const CHECKPOINT_FORMAT = 2

export interface CoreState {
  readonly format: number
  readonly seq: number
  readonly newestEvent: number
  readonly counters: Readonly<Record<string, number>>
  /** devices, metrics, labels, streams, sources: texts by id. */
  readonly dictionaries: readonly (readonly string[])[]
  readonly seriesDevice: Uint32Array
  readonly seriesMetric: Uint32Array
  readonly newestTime: Float64Array
  readonly newestValue: Float64Array
  readonly seenTime: Float64Array
  readonly deviceNewest: Float64Array
  readonly gaps: Float32Array
  readonly gapCount: Uint32Array
  /** Six numbers each, oldest first. */
  readonly duplicates: readonly number[]
  readonly texts: Partial<Record<TextRecord['kind'], TextRecord>>
  readonly feeds: readonly {
    readonly id: number
    readonly clock: number
    readonly up: boolean
    readonly caughtUp: boolean
    readonly recorded: boolean
    readonly timers: readonly Timer[]
  }[]
  readonly scopes: ReadonlyMap<string, SavedScope>
  readonly rules: ReadonlyMap<
    string,
    {
      readonly cells: Map<number, AlertCell>
      readonly open: Set<number>
      readonly absents: Map<number, AbsentState>
      readonly sequences: Map<number, SequenceState>
    }
  >
  readonly places: unknown
  readonly deliveries: SavedDeliveries
}

interface Touched {
  rule: RuntimeRule
  key: number
  device: number
  time: number
}

const COMMAND_STATUS: Readonly<Record<string, Transition['status']>> = {
  acknowledge: 'acknowledged',
  confirm: 'confirmed',
  assign: 'assigned',
  shelve: 'shelved',
  unshelve: 'unshelved',
  note: 'note',
}

/** The samples that the last match of a sequence took, by step name: what its titles show. */
function lastMatch(state: SequenceState | undefined): ReadonlyMap<string, Captured> | null {
  return state === undefined ? null : new Map(Object.entries(state.matchedSteps))
}

/** Newest event time in the key among the metrics that the rule reads; of all its messages where it reads those. */
function newestInKey({ rule, metricIds, scope }: RuntimeRule, state: KeyState): number {
  if (rule.readsMessage || metricIds.length === 0) return state.newest
  let newest = Number.NEGATIVE_INFINITY
  for (const metric of metricIds) {
    const time = state.times[scope.metrics.get(metric)!]!
    if (time > newest) newest = time
  }
  return newest
}

function grown(column: Float64Array, length: number, fill: number): Float64Array {
  const next = new Float64Array(length).fill(fill)
  next.set(column)
  return next
}

/** Registry limits that a rule compares with. */
function limitsOf(rule: Rule): string[] {
  const limits = new Set<string>()
  for (const level of rule.levels)
    for (const expression of [level.when, level.clear])
      if (expression !== null)
        walk(expression, (node) => {
          if (node.kind === 'name' && node.name.of === 'limit') limits.add(node.name.limit)
        })
  return [...limits]
}

function withClaimedTime(attrs: string, time: number): string {
  const claimed = `"claimed_time":${time}`
  return attrs === '' || attrs === '{}' ? `{${claimed}}` : `{${claimed},${attrs.slice(1)}`
}

/** Alerts and timers' states go on; a pending `for` only where that level's `when` is still the same. */
function adoptCells(rule: RuntimeRule, old: RuntimeRule): void {
  const changed = rule.rule.levels.filter(({ index, when }) => {
    const before = old.rule.levels.find((level) => level.index === index)
    return before === undefined || printExpression(before.when) !== printExpression(when)
  })
  for (const [key, cell] of old.cells) {
    for (const { index } of changed) cell.since[index] = Number.NaN
    rule.cells.set(key, cell)
  }
  for (const key of old.open) rule.open.add(key)
  for (const [key, state] of old.absents) rule.absents.set(key, state)
  if (old.sequence !== null && rule.sequence !== null)
    for (const [key, state] of old.sequence.states) rule.sequence.states.set(key, state)
}

/** States of a scope that means the same go on; operators it did not have before begin. */
function adoptScope(scope: Scope, old: Scope): void {
  for (let id = 1; id < old.keys.size; id++) scope.keys.id(old.keys.text(id))
  scope.adopt(old)
}

/**
 * Where a message of a backlog puts its feed's clock: at its newest event time, not at its arrival. After an outage all
 * that waited arrives at once, and timers must not outrun what is still to come.
 */
function backlogClock({ batch, from, to, received }: MessageRecord): number {
  let newest = Number.NEGATIVE_INFINITY
  for (let i = from; i < to; i++) if (batch.time[i]! > newest) newest = batch.time[i]!
  return Math.min(received, newest)
}
