import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { Ajv } from 'ajv'
import fc from 'fast-check'
import t from 'tap'
import { metricsFaults, registryFaults, zonesFaults } from '../../src/config/check-texts.js'
import { FORMATS } from '../../src/config/formats.js'
import { jsonFaultOffset, jsonOffsets } from '../../src/config/json-text.js'
import { SETTINGS_SCHEMA } from '../../src/config/schema.js'
import { METRICS_SCHEMA, REGISTRY_SCHEMA } from '../../src/config/texts-schema.js'
import { type Fault, HaidangError } from '../../src/model/errors.js'
import { metricRegistry } from '../../src/model/metrics.js'
import { deviceRegistry } from '../../src/model/registry.js'
import { zones } from '../../src/model/zones.js'

const ROOT = path.resolve(import.meta.dirname, '../../..')
const shown = (faults: readonly Fault[]): string[] =>
  faults.map(({ line, column, severity, message }) => `${line}:${column} ${severity}: ${message}`)

function accepts(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    if (error instanceof HaidangError) return false
    throw error
  }
}

interface Case {
  readonly what: string
  readonly text: string
  readonly faults: readonly RegExp[]
}

const REGISTRY: readonly Case[] = [
  { what: 'nothing', text: '', faults: [] },
  { what: 'a list', text: '- { device: a, lat: 20.8, lon: 106.6, limit: { alarm: 2.1 }, expected_interval: 10m, river: Lach Tray }\n', faults: [] },
  { what: 'a map', text: 'sites:\n  - { site: s, ward: w }\ndevices:\n  - { device: 7, site: s }\n', faults: [] },
  { what: 'JSON', text: '{"devices":[{"device":"a"},{"device":"a"}]}', faults: [/^1:38 error: the device 'a' stands twice, first in line 1$/] },
  { what: 'neither list nor map of ours', text: 'gauge-1: { lat: 20 }\n', faults: [/^1:1 error: a registry is a list of devices, or a map/] },
  { what: 'no device', text: '- device: a\n- kind: camera\n  site: s\n', faults: [/^2:3 error: '\[1\]' lacks 'device'$/] },
  { what: 'an entry that is none', text: 'devices:\n  - a\n', faults: [/^2:5 error: 'devices\[0\]' is a map, not 'a'$/] },
  { what: 'twice', text: '- device: a\n- device: b\n- kind: x\n  device: a\n', faults: [/^4:11 error: the device 'a' stands twice, first in line 1$/] },
  { what: 'twice as number and text', text: '- device: 7\n- device: "7"\n', faults: [/^2:11 error: the device '7' stands twice/] },
  { what: 'a site twice', text: 'sites:\n  - site: s\n  - site: s\n', faults: [/^3:11 warning: the site 's' stands twice, first in line 2$/] },
  { what: 'no degrees', text: '- device: a\n  lat: north\n  lon: 200\n', faults: [/^2:8 error: '\[0\]\.lat' is a number or null, not 'north'$/, /^3:8 error: '\[0\]\.lon' is at most 180, not 200$/] },
  { what: 'swapped', text: '- { device: a, lat: 106.6, lon: 20.8 }\n', faults: [/^1:21 warning: a latitude of 106\.6: are lat and lon swapped\?$/] },
  { what: 'half a position', text: '- { device: a, lat: 20.8 }\n', faults: [/^1:21 warning: 'lat' alone is no position$/] },
  { what: 'a limit that is no number', text: '- device: a\n  limit: { alarm: high, watch: 1 }\n', faults: [/^2:19 error: '\[0\]\.limit\.alarm' is a number or null, not 'high'$/] },
  { what: 'limit no map', text: '- device: a\n  limit: 2.1\n', faults: [/^2:10 error: '\[0\]\.limit' is a map or null, not 2\.1$/] },
  { what: 'no duration', text: '- device: a\n  expected_interval: 10\n- device: b\n  expected_interval: ten\n', faults: [/^2:22 error: '\[0\]\.expected_interval' is a duration .*not 10$/, /^4:22 error: .*not 'ten'$/] },
  { what: 'a site that is not there', text: 'sites: [{ site: kien-an }]\ndevices:\n  - { device: a, site: kienan }\n', faults: [/^3:24 warning: there is no site 'kienan': did you mean 'kien-an'\?$/] },
  { what: 'slips', text: '- device: a\n  limits: { x: 1 }\n  expected_intervall: 10m\n  place: { a: 1 }\n', faults: [/^2:3 warning: 'limits' .*did you mean 'limit'\?$/, /^3:3 warning: .*did you mean 'expected_interval'\?$/, /^4:3 warning: the attribute 'place' is a map: nothing reads it$/] },
  { what: 'no YAML', text: '- { device: a\n- device: b\n', faults: [/^2:1 error: /] },
  { what: 'a key twice', text: '- device: a\n  lat: 1\n  lon: 1\n  lat: 2\n', faults: [/^4:3 error: 'lat' stands twice$/] },
] // biome-ignore format: a table

t.test('every fault of a registry, at its place', async (t) => {
  for (const { what, text, faults } of REGISTRY) {
    const found = registryFaults({ file: 'devices.yaml', text })
    t.match(shown(found), faults, what)
    t.equal(found.length, faults.length, `${what}: ${shown(found).join(' | ')}`)
  }
})

const METRICS: readonly Case[] = [
  { what: 'nothing', text: '', faults: [] },
  { what: 'fine', text: 'ozone_ugm3: { unit: µg/m3, min: 0, max: 800, decimals: 1, en: Ozone, vi: Ô-zôn }\nempty_one:\nopen_m: { max: .inf }\n', faults: [] },
  { what: 'no map', text: '- ozone\n', faults: [/^1:1 error: the file is a map, not a list$/] },
  { what: 'a name', text: 'Ozone: {}\n', faults: [/^1:1 error: 'Ozone' in the file is no name for it: a metric in snake_case/] },
  { what: 'numbers', text: 'a_m:\n  min: low\n  max: .nan\n  decimals: 1.5\n', faults: [/^2:8 error: 'a_m\.min' is a number or null, not 'low'$/, /^3:8 error: 'a_m\.max' is a number, not \.nan$/, /^4:13 error: 'a_m\.decimals' is a whole number or null, not 1\.5$/] },
  { what: 'danger', text: 'a_m: { danger: upp }\n', faults: [/^1:16 error: 'a_m\.danger' is one of up down both null, not 'upp': did you mean 'up'\?$/] },
  { what: 'counter', text: 'a_m: { counter: yes }\n', faults: [/^1:17 error: 'a_m\.counter' is true or false or null, not 'yes'$/] },
  { what: 'an unknown key', text: 'a_m: { units: m }\n', faults: [/^1:8 warning: 'a_m' has no 'units': did you mean 'unit'\?$/] },
  { what: 'min above max', text: 'a_m: { min: 5, max: 5 }\n', faults: [/^1:13 error: 'a_m' has a min of 5 and a max of 5: every sample/] },
  { what: 'no YAML', text: 'a: b: c\n', faults: [/^1:4 error: no YAML/] },
] // biome-ignore format: a table

t.test("every fault of a city's metrics, at its place", async (t) => {
  for (const { what, text, faults } of METRICS) {
    const found = metricsFaults({ file: 'metrics.yaml', text })
    t.match(shown(found), faults, what)
    t.equal(found.length, faults.length, `${what}: ${shown(found).join(' | ')}`)
  }
  const product = await readFile(path.join(ROOT, 'src/model/metrics.yaml'), 'utf8')
  t.strictSame(metricsFaults({ file: 'metrics.yaml', text: product }), [], "the product's own")
})

const square = '[[[106.1,20.1],[106.2,20.1],[106.2,20.2],[106.1,20.1]]]'
const feature = (name: string, geometry: string) =>
  `{"type":"Feature","properties":{"name":${name}},"geometry":${geometry}}`
const collection = (...features: string[]) =>
  `{"type":"FeatureCollection","features":[\n${features.join(',\n')}\n]}`
const polygon = (coordinates: string) => `{"type":"Polygon","coordinates":${coordinates}}`

const ZONES: readonly Case[] = [
  { what: 'nothing', text: '', faults: [] },
  { what: 'fine', text: collection(feature('"port"', polygon(square))), faults: [] },
  { what: 'no JSON', text: '{"type":\n x}', faults: [/^2:2 error: no JSON: unexpected 'x'$/] },
  { what: 'cut', text: '{"type": "FeatureCollection", "features": [', faults: [/^1:44 error: no JSON: it ends too early$/] },
  { what: 'a comma too many', text: '{"a": [1,\n2,]}', faults: [/^2:3 error: no JSON: unexpected '\]'$/] },
  { what: 'no collection', text: '[]', faults: [/^1:1 error: zones: the file: must be/] },
  { what: 'names', text: collection(feature('7', polygon(square)), feature('"port"', polygon(square)), feature('""', polygon(square))), faults: [/^2:40 error: zones: feature 0: properties\.name/, /^4:40 error: zones: feature 2: properties\.name/] },
  { what: 'a point', text: collection(feature('"port"', polygon('[[[106.1,20.1],\n[106.2,"x"],[106.2,20.2]]]'))), faults: [/^3:1 error: zones: feature 'port': point 1/] },
  { what: 'lat and lon swapped', text: collection(feature('"port"', polygon('[[[20.1,106.1],[20.2,106.1],[20.2,106.2]]]'))), faults: [/^2:93 error: zones: feature 'port': point 0/] },
  { what: 'no geometry, and a ring too short', text: collection(feature('"a"', 'null'), feature('"b"', polygon('[[[1,1],[2,2]]]'))), faults: [/^2:56 error: zones: feature 'a': has no geometry$/, /^3:56 error: zones: feature 'b': a ring needs/] },
  { what: 'area and line', text: collection(feature('"a"', polygon(square)), feature('"a"', '{"type":"LineString","coordinates":[[1,1],[2,2]]}')), faults: [/^1:1 error: zones: 'a': is both an area and a line$/] },
  { what: 'a feature that is none', text: collection('7'), faults: [/^2:1 error: zones: feature 0: must be an object$/] },
] // biome-ignore format: a table

t.test('every fault of a GeoJSON, at its place', async (t) => {
  for (const { what, text, faults } of ZONES) {
    const found = zonesFaults({ file: 'zones.geojson', text })
    t.match(shown(found), faults, what)
    t.equal(found.length, faults.length, `${what}: ${shown(found).join(' | ')}`)
  }
})

t.test('what the core refuses is an error here, whatever the text', async (t) => {
  const readers = [
    { read: deviceRegistry, faults: registryFaults, cases: REGISTRY },
    { read: (text: string) => metricRegistry([text]), faults: metricsFaults, cases: METRICS },
    { read: zones, faults: zonesFaults, cases: ZONES },
  ] as const
  const junk = ['7', 'true', 'null', '"x"', '[]', '{}', '[[]]', '[null]', '{"devices":7}', '{"sites":{}}', '{"devices":[{"device":null}]}', '\0', '{', ': :', '- - -', '{"__proto__":1}', '[{"device":"__proto__"}]', '{"features":7,"type":"FeatureCollection"}', 'x_m: 5', 'x_m: [1]', 'devices: null\nsites: null'] // biome-ignore format: a list
  let refused = 0
  for (const { read, faults, cases } of readers)
    for (const text of [...junk, ...cases.map((one) => one.text)]) {
      const errors = faults({ file: 'x', text }).filter(({ severity }) => severity === 'error')
      if (accepts(() => read(text))) continue
      refused++
      t.ok(errors.length > 0, `${JSON.stringify(text.slice(0, 60))} is refused`)
    }
  t.ok(refused > 40)
  const name = fc.constantFrom(
    'device',
    'site',
    'lat',
    'lon',
    'limit',
    'kind',
    'expected_interval',
    'devices',
    'sites',
    'min',
    'max',
    'danger',
    'decimals',
    'level_m',
    'type',
    'features',
    'properties',
    'geometry',
    'name',
    'coordinates',
  )
  const leaf = fc.oneof(
    fc.constantFrom('a', '10m', 'up', 'Polygon', 'FeatureCollection', 'Feature', null, true),
    fc.integer({ min: -200, max: 200 }),
  )
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      leaf,
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(name, tie('tree'), { maxKeys: 4 }),
    ),
  }))
  fc.assert(
    fc.property(tree, (value) => {
      const text = JSON.stringify(value)
      for (const { read, faults } of readers) {
        const errors = faults({ file: 'x', text }).some(({ severity }) => severity === 'error')
        if (!accepts(() => read(text)) && !errors) return false
      }
      return true
    }),
    { seed: 20_261_122, numRuns: 1000 },
  )
})

t.test(
  'the first fault of a JSON text is where the runtime refuses it, and every value is found again',
  async (t) => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.nat(),
        fc.constantFrom('', ',', ':', '}', ']', '{', '"', '\\', 'x', '0', '\n', '\u0001'),
        (value, at, noise) => {
          const text = JSON.stringify(value)
          if (jsonFaultOffset(text) !== -1) return false
          const cut = at % (text.length + 1)
          for (const broken of [text.slice(0, cut), text.slice(0, cut) + noise + text.slice(cut)]) {
            const fault = jsonFaultOffset(broken)
            let readable = true
            try {
              JSON.parse(broken)
            } catch {
              readable = false
            }
            if (readable !== (fault === -1) || fault > broken.length) return false
          }
          return true
        },
      ),
      { seed: 7, numRuns: 2000 },
    )
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value)
        const paths: (string | number)[][] = []
        const values: unknown[] = []
        const gather = (part: unknown, path: (string | number)[]): void => {
          paths.push(path)
          values.push(part)
          if (typeof part === 'object' && part !== null)
            for (const [key, below] of Object.entries(part))
              gather(below, [...path, Array.isArray(part) ? Number(key) : key])
        }
        gather(JSON.parse(text), [])
        const offsets = jsonOffsets(text, paths)
        return values.every((part, i) => text.startsWith(JSON.stringify(part), offsets[i]!))
      }),
      { seed: 8, numRuns: 500 },
    )
    t.strictSame(
      jsonOffsets('{"a": [1, {"b": 2}]}', [['a', 1, 'c'], ['z'], ['a', 5]]),
      [10, 0, 6],
      'the nearest part that is there',
    )
  },
)

t.test('100 000 brackets end no stack, and a large city is checked in time', async (t) => {
  const deep = '['.repeat(100_000)
  for (const faults of [registryFaults, metricsFaults, zonesFaults])
    t.ok(faults({ file: 'x', text: deep }).some(({ severity }) => severity === 'error'))
  const ring = Array.from(
    { length: 100_000 },
    (_, i) => `[${106 + Math.cos(i / 20_000)},${20 + Math.sin(i / 20_000)}]`,
  )
  const text = collection(feature('"big"', polygon(`[[${ring.join(',')}]]`)), feature('7', polygon(square)))
  const began = performance.now()
  const faults = zonesFaults({ file: 'x', text })
  const ms = performance.now() - began
  t.match(shown(faults), [/^3:40 error: zones: feature 1: properties\.name/])
  t.ok(ms < 5000, `${(text.length / 1e6).toFixed(1)} MB in ${ms.toFixed(0)} ms`)
})

t.test('the schemas are schemas, and every key of the settings says what it is or is plain', async (t) => {
  for (const schema of [SETTINGS_SCHEMA, REGISTRY_SCHEMA, METRICS_SCHEMA]) {
    const ajv = new Ajv({ strict: true, allowUnionTypes: true })
    for (const [name, { is }] of Object.entries(FORMATS))
      ajv.addFormat(name, { type: 'string', validate: is })
    t.ok(ajv.validateSchema(schema), ajv.errorsText(ajv.errors))
    t.doesNotThrow(() => ajv.compile(schema))
  }
})
