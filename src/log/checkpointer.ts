/** Asks for a checkpoint every 30 s or 64 MiB of log, and tells how far the log is covered. */
import { Worker } from 'node:worker_threads'
import type { CheckpointAnswer, CheckpointAsk, CheckpointWork } from './checkpoint-worker.js'

export const CHECKPOINT_MS = 30_000

export interface CheckpointerOptions extends CheckpointWork {
  readonly syncedSeq: () => number
  readonly every_ms?: number
  /** Records before `olderSeq` are in both checkpoints: they may leave the log. */
  readonly onCheckpoint: (seq: number, olderSeq: number) => void
  readonly onError: (reason: string) => void
}

export class Checkpointer {
  readonly #options: CheckpointerOptions
  readonly #worker: Worker
  readonly #timer: NodeJS.Timeout
  #waiting: ((answer: CheckpointAnswer) => void)[] = []
  #asked = false

  constructor(options: CheckpointerOptions) {
    this.#options = options
    const { log, checkpoints, core } = options
    this.#worker = new Worker(new URL('./checkpoint-worker.js', import.meta.url), {
      workerData: { log, checkpoints, core } satisfies CheckpointWork,
    })
    this.#worker.on('message', (answer: CheckpointAnswer) => this.#answered(answer))
    this.#worker.on('error', (error) => {
      this.#options.onError(error.message)
      this.#answered({ error: error.message })
    })
    this.#worker.unref()
    this.#timer = setInterval(() => void this.checkpoint(), options.every_ms ?? CHECKPOINT_MS)
    this.#timer.unref()
  }

  /** Writes one now; resolves with its answer. One at a time: a second ask shares the first's. */
  checkpoint(): Promise<CheckpointAnswer> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      if (this.#asked) return
      this.#asked = true
      this.#worker.postMessage({
        kind: 'checkpoint',
        syncedSeq: this.#options.syncedSeq(),
      } satisfies CheckpointAsk)
    })
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#worker.terminate()
  }

  #answered(answer: CheckpointAnswer): void {
    this.#asked = false
    const waiting = this.#waiting
    this.#waiting = []
    if ('error' in answer) this.#options.onError(answer.error)
    else this.#options.onCheckpoint(answer.seq, answer.olderSeq)
    for (const resolve of waiting) resolve(answer)
  }
}
