import type { Readable, Writable } from 'node:stream'

/** What a command may touch of the process: given by main.ts, so that tests run commands without one. */
export interface Io {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Aborted on SIGINT or SIGTERM: a running command drains and returns. */
  readonly signal: AbortSignal
}

/** One command of `haidang`. `run` returns the exit code: 0 fine, 1 found faults, 2 wrong usage. */
export interface Command {
  readonly name: string
  /** One line for `haidang --help`. */
  readonly summary: string
  /** Shown by `haidang <name> --help` and on wrong usage. */
  readonly usage: string
  run(args: readonly string[], io: Io): Promise<number>
}

export const EXIT_FINE = 0
export const EXIT_FAULTS = 1
export const EXIT_USAGE = 2

/** Wrong usage: prints the reason and the usage, and is the exit code 2. */
export function wrongUsage(command: Command, reason: string, io: Io): number {
  io.stderr.write(`haidang ${command.name}: ${reason}\nusage: ${command.usage}\n`)
  return EXIT_USAGE
}
