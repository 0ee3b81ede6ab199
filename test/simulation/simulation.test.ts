/**
 * The seeded simulation of DESIGN.md 6 in the test suite: 1 000 seeds, in two processes. More of them:
 * `node dist/test/simulation/run.js --seeds 100000 --from 1001`. A failing seed prints the command that repeats it.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { SABOTAGES, simulate } from './simulate.js'

const RUN = fileURLToPath(new URL('./run.js', import.meta.url))
const SEEDS = 1000
const PROCESSES = 2

t.setTimeout(300_000)

t.test(
  `${SEEDS} seeds: acknowledged is logged once, alerts are those of an undisturbed run, sinks hear each once by key, queues are bounded`,
  async (t) => {
    const share = SEEDS / PROCESSES
    await Promise.all(
      Array.from({ length: PROCESSES }, async (_, p) => {
        const child = spawn(
          process.execPath,
          [RUN, '--seeds', String(share), '--from', String(1 + p * share)],
          { stdio: ['ignore', 'pipe', 'inherit'] },
        )
        let said = ''
        child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
        const [code] = (await once(child, 'close')) as [number]
        t.equal(code, 0, said.trimEnd())
        const total = JSON.parse(said.slice(said.lastIndexOf('{'))) as Record<string, number>
        // The seeds must have tried something, or holding says nothing.
        t.ok(
          total['deaths']! > share &&
            total['redelivered']! > share &&
            total['transitions']! > 10 * share &&
            total['checkpoints']! > share,
          'engines died, messages came again, alerts fired, checkpoints were written',
        )
      }),
    )
  },
)

t.test('the same seed gives the same run, step by step', async (t) => {
  for (const seed of [3, 5, 7, 11]) {
    const [first, second] = [await simulate(seed), await simulate(seed)]
    t.same(first.trace, second.trace)
    t.same([...first.canonical], [...second.canonical])
    t.same(first.stats, second.stats)
  }
})

for (const sabotage of SABOTAGES)
  t.test(`an engine broken on purpose is caught: ${sabotage}`, async (t) => {
    for (let seed = 1; seed <= 60; seed++) {
      const { violations } = await simulate(seed, sabotage)
      if (violations.length === 0) continue
      t.pass(`seed ${seed}: ${violations[0]!.split('\n')[0]}`)
      return
    }
    t.fail('60 seeds did not notice')
  })
