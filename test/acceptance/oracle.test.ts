/** The engine against a second telling of the same text, over random rules and samples. */
import t from 'tap'
import { RuleBench, rule, T0 } from '../engine/bench.js'
import { Random } from '../simulation/random.js'
import { type OracleLevel, type OracleRule, type OracleSample, told } from './oracle.js'

const SECOND = 1000
const NAMES = ['none', 'low', 'medium', 'high', 'critical']
const ROUNDS = 400

t.test('levels, for, clear, hold, absent, flapping, late samples: as told by the text', async (t) => {
  let lines = 0
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const random = new Random(seed)
    const { definition, text } = randomRule(random)
    const samples = randomSamples(random)
    const last = Math.max(...samples.map((one) => one.received))
    const until = last + random.integer(0, 40) * 60 * SECOND
    const bench = new RuleBench(text, {
      registry: JSON.stringify([{ device: 'g1', expected_interval: `${definition.interval}ms` }]),
    })
    for (const { time, received, value } of samples)
      bench.send({ at: time / 60_000, received: received / 60_000, metrics: { level_m: value } })
    bench.until(until / 60_000)
    const engine = bench.out.map(
      (one) =>
        `${one.time - T0} ${one.previous}>${one.level} ${one.status}${one.flapping ? ' flapping' : ''}`,
    )
    const oracle = told(definition, samples, until)
    lines += oracle.length
    if (engine.join() === oracle.join()) continue
    t.strictSame(engine, oracle, `seed ${seed}\n${text}\n${JSON.stringify(samples)}`)
    return
  }
  t.ok(lines > 10 * ROUNDS, `${lines} lines`)
})

function randomRule(random: Random): { definition: OracleRule; text: string } {
  const levels: OracleLevel[] = []
  for (let index = 1; index <= 4; index++) {
    if (random.chance(0.4) && !(index === 4 && levels.length === 0)) continue
    const above = random.chance(0.8) ? index * 2 : random.integer(0, 9)
    levels.push({
      index,
      above,
      clear: random.chance(0.3) ? above - random.integer(-1, 3) : null,
      for: random.chance(0.6) ? 0 : random.integer(1, 20) * 30 * SECOND,
      hold: random.chance(0.6) ? 0 : random.integer(1, 30) * 30 * SECOND,
    })
  }
  const absent = random.chance(0.6)
    ? { after: random.integer(2, 30) * 30 * SECOND, level: random.integer(1, 4) }
    : null
  const text = rule(
    'fuzz',
    'levels:',
    ...levels.map(
      (one) =>
        `  ${NAMES[one.index]}: { when: level_m > ${one.above}${one.clear === null ? '' : `, clear: level_m < ${one.clear}`}, for: ${one.for}ms, hold: ${one.hold}ms }`,
    ),
    ...(absent === null ? [] : [`absent: { after: ${absent.after}ms, level: ${NAMES[absent.level]} }`]),
  )
  return { definition: { levels, absent, interval: random.integer(1, 10) * 30 * SECOND }, text }
}

/** Values that wander or jump, in time steps of 30 s that often fall together with due times; some late, some delayed. */
function randomSamples(random: Random): OracleSample[] {
  const out: OracleSample[] = []
  let now = 0
  let value = 0
  for (let i = random.integer(20, 60); i > 0; i--) {
    now += (random.chance(0.1) ? random.integer(1, 60) : random.integer(1, 4)) * 30 * SECOND
    value = random.chance(0.5)
      ? random.integer(0, 10)
      : Math.max(0, Math.min(10, value + random.integer(-1, 1)))
    const time = random.chance(0.15) ? Math.max(0, now - random.integer(1, 10) * 30 * SECOND) : now
    // A fraction of its own makes no two samples equal: duplicates are not what is looked at here.
    out.push({ time, received: now, value: value + i / 1000 })
  }
  return out
}
