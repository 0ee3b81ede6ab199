import { readSettings, type Settings } from '../config/settings.js'
import { type Fault, formatFault } from '../model/errors.js'
import type { Io } from './command.js'

/**
 * Settings for a command that works beside the engine (`token`, `replay`). In its shell the brokers' secrets may be
 * missing, and it needs none of them; anything else that is wrong is printed, and then there are no settings: null.
 */
export async function settingsBeside(io: Io): Promise<Settings | null> {
  const { settings, faults } = await readSettings(io.env, io.cwd)
  const serious = faults.filter((fault) => fault.severity === 'error' && !isMissingElsewhere(fault))
  for (const fault of serious) io.stderr.write(`${formatFault(fault)}\n`)
  return serious.length > 0 ? null : settings
}

/** Something that the file names and this shell or user has not. A configuration that is not there at all is another matter. */
function isMissingElsewhere({ code, file }: Fault): boolean {
  return code === 'HD_CONFIG_MISSING' && !file.startsWith('HAIDANG_')
}
