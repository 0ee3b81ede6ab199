import fc from 'fast-check'
import t from 'tap'
import { LEVELS } from '../../src/model/alert.js'
import { Board, type Snapshot, type Transition } from '../../src/server/wire.js'
import { WallModel } from '../../ui/wall/model.js'
import { transition } from '../server/fake-engine.js'

/** What a server of one run has decided: one to three transitions a record. */
function history(steps: readonly { id: string; level: number; status: number; gap: number }[]): Transition[] {
  const statuses = ['firing', 'firing', 'unknown', 'resolved', 'acknowledged', 'note'] as const
  let seq = 0
  return steps.map((step, i) => {
    if (i === 0 || step.gap > 0) seq += 1 + step.gap
    const status = statuses[step.status % statuses.length]!
    const level = status === 'resolved' ? 'none' : LEVELS[1 + (step.level % 4)]!
    return transition(step.id, level, { seq, status, note: String(i) }, 1000 + i)
  })
}

function snapshotOf(epoch: string, told: readonly Transition[]): Snapshot {
  const board = new Board()
  for (const one of told) board.apply(one)
  return { type: 'snapshot', epoch, seq: board.seq, alerts: JSON.parse(JSON.stringify([...board.values()])) }
}

const step = fc.record({
  id: fc.constantFrom('a', 'b', 'c', 'd'),
  level: fc.nat(3),
  status: fc.nat(5),
  gap: fc.nat(2),
})
const run = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 40 }),
  /** Where the snapshot falls, and what the link does afterwards. */
  cut: fc.nat(39),
  chaos: fc.array(fc.nat(3), { maxLength: 20 }),
})

t.test('duplicates, out of order, reconnects and new epochs end where a fresh load ends', async (t) => {
  fc.assert(
    fc.property(fc.array(run, { minLength: 1, maxLength: 3 }), (runs) => {
      const model = new WallModel()
      let reference: Board | null = null
      for (const [n, { steps, cut, chaos }] of runs.entries()) {
        const told = history(steps)
        // A snapshot holds whole records only.
        let at = Math.min(cut, told.length)
        while (at > 0 && at < told.length && told[at]!.seq === told[at - 1]!.seq) at++
        model.replace(snapshotOf(`epoch ${n}`, told.slice(0, at)))
        let sent = at
        const chaosQueue = [...chaos]
        while (sent < told.length) {
          const act = chaosQueue.shift() ?? 0
          if (act === 1 && sent > at)
            model.take(told[sent - 1]!) // the last again
          else if (act === 2)
            for (const old of told.slice(0, sent)) model.take(old) // everything again, old ones included
          else if (act === 3) {
            // Reconnect: the server replays from `since` inclusive.
            for (const one of told.slice(0, sent)) if (one.seq >= model.since) model.take(one)
          }
          model.take(told[sent++]!)
        }
        reference = new Board()
        for (const one of told) reference.apply(one)
        if (model.epoch !== `epoch ${n}`) return false
      }
      const plain = (board: Board): string =>
        JSON.stringify([...board.values()].sort((a, b) => (a.id < b.id ? -1 : 1)))
      return plain(model.board) === plain(reference!)
    }),
    { seed: 5, numRuns: 1500 },
  )
  t.pass('1 500 lives of a page')
})

t.test('a transition older than the last is dropped, an equal one taken once', async (t) => {
  const model = new WallModel()
  model.replace({ type: 'snapshot', epoch: 'e', seq: 5, alerts: [] })
  t.equal(model.take(transition('a', 'low', { seq: 4 }, 0)), false)
  t.equal(model.take(transition('a', 'low', { seq: 5 }, 0)), true, 'of the same record, not in the snapshot')
  t.equal(model.take(transition('a', 'low', { seq: 5 }, 0)), false)
  t.equal(
    model.take(transition('a', 'medium', { seq: 5, previous: 'low' }, 0)),
    true,
    'another level is another',
  )
  t.equal(model.since, 5)
})
