import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { check } from '../../src/cli/check.js'
import { run as runEngine } from '../../src/cli/run.js'
import { run } from './run.js'

const folder = await mkdtemp(path.join(tmpdir(), 'haidang-check-'))
t.teardown(() => rm(folder, { recursive: true }))

let folders = 0
async function place(files: Readonly<Record<string, string>>): Promise<string> {
  const cwd = path.join(folder, String(++folders))
  await mkdir(cwd)
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(cwd, name), text)
  return cwd
}

const RULE = `rule: a.b
title: { en: A, vi: A }
category: flood
stream: flood
levels:
  high: { when: level_m > 2 }
`

t.test('without arguments: the settings and all that they name, every fault at once', async (t) => {
  const cwd = await place({
    'haidang.yaml':
      'late: 5\nrules: rules.yaml\ndevices: devices.yaml\nmqtt: { url: mqtt://b, password: x }\n',
    'rules.yaml': RULE.replace('level_m > 2', 'levl_m > 2'),
    'devices.yaml': '- { device: a, limit: 7 }\n',
    'metrics.yaml': 'Bad: {}\n',
    'zones.geojson': '{"type":"FeatureCollection","features":[7]}',
  })
  const { code, stdout } = await run(check, [], {}, cwd)
  t.equal(code, 1)
  t.match(stdout, /^haidang\.yaml:1:7: error: 'late'/m)
  t.match(stdout, /^haidang\.yaml:4:24: error: secrets do not stand in this file/m)
  t.match(stdout, /devices\.yaml:1:23: error: '\[0\]\.limit'/)
  t.match(stdout, /metrics\.yaml:1:1: error: 'Bad'/)
  t.match(stdout, /zones\.geojson:1:41: error: zones: feature 0/)
  await writeFile(path.join(cwd, 'metrics.yaml'), '')
  await writeFile(path.join(cwd, 'zones.geojson'), '')
  t.match(
    (await run(check, [], {}, cwd)).stdout,
    /rules\.yaml:6:17: error: .*levl_m/,
    'rules, once metrics and zones are known',
  )
})

t.test('what the settings name and is not there is told with the rest of them', async (t) => {
  const cwd = await place({ 'haidang.yaml': 'devices: none.yaml\nclock: never\nrules: [nowhere]\n' })
  const { code, stdout } = await run(check, [], {}, cwd)
  t.equal(code, 1)
  t.match(stdout, /^haidang\.yaml:1:10: error: there is no file .*none\.yaml/m)
  t.match(stdout, /^haidang\.yaml:2:8: error: 'clock' is one of/m)
  t.match(stdout, /^haidang\.yaml:3:9: error: there is no file or folder .*nowhere/m)
})

t.test('a configuration can be named, whatever it is called, alone or beside rules', async (t) => {
  const cwd = await place({ 'city.yaml': 'http: 1\nrules: r.yaml\n', 'b.yaml': 'clock: x\n', 'r.yaml': RULE })
  const alone = await run(check, ['city.yaml'], {}, cwd)
  t.equal(alone.code, 1)
  t.match(alone.stdout, /^city\.yaml:1:7: error: 'http' is host:port/)
  const both = await run(check, ['city.yaml', 'r.yaml'], {}, cwd)
  t.equal(both.code, 1)
  t.match(both.stdout, /^city\.yaml:1:7: error: /)
  t.equal((await run(check, ['city.yaml', 'b.yaml'], {}, cwd)).code, 2)
  t.equal((await run(check, ['r.yaml'], {}, cwd)).code, 0)
})

t.test('warnings alone are fine', async (t) => {
  const cwd = await place({ 'haidang.yaml': 'log_bytes: 2MiB\nrules: r.yaml\n', 'r.yaml': RULE })
  const { code, stdout } = await run(check, [], {}, cwd)
  t.equal(code, 0)
  t.match(stdout, /^haidang\.yaml:1:12: warning: /)
  t.match(stdout, /1 rule in 1 file: fine, 1 warning\n$/)
})

t.test('the engine does not start with a fault, says where it is, and touches nothing', async (t) => {
  const files = { 'r.yaml': RULE, 'devices.yaml': '- device: a\n- device: a\n' }
  const broken = await place({ ...files, 'haidang.yaml': 'rules: r.yaml\nhttp: here\n' })
  const settings = await run(runEngine, [], {}, broken)
  t.equal(settings.code, 1)
  t.match(settings.stderr, /^haidang\.yaml:2:7: error: 'http'/)
  const cwd = await place({ ...files, 'haidang.yaml': 'rules: r.yaml\ndevices: devices.yaml\nhttp: 127.0.0.1:0\nsql: 127.0.0.1:0\nbroker: off\n' }) // biome-ignore format: a text
  const registry = await run(runEngine, [], {}, cwd)
  t.equal(registry.code, 1)
  t.match(registry.stderr, /devices\.yaml:2:11: error: the device 'a' stands twice, first in line 1/)
  const { readdirSync } = await import('node:fs')
  t.strictSame(readdirSync(cwd).sort(), ['devices.yaml', 'haidang.yaml', 'r.yaml'], 'no data folder')
})
