import { readSettings } from '../config/settings.js'
import { formatFault, HaidangError } from '../model/errors.js'
import { parseArguments } from './arguments.js'
import { type Command, EXIT_FAULTS, EXIT_FINE, type Io, wrongUsage } from './command.js'
import { RulesRefused, type RunningEngine, startEngine } from './start-engine.js'

export const run: Command = {
  name: 'run',
  summary: 'run the engine: brokers in, alerts on the wall, every sample in ClickHouse',
  usage: 'haidang run    (configuration: haidang.yaml and HAIDANG_* variables)',
  async run(args, io) {
    const parsed = parseArguments(args, {})
    if (typeof parsed === 'string') return wrongUsage(run, parsed, io)
    const { settings, faults } = await readSettings(io.env, io.cwd)
    for (const fault of faults) io.stderr.write(`${formatFault(fault)}\n`)
    if (faults.some((fault) => fault.severity === 'error')) return EXIT_FAULTS
    const engine = await start(
      () => startEngine({ settings, open: false, say: (line) => io.stderr.write(`${line}\n`) }),
      io,
    )
    if (engine === null) return EXIT_FAULTS
    if (engine.newToken !== null) io.stdout.write(`token ${engine.newToken}    (admin; shown once)\n`)
    announce(engine, io)
    await stopped(io)
    await engine.close()
    return EXIT_FINE
  },
}

/** Starts, or says why not. */
export async function start(open: () => Promise<RunningEngine>, io: Io): Promise<RunningEngine | null> {
  try {
    return await open()
  } catch (error) {
    if (error instanceof RulesRefused)
      for (const fault of error.faults) io.stderr.write(`${formatFault(fault)}\n`)
    if (!(error instanceof HaidangError)) throw error
    io.stderr.write(`haidang: ${error.message} [${error.code}]\n`)
    return null
  }
}

/** The one line that says: samples are accepted. */
export function announce(engine: RunningEngine, io: Io): void {
  io.stdout.write(`ready ${JSON.stringify(engine.addresses)}\n`)
}

export function stopped(io: Io): Promise<void> {
  return new Promise((resolve) => {
    if (io.signal.aborted) resolve()
    else io.signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
