import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import type { ClickHouseClient, ClickHouseSettings } from '@clickhouse/client'
import { HaidangError } from '../model/errors.js'
import type { LogReader } from '../model/ports.js'
import type { SeriesIndex } from '../model/series.js'
import { type Caller, StoreChild } from './child.js'
import { clickhouseCode, type StoreAddress, storeClient } from './client.js'
import type { QueryAudit, QueryLimits } from './embedded/protocol.js'
import { EncodingThread } from './encoding-thread.js'
import { migrate, migrations } from './schema.js'
import type { Table } from './shipment.js'
import { shipmentFiles } from './shipment-files.js'
import { type SetAside, Shipper, type ShipperStatus, type StorePort } from './shipper.js'

export interface StoreOptions {
  /** HAIDANG_DATA: `clickhouse/` (the embedded database), `store.pid`, `shipping/` are made in it. */
  readonly directory: string
  /** A reader of the shipper's own. */
  readonly log: LogReader
  /** The index that this reader interns into. */
  readonly index: SeriesIndex
  /** HAIDANG_CLICKHOUSE_URL; without it the store is embedded. */
  readonly clickhouse_url?: string
  /** Address of the SQL door (HAIDANG_SQL); null: no door. Without meaning for an outside ClickHouse. */
  readonly door: { readonly host: string; readonly port: number } | null
  /** Whose token is this? null: nobody's. Asked by the door; analysts and admins pass. */
  checkToken(token: string): Promise<Caller | null>
  readonly limits?: QueryLimits
  readonly onStatus?: (status: StoreStatus) => void
  readonly onAudit?: (entry: QueryAudit) => void
  /** Records up to seq may leave the log, as far as the store is concerned. */
  readonly onShipped?: (seq: number) => void
  readonly onSetAside?: (entry: SetAside) => void
}

export interface StoreStatus {
  readonly state: 'starting' | 'up' | 'down'
  readonly reason: string
  /** Of the embedded process. */
  readonly pid: number | null
  readonly restarts: number
  readonly shipper: ShipperStatus | null
}

/** One query for a reader: bytes as the store makes them. */
export interface StoreQuery {
  readonly sql: string
  /** ClickHouse output format. */
  readonly format: string
  readonly parameters?: Readonly<Record<string, unknown>>
  readonly settings?: ClickHouseSettings
  readonly signal?: AbortSignal
}

export interface Store {
  /** Address of the SQL door as it is open (`http://127.0.0.1:8123`), or of the outside ClickHouse; null: no door. */
  readonly sql_url: string | null
  /** Where the engine's own clients find it (storeClient): everything is allowed there. */
  readonly address: StoreAddress
  readonly status: StoreStatus
  /** Runs a reading query; its result streams, nothing of it is parsed here. Throws HD_STORE_QUERY, HD_STORE_CONNECT. */
  query(query: StoreQuery): Promise<Readable>
  /** Resolves when all that is synced now is in the store. */
  drained(): Promise<void>
  /** There is something new behind the sync; may be called at every sync. Unsaid, it is found within 200 ms. */
  wake(): void
  close(): Promise<void>
}

/** Inserts are given up after this long, and asked about. */
const INSERT_MS = 60_000
const QUERY_MS = 30_000
/** Readers of the engine at once; the embedded process serves as many. */
const READERS = 8
/** An outside ClickHouse that is not there yet is asked again. */
const RETRY_MS_MAX = 10_000

/**
 * Opens the store: starts the embedded process (or finds the outside ClickHouse), brings its schema up, opens the door,
 * begins to ship. Resolves when the embedded database is open and its schema stands; with an outside ClickHouse at
 * once: the engine judges and logs while the store is being looked for. Throws HD_STORE_SCHEMA for a newer schema,
 * HD_STORE_CONNECT where the process cannot start, HD_SERVE_PORT where the door's port is taken.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const store = new RunningStore(options)
  try {
    await store.open()
  } catch (error) {
    await store.close()
    throw error
  }
  return store
}

class RunningStore implements Store {
  sql_url: string | null = null
  address: StoreAddress = { url: '' }
  readonly #options: StoreOptions
  #child: StoreChild | undefined
  #writer: ClickHouseClient | undefined
  #reader: ClickHouseClient | undefined
  #encoder: EncodingThread | undefined
  #shipper: Shipper | undefined
  #state: StoreStatus['state'] = 'starting'
  #reason = ''
  #starts = 0
  #closed = false
  #following: Promise<void> = Promise.resolve()

  constructor(options: StoreOptions) {
    this.#options = options
  }

  async open(): Promise<void> {
    const { directory, clickhouse_url: url, door } = this.#options
    // Until the door has all its gates it is not for a network (DESIGN.md 8).
    if (url === undefined && door !== null && !/^(127\.\d+\.\d+\.\d+|::1|localhost)$/.test(door.host))
      throw new HaidangError(
        'HD_CONFIG_VALUE',
        `HAIDANG_SQL: the SQL door listens on loopback only, not on ${door.host}`,
      )
    await mkdir(directory, { recursive: true })
    if (url !== undefined) {
      this.sql_url = withoutCredentials(url)
      this.#connect({ url })
      await this.#ready().catch((error: unknown) => this.#follow(error))
      return
    }
    this.#child = await StoreChild.open({
      directory,
      checkToken: (token) => this.#options.checkToken(token),
      ...(this.#options.limits === undefined ? {} : { limits: this.#options.limits }),
      ...(this.#options.onAudit === undefined ? {} : { onAudit: this.#options.onAudit }),
      onState: (state, _pid, reason) => {
        if (state === 'up') this.#starts++
        this.#set(state, reason)
        if (state === 'up') this.#shipper?.retry()
      },
    })
    this.#connect({ socket: this.#child.socket })
    await this.#ready()
    if (door !== null) {
      const port = await this.#child.openDoor(door.host, door.port)
      this.sql_url = `http://${door.host.includes(':') ? `[${door.host}]` : door.host}:${port}`
    }
  }

  get status(): StoreStatus {
    return {
      state: this.#state,
      reason: this.#reason,
      pid: this.#child?.pid ?? null,
      restarts: Math.max(0, this.#starts - 1),
      shipper: this.#shipper?.status ?? null,
    }
  }

  async query(query: StoreQuery): Promise<Readable> {
    try {
      const { stream } = await this.#reader!.exec({
        query: `${query.sql}\nFORMAT ${query.format}`,
        ...(query.parameters === undefined ? {} : { query_params: { ...query.parameters } }),
        ...(query.settings === undefined ? {} : { clickhouse_settings: query.settings }),
        ...(query.signal === undefined ? {} : { abort_signal: query.signal }),
      })
      return stream as Readable
    } catch (cause) {
      const message = (cause as Error).message
      if (clickhouseCode(cause) === undefined)
        throw new HaidangError('HD_STORE_CONNECT', `the store cannot be reached: ${message}`, {
          cause,
          retryable: true,
        })
      throw new HaidangError('HD_STORE_QUERY', message, { cause })
    }
  }

  async drained(): Promise<void> {
    await this.#shipper?.drained()
  }

  wake(): void {
    this.#shipper?.wake()
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#shipper?.close()
    await this.#following
    await this.#encoder?.close()
    await this.#writer?.close()
    await this.#reader?.close()
    await this.#child?.close()
  }

  #connect(address: StoreAddress): void {
    this.address = address
    this.#writer = storeClient(address, { connections: 2, request_timeout_ms: INSERT_MS })
    this.#reader = storeClient(address, { connections: READERS, request_timeout_ms: QUERY_MS })
  }

  /** The schema stands, the shipper runs. */
  async #ready(): Promise<void> {
    const writer = this.#writer!
    await migrate(writer, await migrations())
    this.#encoder = new EncodingThread(this.#options.index)
    const { log, index, onShipped, onSetAside } = this.#options
    this.#shipper = await Shipper.open({
      log,
      index,
      store: storePort(writer),
      encoder: this.#encoder,
      files: shipmentFiles(path.join(this.#options.directory, 'shipping')),
      ...(onShipped === undefined ? {} : { onShipped }),
      ...(onSetAside === undefined ? {} : { onSetAside }),
    })
    this.#set('up', '')
  }

  /** Tries on, in the background, until an outside ClickHouse is there. A newer schema is not waited for. */
  #follow(error: unknown): void {
    if (
      error instanceof HaidangError &&
      error.code === 'HD_STORE_SCHEMA' &&
      clickhouseCode(error.cause) !== undefined
    )
      throw error
    if (error instanceof HaidangError && error.code === 'HD_STORE_SCHEMA' && error.cause === undefined)
      throw error
    this.#set('down', (error as Error).message)
    const tryOn = async (): Promise<void> => {
      for (let wait = 250; !this.#closed; wait = Math.min(wait * 2, RETRY_MS_MAX)) {
        for (let waited = 0; waited < wait && !this.#closed; waited += 50)
          await new Promise((resolve) => setTimeout(resolve, 50))
        if (this.#closed) return
        try {
          await this.#ready()
          return
        } catch (again) {
          this.#set('down', (again as Error).message)
        }
      }
    }
    this.#following = tryOn()
  }

  #set(state: StoreStatus['state'], reason: string): void {
    this.#state = state
    this.#reason = reason
    this.#options.onStatus?.(this.status)
  }
}

/** What an insert needs beyond its token, so that a repeated one adds nothing, in the views either. */
const EXACTLY_ONCE: ClickHouseSettings = {
  insert_deduplicate: 1,
  deduplicate_blocks_in_dependent_materialized_views: 1,
  async_insert: 0,
  // Rollups are parted by month of event time over 20 years; see schema/001-samples.sql.
  max_partitions_per_insert_block: '300',
}

/** The shipper's store over a ClickHouse client. */
export function storePort(client: ClickHouseClient): StorePort {
  return {
    async insert(statement, payload, token, signal) {
      const { stream } = await client.exec({
        query: statement,
        values: Readable.from([payload], { objectMode: false }),
        abort_signal: signal,
        clickhouse_settings: { ...EXACTLY_ONCE, insert_deduplication_token: token },
      })
      for await (const _ of stream) {
        // An answer of an insert is empty; reading it to its end frees the connection.
      }
    },
    async count(table: Table, first, last, from, to) {
      // `received` bounds the parts that are read: without it every part's seq would be.
      const bounded =
        table === 'samples' || table === 'transitions' || table === 'dead_letters' || table === 'audit'
      const result = await client.query({
        query: `SELECT count() AS n FROM ${table} WHERE seq BETWEEN {first:UInt64} AND {last:UInt64}${
          bounded
            ? ' AND received BETWEEN fromUnixTimestamp64Milli({from:Int64}) AND fromUnixTimestamp64Milli({to:Int64})'
            : ''
        }`,
        query_params: { first, last, ...(bounded ? { from: Math.floor(from), to: Math.ceil(to) } : {}) },
        clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
        format: 'JSONEachRow',
      })
      const [row] = await result.json<{ n: number }>()
      return Number(row?.n ?? 0)
    },
  }
}

function withoutCredentials(url: string): string {
  try {
    const parsed = new URL(url)
    parsed.username = ''
    parsed.password = ''
    return parsed.href
  } catch {
    return url
  }
}
