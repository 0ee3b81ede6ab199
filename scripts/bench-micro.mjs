// Runs every file of bench/micro (or those whose name is given), one after the other: figures must not disturb each other.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '..')
const dir = path.join(root, 'dist', 'bench', 'micro')
const filters = process.argv.slice(2)
for (const file of readdirSync(dir).filter(
  (f) => f.endsWith('.js') && (filters.length === 0 || filters.some((x) => f.includes(x))),
)) {
  process.stdout.write(`\n== bench/micro/${file.replace(/\.js$/, '.ts')}\n`)
  const { status } = spawnSync(process.execPath, ['--expose-gc', path.join(dir, file)], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) process.exitCode = 1
}
