/** The demo as anyone starts it: a process (and a process group) of its own, and who belongs to it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { until } from './servers.js'

export const ROOT = path.resolve(import.meta.dirname, '../../..')

export interface Demo {
  readonly child: ChildProcess
  readonly output: () => string
  readonly ready: { http: string; mqtt: string; sql: string }
  readonly readyAt: number
}

export async function startDemo(env: Record<string, string>, ...args: string[]): Promise<Demo> {
  const child = spawn(process.execPath, ['bin/haidang.js', 'demo', ...args], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, so that Ctrl-C can be sent as a terminal does: to all of it at once.
    detached: true,
  })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  child.stderr.on('data', (chunk) => {
    output += chunk
  })
  await until(
    'the ready line',
    () => {
      if (child.exitCode !== null) throw new Error(`the demo ended with ${child.exitCode}:\n${output}`)
      return /^ready \{.*\}$/m.test(output)
    },
    60_000,
  )
  return {
    child,
    output: () => output,
    ready: JSON.parse(/^ready (\{.*\})$/m.exec(output)![1]!) as Demo['ready'],
    readyAt: performance.now(),
  }
}

/** Every process below `pid`, by /proc. */
export function below(pid: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      // The name in parentheses may hold anything; the parent is the second field after the last one.
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
    } catch {
      // Ended meanwhile.
    }
  }
  const found: number[] = []
  for (let wave = [pid]; wave.length > 0; ) {
    wave = [...parents].filter(([, parent]) => wave.includes(parent)).map(([child]) => child)
    found.push(...wave)
  }
  return found
}

export const alive = (pid: number): boolean =>
  existsSync(`/proc/${pid}`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
