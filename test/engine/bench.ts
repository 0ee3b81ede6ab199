/** A rule bench for tests: rules in YAML, samples in a few words, transitions out as short lines. */

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { decodeNative } from '../../ingest/decoders/native.js'
import { MessageWriter } from '../../ingest/decoders/writer.js'
import { textRecords } from '../../src/engine/configure.js'
import { Core, type CoreOptions } from '../../src/engine/core.js'
import type { Transition } from '../../src/model/alert.js'
import { SampleBatch } from '../../src/model/columns.js'
import type { SourceProfile } from '../../src/model/decoder.js'
import { formatFault } from '../../src/model/errors.js'
import type { MessageRecord } from '../../src/model/record.js'

export const T0 = Date.UTC(2026, 10, 22)
export const MINUTE = 60_000
const METRICS = readFileSync(path.resolve(import.meta.dirname, '../../../src/model/metrics.yaml'), 'utf8')
const PROFILE: SourceProfile = { source: 'test', stream: 'flood' }

export interface Message {
  /** Minutes after T0. */
  readonly at: number
  /** Arrival, minutes after T0; `at` where left out. */
  readonly received?: number
  readonly device?: string
  readonly stream?: string
  readonly metrics?: Readonly<Record<string, number>>
  readonly label?: string
  readonly lat?: number
  readonly lon?: number
  readonly attrs?: Readonly<Record<string, unknown>>
  readonly quality?: readonly string[]
}

export class RuleBench {
  readonly core: Core
  readonly out: Transition[] = []
  readonly #batch = new SampleBatch(16)
  readonly #writer: MessageWriter
  #seq = 0

  constructor(
    rules: string,
    options: { registry?: string; zones?: string; core?: CoreOptions; restored?: Core } = {},
  ) {
    this.core = options.restored ?? new Core(options.core)
    this.#writer = new MessageWriter(this.core.index)
    if (options.restored !== undefined) return
    const texts = {
      metrics: JSON.stringify([METRICS]),
      registry: options.registry ?? '',
      zones: options.zones ?? '',
      rules: JSON.stringify([{ file: 'test.yaml', text: rules }]),
    }
    for (const record of textRecords(texts, Number.NEGATIVE_INFINITY)) this.core.apply(record, this.out)
    const faults = this.core.faults.filter((fault) => fault.severity === 'error')
    if (faults.length > 0) throw new Error(faults.map(formatFault).join('\n'))
  }

  record(message: Message): MessageRecord {
    const { index } = this.core
    const time = T0 + message.at * MINUTE
    const received = T0 + (message.received ?? message.at) * MINUTE
    this.#batch.clear()
    this.#writer.begin(this.#batch, PROFILE, {
      topic: '',
      separator: '/',
      bytes: new Uint8Array(0),
      received,
      retained: false,
      headers: null,
    })
    this.#writer.from(message.stream ?? 'flood', 'test')
    decodeNative({ ...message, time }, message.device ?? 'g1', PROFILE, this.#writer)
    return {
      kind: 'message',
      seq: ++this.#seq,
      received,
      feed: index.sources.id('test'),
      source: this.#writer.source,
      stream: this.#writer.stream,
      identity: 0,
      batch: this.#batch,
      from: 0,
      to: this.#batch.length,
    }
  }

  send(...messages: readonly Message[]): this {
    for (const message of messages) this.core.apply(this.record(message), this.out)
    return this
  }

  /** Values of one metric, one a minute from `from`. */
  series(
    metric: string,
    values: readonly number[],
    options: { from?: number; every?: number; device?: string; stream?: string } = {},
  ): this {
    values.forEach((value, i) => {
      this.send({
        at: (options.from ?? 0) + i * (options.every ?? 1),
        metrics: { [metric]: value },
        ...(options.device === undefined ? {} : { device: options.device }),
        ...(options.stream === undefined ? {} : { stream: options.stream }),
      })
    })
    return this
  }

  /** New rules come into force. */
  reload(rules: string): this {
    return this.reloadAt(1e6, rules)
  }

  /** New rules come into force at a minute: that is when what they end has ended. */
  reloadAt(at: number, rules: string): this {
    const text = JSON.stringify([{ file: 'test.yaml', text: rules }])
    this.core.apply({ kind: 'rules', seq: this.#seq, received: T0 + at * MINUTE, hash: text, text }, this.out)
    return this
  }

  /** The clock goes on without samples. */
  until(at: number): this {
    this.core.apply({ kind: 'tick', seq: this.#seq, received: T0 + at * MINUTE }, this.out)
    return this
  }

  /** `17 g1 none>medium` … with `unknown`, `flapping`, `unconfirmed`, `reason` where they say something; then forgets them. */
  lines(): string[] {
    const text = this.out.map((t) => {
      const at = Number(((t.time - T0) / MINUTE).toFixed(3))
      const key = Object.values(t.key).join('/')
      const marks = [
        t.status === 'unknown' ? ' unknown' : '',
        t.flapping ? ' flapping' : '',
        t.unconfirmed ? ' unconfirmed' : '',
        t.reason === undefined ? '' : ` ${t.reason}`,
      ].join('')
      return `${at} ${key} ${t.previous}>${t.level}${marks}`
    })
    this.out.length = 0
    return text
  }
}

/** A rule document of one stream and category, with the given further lines. */
export function rule(id: string, ...lines: readonly string[]): string {
  return [`rule: ${id}`, `title: { en: "${id}", vi: "${id}" }`, 'category: flood', ...lines].join('\n')
}
