import fc from 'fast-check'
import t from 'tap'
import { Board, byUrgency, isUnacknowledged } from '../../src/alerts/board.js'
import { LEVELS, type Level, type Transition, type TransitionStatus } from '../../src/model/alert.js'
import { BOUNDS } from '../../src/model/bounds.js'
import { transition } from '../server/fake-engine.js'

let seq = 0
function next(
  id: string,
  status: TransitionStatus,
  level: Level,
  more: Partial<Transition> = {},
): Transition {
  seq++
  return transition(id, level, { status, seq, ...more }, 1000 + seq)
}

t.test('the rule and the people each have their half; status is what the room needs to know', async (t) => {
  const steps: readonly [TransitionStatus, Level, string][] = [
    ['firing', 'medium', 'firing'],
    ['unknown', 'medium', 'unknown'],
    ['acknowledged', 'medium', 'acknowledged'],
    ['firing', 'medium', 'acknowledged'],
    ['confirmed', 'medium', 'confirmed'],
    ['shelved', 'medium', 'shelved'],
    ['unshelved', 'medium', 'confirmed'],
    ['note', 'medium', 'confirmed'],
    ['resolved', 'none', 'resolved'],
  ]
  const board = new Board()
  for (const [status, level, expected] of steps)
    t.equal(board.apply(next('a', status, level, { by: 'Hoa' })).status, expected, status)
  t.match(board.get('a'), {
    notes: [{ by: 'Hoa' }],
    acknowledged: { level: 'medium' },
    shown_level: 'medium',
  })
})

t.test('resolved and seen by nobody is returned; acknowledging it closes it', async (t) => {
  const board = new Board()
  board.apply(next('a', 'firing', 'high'))
  t.equal(board.apply(next('a', 'resolved', 'none', { previous: 'high' })).status, 'returned')
  t.equal(board.get('a')!.shown_level, 'high', 'the row keeps its severity')
  t.ok(isUnacknowledged(board.get('a')!))
  t.equal(board.apply(next('a', 'acknowledged', 'none', { by: 'Hoa' })).status, 'resolved')
})

t.test('an acknowledgement holds for the level seen: a rise above it is news', async (t) => {
  const board = new Board()
  board.apply(next('a', 'firing', 'medium'))
  board.apply(next('a', 'acknowledged', 'medium', { by: 'Hoa' }))
  t.equal(board.apply(next('a', 'firing', 'low', { previous: 'medium' })).status, 'acknowledged', 'a fall')
  t.equal(board.apply(next('a', 'firing', 'medium', { previous: 'low' })).status, 'acknowledged', 'and back')
  const risen = board.apply(next('a', 'firing', 'critical', { previous: 'medium' }))
  t.match(risen, { status: 'firing', acknowledged: null, escalated: true })
  t.match(board.apply(next('a', 'acknowledged', 'critical', { by: 'Hoa' })), {
    status: 'acknowledged',
    escalated: false,
  })
})

t.test('an unconfirmed alert is shown at the level that people hear', async (t) => {
  const board = new Board()
  t.equal(
    board.apply(next('a', 'firing', 'high', { unconfirmed: true, announced: 'medium' })).shown_level,
    'medium',
  )
  t.equal(
    board.apply(next('a', 'firing', 'high', { unconfirmed: false, announced: 'high' })).shown_level,
    'high',
  )
  t.equal(board.apply(next('b', 'firing', 'low', { unconfirmed: true, announced: null })).shown_level, 'low')
})

t.test('an assignment stays through what the rule says later', async (t) => {
  const board = new Board()
  board.apply(next('a', 'firing', 'medium'))
  board.apply(next('a', 'assigned', 'medium', { by: 'Hoa', agency: 'fire' }))
  t.match(board.apply(next('a', 'firing', 'high', { agency: 'hydromet' })), {
    agency: 'fire',
    assigned: { to: 'fire', by: 'Hoa' },
  })
})

t.test('bounded: closed alerts, notes, and returned alerts nobody looks at', async (t) => {
  const board = new Board()
  for (let i = 0; i < BOUNDS.closed_alerts + 5; i++) {
    board.apply(next(`c${i}`, 'firing', 'low'))
    board.apply(next(`c${i}`, 'acknowledged', 'low'))
    board.apply(next(`c${i}`, 'resolved', 'none'))
  }
  t.equal(board.size, BOUNDS.closed_alerts)
  t.equal(board.get('c0'), undefined, 'the oldest are gone')
  board.apply(next('n', 'firing', 'low'))
  for (let i = 0; i < 50; i++) board.apply(next('n', 'note', 'low', { note: String(i) }))
  t.equal(board.get('n')!.notes.length, BOUNDS.alert_notes)
  t.equal(board.get('n')!.notes.at(-1)!.note, '49')
})

t.test('putting back what was saved gives the same board', async (t) => {
  const board = new Board()
  board.apply(next('a', 'firing', 'high'))
  board.apply(next('b', 'firing', 'low'))
  board.apply(next('b', 'resolved', 'none'))
  const saved = JSON.parse(JSON.stringify([...board.values()]))
  const again = new Board()
  for (const state of saved) again.put(state)
  t.strictSame([...again.values()], saved)
  t.equal(again.seq, board.seq)
})

const STATUSES: readonly TransitionStatus[] = [
  'firing',
  'unknown',
  'resolved',
  'acknowledged',
  'confirmed',
  'shelved',
  'unshelved',
  'assigned',
  'note',
]
const story = fc.array(
  fc.record({
    id: fc.constantFrom('a', 'b', 'c'),
    status: fc.constantFrom(...STATUSES),
    level: fc.constantFrom(...LEVELS),
    by: fc.constantFrom('Hoa', 'Nam'),
  }),
  { maxLength: 60 },
)

t.test('any story: what is said of an alert follows from its own transitions alone', async (t) => {
  fc.assert(
    fc.property(story, (steps) => {
      let at = 0
      const told = steps.map((step) =>
        transition(
          step.id,
          step.level,
          { ...step, seq: ++at, level: step.status === 'resolved' ? 'none' : step.level },
          at,
        ),
      )
      const board = new Board()
      for (const one of told) board.apply(one)
      for (const state of board.values()) {
        // An independent reading of the same story, backwards from its end.
        const own = told.filter((one) => one.id === state.id)
        const rule = own.filter((one) => /firing|unknown|resolved/.test(one.status)).at(-1)
        const condition = rule?.status ?? 'firing'
        if (state.condition !== condition) return false
        if (state.seq !== own.at(-1)!.seq) return false
        const shelved = own.filter((one) => /shelved/.test(one.status)).at(-1)?.status === 'shelved'
        if ((state.shelved !== null) !== shelved) return false
        if (
          state.notes.length !== own.filter((one) => one.status === 'note').slice(-BOUNDS.alert_notes).length
        )
          return false
        // Acknowledged: somebody did, and since then no rise above the level seen.
        const acts = own.findLastIndex((one) => one.status === 'acknowledged' || one.status === 'confirmed')
        if (acts < 0 && state.acknowledged !== null) return false
        if (state.acknowledged !== null) {
          const seen = LEVELS.indexOf(state.acknowledged.level)
          const since = own.slice(acts).filter((one) => /firing|unknown|resolved/.test(one.status))
          if (since.some((one) => LEVELS.indexOf(one.level) > seen)) return false
        }
        if (state.status === 'returned' && (condition !== 'resolved' || state.acknowledged !== null))
          return false
      }
      return true
    }),
    { seed: 7, numRuns: 1000 },
  )
  t.pass('1 000 stories')
})

t.test('the order is total, and no unseen critical is ever below anything else', async (t) => {
  fc.assert(
    fc.property(story, (steps) => {
      const board = new Board()
      let at = 0
      for (const step of steps) board.apply(transition(step.id + at, step.level, { ...step, seq: ++at }, at))
      const alerts = [...board.values()]
      const sorted = [...alerts].sort(byUrgency)
      const reversed = [...alerts].reverse().sort(byUrgency)
      const unseen = (i: number) => isUnacknowledged(sorted[i]!) && sorted[i]!.condition !== 'resolved'
      const isTop = (i: number) => unseen(i) && sorted[i]!.shown_level === 'critical'
      for (let i = 1; i < sorted.length; i++) {
        if (byUrgency(sorted[i - 1]!, sorted[i]!) >= 0) return false
        if (isTop(i) && !isTop(i - 1)) return false
        if (isTop(i) && sorted[i - 1]!.opened > sorted[i]!.opened) return false
      }
      return sorted.every((alert, i) => alert === reversed[i])
    }),
    { seed: 11, numRuns: 500 },
  )
  t.pass('500 boards')
})
