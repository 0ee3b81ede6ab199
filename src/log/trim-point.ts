/** What may leave the log. */
export interface TrimState {
  /** All records up to here are in ClickHouse. */
  readonly shippedSeq: number
  /** Checkpoints.olderSeq: operator state from here on is replayed. */
  readonly olderCheckpointSeq: number
  /** Cursors of the sinks. */
  readonly sinkSeqs: readonly number[]
  /** LogStatus.share. */
  readonly share: number
}

/** Beyond this share of the log a sink that stands still no longer holds it: a dead webhook must not stop ingest. */
const SINKS_HOLD_BELOW = 0.5

/** Lowest seq that must stay: for `log.trim`. Shipped and older than the older checkpoint, both; sinks while there is room. */
export function trimPoint(state: TrimState): number {
  let done = Math.min(state.shippedSeq, state.olderCheckpointSeq)
  if (state.share < SINKS_HOLD_BELOW) done = Math.min(done, ...state.sinkSeqs)
  return done + 1
}
