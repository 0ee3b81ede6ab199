import type { LoggedRecord, TextRecord } from '../model/record.js'
import type { SeriesIndex } from '../model/series.js'
import { SAMPLE_COLUMNS } from './arrow.js'
import { ColumnBuilder, type SampleColumns } from './columns.js'
import { auditRow, configurationRow, DEAD_LETTER_COLUMNS, deadLetterRow, transitionRow } from './rows.js'

/** Tables that the shipper fills. What else there is, views fill from these. */
export const TABLES = [
  'samples',
  'transitions',
  'dead_letters',
  'audit',
  'configurations',
  'device_versions',
  'metric_versions',
  'zone_versions',
] as const
export type Table = (typeof TABLES)[number]

/**
 * What one insert carries, as it is written down before the first attempt: everything that a retry after a crash must
 * repeat unchanged. Its rows are in the log, from `first` to `last`.
 */
export interface Shipment {
  readonly first: number
  readonly last: number
  /** Deduplication token: the same for every attempt of this shipment, and for no other. */
  readonly token: string
  /** Rows by table; a table without rows is absent. */
  readonly rows: Readonly<Partial<Record<Table, number>>>
  /** Arrival of its oldest and newest record, ms UTC: bounds the count to its partitions. */
  readonly received_min: number
  readonly received_max: number
  /** Tables known to have it. */
  readonly done: readonly Table[]
  /** Times refused for its content. */
  readonly refusals: number
}

/** How large a shipment may become. */
export interface ShipmentBounds {
  readonly rows: number
  readonly bytes: number
  /** ClickHouse refuses an insert that spans more than 100 partitions, for ever. */
  readonly days: number
}

/**
 * rows: one block of ClickHouse must hold the shipment (1 048 576), and 200 000 rows are 20 MB of columns in flight.
 * days: 90 of the 100 partitions that one insert may touch.
 */
export const SHIPMENT_BOUNDS: ShipmentBounds = { rows: 200_000, bytes: 64 * 1024 * 1024, days: 90 }

const DAY_MS = 86_400_000

/** Tables whose rows are lines that the engine's thread writes: few and short. */
type LineTable = 'transitions' | 'audit' | 'configurations'

/** The rows of a shipment, in the form of each table's insert. */
export interface ShipmentRows {
  readonly samples: SampleColumns
  readonly lines: Readonly<Record<LineTable, readonly string[]>>
  /** Their rows are not here yet: reading a large registry is not for the engine's thread. */
  readonly texts: readonly TextRecord[]
  readonly dead_letters: Buffer
  readonly first: number
  readonly last: number
  readonly received_min: number
  readonly received_max: number
  readonly counts: Readonly<Partial<Record<Table, number>>>
}

/** Gathers records, in order, until one does not fit. */
export class ShipmentBuilder {
  readonly #index: SeriesIndex
  readonly #bounds: ShipmentBounds
  readonly #samples = new ColumnBuilder()
  readonly #lines: Record<LineTable, string[]> = { transitions: [], audit: [], configurations: [] }
  readonly #texts: TextRecord[] = []
  readonly #deadLetters: Buffer[] = []
  readonly #days = new Set<number>()
  #first = 0
  #last = 0
  #receivedMin = Number.POSITIVE_INFINITY
  #receivedMax = Number.NEGATIVE_INFINITY
  #bytes = 0

  constructor(index: SeriesIndex, bounds: ShipmentBounds = SHIPMENT_BOUNDS) {
    this.#index = index
    this.#bounds = bounds
  }

  /** Highest seq taken; 0 while empty. */
  get last(): number {
    return this.#last
  }

  get rows(): number {
    let rows = this.#samples.rows + this.#deadLetters.length
    for (const lines of Object.values(this.#lines)) rows += lines.length
    return rows
  }

  /** Takes the record and its transitions, or returns false where the shipment is full. The first always fits. */
  add(logged: LoggedRecord): boolean {
    const { record, transitions } = logged
    if (this.#first > 0 && !this.#fits(logged)) return false
    if (this.#first === 0) this.#first = record.seq
    this.#last = record.seq
    this.#receivedMin = Math.min(this.#receivedMin, record.received)
    this.#receivedMax = Math.max(this.#receivedMax, record.received)
    this.#days.add(Math.floor(record.received / DAY_MS))
    for (const [n, transition] of transitions.entries())
      this.#line('transitions', transitionRow(transition, record.seq, n))
    switch (record.kind) {
      case 'message':
        this.#samples.add(record, this.#index)
        break
      case 'dead_letter':
        this.#deadLetters.push(deadLetterRow(record, this.#index.sources.text(record.feed)))
        this.#bytes += record.bytes.length + 200
        break
      case 'command':
        this.#line('audit', auditRow(record))
        break
      case 'registry':
      case 'metrics':
      case 'zones':
      case 'rules':
        this.#line('configurations', configurationRow(record))
        if (record.kind !== 'rules') this.#texts.push(record)
        break
      case 'tick':
      case 'feed':
        break
    }
    return true
  }

  /** What was gathered; the builder is spent. */
  finish(): ShipmentRows {
    const samples = this.#samples.columns()
    const counts: Partial<Record<Table, number>> = {}
    if (samples.rows > 0) counts.samples = samples.rows
    if (this.#deadLetters.length > 0) counts.dead_letters = this.#deadLetters.length
    for (const [table, lines] of Object.entries(this.#lines))
      if (lines.length > 0) counts[table as Table] = lines.length
    return {
      samples,
      lines: this.#lines,
      texts: this.#texts,
      dead_letters: Buffer.concat(this.#deadLetters),
      first: this.#first,
      last: this.#last,
      received_min: this.#receivedMin,
      received_max: this.#receivedMax,
      counts,
    }
  }

  #fits({ record, transitions }: LoggedRecord): boolean {
    const rows = record.kind === 'message' ? record.to - record.from : 1
    if (this.rows + rows + transitions.length > this.#bounds.rows) return false
    if (this.#bytes + this.#samples.bytes > this.#bounds.bytes) return false
    const day = Math.floor(record.received / DAY_MS)
    return this.#days.has(day) || this.#days.size < this.#bounds.days
  }

  #line(table: LineTable, line: string): void {
    this.#lines[table].push(line)
    this.#bytes += line.length
  }
}

/** The statement that inserts into `table`; its payload follows in the body. */
export function insertStatement(table: Table): string {
  if (table === 'samples') return `INSERT INTO samples (${SAMPLE_COLUMNS.join(', ')}) FORMAT ArrowStream`
  if (table === 'dead_letters')
    return `INSERT INTO dead_letters (${DEAD_LETTER_COLUMNS.join(', ')}) FORMAT RowBinary`
  return `INSERT INTO ${table} FORMAT JSONEachRow`
}

/** What a failed insert means. */
export type Failure =
  /** No answer, or one that leaves open what was committed: ask, then the same again. */
  | 'doubt'
  /** The store cannot now (too many parts, memory, disk, permissions): the same again, later. */
  | 'later'
  /** It does not want this content. */
  | 'refused'

/**
 * Codes that speak of the store's state, not of what it was sent. 60 and 81 (no such table, database) mean a schema
 * that is not there yet; 516 and 497 a user whose rights are being set up.
 */
const LATER = new Set([
  3, 60, 74, 75, 76, 81, 84, 107, 159, 160, 164, 202, 203, 209, 210, 225, 236, 241, 242, 243, 285, 286, 289,
  319, 394, 425, 439, 497, 516, 999, 1000, 1001, 1002,
])

/** Sorts a failure by ClickHouse's code (undefined: no answer came) and text. */
export function failureOf(code: number | undefined, message: string): Failure {
  if (code === undefined) return 'doubt'
  // 252 is both "too many parts" (merges are behind) and "too many partitions" (this insert spans too many).
  if (code === 252) return /partitions/i.test(message) ? 'refused' : 'later'
  return LATER.has(code) ? 'later' : 'refused'
}

/**
 * A refused shipment as two, cut in the middle of its records. Safe only while none of its rows is in the table: the
 * halves have tokens of their own. Null where it is one record.
 */
export function halves(
  shipment: Shipment,
  token: (half: 'a' | 'b') => string,
): readonly { first: number; last: number; token: string }[] | null {
  if (shipment.first === shipment.last) return null
  const middle = Math.floor((shipment.first + shipment.last) / 2)
  return [
    { first: shipment.first, last: middle, token: token('a') },
    { first: middle + 1, last: shipment.last, token: token('b') },
  ]
}
