/** Writes a bench's figures to bench/results/<name>.json with what is needed to read them later. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const ROOT = path.resolve(import.meta.dirname, '../..')

export function writeResult(name: string, figures: Readonly<Record<string, unknown>>): void {
  const result = {
    bench: name,
    date: new Date().toISOString(),
    commit: commit(),
    node: process.version,
    cpu: `${os.cpus().length} × ${os.cpus()[0]?.model.trim() ?? 'unknown'}`,
    load_average: os.loadavg().map((load) => Number(load.toFixed(2))),
    ...figures,
  }
  const folder = path.join(ROOT, 'bench/results')
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`)
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT }).toString().trim()
  } catch {
    return 'unknown'
  }
}
