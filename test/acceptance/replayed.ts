/**
 * Acceptance cases of the rule language as data: rules, registry and samples in short form, what `haidang replay` must
 * print. Each case runs the real command in this process, over files. test/acceptance/levels/README.md says how a case reads.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { parse } from 'yaml'
import { replay } from '../../src/cli/replay.js'
import type { Transition } from '../../src/model/alert.js'
import { type Ran, run } from '../cli/run.js'

/** A case's zero: 07:00 on a Sunday in Hải Phòng. */
export const T0 = Date.UTC(2026, 10, 22)
const MINUTE = 60_000

export interface Case {
  readonly name: string
  /** Documents; a title and a category are filled in. */
  readonly rules: string
  readonly registry?: string
  readonly zones?: unknown
  readonly metrics?: string
  /** Samples in short form, or NDJSON as it stands. */
  readonly feed: string
  /** Minutes after T0. */
  readonly until?: number
  readonly clock?: 'event'
  /** Further fields to print behind each line. */
  readonly show?: readonly (keyof Transition)[]
  readonly expect: string
  /** Pattern of what stands on stderr; nothing may stand there without one. */
  readonly stderr?: string
  readonly code?: number
  /** How the samples come: a file (default), a gzip file, standard input, with a byte order mark, with CRLF. */
  readonly as?: 'gz' | '-' | 'bom' | 'crlf'
}

/** Cases of a file of this folder's data. */
export function cases(file: string): readonly Case[] {
  return parse(
    readFileSync(path.resolve(import.meta.dirname, '../../../test/acceptance', file), 'utf8'),
  ) as Case[]
}

/** Runs a case in `dir`: lines printed, in short form, beside those expected. */
export async function replayed(
  one: Case,
  dir: string,
): Promise<{ printed: string[]; expected: string[]; ran: Ran }> {
  mkdirSync(path.join(dir, 'rules'), { recursive: true })
  writeFileSync(path.join(dir, 'rules/case.yaml'), documents(one.rules))
  const env: Record<string, string> = {}
  const named = (variable: string, file: string, text: string | undefined): void => {
    if (text === undefined) return
    env[variable] = path.join(dir, file)
    writeFileSync(env[variable], text)
  }
  named('HAIDANG_DEVICES', 'devices.yaml', one.registry)
  named('HAIDANG_ZONES', 'zones.geojson', one.zones === undefined ? undefined : JSON.stringify(one.zones))
  named('HAIDANG_METRICS', 'metrics.yaml', one.metrics)
  let text = ndjson(one.feed)
  if (one.as === 'bom') text = `\uFEFF${text}`
  if (one.as === 'crlf') text = text.replaceAll('\n', '\r\n')
  const file = one.as === '-' ? '-' : path.join(dir, one.as === 'gz' ? 'samples.ndjson.gz' : 'samples.ndjson')
  if (file !== '-') writeFileSync(file, one.as === 'gz' ? gzipSync(text) : text)
  const args = ['--rules', path.join(dir, 'rules')]
  if (one.clock !== undefined) args.push('--clock', one.clock)
  if (one.until !== undefined) args.push('--until', new Date(T0 + one.until * MINUTE).toISOString())
  const ran = await run(replay, [...args, file], env, dir, file === '-' ? text : '')
  const printed = ran.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => short(JSON.parse(line) as Transition, one.show ?? []))
  return { printed, expected: lines(one.expect), ran }
}

/** `17 gauge g1 none>medium` … with `unknown`, `flapping`, `unconfirmed`, `shadow`, the reason where they say something. */
function short(t: Transition, show: readonly (keyof Transition)[]): string {
  const marks = [
    t.status === 'unknown' ? ' unknown' : '',
    (t.status === 'resolved') === (t.level === 'none') ? '' : ` ${t.status}`,
    t.flapping ? ' flapping' : '',
    t.unconfirmed ? ' unconfirmed' : '',
    t.shadow ? ' shadow' : '',
    t.reason === undefined ? '' : ` ${t.reason}`,
  ].join('')
  const shown = show.map((field) => ` ${field}=${value(field, t[field])}`).join('')
  return `${minutes(t.time)} ${t.rule} ${Object.values(t.key).join('/')} ${t.previous}>${t.level}${marks}${shown}`
}

function value(field: keyof Transition, of: unknown): string {
  if (field === 'opened' || field === 'received' || field === 'raised') return String(minutes(of as number))
  return typeof of === 'string' ? of : JSON.stringify(of)
}

function minutes(time: number): number {
  return Number(((time - T0) / MINUTE).toFixed(3))
}

function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

/** A title and a category where a document has none. */
function documents(text: string): string {
  return text
    .split(/^---$/m)
    .map((document) => {
      const id = /^rule: *(\S+)/m.exec(document)?.[1] ?? 'rule'
      return [
        document.trimEnd(),
        ...(/^title:/m.test(document) ? [] : [`title: { en: "${id}", vi: "${id}" }`]),
        ...(/^category:/m.test(document) ? [] : ['category: flood']),
        '',
      ].join('\n')
    })
    .join('---\n')
}

/** Sample lines of a feed; see the README of the cases. */
function ndjson(feed: string): string {
  const out: string[] = []
  for (const line of feed.split('\n').map((one) => one.trim())) {
    if (line.startsWith('#')) continue
    if (line.startsWith('raw')) out.push(line.slice(4).replace(/@(-?[\d.]+)/g, (_, at) => String(at1(at))))
    else if (line !== '') out.push(...samples(line))
  }
  return `${out.join('\n')}\n`
}

function samples(line: string): string[] {
  const [when, device, ...fields] = line.split(/\s+/) as [string, string, ...string[]]
  const [, start, step] = /^(-?[\d.]+|-)(?:\+([\d.]+))?$/.exec(when)!
  const common: Record<string, unknown> = { stream: 'flood', device }
  const metrics: Record<string, number[]> = {}
  for (const field of fields) {
    const [, name, text] = /^([^=]+)=(.*)$/.exec(field)!
    if (name === 'received') common['received'] = at1(text!)
    else if (name === 'lat' || name === 'lon') common[name] = Number(text)
    else if (name === 'quality') common['quality'] = text!.split(',')
    else if (name === 'attrs') common['attrs'] = JSON.parse(text!)
    else if (name === 'stream' || name === 'source' || name === 'label') common[name!] = text
    else metrics[name!] = text!.split(',').map((number) => (number === '_' ? Number.NaN : Number(number)))
  }
  const count = Math.max(1, ...Object.values(metrics).map((values) => values.length))
  return Array.from({ length: count }, (_, i) => {
    const own = Object.fromEntries(
      Object.entries(metrics)
        .map(([name, values]) => [name, values[i] ?? Number.NaN] as const)
        .filter(([, number]) => !Number.isNaN(number)),
    )
    const time = start === '-' ? {} : { time: at1(start!) + i * Number(step ?? 0) * MINUTE }
    return { ...time, ...common, ...(Object.keys(own).length > 0 ? { metrics: own } : {}) }
  })
    .filter((sample) => Object.keys(metrics).length === 0 || 'metrics' in sample)
    .map((sample) => JSON.stringify(sample))
}

/** ms UTC of minutes after T0. */
function at1(text: string): number {
  return T0 + Math.round(Number(text) * MINUTE)
}
