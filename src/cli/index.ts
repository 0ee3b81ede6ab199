import type { Command } from './command.js'

/** Every command, loaded only when it is called (`haidang sql` must not load an MQTT broker). One line each. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  check: async () => (await import('./check.js')).check,
  test: async () => (await import('./test.js')).test,
  rules: async () => (await import('./rules-diff.js')).rules,
  replay: async () => (await import('./replay.js')).replay,
}
