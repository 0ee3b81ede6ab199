import type { Transition } from './alert.js'
import type { EngineRecord, LoggedRecord } from './record.js'

/** The clock the edges read; the core never does. */
export interface Clock {
  /** Wall clock, ms UTC; may jump. */
  now(): number
  /** Monotonic, ms. */
  monotonic(): number
}

/** What the engine's loop needs of the log; src/log implements it on a disk, the simulation on a simulated one. */
export interface LogPort {
  /**
   * Takes a record (copied before return: the batch is reused) with its transitions; the frame it lands in is written
   * and synced as soon as the previous sync is back. `durable` runs once after that sync, in order of seq. Returns
   * false where the log is full and this record may not use the reserve: it was not taken.
   */
  append(record: EngineRecord, transitions: readonly Transition[], durable: (() => void) | null): boolean
  /** Highest seq known synced. */
  readonly syncedSeq: number
  /** Resolves when everything appended so far is synced. */
  flush(): Promise<void>
  close(): Promise<void>
}

/** Reads the log behind the sync, in order, from `fromSeq` on: the shipper's and the sinks' only input. */
export interface LogReader {
  /** Yields what is synced now, then ends. Batches are valid until the next step. */
  read(fromSeq: number): AsyncIterable<LoggedRecord>
}
