/**
 * A store that keeps what it was given, knows tokens, and answers as ClickHouse does under stress: late, with an error
 * before, or with an error after it has committed. The shipper here is the simulation's own, small: range written down
 * before the first attempt, retried unchanged (src/store has the real one with its tests against the real server).
 */
import type { Cursors } from '../../src/log/cursors.js'
import type { RecordReader } from '../../src/log/reader.js'
import type { Transition } from '../../src/model/alert.js'
import { QUALITY } from '../../src/model/quality.js'
import type { SeriesIndex } from '../../src/model/series.js'
import type { Random } from './random.js'
import type { Life } from './world.js'

export interface Row {
  readonly seq: number
  readonly source: string
  readonly device: string
  readonly value: number
  readonly duplicate: boolean
}

export interface Shipment {
  readonly rows: readonly Row[]
  readonly transitions: readonly Transition[]
}

export class Store {
  readonly rows: Row[] = []
  readonly transitions: Transition[] = []
  /** Chance of an error, before or after the commit. */
  errors = 0
  readonly #tokens = new Set<string>()
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  insert(token: string, shipment: Shipment): void {
    if (this.#random.chance(this.errors / 2)) throw new Error('refused')
    if (!this.#tokens.has(token)) {
      this.#tokens.add(token)
      this.rows.push(...shipment.rows)
      this.transitions.push(...shipment.transitions)
    }
    if (this.#random.chance(this.errors / 2)) throw new Error('committed, and the answer was lost')
  }
}

export interface ShipperParts {
  readonly life: Life
  readonly store: Store
  readonly reader: RecordReader
  readonly index: SeriesIndex
  readonly cursors: Cursors
  readonly random: Random
  /** Regroups a shipment whose answer was lost: a broken shipper, for proving that the simulation notices. */
  readonly regroups: boolean
}

/** Ships for ever; `shipped` is told how far. */
export async function ship(parts: ShipperParts, shipped: (seq: number) => void): Promise<void> {
  const { life, store, reader, index, cursors, random } = parts
  let done = await cursors.load('shipped')
  shipped(done)
  let planned = await cursors.load('planned')
  for (;;) {
    const { shipment, last } = await collect(
      reader,
      index,
      done + 1,
      planned > done && !parts.regroups ? planned : done + random.integer(20, 60),
    )
    if (last > done) {
      if (planned !== last) {
        await cursors.save('planned', last).catch(() => undefined)
        if ((await cursors.load('planned')) !== last) {
          await life.after(500)
          continue
        }
        planned = last
      }
      try {
        await life.step('insert', random.next() * 50, () => store.insert(`${done + 1}-${last}`, shipment))
      } catch {
        await life.after(300)
        continue
      }
      await saved(life, () => cursors.save('shipped', last))
      done = last
      shipped(done)
    }
    await life.after(5000)
  }
}

/** A full or failing disk is tried again. */
async function saved(life: Life, save: () => Promise<void>): Promise<void> {
  for (;;)
    try {
      await save()
      return
    } catch {
      await life.after(500)
    }
}

async function collect(
  reader: RecordReader,
  index: SeriesIndex,
  from: number,
  to: number,
): Promise<{ shipment: Shipment; last: number }> {
  const rows: Row[] = []
  const transitions: Transition[] = []
  let last = 0
  for await (const { record, transitions: caused } of reader.read(from)) {
    if (record.seq > to) break
    last = record.seq
    transitions.push(...caused)
    if (record.kind !== 'message') continue
    const { batch } = record
    for (let i = record.from; i < record.to; i++)
      rows.push({
        seq: record.seq,
        source: index.sources.text(record.feed),
        device: index.devices.text(index.deviceOf(batch.series[i]!)),
        value: batch.value[i]!,
        duplicate: (batch.quality[i]! & QUALITY.duplicate) !== 0,
      })
  }
  return { shipment: { rows, transitions }, last }
}
