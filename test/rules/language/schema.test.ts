/** The schema that editors use and the envelope that loads: what one refuses, the other refuses. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import t from 'tap'
import { parseAllDocuments, stringify } from 'yaml'
import { RULE_SCHEMA } from '../../../rules/language/schema.js'
import { load, ROOT } from './setting.js'

const validate = new Ajv2020({ allErrors: true, allowUnionTypes: true, strictTuples: false }).compile(
  RULE_SCHEMA,
)

const FULL = `
rule: a.b
title: { en: t, vi: t }
short: { en: t, vi: t }
category: flood
owner: o
legal: { basis: b, from: 2026-01-01, to: 2027-01-01 }
where: device.kind == 'x'
key: [device, ward]
late: 5m
let: { x: level_m }
sequence: { within: 2m, steps: [ { a: { stream: flood, when: level_m > 1 } }, { not: { stream: [gps, air], when: temp_c > 1 } }, { b: { when: temp_c > 1 } } ] }
levels: { low: { when: matched }, high: { when: level_m > 1, clear: level_m < 1, for: 1m, hold: 2m } }
absent: { after: 30m, level: medium }
inhibit_by: [ a.b ]
group: [ward]
remind: { every: 10m, until: acknowledged }
escalate: [ { after: 5m, level: critical, to: x } ]
playbook: [ { en: a, vi: b } ]
mode: live
tests:
  - name: x
    start: 2026-01-01T00:00
    stream: flood
    device: { kind: x }
    feed: { level_m: "1+1x3 every 1m", temp_c: [ "1", "2" ] }
    send: [ { at: 1m, stream: camera, label: smoke, metrics: { confidence: "0.9" }, lat: "20.8", lon: "106.7", attrs: { id: x } } ]
    expect: [ { at: 10m, level: medium }, { within: [1m, 2m], level: unknown } ]
`
type Plain = { [key: string]: Plain } | Plain[] | string

const read = (text: string) =>
  parseAllDocuments(text, { schema: 'failsafe' }).map((document) => document.toJS() as Plain)

/** Whether the loader finds an error in the envelope; what only the checker can know is left out. */
function refused(document: unknown): boolean {
  const { faults } = load(stringify(document, { lineWidth: 0 }))
  return faults.some(({ severity, code }) => severity === 'error' && code.startsWith('HD_CONFIG'))
}

t.test('the schema takes every rule of the catalogue, and so does the loader', async (t) => {
  const catalogue = path.join(ROOT, 'rules/catalogue')
  const files = readdirSync(catalogue).filter((name) => name.endsWith('.yaml'))
  t.ok(files.length > 0)
  for (const file of files)
    for (const document of read(readFileSync(path.join(catalogue, file), 'utf8')))
      if (document !== null) t.ok(validate(document), `${file}: ${JSON.stringify(validate.errors?.[0])}`)
  t.ok(validate(read(FULL)[0]), JSON.stringify(validate.errors))
  t.notOk(refused(read(FULL)[0]))
})

/** Every map and scalar of a document, as a path. */
function* paths(value: Plain, at: (string | number)[] = []): Generator<(string | number)[]> {
  yield at
  if (Array.isArray(value)) for (const [i, item] of value.entries()) yield* paths(item, [...at, i])
  else if (typeof value === 'object')
    for (const [key, item] of Object.entries(value)) yield* paths(item, [...at, key])
}

function edited(
  document: Plain,
  at: readonly (string | number)[],
  edit: (parent: Record<string | number, Plain>, key: string | number) => void,
): Plain {
  const root = structuredClone({ root: document }) as Record<string | number, Plain>
  let parent = root
  let key: string | number = 'root'
  for (const next of at) {
    parent = parent[key] as unknown as Record<string | number, Plain>
    key = next
  }
  edit(parent, key)
  return root['root']!
}

t.test('both refuse and both take the same changes of a full rule', async (t) => {
  const [full] = read(FULL) as [Plain]
  let refusals = 0
  let agreed = 0
  const agree = (document: Plain, what: string) => {
    const bySchema = !validate(document)
    const byLoader = refused(document)
    if (bySchema) refusals++
    if (bySchema === byLoader) agreed++
    else t.fail(`${what}: the schema ${bySchema ? 'refuses' : 'takes'} it, the loader does not agree`)
  }
  for (const at of paths(full)) {
    const name = at.join('.')
    // Free maps take any key; a test's device is as the registry would have it.
    const free =
      at[0] === 'tests' &&
      (at[2] === 'device' || at[2] === 'feed' || at[4] === 'metrics' || at[4] === 'attrs')
    if (at.length > 0)
      agree(
        edited(full, at, (parent, key) =>
          Array.isArray(parent) ? parent.splice(Number(key), 1) : delete parent[key],
        ),
        `without ${name}`,
      )
    const here = at.reduce<Plain>((value, key) => (value as Record<string | number, Plain>)[key]!, full)
    if (typeof here === 'object' && !Array.isArray(here) && !free && at[0] !== 'let')
      agree(
        edited(full, at, (parent, key) => ((parent[key] as Record<string, Plain>)['zzz'] = 'x')),
        `${name} with an unknown key`,
      )
    if (at.length > 0 && !free && at[2] !== 'start') {
      agree(
        edited(full, at, (parent, key) => (parent[key] = { zzz: { zzz: 'x' } })),
        `${name} as a map`,
      )
      if (typeof here === 'object')
        agree(
          edited(full, at, (parent, key) => (parent[key] = 'a b')),
          `${name} as a text`,
        )
    }
  }
  t.ok(refusals > 60, `${refusals} refusals, ${agreed} agreed`)
})

t.test('closed words, ids and durations are the same on both sides', async (t) => {
  const [full] = read(FULL) as [Record<string, Plain>]
  const values: Record<string, string[]> = {
    rule: ['a', 'a.b-c_D', '-a', 'a b', '', 'x'.repeat(128), 'x'.repeat(129)],
    category: ['fire', 'fires', 'system'],
    mode: ['shadow', 'on', 'disabled'],
    late: ['5m', '1h30m', '5', 'five', '-5m', '1.5h'],
  }
  for (const [key, all] of Object.entries(values))
    for (const value of all) {
      const document = { ...full, [key]: value }
      t.equal(!validate(document), refused(document), `${key}: ${value.slice(0, 20)}`)
    }
})
