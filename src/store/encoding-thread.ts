import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Dictionary } from '../model/dictionary.js'
import { HaidangError } from '../model/errors.js'
import type { TextRecord } from '../model/record.js'
import type { SeriesIndex } from '../model/series.js'
import { NAMES, type Name, type SampleColumns } from './columns.js'
import type { TextRows } from './rows.js'

export type EncodeRequest = SamplesRequest | { readonly id: number; readonly record: TextRecord }

interface SamplesRequest {
  readonly id: number
  /** Texts that the worker has not met yet, in order of id. */
  readonly texts: Readonly<Record<Name, readonly string[]>>
  readonly columns: SampleColumns
}

export type EncodeAnswer =
  | { readonly id: number; readonly bytes: Uint8Array }
  | { readonly id: number; readonly textRows: TextRows | null }
  | { readonly id: number; readonly error: string }

/** Encodes shipments off the engine's thread: columns are moved to a worker, bytes come back, nothing is copied. */
export class EncodingThread {
  readonly #index: SeriesIndex
  readonly #waiting = new Map<number, { resolve(answer: EncodeAnswer): void; reject(error: Error): void }>()
  #worker: Worker | undefined
  #known: Record<Name, number> = { stream: 0, source: 0, device: 0, metric: 0, label: 0 }
  #next = 1

  /** `index`: whose ids the columns carry. The worker starts with the first shipment. */
  constructor(index: SeriesIndex) {
    this.#index = index
  }

  /** Arrow IPC stream of the columns, whose buffers are gone afterwards. Throws HD_STORE_QUERY where the worker died. */
  async encode(columns: SampleColumns): Promise<Uint8Array> {
    // First: a new worker knows no texts.
    this.#started()
    const id = this.#next++
    const texts = Object.fromEntries(NAMES.map((name) => [name, this.#unknown(name)])) as Record<
      Name,
      string[]
    >
    const { seq, time, received, value, lat, lon, quality, attrs_at, ids } = columns
    const buffers = [seq, time, received, value, lat, lon, quality, attrs_at, ...NAMES.map((n) => ids[n])]
    const answer = await this.#ask(
      { id, texts, columns },
      buffers.map((b) => b.buffer as ArrayBuffer),
    )
    if (!('bytes' in answer)) throw new TypeError('the encoding worker answered another question')
    return answer.bytes
  }

  /** Rows of a configuration text: a registry of 10 000 devices takes about a second to read. */
  async textRows(record: TextRecord): Promise<TextRows | null> {
    const answer = await this.#ask({ id: this.#next++, record }, [])
    if (!('textRows' in answer)) throw new TypeError('the encoding worker answered another question')
    return answer.textRows
  }

  #ask(request: EncodeRequest, moved: readonly ArrayBuffer[]): Promise<EncodeAnswer> {
    const worker = this.#started()
    return new Promise((resolve, reject) => {
      this.#waiting.set(request.id, { resolve, reject })
      worker.postMessage(request, [...moved])
    })
  }

  async close(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await worker?.terminate()
  }

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const worker = new Worker(path.join(import.meta.dirname, 'arrow-worker.js'), { execArgv: [] })
    this.#worker = worker
    this.#known = { stream: 0, source: 0, device: 0, metric: 0, label: 0 }
    worker.unref()
    worker.on('message', (answer: EncodeAnswer) => {
      const waiting = this.#waiting.get(answer.id)
      this.#waiting.delete(answer.id)
      if (!('error' in answer)) waiting?.resolve(answer)
      else
        waiting?.reject(new HaidangError('HD_STORE_POISON', `a shipment cannot be encoded: ${answer.error}`))
    })
    const gone = (reason: string): void => {
      if (this.#worker === worker) this.#worker = undefined
      for (const waiting of this.#waiting.values())
        waiting.reject(
          new HaidangError('HD_STORE_QUERY', `the encoding worker ended: ${reason}`, { retryable: true }),
        )
      this.#waiting.clear()
    }
    worker.on('error', (error: Error) => gone(error.message))
    worker.on('exit', (code) => gone(`exit code ${code}`))
    return worker
  }

  #unknown(name: Name): string[] {
    const dictionary = this.#dictionary(name)
    const texts: string[] = []
    for (let id = this.#known[name]; id < dictionary.size; id++) texts.push(dictionary.text(id))
    this.#known[name] = dictionary.size
    return texts
  }

  #dictionary(name: Name): Dictionary {
    switch (name) {
      case 'stream':
        return this.#index.streams
      case 'source':
        return this.#index.sources
      case 'device':
        return this.#index.devices
      case 'metric':
        return this.#index.metrics
      case 'label':
        return this.#index.labels
    }
  }
}
