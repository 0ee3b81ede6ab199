import type { Command } from './command.js'

/** Every command, loaded only when it is called (`haidang sql` must not load an MQTT broker). One line each. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  replay: async () => (await import('./replay.js')).replay,
}
