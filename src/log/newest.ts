import type { Fold } from '../engine/fold.js'
import { HaidangError } from '../model/errors.js'
import type { Checkpoints } from './checkpoints.js'

/** A checkpoint that this program cannot make use of: the one before it is tried, then the log alone. */
export class UnreadableCheckpoint extends HaidangError {
  readonly seq: number

  constructor(seq: number, cause: Error) {
    super('HD_LOG_CORRUPT', `the checkpoint of record ${seq} cannot be read: ${cause.message}`, { cause })
    this.seq = seq
  }
}

/**
 * Loads the newest checkpoint that can be read into a fresh fold; false where there is none (the log is then replayed
 * from its beginning). Throws HD_LOG_VERSION where a newer program wrote it, else UnreadableCheckpoint: the fold is then
 * half-filled and of no more use.
 */
export async function readNewest(checkpoints: Checkpoints, fold: Fold, lastSeq: number): Promise<boolean> {
  const newest = await checkpoints.newest(lastSeq)
  if (newest === null) return false
  const chunks: Uint8Array[] = []
  for await (const chunk of newest.chunks()) chunks.push(chunk)
  try {
    fold.load(Buffer.concat(chunks))
  } catch (cause) {
    if (cause instanceof HaidangError && cause.code === 'HD_LOG_VERSION') throw cause
    throw new UnreadableCheckpoint(newest.seq, cause as Error)
  }
  return true
}
