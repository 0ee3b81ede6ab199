// Runs benches one after the other: figures must not disturb each other.
//   npm run bench               every file of bench/micro and bench/pipeline (half an hour)
//   npm run bench -- latency    those whose path has that text
//   npm run bench:micro         bench/micro alone
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '..')
const bench = path.join(root, 'dist', 'bench')
const args = process.argv.slice(2)
const micro = args.includes('--micro')
const filters = args.filter((arg) => !arg.startsWith('--'))
const files = ['micro', ...(micro ? [] : ['pipeline'])].flatMap((dir) =>
  readdirSync(path.join(bench, dir))
    .filter((name) => name.endsWith('.js'))
    .map((name) => path.join(dir, name)),
)
for (const file of files) {
  if (filters.length > 0 && !filters.some((text) => file.includes(text))) continue
  // A bench of bench/pipeline states its question; the parts it is made of (its clients) do not.
  const source = readFileSync(path.join(root, 'bench', file.replace(/\.js$/, '.ts')), 'utf8')
  if (file.startsWith('pipeline') && !/Question/.test(source)) continue
  process.stdout.write(`\n== bench/${file.replace(/\.js$/, '.ts')}\n`)
  const { status } = spawnSync(process.execPath, ['--expose-gc', path.join(bench, file)], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) process.exitCode = 1
}
