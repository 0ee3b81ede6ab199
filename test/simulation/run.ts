/**
 * Many seeds, or one again: `node dist/test/simulation/run.js --seeds 100000 [--from 1] [--sabotage 'disk lies']`, or
 * `--seed 4711 --trace`. Exit code 1 where a seed fails; each failing seed prints the command that repeats it.
 */
import { parseArgs } from 'node:util'
import { SABOTAGES, type Sabotage, simulate } from './simulate.js'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    sabotage: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
})
const sabotage = values.sabotage === undefined ? null : (values.sabotage as Sabotage)
if (sabotage !== null && !SABOTAGES.includes(sabotage))
  throw new Error(`--sabotage is one of: ${SABOTAGES.join(', ')}`)

const from = Number(values.seed ?? values.from)
const to = values.seed === undefined ? from + Number(values.seeds) - 1 : from
const begun = performance.now()
const total = {
  deaths: 0,
  redelivered: 0,
  flagged: 0,
  transitions: 0,
  checkpoints: 0,
  messages: 0,
  differing: 0,
}
let failed = 0
for (let seed = from; seed <= to; seed++) {
  const { violations, trace, stats } = await simulate(seed, sabotage)
  for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += stats[name]
  if (values.trace) process.stdout.write(`${trace.join('\n')}\n`)
  if (violations.length === 0) continue
  failed++
  const again = `node dist/test/simulation/run.js --seed ${seed} --trace${sabotage === null ? '' : ` --sabotage '${sabotage}'`}`
  process.stdout.write(
    `seed ${seed} fails: ${violations.slice(0, values.seed === undefined ? 3 : 20).join('\n  ')}\n  again: ${again}\n`,
  )
}
const seconds = (performance.now() - begun) / 1000
process.stdout.write(
  `${to - from + 1} seeds, ${failed} failed, ${seconds.toFixed(1)} s; ${JSON.stringify(total)}\n`,
)
process.exitCode = failed > 0 ? 1 : 0
