import type { Command } from './command.js'

/** Every command, loaded only when it is called (`haidang sql` must not load an MQTT broker). One line each. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./run.js')).run,
  demo: async () => (await import('./demo.js')).demo,
  play: async () => (await import('./play.js')).play,
  check: async () => (await import('./check.js')).check,
  test: async () => (await import('./test.js')).test,
  rules: async () => (await import('./rules-diff.js')).rules,
  sql: async () => (await import('./sql.js')).sql,
  dlq: async () => (await import('./dlq.js')).dlq,
  token: async () => (await import('./token.js')).token,
  replay: async () => (await import('./replay.js')).replay,
}
