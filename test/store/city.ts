/** A seeded stretch of log for the store's tests: messages of several devices, alerts, commands, dead letters, texts. */
import type { Level, Transition, TransitionStatus } from '../../src/model/alert.js'
import { SampleBatch } from '../../src/model/columns.js'
import type { LogReader } from '../../src/model/ports.js'
import { QUALITY } from '../../src/model/quality.js'
import type { EngineRecord, LoggedRecord } from '../../src/model/record.js'
import { SeriesIndex } from '../../src/model/series.js'

/** mulberry32: the same numbers for the same seed, on every machine. */
export function random(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let x = Math.imul(a ^ (a >>> 15), 1 | a)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296
  }
}

/** One sample as it should stand in ClickHouse. */
export interface ExpectedSample {
  seq: number
  time: number
  received: number
  device: string
  metric: string
  label: string
  value: number
  quality: number
  attrs: string
}

export const T0 = Date.UTC(2026, 8, 1)

const METRICS = ['level_m', 'rain_mm', 'pm25_ugm3', 'temp_c', 'event']

/** A log in memory, read as the real one is: one batch object, filled anew for each record. */
export class MemoryLog implements LogReader {
  readonly index = new SeriesIndex()
  readonly samples: ExpectedSample[] = []
  readonly counts = { transitions: 0, audit: 0, dead_letters: 0 }
  readonly #records: { make(batch: SampleBatch): LoggedRecord }[] = []
  readonly #random: () => number
  #received = T0

  constructor(seed: number) {
    this.#random = random(seed)
  }

  get lastSeq(): number {
    return this.#records.length
  }

  /** Appends `n` records of mixed kinds. */
  grow(n: number): void {
    for (let i = 0; i < n; i++) {
      const x = this.#random()
      if (x < 0.9) this.message(1 + Math.floor(this.#random() * 4))
      else if (x < 0.94) this.alert()
      else if (x < 0.96) this.#record({ kind: 'tick', seq: 0, received: this.#received })
      else if (x < 0.98) {
        this.#record({
          kind: 'command',
          seq: 0,
          received: this.#received,
          name: 'note',
          who: 'lan',
          target: 'a_1',
          body: { note: "o'clock\n" },
        })
        this.counts.audit++
      } else {
        this.deadLetter(Buffer.from([0, 255, 10, 39, 92, 1]))
      }
    }
  }

  /** A message of `rows` samples; `value` fixes them all. */
  message(rows: number, value?: number, receivedStep = 40): number {
    this.#received += Math.floor(this.#random() * receivedStep)
    const seq = this.#records.length + 1
    const received = this.#received
    const device = `dev-${Math.floor(this.#random() * 50)}`
    const made: ExpectedSample[] = []
    for (let i = 0; i < rows; i++) {
      const metric = METRICS[Math.floor(this.#random() * METRICS.length)]!
      const q = this.#random()
      made.push({
        seq,
        time: received - Math.floor(this.#random() * 3_600_000),
        received,
        device,
        metric,
        label: metric === 'event' ? 'smoke' : '',
        value: value ?? Math.round(this.#random() * 1e6) / 1e3,
        quality:
          q < 0.05
            ? QUALITY.duplicate
            : q < 0.07
              ? QUALITY.bad
              : q < 0.1
                ? QUALITY.late
                : q < 0.12
                  ? QUALITY.spike
                  : 0,
        attrs: this.#random() < 0.1 ? JSON.stringify({ object: `xe máy ${i}` }) : '',
      })
    }
    this.samples.push(...made)
    this.#records.push({
      make: (batch) => {
        batch.clear()
        // Rows before `from` belong to nobody.
        batch.append(0, 0, 0, 0, 0, 0, 0, 'not mine')
        for (const s of made)
          batch.append(
            this.index.series(this.index.devices.id(s.device), this.index.metrics.id(s.metric)),
            s.time,
            s.value,
            this.index.labels.id(s.label),
            Number.NaN,
            Number.NaN,
            s.quality,
            s.attrs,
          )
        return {
          record: {
            kind: 'message',
            seq,
            received,
            feed: this.index.sources.id('native'),
            source: this.index.sources.id('gauges'),
            stream: this.index.streams.id('flood'),
            identity: 0,
            batch,
            from: 1,
            to: batch.length,
          },
          transitions: [],
        }
      },
    })
    return seq
  }

  alert(
    status: TransitionStatus = 'firing',
    id = `a_${this.#records.length}`,
    level: Level = 'high',
    more: Partial<Transition> = {},
  ): void {
    const transition: Transition = {
      type: 'alert',
      seq: this.#records.length + 1,
      id,
      rule: 'flood.gauge.alarm',
      key: { device: 'dev-1' },
      category: 'flood',
      status,
      level,
      previous: 'none',
      time: this.#received,
      received: this.#received,
      raised: this.#received + 1,
      opened: this.#received,
      title: { en: 'Water is high', vi: 'Nước cao' },
      short: { en: 'high', vi: 'cao' },
      device: 'dev-1',
      site: 'kien-an',
      ward: '',
      agency: '',
      lat: 20.8,
      lon: null,
      values: { level_m: 2.31 },
      eta_ms: null,
      unconfirmed: false,
      announced: 'high',
      flapping: false,
      shadow: false,
      ...more,
    }
    this.counts.transitions++
    this.#record({ kind: 'tick', seq: 0, received: this.#received }, [transition])
  }

  deadLetter(bytes: Uint8Array): void {
    this.counts.dead_letters++
    this.#record({
      kind: 'dead_letter',
      seq: 0,
      received: this.#received,
      feed: this.index.sources.id('native'),
      identity: 7,
      topic: 'haidang/v1/flood/x/y',
      bytes,
      code: 'HD_DECODE_SYNTAX',
      reason: 'not JSON',
    })
  }

  text(kind: 'rules' | 'registry' | 'zones' | 'metrics', text: string): void {
    this.#record({ kind, seq: 0, received: this.#received, hash: 'h', text })
  }

  async *read(fromSeq: number): AsyncGenerator<LoggedRecord> {
    const batch = new SampleBatch()
    const until = this.#records.length
    for (let seq = Math.max(1, fromSeq); seq <= until; seq++) yield this.#records[seq - 1]!.make(batch)
  }

  #record(record: Exclude<EngineRecord, { kind: 'message' }>, transitions: readonly Transition[] = []): void {
    const seq = this.#records.length + 1
    this.#records.push({ make: () => ({ record: { ...record, seq }, transitions }) })
  }
}

/** Samples that the rollups count (schema/001-samples.sql says why). */
export function rolledUp(samples: readonly ExpectedSample[]): ExpectedSample[] {
  return samples.filter(
    (s) => (s.quality & (QUALITY.duplicate | QUALITY.test | QUALITY.calibrating | QUALITY.bad)) === 0,
  )
}
