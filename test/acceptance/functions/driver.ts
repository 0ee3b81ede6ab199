/**
 * Drives the acceptance cases of the rule language's functions the way `haidang replay` does: NDJSON lines through
 * SampleLines into a Core, transitions out. A case is data: a probe (an expression and the values it must have at
 * messages of a feed), a whole rule and the lines it must print, or an expression and the fault it must be refused with.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { SampleLines } from '../../../src/cli/replay.js'
import { textRecords } from '../../../src/engine/configure.js'
import { Core } from '../../../src/engine/core.js'
import type { Transition } from '../../../src/model/alert.js'
import { formatFault } from '../../../src/model/errors.js'

/** Monday, 7 in the morning in Hải Phòng. */
export const T0 = Date.UTC(2026, 0, 5)
export const MINUTE = 60_000
const METRICS = readFileSync(path.resolve(import.meta.dirname, '../../../../src/model/metrics.yaml'), 'utf8')

/** One NDJSON line; times in minutes after T0. */
export interface Sample {
  readonly at: number
  /** Arrival, minutes; `at` where left out. */
  readonly received?: number
  readonly device?: string
  readonly stream?: string
  readonly metrics?: Readonly<Record<string, number>>
  readonly label?: string
  readonly lat?: number
  readonly lon?: number
  readonly attrs?: Readonly<Record<string, unknown>>
  readonly quality?: readonly string[]
}

/** A value that a probe must have: a number, 'missing', 'infinite', true or false. */
export type Value = number | boolean | 'missing' | 'infinite'

interface Setting {
  readonly name: string
  readonly feed: readonly Sample[]
  /** Further lines of the rule: key, where, late, let, stream. */
  readonly rule?: readonly string[]
  readonly registry?: string
  readonly zones?: string
  /** A city's own metrics. */
  readonly metrics?: string
  /** Further rule documents. */
  readonly others?: readonly string[]
}

export interface Probe extends Setting {
  readonly probe: string
  /** Durations are given in minutes. */
  readonly type?: 'number' | 'duration' | 'boolean'
  /** [place of the message in the feed, value at it]. */
  readonly values: readonly (readonly [message: number, value: Value])[]
  /** The key looked at, where it is not the device. */
  readonly key?: string
  /** How far off is still right, relative: 1e-9, 1e-6 of a duration (its literals are whole milliseconds). */
  readonly within?: number
}

export interface Lines extends Setting {
  /** The rule's `levels` (or `sequence`), as YAML lines. */
  readonly levels: readonly string[]
  /** `minute key previous>level`, and `rule:` before it where there are others. */
  readonly lines: readonly string[]
  /** Minutes: the arrival clock goes on to here. */
  readonly until?: number
  /** `title` of the rule and what it must read at the first line. */
  readonly title?: readonly [title: string, rendered: string]
}

export interface Fault extends Omit<Setting, 'feed'> {
  readonly refused: string
  readonly says: RegExp
}

export type Case = Probe | Lines | Fault

/** Values of one metric of one device, `every` minutes from `from` on; null is a gap. */
export function series(
  metric: string,
  values: readonly (number | null)[],
  options: { from?: number; every?: number; device?: string; stream?: string } = {},
): Sample[] {
  return values.flatMap((value, i) =>
    value === null
      ? []
      : [
          {
            at: (options.from ?? 0) + i * (options.every ?? 1),
            metrics: { [metric]: value },
            ...(options.device === undefined ? {} : { device: options.device }),
            ...(options.stream === undefined ? {} : { stream: options.stream }),
          },
        ],
  )
}

/** Several feeds, in order of arrival. */
export function merged(...feeds: readonly (readonly Sample[])[]): Sample[] {
  return feeds.flat().sort((a, b) => (a.received ?? a.at) - (b.received ?? b.at))
}

export function title(id: string): string {
  return `title: { en: "${id}", vi: "${id}" }`
}

function line(sample: Sample): string {
  const { at, received, device, stream, ...rest } = sample
  return JSON.stringify({
    time: T0 + at * MINUTE,
    ...(received === undefined ? {} : { received: T0 + received * MINUTE }),
    device: device ?? 'd1',
    stream: stream ?? 'flood',
    ...rest,
  })
}

/** A core with the rules loaded and the faults that `check` would print. */
function load(setting: Omit<Setting, 'feed'>, rules: string): { core: Core; faults: string[] } {
  const core = new Core()
  const texts = {
    metrics: JSON.stringify(setting.metrics === undefined ? [METRICS] : [METRICS, setting.metrics]),
    registry: setting.registry ?? '',
    zones: setting.zones ?? '',
    rules: JSON.stringify([{ file: 'case.yaml', text: [rules, ...(setting.others ?? [])].join('\n---\n') }]),
  }
  for (const record of textRecords(texts, Number.NEGATIVE_INFINITY)) core.apply(record, [])
  return { core, faults: core.faults.filter((one) => one.severity === 'error').map(formatFault) }
}

function replay(
  core: Core,
  feed: readonly Sample[],
  until: number | undefined,
  clock?: number,
): Transition[] {
  const out: Transition[] = []
  const samples = new SampleLines(core, false)
  if (clock !== undefined) samples.clock = clock
  for (const sample of feed) {
    const record = samples.record(line(sample))
    if (record !== undefined) core.apply(record, out)
  }
  if (samples.refusedCount > 0) throw new Error(samples.refused.map((one) => one.reason).join('; '))
  const received = Math.max(samples.clock, until === undefined ? samples.clock : T0 + until * MINUTE)
  core.apply({ kind: 'tick', seq: core.seq, received }, out)
  return out
}

function document(
  setting: Omit<Setting, 'feed'>,
  id: string,
  levels: readonly string[],
  titles = title(id),
): string {
  return [`rule: ${id}`, titles, 'category: flood', ...(setting.rule ?? []), ...levels].join('\n')
}

/** Beyond every value and duration of these cases; a duration literal ends at 36500d. */
const KNOWN = 1e12

/**
 * A probe is read through levels: one that is true from just below the value on, one from just above it on, so that
 * `low` alone is printed where the value is right. Each value is looked for in a replay that ends with its message.
 */
function levelsOf(probe: Probe, value: Value): readonly string[] {
  const x = `(${probe.probe})`
  // Without `clear` a condition that becomes missing would keep its level.
  const low = (when: string): string => `  low: { when: "${when}", clear: "true" }`
  const medium = (when: string): string => `  medium: { when: "${when}", clear: "true" }`
  if (probe.type === 'boolean') return ['levels:', low(x), medium(`not ${x}`)]
  const unit = probe.type === 'duration' ? 'ms' : ''
  const number = (n: number): string => (n < 0 ? `-${plain(-n)}${unit}` : `${plain(n)}${unit}`)
  if (value === 'missing')
    return ['levels:', low(`${x} > ${number(-KNOWN)}`), medium(`${x} <= ${number(-KNOWN)}`)]
  if (value === 'infinite')
    return ['levels:', low(`${x} > ${number(KNOWN)}`), medium(`${x} <= ${number(KNOWN)}`)]
  const v = Number(value) * (probe.type === 'duration' ? MINUTE : 1)
  const off = (probe.within ?? (probe.type === 'duration' ? 1e-6 : 1e-9)) * Math.max(1, Math.abs(v))
  return ['levels:', low(`${x} >= ${number(v - off)}`), medium(`${x} > ${number(v + off)}`)]
}

function plain(n: number): string {
  return n.toFixed(12).replace(/\.?0+$/, '')
}

function levelAfter(probe: Probe, message: number, value: Value): string {
  const { core, faults } = load(probe, document(probe, 'probe', levelsOf(probe, value)))
  if (faults.length > 0) return faults.join('; ')
  const feed = probe.feed.slice(0, message + 1)
  const out = replay(core, feed, undefined).filter((one) => one.rule === 'probe')
  if (out.some((one) => one.flapping)) return 'flapping'
  // The key that the last message belongs to.
  const key = probe.key ?? feed[message]?.device ?? 'd1'
  const mine = out.filter(
    (one) => !('device' in one.key || probe.key !== undefined) || Object.values(one.key).join('/') === key,
  )
  return mine.at(-1)?.level ?? 'none'
}

function wantedLevel(value: Value): string {
  return value === 'missing' ? 'none' : value === false ? 'medium' : 'low'
}

/** Runs the cases, one test each. */
export function run(cases: readonly Case[]): void {
  for (const one of cases)
    t.test(one.name, async (t) => {
      if ('refused' in one) {
        const { faults } = load(
          one,
          document(one, 'refused', ['levels:', `  low: { when: "${one.refused}" }`]),
        )
        t.match(faults.join('\n'), one.says)
        t.match(faults[0] ?? '', /^case\.yaml:\d+:\d+: /, 'with file, line and column')
        return
      }
      if ('probe' in one) {
        for (const [message, value] of one.values)
          t.equal(
            levelAfter(one, message, value),
            wantedLevel(value),
            `${one.probe} at message ${message} is ${value}`,
          )
        return
      }
      const titles =
        one.title === undefined ? undefined : `title: { en: "${one.title[0]}", vi: "${one.title[0]}" }`
      const { core, faults } = load(one, document(one, 'case', one.levels, titles))
      t.same(faults, [])
      const out = replay(core, one.feed, one.until)
      t.same(
        out.map((line) => printed(line, one.others !== undefined)),
        one.lines,
      )
      if (one.title !== undefined) t.equal(out[0]?.title.en, one.title[1])
    })
}

/** Runs the cases again with a checkpoint in the middle: what goes on from it must print what an undisturbed run prints. */
export function runResumed(cases: readonly Case[]): void {
  for (const one of cases)
    t.test(`${one.name}: from a checkpoint`, async (t) => {
      if ('refused' in one) return
      const levels = 'probe' in one ? levelsOf(one, one.values.at(-1)?.[1] ?? 'missing') : one.levels
      const rules = document(one, 'case', levels)
      const half = one.feed.length >> 1
      const whole = replay(load(one, rules).core, one.feed, undefined)
      const { core } = load(one, rules)
      const before = replayed(core, one.feed.slice(0, half))
      const next = new Core()
      next.load(structuredClone(core.save()))
      const after = replay(next, one.feed.slice(half), undefined, before.clock)
      t.same(
        [...before.out, ...after].map((line) => printed(line, true)),
        whole.map((line) => printed(line, true)),
      )
    })
}

/** Runs the cases again with a reload in the middle that adds a rule of the same scope: windows and states stay. */
export function runReloaded(cases: readonly Case[]): void {
  for (const one of cases)
    t.test(`${one.name}: across a reload`, async (t) => {
      if ('refused' in one) return
      const levels = 'probe' in one ? levelsOf(one, one.values.at(-1)?.[1] ?? 'missing') : one.levels
      const rules = document(one, 'case', levels)
      const half = one.feed.length >> 1
      const whole = replay(load(one, rules).core, one.feed, undefined)
      const { core } = load(one, rules)
      const before = replayed(core, one.feed.slice(0, half))
      const added = document(one, 'added', [
        'levels:',
        '  low: { when: "avg(wind_ms, 5m) > 900 or spike(wind_ms)" }',
      ])
      const text = JSON.stringify([
        { file: 'case.yaml', text: [added, rules, ...(one.others ?? [])].join('\n---\n') },
      ])
      core.apply({ kind: 'rules', seq: core.seq, received: before.clock, hash: 'reload', text }, before.out)
      const after = replay(core, one.feed.slice(half), undefined, before.clock)
      t.same(
        [...before.out, ...after].map((line) => printed(line, true)),
        whole.map((line) => printed(line, true)),
      )
    })
}

/** The first part of a feed, without the last tick. */
function replayed(core: Core, feed: readonly Sample[]): { out: Transition[]; clock: number } {
  const out: Transition[] = []
  const samples = new SampleLines(core, false)
  for (const sample of feed) {
    const record = samples.record(line(sample))
    if (record !== undefined) core.apply(record, out)
  }
  return { out, clock: samples.clock }
}

function printed(one: Transition, named: boolean): string {
  const minutes = Number(((one.time - T0) / MINUTE).toFixed(4))
  const key = Object.values(one.key).join('/')
  const marks = `${one.status === 'unknown' ? ' unknown' : ''}${one.flapping ? ' flapping' : ''}`
  return `${named ? `${one.rule}: ` : ''}${minutes} ${key} ${one.previous}>${one.level}${marks}`
}
