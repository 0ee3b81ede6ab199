/**
 * The only file that reads the environment, the arguments and the signals. It finds the command and runs it; what a
 * command needs of the outside it gets as `Io`.
 */
import type { Io } from './cli/command.js'
import { COMMANDS } from './cli/index.js'

const [name, ...args] = process.argv.slice(2)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    // A second Ctrl-C ends at once, for a terminal that hangs.
    if (stop.signal.aborted && signal === 'SIGINT') process.exit(130)
    stop.abort(signal)
  })
// `haidang replay … | head` closes our output: that is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const io: Io = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  signal: stop.signal,
}

process.exitCode = await main(name, args, io)

async function main(command: string | undefined, rest: string[], io: Io): Promise<number> {
  if (command === undefined || command === '--help' || command === '-h' || command === 'help') {
    io.stdout.write('usage: haidang <command> [arguments]\n\n')
    for (const load of Object.values(COMMANDS)) {
      const { name, summary } = await load()
      io.stdout.write(`  ${name.padEnd(10)} ${summary}\n`)
    }
    return command === undefined ? 2 : 0
  }
  const load = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined
  if (load === undefined) {
    io.stderr.write(`haidang: there is no command '${command}' (haidang --help lists them)\n`)
    return 2
  }
  const found = await load()
  if (rest.includes('--help') || rest.includes('-h')) {
    io.stdout.write(`${found.summary}\n\nusage: ${found.usage}\n`)
    return 0
  }
  return await found.run(rest, io)
}
