import type { Fold } from '../engine/fold.js'
import { HaidangError } from '../model/errors.js'
import type { Checkpoints } from './checkpoints.js'

/**
 * Loads the newest checkpoint that can be read into a fresh fold; false where there is none (the log is then replayed
 * from its beginning). Throws HD_LOG_VERSION where a newer program wrote it.
 */
export async function readNewest(checkpoints: Checkpoints, fold: Fold, lastSeq: number): Promise<boolean> {
  const newest = await checkpoints.newest(lastSeq)
  if (newest === null) return false
  const chunks: Uint8Array[] = []
  for await (const chunk of newest.chunks()) chunks.push(chunk)
  try {
    fold.load(Buffer.concat(chunks))
  } catch (cause) {
    if (cause instanceof HaidangError) throw cause
    throw new HaidangError(
      'HD_LOG_VERSION',
      `the checkpoint of record ${newest.seq} cannot be read: ${(cause as Error).message}`,
      { cause },
    )
  }
  return true
}
