/**
 * What a `mosquitto.conf` says about us: with windows too small the broker works in every test and loses messages at the
 * first restart. Figures of DESIGN.md 13.
 */
import { RuleFile } from '../../rules/language/source.js'
import type { Fault } from '../model/errors.js'

/** A sync takes 8 ms at p99 [M]; a window of n lets through n in that time. */
const SYNC_S = 0.008
/** Below Mosquitto's own default of 20 a city's 2 000 msg/s do not fit. */
const INFLIGHT_MIN = 20
/** A restart takes up to 5 s, at 2 000 msg/s. */
const QUEUED_MIN = 10_000

interface Setting {
  readonly value: string
  readonly offset: number
}

/** Warnings for what is too small, at its line; at the first line for what is not set and has such a default. */
export function mosquittoFaults(file: string, text: string): readonly Fault[] {
  const report = new RuleFile(file, text)
  const settings = new Map<string, Setting>()
  let offset = 0
  for (const line of text.split('\n')) {
    const m = /^\s*([a-z_]+)\s+(.*?)\s*$/.exec(line)
    if (m !== null) settings.set(m[1]!, { value: m[2]!, offset: offset + line.indexOf(m[1]!) })
    offset += line.length + 1
  }
  const warn = (key: string, message: string): void =>
    report.warn('HD_CONFIG_VALUE', settings.get(key)?.offset ?? 0, message)
  const number = (key: string, fallback: number): number => Number(settings.get(key)?.value ?? fallback)
  const named = (key: string): string =>
    settings.has(key) ? `${key} ${settings.get(key)!.value}` : `${key} is not set`

  const inflight = number('max_inflight_messages', 20)
  if (inflight > 0 && inflight < INFLIGHT_MIN)
    warn(
      'max_inflight_messages',
      `${named('max_inflight_messages')}: each is acknowledged after a sync, so at most ${Math.floor(inflight / SYNC_S)} msg/s get through; 0 is no limit`,
    )
  const queued = number('max_queued_messages', 1000)
  if (queued > 0 && queued < QUEUED_MIN)
    warn(
      'max_queued_messages',
      `${named('max_queued_messages')}: while the engine restarts the broker keeps ${queued} messages and drops the rest; 0 is no limit`,
    )
  if (settings.get('persistence')?.value !== 'true')
    warn(
      'persistence',
      `${named('persistence')}: a restart of the broker forgets our session and what it had acknowledged; say true`,
    )
  else if (number('autosave_interval', 1800) !== 1)
    warn(
      'autosave_interval',
      `${named('autosave_interval')}: killed, the broker loses what it acknowledged since the last save (1800 s by default); say 1`,
    )
  return report.faults.sort((a, b) => a.line - b.line)
}
