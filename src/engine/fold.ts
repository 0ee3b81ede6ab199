/**
 * The whole state as a fold over the log: core and board of alerts, with what a checkpoint holds of them. The engine
 * folds the log once at its start; the checkpointer's thread folds it behind the engine and writes what it has, so the
 * engine itself never stops for a checkpoint.
 */
import { deserialize, serialize } from 'node:v8'
import { type AlertState, Board } from '../alerts/board.js'
import type { LoggedRecord } from '../model/record.js'
import { Core, type CoreOptions, type CoreState } from './core.js'
import { Recovery } from './recovery.js'

interface Saved {
  readonly core: CoreState
  readonly board: readonly AlertState[]
  readonly received: number
  readonly feeds: readonly (readonly [feed: number, received: number])[]
}

export class Fold {
  readonly core: Core
  readonly board = new Board()
  readonly recovery: Recovery

  constructor(options: CoreOptions) {
    this.core = new Core(options)
    this.recovery = new Recovery(this.core)
  }

  /** Puts a fresh fold where a checkpoint was taken. Throws where the bytes are none of ours. */
  load(bytes: Uint8Array): void {
    const saved = deserialize(bytes) as Saved
    this.core.load(saved.core)
    for (const state of saved.board) this.board.put(state)
    this.recovery.received = saved.received
    for (const [feed, received] of saved.feeds ?? []) this.recovery.feeds.set(feed, received)
  }

  save(): Uint8Array {
    const saved: Saved = {
      core: this.core.save(),
      board: [...this.board.values()],
      received: this.recovery.received,
      feeds: [...this.recovery.feeds],
    }
    return serialize(saved)
  }

  apply(logged: LoggedRecord): void {
    this.recovery.apply(logged)
    for (const transition of logged.transitions) this.board.apply(transition)
  }
}
