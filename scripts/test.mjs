// `npm test`: brings what the tests need, builds, runs every test, and ends with one line of totals.
//   --unit          only tests without servers            --integration   only test/integration
//   <text> …        only files whose path has that text
// Types, lint, dead code and import directions are tests like others: test/house.test.ts, test/architecture.test.ts.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { pathWithServers, provide } from './needs.mjs'
import { runFiles } from './test-files.mjs'

const root = path.resolve(import.meta.dirname, '..')
const args = process.argv.slice(2)
const unit = args.includes('--unit')
const integration = args.includes('--integration')
const filters = args.filter((a) => !a.startsWith('--'))
const say = (line) => process.stdout.write(`# ${line}\n`)

if (!unit) provide(say)
if (
  spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
    .status !== 0
) {
  process.stdout.write('the build failed\n0 passed, 1 failed\n')
  process.exit(1)
}

/** Limits that only a hang reaches. Real servers are slower, a thousand simulated crashes slower still. */
const GROUPS = [
  {
    name: 'unit',
    dir: (f) => !/^(integration|simulation)\//.test(f),
    jobs: Math.max(2, availableParallelism()),
    timeoutMs: 180_000,
  },
  { name: 'simulation', dir: (f) => f.startsWith('simulation/'), jobs: 2, timeoutMs: 900_000 },
  { name: 'integration', dir: (f) => f.startsWith('integration/'), jobs: 1, timeoutMs: 600_000 },
]
const tests = path.join(root, 'dist', 'test')
const found = readdirSync(tests, { recursive: true })
  .map(String)
  .filter((f) => f.endsWith('.test.js') && (filters.length === 0 || filters.some((x) => f.includes(x))))
  .sort()

const env = { ...process.env, PATH: pathWithServers() }
const total = { passed: 0, failed: 0, skipped: 0 }
const failures = []
const started = performance.now()
for (const group of GROUPS) {
  if ((unit && group.name === 'integration') || (integration && group.name !== 'integration')) continue
  const files = found.filter(group.dir).map((f) => path.join(tests, f))
  await runFiles(
    files,
    group.jobs,
    { root, timeoutMs: group.timeoutMs, env: { ...env, TAP_TIMEOUT: String(group.timeoutMs / 1000) } },
    (r) => {
      total.passed += r.passed
      total.failed += r.failed
      total.skipped += r.skipped
      const name = path.relative(tests, r.file).replace(/\.test\.js$/, '')
      const counts = [
        `${r.passed} passed`,
        ...(r.failed > 0 ? [`${r.failed} failed`] : []),
        ...(r.skipped > 0 ? [`${r.skipped} skipped`] : []),
      ]
      process.stdout.write(
        `${r.failed > 0 ? 'FAIL' : 'ok  '} ${name} (${counts.join(', ')}, ${r.seconds.toFixed(1)} s)\n`,
      )
      for (const line of r.output.split('\n'))
        if (/# SKIP/.test(line)) process.stdout.write(`     ${line.trim()}\n`)
      if (r.failed > 0) {
        process.stdout.write(r.output.replace(/^/gm, '     '))
        process.stdout.write('\n')
        failures.push(...r.failures.map((f) => `${name}: ${f}`))
      }
    },
  )
}

process.stdout.write('\n')
for (const failure of failures) process.stdout.write(`FAIL ${failure}\n`)
if (total.passed + total.failed === 0) {
  process.stdout.write('no test ran\n')
  total.failed = 1
}
say(`${((performance.now() - started) / 1000).toFixed(0)} s`)
process.stdout.write(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}\n`,
)
process.exitCode = total.failed > 0 ? 1 : 0
