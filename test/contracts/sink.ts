/** What every sink must do, run over each implementation with a receiver of its kind. */

import type { Test } from 'tap'
import { idempotencyKey, type Sink } from '../../src/alerts/sinks/sink.js'
import type { Transition } from '../../src/model/alert.js'

export interface Received {
  readonly key: string
  readonly transition: Transition
}

/** A receiver that the suite can end, bring back and make refuse. */
export interface Receiver {
  readonly received: readonly Received[]
  /** The sink under test, pointed at this receiver; not opened. */
  sink(): Sink
  /** Nothing answers any more. */
  stop(): Promise<void>
  /** Answers again at the same address. */
  start(): Promise<void>
  /** How many connections the sink has made. */
  connections(): Promise<number>
  /** Resolves when all that was taken stands in `received`. */
  settled(): Promise<void>
}

export function sampleTransition(seq: number, changes: Partial<Transition> = {}): Transition {
  return {
    type: 'alert',
    seq,
    id: 'a_9f31c2',
    rule: 'flood.gauge.alarm',
    key: { device: 'fl-kiến-an' },
    category: 'flood',
    status: 'firing',
    level: 'high',
    previous: 'medium',
    time: 1_795_294_958_123,
    received: 1_795_294_958_140,
    raised: 1_795_294_958_141,
    opened: 1_795_294_838_000,
    title: { en: 'Kiến An gauge: 2.31 m', vi: 'Mực nước Kiến An: 2.31 m' },
    short: { en: 'Kiến An 2.31 m', vi: 'Kiến An 2.31 m' },
    device: 'fl-kiến-an',
    site: 'kien-an',
    ward: 'Kiến An',
    agency: '',
    lat: 20.8,
    lon: 106.6,
    values: { level_m: 2.31 },
    eta_ms: 2_640_000,
    unconfirmed: false,
    announced: 'high',
    flapping: false,
    shadow: false,
    ...changes,
  }
}

/** Tries as the runner does: what throws is tried again. */
async function attempt(sink: Sink, transition: Transition): Promise<'ok' | 'retry' | 'dead'> {
  try {
    return await sink.write(transition, idempotencyKey(transition))
  } catch {
    return 'retry'
  }
}

export async function sinkContract(t: Test, kind: string, make: () => Promise<Receiver>): Promise<void> {
  await t.test(
    `${kind}: the constructor does not connect; what is written arrives whole, with its key`,
    async (t) => {
      const receiver = await make()
      const sink = receiver.sink()
      t.equal(await receiver.connections(), 0)
      await sink.open()
      const transition = sampleTransition(812)
      t.equal(await attempt(sink, transition), 'ok')
      t.ok((await receiver.connections()) > 0)
      await sink.close()
      await receiver.settled()
      t.same(receiver.received, [{ key: 'a_9f31c2:812:firing:high', transition }])
      await receiver.stop()
    },
  )

  await t.test(
    `${kind}: order is that of writing, and the same transition again has the same key`,
    async (t) => {
      const receiver = await make()
      const sink = receiver.sink()
      await sink.open()
      for (const seq of [1, 2, 3, 3, 4]) t.equal(await attempt(sink, sampleTransition(seq)), 'ok')
      await sink.close()
      await receiver.settled()
      const keys = receiver.received.map(({ key }) => key.split(':')[1])
      // A receiver that drops known keys by itself shows the repeat once.
      t.ok(['1,2,3,3,4', '1,2,3,4'].includes(keys.join()), keys.join())
      await receiver.stop()
    },
  )

  await t.test(
    `${kind}: a receiver that is away is tried again and delivered to when it is back`,
    async (t) => {
      const receiver = await make()
      const sink = receiver.sink()
      await sink.open()
      t.equal(await attempt(sink, sampleTransition(1)), 'ok')
      await receiver.stop()
      t.equal(await attempt(sink, sampleTransition(2)), 'retry')
      await receiver.start()
      const deadline = Date.now() + 10_000
      let outcome = 'retry'
      while (outcome === 'retry' && Date.now() < deadline) {
        outcome = await attempt(sink, sampleTransition(2))
        if (outcome === 'retry') await new Promise((resolve) => setTimeout(resolve, 50))
      }
      t.equal(outcome, 'ok')
      await receiver.settled()
      t.ok(receiver.received.some(({ transition }) => transition.seq === 2))
      await sink.close()
      await receiver.stop()
    },
  )

  await t.test(
    `${kind}: close is harmless before open and twice, and a closed sink can be opened again`,
    async (t) => {
      const receiver = await make()
      const sink = receiver.sink()
      await sink.close()
      await sink.open()
      await sink.close()
      await sink.close()
      await sink.open()
      t.equal(await attempt(sink, sampleTransition(5)), 'ok')
      await sink.close()
      await receiver.stop()
    },
  )
}
