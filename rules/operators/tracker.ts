import type { Panes, Sketch } from './panes.js'

/**
 * One running aggregate of a sliding window. The window tells it of every sample that comes into the range and of the
 * oldest as it leaves; an operator reads its fields. Values are finite; NaN stands for "no neighbour".
 */
export interface Tracker {
  /** Adds and takes away: refilled once a turn of the window, so that rounding never piles up. */
  readonly runs: boolean
  /** Needs the panes' sketches of values. */
  readonly sketched: boolean
  /** The sketch it is read from where the range is made of panes, else null. */
  sketch: Sketch | null
  /** A sample came in between two others of the range; `after` is NaN where it is the newest. */
  add(time: number, value: number, before: number, after: number): void
  /** The oldest sample leaves; `after` is the value that is the oldest then. */
  evict(time: number, value: number, after: number): void
  clear(): void
  /** An empty one of the same kind. */
  fresh(): Tracker
  /** Panes come in order of time. */
  addPane(panes: Panes, offset: number): void
}
