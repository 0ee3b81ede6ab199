/** What the log's tests share: a log on a simulated disk in virtual time, and records to put into it. */

import { type Log, type LogOptions, openLog } from '../../src/log/log.js'
import type { Transition } from '../../src/model/alert.js'
import { SampleBatch } from '../../src/model/columns.js'
import type { EngineRecord, LoggedRecord, MessageRecord } from '../../src/model/record.js'
import { SeriesIndex } from '../../src/model/series.js'
import { SimulatedDisk } from '../simulation/disk.js'
import { Random } from '../simulation/random.js'
import { type CrashKind, Life, World } from '../simulation/world.js'

export const DIRECTORY = '/data/log'

export class Workbench {
  readonly world: World
  readonly disk: SimulatedDisk
  life: Life
  index = new SeriesIndex()

  constructor(seed = 1) {
    this.world = new World(seed)
    this.disk = new SimulatedDisk(new Random(seed + 1))
    this.life = new Life(this.world, [], () => {})
  }

  open(options: Partial<LogOptions> = {}): Promise<Log> {
    return this.wait(
      openLog({
        disk: this.disk.mount(this.life),
        directory: DIRECTORY,
        index: this.index,
        scheduler: this.life,
        ...options,
      }),
    )
  }

  /** The process dies and another begins, knowing nothing. */
  crash(kind: CrashKind): void {
    this.life.alive = false
    this.disk.crash(kind)
    this.life = new Life(this.world, [], () => {})
    this.index = new SeriesIndex()
  }

  /** Runs virtual time until `promise` is settled. */
  async wait<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const watched = promise.finally(() => {
      settled = true
    })
    watched.catch(() => {})
    if (!(await this.world.run(() => settled, 1_000_000)))
      throw new Error('nothing is left to happen, and it has not settled')
    return watched
  }

  async readAll(log: Log, from = 1, index = new SeriesIndex()): Promise<Plain[]> {
    const out: Plain[] = []
    const reader = log.reader(index)
    await this.wait(reader.replay(from, (logged) => out.push(plain(logged, index))))
    await this.wait(reader.close())
    return out
  }

  message(seq: number, rows: readonly Row[] = [{ device: `d${seq % 7}`, value: seq }]): MessageRecord {
    const batch = new SampleBatch(4)
    // Rows before the record's own: `from` need not be 0.
    batch.append(0, 0, 0, 0, Number.NaN, Number.NaN, 0, '')
    for (const {
      device,
      metric = 'level_m',
      time = 1000 + seq,
      value,
      label = '',
      lat = Number.NaN,
      lon = Number.NaN,
      quality = 0,
      attrs = '',
    } of rows)
      batch.append(
        this.index.series(this.index.devices.id(device), this.index.metrics.id(metric)),
        time,
        value,
        this.index.labels.id(label),
        lat,
        lon,
        quality,
        attrs,
      )
    return {
      kind: 'message',
      seq,
      received: 2000 + seq,
      feed: this.index.sources.id('feed'),
      source: this.index.sources.id('source'),
      stream: this.index.streams.id('flood'),
      identity: seq * 4_503_599_627 + 1,
      batch,
      from: 1,
      to: batch.length,
    }
  }
}

export interface Row {
  readonly device: string
  readonly metric?: string
  readonly time?: number
  readonly value: number
  readonly label?: string
  readonly lat?: number
  readonly lon?: number
  readonly quality?: number
  readonly attrs?: string
}

/** A record with its names instead of ids: what two logs can be compared by. */
export type Plain = Record<string, unknown> & { seq: number }

export function plain({ record, transitions }: LoggedRecord, index: SeriesIndex): Plain {
  return { ...plainRecord(record, index), transitions: structuredClone(transitions) as unknown }
}

export function plainRecord(record: EngineRecord, index: SeriesIndex): Plain {
  if (record.kind === 'message') {
    const { batch: b, from, to, feed, source, stream, ...rest } = record
    const rows: unknown[] = []
    for (let i = from; i < to; i++) {
      const series = b.series[i]!
      rows.push({
        device: index.devices.text(index.deviceOf(series)),
        metric: index.metrics.text(index.metricOf(series)),
        time: b.time[i],
        value: b.value[i],
        label: index.labels.text(b.label[i]!),
        lat: b.lat[i],
        lon: b.lon[i],
        quality: b.quality[i],
        attrs: b.attrs[i],
      })
    }
    return {
      ...rest,
      feed: index.sources.text(feed),
      source: index.sources.text(source),
      stream: index.streams.text(stream),
      rows,
    }
  }
  if (record.kind === 'dead_letter')
    return {
      ...record,
      feed: index.sources.text(record.feed),
      bytes: Buffer.from(record.bytes).toString('hex'),
    }
  if (record.kind === 'feed') return { ...record, feed: index.sources.text(record.feed) }
  return { ...record }
}

export function transition(seq: number, id: string, status: Transition['status'] = 'firing'): Transition {
  return {
    type: 'alert',
    seq,
    id,
    rule: 'flood.gauge.alarm',
    key: { device: 'fl-kiến-an' },
    category: 'flood',
    status,
    level: 'high',
    previous: 'none',
    time: 1000 + seq,
    received: 2000 + seq,
    raised: 2000 + seq,
    opened: 1000 + seq,
    title: { en: 'Water over alarm level', vi: 'Nước vượt mức báo động' },
    short: { en: 'Water', vi: 'Nước' },
    device: 'fl-kiến-an',
    site: 'kien-an',
    ward: 'Kiến An',
    agency: '',
    lat: 20.8,
    lon: 106.6,
    values: { level_m: 2.31 },
    eta_ms: null,
    unconfirmed: false,
    announced: 'high',
    flapping: false,
    shadow: false,
  }
}
