import fc from 'fast-check'
import t from 'tap'
import { OPERATORS } from '../../../rules/operators/index.js'
import { DAY, MINUTE, Rig, type Sample, type Shape, START, series } from './harness.js'

const LATE = 3 * MINUTE
const CONSTANTS: Record<string, number | string> = {
  w: 4 * MINUTE,
  halflife: 2 * MINUTE,
  horizon: MINUTE,
  q: 0.3,
  period: DAY,
  method: 'theil_sen',
  direction: 'up',
}
const SHAPES: readonly Shape[] = ['noise', 'steps', 'constant', 'digits']
const FIELDS: Record<string, readonly string[]> = {
  slope: ['', 'low', 'high'],
  forecast: ['', 'low', 'high'],
  time_to: ['', 'low', 'high'],
  change: ['', 'sign'],
}

/** Compares going on with going on from a checkpoint; the first difference as a text. */
function difference(
  name: string,
  constants: Record<string, number | string>,
  samples: readonly Sample[],
  cut: number,
): string {
  const whole = new Rig(name, constants, LATE)
  let copy: Rig | undefined
  for (const [i, { time, value }] of samples.entries()) {
    if (i === cut) copy = whole.reborn()
    const input = i % 6
    const x =
      name === 'share' || name === 'count_if' || name === 'since' || name === 'held'
        ? value > 0
          ? 1
          : 0
        : value
    whole.push(time, x, input)
    copy?.push(time, x, input)
    for (const field of FIELDS[name] ?? ['']) {
      const at = i % 5 === 4 ? time + 20_000 : time
      const a = whole.read(at, field, 5)
      const b = copy === undefined ? a : copy.read(at, field, 5)
      if (!Object.is(a, b)) return `${name}${field} at ${i} after a cut at ${cut}: ${a} and ${b}`
    }
  }
  return ''
}

for (const name of OPERATORS.keys())
  t.test(`${name} goes on after load as if nothing had happened`, async (t) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e6 }),
        fc.constantFrom(...SHAPES),
        fc.integer({ min: 0, max: 149 }),
        (seed, shape, cut) => {
          const found = difference(name, CONSTANTS, series(seed, shape, 150, 2 * MINUTE), cut)
          if (found !== '') throw new Error(found)
        },
      ),
      { seed: 20261121, numRuns: 12 },
    )
    if (name === 'time_to') {
      const found = difference(
        name,
        { ...CONSTANTS, method: 'least_squares' },
        series(1, 'steps', 150, 2 * MINUTE),
        70,
      )
      t.equal(found, '')
    }
    t.pass()
  })

t.test('from panes too', async (t) => {
  const samples: Sample[] = Array.from({ length: 9000 }, (_, i) => ({
    time: START + i * 40,
    value: Math.sin(i) * 10,
  }))
  for (const name of ['avg', 'stddev', 'max', 'median', 'distinct', 'slope', 'rate', 'lag']) {
    const constants = { ...CONSTANTS, w: 5 * MINUTE }
    const whole = new Rig(name, constants, LATE)
    let copy: Rig | undefined
    for (const [i, { time, value }] of samples.entries()) {
      if (i === 8000) copy = whole.reborn()
      whole.push(time, value)
      copy?.push(time, value)
      if (copy !== undefined && !Object.is(whole.read(time), copy.read(time))) {
        t.fail(`${name} at ${i}: ${whole.read(time)} and ${copy.read(time)}`)
        break
      }
    }
    if (copy !== undefined && !['lag', 'slope'].includes(name))
      t.ok(!Number.isNaN(copy.read(samples.at(-1)!.time)), `${name} has a value`)
  }
})
