/** Runs a command in this process: what it wrote, and its exit code. */
import { PassThrough, Readable } from 'node:stream'
import type { Command } from '../../src/cli/command.js'

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export async function run(
  command: Command,
  args: readonly string[],
  env: Record<string, string> = {},
  cwd = process.cwd(),
  stdin = '',
): Promise<Ran> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const text = { stdout: '', stderr: '' }
  stdout.on('data', (bytes: Buffer) => {
    text.stdout += bytes.toString('utf8')
  })
  stderr.on('data', (bytes: Buffer) => {
    text.stderr += bytes.toString('utf8')
  })
  const code = await command.run(args, {
    stdin: Readable.from(stdin === '' ? [] : [Buffer.from(stdin)]),
    stdout,
    stderr,
    env,
    cwd,
    signal: new AbortController().signal,
  })
  for (const stream of [stdout, stderr]) {
    stream.end()
    await new Promise((resolve) => stream.once('close', resolve))
  }
  return { code, ...text }
}
