import fc from 'fast-check'
import t from 'tap'
import type { Chart } from '../../src/server/wire.js'
import { Board } from '../../src/server/wire.js'
import {
  axisRange,
  ChartData,
  isolated,
  niceStep,
  splitDecimals,
  takeCharts,
  valueSplits,
} from '../../ui/wall/chart-data.js'
import { blinks, chooseRows, rowClass } from '../../ui/wall/rows.js'
import { transition } from '../server/fake-engine.js'

t.test('points in any order end in order of time, the last word for each time', async (t) => {
  const point = fc.tuple(fc.nat(60), fc.double({ noNaN: true, min: -100, max: 100 }))
  fc.assert(
    fc.property(fc.array(fc.array(point, { maxLength: 8 }), { maxLength: 12 }), (frames) => {
      const data = new ChartData()
      const reference = new Map<number, number>()
      for (const frame of frames) {
        const sorted = [...new Map(frame)].sort(([a], [b]) => a - b)
        data.append(
          sorted.map(([time]) => time),
          sorted.map(([, value]) => value),
          null,
        )
        for (const [time, value] of sorted) reference.set(time, value)
      }
      const expected = [...reference].sort(([a], [b]) => a - b)
      return (
        JSON.stringify(data.time) === JSON.stringify(expected.map(([time]) => time)) &&
        data.value.every((value, i) => Object.is(value, expected[i]![1]) || value === expected[i]![1])
      )
    }),
    { seed: 3, numRuns: 1000 },
  )
  t.pass('1 000 charts')
})

t.test('a late point that fills a gap takes its mark away; one that does not leaves it', async (t) => {
  const data = new ChartData()
  data.append([0, 1000, 2000, 60_000], [1, 1, null, 2], 1000)
  data.append([30_000], [1.5], 1000)
  t.strictSame(data.value, [1, 1, null, 1.5, 2])
  const filled = new ChartData()
  filled.append([0, 1000, 5000], [1, null, 2], 1000)
  filled.append([2500], [1.5], 1000)
  t.strictSame(filled.value, [1, 1.5, 2])
  t.strictSame(filled.newest, { time: 5000, value: 2 })
})

t.test('bounded: a chart forgets its oldest points', async (t) => {
  const data = new ChartData()
  for (let i = 0; i < 10_000; i++) data.append([i], [i], null)
  t.ok(data.time.length <= 2400)
  t.equal(data.newest!.value, 9999)
})

const CHART: Chart = {
  id: 1,
  device: 'd',
  metric: 'm',
  stream: '',
  name: { vi: '', en: '' },
  unit: '',
  decimals: 1,
  site: '',
  ward: '',
  limits: [],
  interval_ms: null,
  continues: false,
  time: [1, 2],
  value: [1, 2],
}

t.test('charts that continue keep their points wherever they stand; others begin anew', async (t) => {
  const first = takeCharts([], [CHART, { ...CHART, id: 2 }])
  const next = takeCharts(first, [
    { ...CHART, id: 2, continues: true, time: [3], value: [3] },
    { ...CHART, time: [9], value: [9] },
    { ...CHART, id: 7, continues: true },
  ])
  t.strictSame(
    next.map(({ data }) => data.time),
    [[1, 2, 3], [9], [1, 2]],
  )
  t.equal(next[0], first[1])
})

t.test('the axis holds data and limits, and stands on round numbers', async (t) => {
  t.strictSame(axisRange([2.2, null, 2.7], [2, 2.5, 3], 2), [2, 3])
  t.strictSame(axisRange([], [], 1), [0, 1])
  t.strictSame(axisRange([null], [], 1), [0, 1])
  const [low, high] = axisRange([20, 20, 20], [], 1)
  t.ok(low < 20 && high > 20, 'a constant is a line in the middle')
  t.strictSame([0.3, 1, 1.2, 3, 7, 0.02].map(niceStep), [0.5, 1, 2, 5, 10, 0.02])
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1, maxLength: 20 }),
      (values) => {
        const [from, to] = axisRange(values, [], 2)
        return from < to && values.every((value) => value >= from - 1e-6 && value <= to + 1e-6)
      },
    ),
    { seed: 9, numRuns: 1000 },
  )
})

t.test('labels of the axis are round and true; a lone reading is found', async (t) => {
  t.strictSame(valueSplits(2, 3, 3), [2, 2.5, 3])
  t.strictSame(valueSplits(1.6, 2.4, 2.3), [1.6, 2.4], 'the ends, where one label alone would stand')
  t.strictSame(valueSplits(-50, 50, 4), [-50, 0, 50])
  t.notOk(valueSplits(-50, 50, 4).some((value) => Object.is(value, -0)))
  t.strictSame(
    [
      [2, 2.5],
      [20, 40],
      [1.25, 1.75],
      [0.1 + 0.2, 0.6],
    ].map(splitDecimals),
    [1, 0, 2, 1],
  )
  t.strictSame(isolated([1, null, 2, null, 3, 4, null, null, 5]), [0, 2, 8])
})

t.test('rows: what fits, what is counted, what leaves after a minute', async (t) => {
  const board = new Board()
  const now = 1_000_000
  let seq = 0
  const tell = (id: string, level: 'low' | 'high' | 'critical' | 'none', more = {}) =>
    board.apply(transition(id, level, { seq: ++seq, ...more }, now))
  for (let i = 0; i < 5; i++) tell(`high${i}`, 'high')
  tell('crit', 'critical')
  tell('low', 'low')
  tell('gone', 'low')
  tell('gone', 'low', { status: 'acknowledged', by: 'x' })
  tell('gone', 'none')
  tell('quiet', 'high')
  tell('quiet', 'high', { status: 'shelved', by: 'x' })
  const all = [...board.values()]
  const rows = chooseRows(all, 'low', 4, now)
  t.strictSame(
    rows.rows.map((row) => row.id),
    ['crit', 'high0', 'high1', 'high2'].slice(0, 3),
    'one place is for the line that counts the rest',
  )
  t.match(rows, { hiddenTotal: 5, hidden: { critical: 0, high: 3, low: 2 }, shelved: 1 })
  t.match(rows.counts, { critical: 1, high: 5, low: 1 }, 'closed ones do not count')
  t.equal(chooseRows(all, 'low', 8, now).hiddenTotal, 0, 'all fit: no such line')
  t.notOk(
    chooseRows(all, 'low', 20, now + 60_001).rows.some((row) => row.id === 'gone'),
    'closed and seen for a minute',
  )
  t.strictSame(
    chooseRows(all, 'critical', 20, now).rows.map((row) => row.id),
    ['crit'],
  )
  t.match(chooseRows(all, 'low', 0, now), { rows: [], hiddenTotal: 8 })
  t.equal(rowClass(board.get('crit')!), 'alert critical filled')
  t.equal(rowClass(board.get('low')!), 'alert low open', 'fills are for critical and high')
  t.equal(rowClass(board.get('gone')!), 'alert low resolved')
  t.ok(blinks(board.get('crit')!, now + 59_000))
  t.notOk(blinks(board.get('crit')!, now + 60_000), 'steady after a minute')
  t.notOk(blinks(board.get('high0')!, now))
})
