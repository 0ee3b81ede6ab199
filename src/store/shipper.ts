import { randomBytes } from 'node:crypto'
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import { HaidangError } from '../model/errors.js'
import type { LogReader } from '../model/ports.js'
import type { TextRecord } from '../model/record.js'
import type { SeriesIndex } from '../model/series.js'
import type { SampleColumns } from './columns.js'
import type { TextRows, TextTable } from './rows.js'
import {
  failureOf,
  halves,
  insertStatement,
  SHIPMENT_BOUNDS,
  type Shipment,
  type ShipmentBounds,
  ShipmentBuilder,
  type ShipmentRows,
  TABLES,
  type Table,
} from './shipment.js'
import type { ShipmentFiles } from './shipment-files.js'

interface GatheredRows extends ShipmentRows {
  readonly ofTexts: Readonly<Record<TextTable, readonly Uint8Array[]>>
}

/** `idle`: nothing to ship; `pace`: the rest of the second after a small shipment; `backoff`: after a failure. */
type Pause = 'idle' | 'pace' | 'backoff'

/** What the shipper needs of the store. Errors of `insert` are sorted by `code` (ClickHouse's number as text). */
export interface StorePort {
  /** Resolves when the rows are committed, in the views too. */
  insert(statement: string, payload: Uint8Array, token: string, signal: AbortSignal): Promise<void>
  /** Rows of `table` whose seq is within [first, last] and whose arrival within [from, to] (ms UTC), where it has one. */
  count(table: Table, first: number, last: number, from: number, to: number): Promise<number>
}

/** Turns what is large into bytes, off the engine's thread: samples into an Arrow IPC stream, texts into lines. */
export interface RowEncoder {
  encode(columns: SampleColumns): Promise<Uint8Array>
  /** Rows of a configuration text; null where it has none. */
  textRows(record: TextRecord): Promise<TextRows | null>
}

export interface ShipperOptions {
  readonly log: LogReader
  /** Whose ids the log's batches carry. */
  readonly index: SeriesIndex
  readonly store: StorePort
  readonly encoder: RowEncoder
  readonly files: ShipmentFiles
  readonly bounds?: ShipmentBounds
  /** Time from one insert to the next while the log is nearly drained. */
  readonly interval_ms?: number
  /** All records up to `seq` have left the log's care. */
  readonly onShipped?: (seq: number) => void
  /** A shipment was given up: its payload is kept, an alert is due. */
  readonly onSetAside?: (entry: SetAside) => void
}

export interface SetAside {
  readonly table: Table
  readonly first: number
  readonly last: number
  readonly rows: number
  /** Rows of it that the table holds all the same (a view refused them, not the table). */
  readonly stored: number
  readonly reason: string
}

export interface ShipperStatus {
  /** `waiting`: the last attempt failed, the next comes later. */
  readonly state: 'idle' | 'shipping' | 'waiting' | 'closed'
  readonly shipped_seq: number
  readonly inserts_total: number
  readonly rows_total: number
  readonly retries_total: number
  readonly refused_total: number
  readonly set_aside_total: number
  /** Shipments found with more rows than they had: the deduplication window was lost. Must stay 0. */
  readonly doubled_total: number
  /** ms UTC of the newest record shipped, by arrival; 0 before the first. */
  readonly shipped_received: number
  readonly last_insert_ms: number
  readonly last_error: string
}

/** A shipment that is made again was cut before: it is repeated whole, whatever the bounds are today. */
const UNBOUNDED: ShipmentBounds = {
  rows: Number.POSITIVE_INFINITY,
  bytes: Number.POSITIVE_INFINITY,
  days: Number.POSITIVE_INFINITY,
}
const INTERVAL_MS = 1000
const POLL_MS = 200
const BACKOFF_MS_MIN = 100
const BACKOFF_MS_MAX = 30_000
/** Refusals of one shipment before it is split or set aside: a view that fails once must not cost anything. */
const REFUSALS_MAX = 3
/** `haidang run` has 10 s from SIGTERM to its end. */
const CLOSE_MS = 3000
/** Time on the engine's thread between two turns of its loop while the log is read. */
const SLICE_MS = 2
/** Tables whose rows views pass on: rows in the table do not prove rows in the views. */
const FEEDS_VIEWS: ReadonlySet<Table> = new Set<Table>(['samples', 'transitions'])

/**
 * Brings the log to ClickHouse, exactly once. A shipment is written down with its token before its first attempt and
 * repeated unchanged until it is in; the store drops what it has under that token, in the table and in each view. After
 * an answer that did not come, and after a start, the store is asked what it has. Nothing here is awaited by the engine.
 *
 *   log ─► shipment (written down) ─► insert per table ─► next
 *             ▲                        │ no answer, busy: ask, wait, the same again
 *             └── halves ◄── refused 3 × ─► one record, or rows already in: set aside
 */
export class Shipper {
  readonly #options: ShipperOptions
  readonly #bounds: ShipmentBounds
  readonly #interval: number
  readonly #stop = new AbortController()
  /** Ends the attempt under way; what it did is asked at the next start. */
  readonly #abandon = new AbortController()
  #running: Promise<void>
  #shipped = 0
  #queue: Shipment[] = []
  /** Rows of queue[0], while it is in memory. */
  #loaded: { shipment: Shipment; rows: GatheredRows; arrow: Uint8Array | undefined } | undefined
  /** queue[0] may be in the store already. */
  #doubt = false
  #failures = 0
  /** Ends the pause under way, and what kind it is. */
  #pause: { readonly kind: Pause; end(): void } | undefined
  #drained: (() => void)[] = []
  #state: ShipperStatus['state'] = 'idle'
  #inserts = 0
  #rows = 0
  #retries = 0
  #refused = 0
  #setAside = 0
  #doubled = 0
  #shippedReceived = 0
  #insertMs = 0
  #error = ''

  private constructor(options: ShipperOptions) {
    this.#options = options
    this.#bounds = options.bounds ?? SHIPMENT_BOUNDS
    this.#interval = options.interval_ms ?? INTERVAL_MS
    this.#running = Promise.resolve()
  }

  /**
   * Reads what is written down and starts. Throws where that cannot be read, and HD_LOG_CORRUPT where the log ends
   * before what was already shipped: it is another log, whose first records would silently never be shipped.
   */
  static async open(options: ShipperOptions): Promise<Shipper> {
    const shipper = new Shipper(options)
    const state = await options.files.load()
    if (state !== null) {
      shipper.#shipped = state.shipped
      shipper.#queue = [...state.queue]
      shipper.#setAside = state.set_aside
      shipper.#doubt = state.queue.length > 0
      await shipper.#sameLog(state.queue.at(-1)?.last ?? state.shipped)
    }
    shipper.#running = shipper.#run()
    return shipper
  }

  get status(): ShipperStatus {
    return {
      state: this.#state,
      shipped_seq: this.#shipped,
      inserts_total: this.#inserts,
      rows_total: this.#rows,
      retries_total: this.#retries,
      refused_total: this.#refused,
      set_aside_total: this.#setAside,
      doubled_total: this.#doubled,
      shipped_received: this.#shippedReceived,
      last_insert_ms: this.#insertMs,
      last_error: this.#error,
    }
  }

  /** The log has more. Called at every sync: it ends an idle pause, never the second between two inserts. */
  wake(): void {
    if (this.#pause?.kind === 'idle') this.#pause.end()
  }

  /** The store is back: do not wait out the back-off. */
  retry(): void {
    if (this.#pause?.kind === 'backoff') this.#pause.end()
  }

  /** Resolves when everything that was synced at some moment after the call is in the store; never while it is down. */
  drained(): Promise<void> {
    if (this.#state === 'closed') return Promise.resolve()
    const done = new Promise<void>((resolve) => this.#drained.push(resolve))
    this.#pause?.end()
    return done
  }

  /** Ends after the attempt under way, or 3 s; what is not in the store is shipped at the next start. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#pause?.end()
    const late = setTimeout(() => this.#abandon.abort(), CLOSE_MS)
    await this.#running
    clearTimeout(late)
  }

  async #run(): Promise<void> {
    const stopped = this.#stop.signal
    while (!stopped.aborted) {
      const started = performance.now()
      // Those who came before this look at the log: it sees all that was synced when they came.
      const asking = this.#drained.length
      try {
        const full = await this.#step()
        this.#failures = 0
        this.#error = ''
        if (full === undefined) {
          this.#state = 'idle'
          for (const resolve of this.#drained.splice(0, asking)) resolve()
          if (this.#drained.length === 0) await this.#wait('idle', POLL_MS)
        } else if (!full && this.#drained.length === 0) {
          await this.#wait('pace', this.#interval - (performance.now() - started))
        }
      } catch (error) {
        // The log or our own file cannot be used just now; like the store, they may be again.
        this.#error = (error as Error).message
        this.#state = 'waiting'
        await this.#wait('backoff', Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** this.#failures++))
      }
    }
    this.#state = 'closed'
    for (const resolve of this.#drained.splice(0)) resolve()
  }

  /** Ships one shipment, or makes one step towards it. True: at once the next; false: it was a small one; undefined: nothing to do. */
  async #step(): Promise<boolean | undefined> {
    if (this.#queue.length === 0) {
      const rows = await this.#gather(this.#shipped + 1, Number.POSITIVE_INFINITY, this.#bounds)
      if (rows === undefined) return undefined
      if (Object.keys(rows.counts).length === 0) {
        // Ticks and feed records alone: nothing to store, and nothing worth a sync.
        this.#arrived(rows.last, rows.received_max)
        return true
      }
      const shipment = described(rows, randomBytes(12).toString('hex'), [])
      await this.#options.files.save({ shipped: this.#shipped, queue: [shipment], set_aside: this.#setAside })
      this.#queue = [shipment]
      this.#loaded = { shipment, rows, arrow: undefined }
      this.#doubt = false
    }
    this.#state = 'shipping'
    const shipment = this.#queue[0]!
    const full = Object.values(shipment.rows).reduce((a, b) => a + b, 0) >= this.#bounds.rows / 2
    for (const table of TABLES) {
      const rows = this.#queue[0]!.rows[table] ?? 0
      if (rows === 0 || this.#queue[0]!.done.includes(table)) continue
      if (!(await this.#deliver(table, rows))) return true
      if (this.#stop.signal.aborted) return true
    }
    this.#queue.shift()
    this.#loaded = undefined
    this.#doubt = this.#queue.length > 0 && this.#doubt
    this.#arrived(shipment.last, shipment.received_max)
    if (this.#queue.length > 0) await this.#save()
    return full || this.#queue.length > 0
  }

  /** Inserts the rows of one table; false where the shipment at the head of the queue has changed. */
  async #deliver(table: Table, rows: number): Promise<boolean> {
    const shipment = this.#queue[0]!
    const statement = insertStatement(table)
    for (;;) {
      try {
        if (this.#doubt && !FEEDS_VIEWS.has(table) && (await this.#stored(shipment, table)) >= rows) break
        const payload = await this.#payload(table)
        const started = performance.now()
        await this.#options.store.insert(
          statement,
          payload,
          `${shipment.token}-${table}`,
          this.#abandon.signal,
        )
        this.#insertMs = performance.now() - started
        if (this.#doubt && (await this.#stored(shipment, table)) > rows) {
          this.#doubled++
          this.#error = `${table}: more rows than shipped between seq ${shipment.first} and ${shipment.last}`
        }
        this.#inserts++
        break
      } catch (error) {
        const message = (error as Error).message
        const code = (error as { code?: unknown }).code
        const failure = failureOf(
          typeof code === 'string' && /^\d+$/.test(code) ? Number(code) : undefined,
          message,
        )
        this.#error = message
        this.#retries++
        if (failure === 'refused') {
          this.#refused++
          const refusals = this.#queue[0]!.refusals + 1
          this.#queue[0] = { ...this.#queue[0]!, refusals }
          if (refusals >= REFUSALS_MAX) {
            await this.#save()
            return this.#giveUp(table, rows, message)
          }
        }
        // Whatever it was, part of it may have been committed.
        this.#doubt = true
        this.#state = 'waiting'
        await this.#wait(
          'backoff',
          Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(this.#failures++, 20)),
        )
        if (this.#stop.signal.aborted) return false
        this.#state = 'shipping'
      }
    }
    this.#rows += rows
    this.#failures = 0
    this.#queue[0] = { ...this.#queue[0]!, done: [...this.#queue[0]!.done, table], refusals: 0 }
    return true
  }

  /** Refused too often: halves, or aside. Returns true where the rest of the shipment goes on. */
  async #giveUp(table: Table, rows: number, reason: string): Promise<boolean> {
    const shipment = this.#queue[0]!
    // Rows in the table: it took them, a view did not. Halves have other tokens and would bring them twice.
    const stored = await this.#stored(shipment, table)
    const parts = stored > 0 ? null : halves(shipment, () => randomBytes(12).toString('hex'))
    if (parts !== null) {
      const queue: Shipment[] = []
      for (const part of parts) {
        const gathered = await this.#gather(part.first, part.last)
        if (gathered !== undefined && Object.keys(gathered.counts).length > 0)
          queue.push({
            ...described(gathered, part.token, shipment.done),
            first: part.first,
            last: part.last,
          })
      }
      this.#queue.splice(0, 1, ...queue)
      this.#loaded = undefined
      this.#doubt = false
      await this.#save()
      return false
    }
    await this.#options.files.setAside(
      `${shipment.first}-${shipment.last}-${table}.${extension(table)}`,
      await this.#payload(table),
    )
    this.#setAside++
    this.#queue[0] = { ...shipment, done: [...shipment.done, table], refusals: 0 }
    await this.#save()
    this.#options.onSetAside?.({ table, first: shipment.first, last: shipment.last, rows, stored, reason })
    return true
  }

  #stored(shipment: Shipment, table: Table): Promise<number> {
    return this.#options.store.count(
      table,
      shipment.first,
      shipment.last,
      shipment.received_min,
      shipment.received_max,
    )
  }

  async #payload(table: Table): Promise<Uint8Array> {
    const shipment = this.#queue[0]!
    if (this.#loaded?.shipment.token !== shipment.token) {
      const rows = await this.#gather(shipment.first, shipment.last)
      if (rows === undefined)
        throw new Error(`the log no longer has seq ${shipment.first} to ${shipment.last}`)
      this.#loaded = { shipment, rows, arrow: undefined }
    }
    const loaded = this.#loaded
    if (table === 'samples') {
      loaded.arrow ??= await this.#options.encoder.encode(loaded.rows.samples).catch((error: unknown) => {
        // Its buffers went to the worker and are gone: read again.
        this.#loaded = undefined
        throw error
      })
      return loaded.arrow
    }
    if (table === 'dead_letters') return loaded.rows.dead_letters
    if (table === 'device_versions' || table === 'metric_versions' || table === 'zone_versions')
      return Buffer.concat(loaded.rows.ofTexts[table])
    return Buffer.from(`${loaded.rows.lines[table].join('\n')}\n`)
  }

  /** Records from `first` to at most `last` that fit `bounds`; undefined where there are none yet. */
  async #gather(
    first: number,
    last: number,
    bounds: ShipmentBounds = UNBOUNDED,
  ): Promise<GatheredRows | undefined> {
    const builder = new ShipmentBuilder(this.#options.index, bounds)
    let slice = performance.now()
    let n = 0
    for await (const logged of this.#options.log.read(first)) {
      if (logged.record.seq > last || !builder.add(logged)) break
      if ((++n & 63) === 0 && performance.now() - slice > SLICE_MS) {
        await turn()
        slice = performance.now()
      }
      if (logged.record.seq === last) break
    }
    if (builder.last === 0) return undefined
    const rows = builder.finish()
    const counts = { ...rows.counts }
    const ofTexts: Record<TextTable, Uint8Array[]> = {
      device_versions: [],
      metric_versions: [],
      zone_versions: [],
    }
    for (const text of rows.texts) {
      const lines = await this.#options.encoder.textRows(text)
      if (lines === null) continue
      ofTexts[lines.table].push(lines.bytes)
      counts[lines.table] = (counts[lines.table] ?? 0) + lines.rows
    }
    return { ...rows, counts, ofTexts }
  }

  async #sameLog(seq: number): Promise<void> {
    if (seq === 0) return
    for await (const { record } of this.#options.log.read(seq)) if (record.seq >= seq) return
    throw new HaidangError(
      'HD_LOG_CORRUPT',
      `the log ends before seq ${seq}, which was already shipped: it was replaced or cut. To ship it from its beginning, move the directory 'shipping' away`,
    )
  }

  #arrived(seq: number, received: number): void {
    this.#shipped = seq
    this.#shippedReceived = Math.max(this.#shippedReceived, received)
    this.#options.onShipped?.(seq)
  }

  #save(): Promise<void> {
    return this.#options.files.save({ shipped: this.#shipped, queue: this.#queue, set_aside: this.#setAside })
  }

  async #wait(kind: Pause, ms: number): Promise<void> {
    if (ms <= 0 || this.#stop.signal.aborted) return
    const ended = new AbortController()
    this.#pause = { kind, end: () => ended.abort() }
    // An abort is the end of the pause, not a fault.
    await pause(ms, undefined, { signal: ended.signal }).catch(() => undefined)
    this.#pause = undefined
  }
}

function described(rows: ShipmentRows, token: string, done: readonly Table[]): Shipment {
  return {
    first: rows.first,
    last: rows.last,
    token,
    rows: rows.counts,
    received_min: rows.received_min,
    received_max: rows.received_max,
    done,
    refusals: 0,
  }
}

function extension(table: Table): string {
  return table === 'samples' ? 'arrow' : table === 'dead_letters' ? 'rowbinary' : 'ndjson'
}
