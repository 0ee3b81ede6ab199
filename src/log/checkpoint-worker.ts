/**
 * The checkpointer's thread: folds the log behind the sync into a state of its own and writes it down when asked.
 * It reads what any restart reads, so every checkpoint is also a rehearsal of recovery.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { CoreOptions } from '../engine/core.js'
import { Fold } from '../engine/fold.js'
import { Checkpoints } from './checkpoints.js'
import { realDisk } from './disk.js'
import { readNewest } from './newest.js'
import { RecordReader } from './reader.js'

export interface CheckpointWork {
  readonly log: string
  readonly checkpoints: string
  readonly core: CoreOptions
}
export type CheckpointAsk = { readonly kind: 'checkpoint'; readonly syncedSeq: number }
export type CheckpointAnswer =
  | { readonly seq: number; readonly olderSeq: number; readonly bytes: number }
  | { readonly error: string }

const work = workerData as CheckpointWork
let synced = 0
const fold = new Fold(work.core)
const checkpoints = await Checkpoints.open(realDisk, work.checkpoints)
await readNewest(checkpoints, fold, Number.POSITIVE_INFINITY)
const reader = new RecordReader(
  { disk: realDisk, directory: work.log, synced: () => synced, onDamage: () => {} },
  fold.core.index,
)

parentPort!.on('message', (ask: CheckpointAsk) => {
  synced = ask.syncedSeq
  write().then(
    (answer) => parentPort!.postMessage(answer),
    (error: unknown) =>
      parentPort!.postMessage({
        error: String((error as Error).message ?? error),
      } satisfies CheckpointAnswer),
  )
})

async function write(): Promise<CheckpointAnswer> {
  await reader.replay(fold.core.seq + 1, (logged) => fold.apply(logged))
  const { seq } = fold.core
  const bytes = fold.save()
  if (seq > checkpoints.newestSeq) await checkpoints.write(seq, [bytes])
  return { seq, olderSeq: checkpoints.olderSeq, bytes: bytes.length }
}
