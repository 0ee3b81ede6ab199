import { execFile } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'

/**
 * Named pipes through which chDB hands out results. Its own calls return a result as one buffer, or as chunks that
 * are documents of their own; `INTO OUTFILE <pipe> APPEND` streams any format as it is made, holds back when the
 * client is slow, and fails when the client has gone. A pipe is used again once its query has settled.
 */
export class PipePool {
  readonly #free: string[]

  private constructor(free: string[]) {
    this.#free = free
  }

  /** Makes `count` pipes in `directory` (mode 0600). */
  static async open(directory: string, count: number): Promise<PipePool> {
    const files = Array.from({ length: count }, (_, i) => path.join(directory, `result-${i}`))
    await promisify(execFile)('mkfifo', ['-m', '600', ...files])
    return new PipePool(files)
  }

  /** A free pipe; throws where there is none (callers hold a slot, of which there are no more than pipes). */
  take(): Pipe {
    const file = this.#free.pop()
    if (file === undefined) throw new Error('no free result pipe')
    return new Pipe(file, () => this.#free.push(file))
  }
}

export class Pipe {
  readonly file: string
  readonly stream: Socket
  readonly #release: () => void
  #hold: number

  constructor(file: string, release: () => void) {
    this.file = file
    this.#release = release
    const read = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
    // Our own writing end: without it the reader would see an end before chDB has opened the pipe.
    this.#hold = openSync(file, constants.O_WRONLY | constants.O_NONBLOCK)
    this.stream = new Socket({ fd: read, readable: true, writable: false })
  }

  /** The query has settled: nothing more is written, the reader sees the end after what is in the pipe. */
  finish(): void {
    closeSync(this.#hold)
    if (this.stream.destroyed) this.#release()
    else this.stream.once('close', this.#release)
  }
}
