/** The pages of docs/rules: one a function, their examples load, the tutorial's commands print what it says. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { SIGNATURES } from '../../rules/operators/index.js'
import { textRecords } from '../../src/engine/configure.js'
import { Core } from '../../src/engine/core.js'
import { formatFault } from '../../src/model/errors.js'

const ROOT = path.resolve(import.meta.dirname, '../../..')
const DOCS = path.join(ROOT, 'docs/rules')
const OTHER_PAGES = ['README.md', 'tutorial.md']
const METRICS = readFileSync(path.join(ROOT, 'src/model/metrics.yaml'), 'utf8')
const REGISTRY = '- { device: d1, route: L1, ward: w1, limit: { alarm1: 2, alarm3: 3 } }'
const ZONES = JSON.stringify({
  type: 'FeatureCollection',
  features: ['port', 'depot', 'bus-stop'].map((name) => ({
    type: 'Feature',
    properties: { name },
    geometry: {
      type: 'Polygon',
      coordinates: [
        [
          [106, 20],
          [107, 20],
          [107, 21],
          [106, 20],
        ],
      ],
    },
  })),
})
/** Rules that examples refer to. */
const OTHERS = ['flood.gauge', 'fire.smoke-then-heat'].map((id) => rule(id, 'medium: { when: level_m > 2 }'))

function rule(id: string, level: string): string {
  return `rule: ${id}\ntitle: { en: "${id}", vi: "${id}" }\ncategory: flood\nlevels:\n  ${level}`
}

/** What stands between fences: the words after the language, and the text. */
function blocks(text: string): { language: string; file: string; body: string }[] {
  return [...text.matchAll(/^```(\w*) ?(.*)\n([\s\S]*?)^```$/gm)].map(([, language, file, body]) => ({
    language: language!,
    file: file!,
    body: body!,
  }))
}

t.test('every function has its page, and every page a function', async (t) => {
  const pages = readdirSync(DOCS).filter((name) => !OTHER_PAGES.includes(name))
  t.strictSame(pages.sort(), [...SIGNATURES.keys()].map((name) => `${name}.md`).sort())
  const index = readFileSync(path.join(DOCS, 'README.md'), 'utf8')
  for (const name of SIGNATURES.keys()) t.match(index, `[${name}](${name}.md)`, `${name} stands in the index`)
})

t.test('a page says what a reader looks for, and its example loads', async (t) => {
  for (const [name, { cost, memory, parameters, fields }] of SIGNATURES) {
    const text = readFileSync(path.join(DOCS, `${name}.md`), 'utf8')
    for (const word of ['- **Warm-up.** ', '- **Missing.** ', '- **Edges.** '])
      t.ok(text.includes(word), `${name}: ${word}`)
    t.ok(text.includes(`**Cost** a sample: ${cost}.`), `${name}: cost as check --cost has it`)
    t.ok(text.includes(`**Memory** a series: ${memory}.`), `${name}: memory as check --cost has it`)
    for (const one of parameters.filter((parameter) => parameter.named))
      t.ok(text.includes(`${one.name}=`), `${name}: ${one.name}=`)
    for (const field of Object.keys(fields)) t.ok(text.includes(`.${field}`), `${name}: .${field}`)
    const [picture, example] = blocks(text)
    t.ok(picture !== undefined && picture.body.length > 20, `${name}: a picture`)
    t.ok(example?.body.includes(`${name}(`), `${name}: its example uses it`)
    const core = new Core()
    const texts = {
      metrics: JSON.stringify([METRICS]),
      registry: REGISTRY,
      zones: ZONES,
      rules: JSON.stringify([
        { file: `${name}.md`, text: [...OTHERS, rule('example', example!.body)].join('\n---\n') },
      ]),
    }
    for (const record of textRecords(texts, Number.NEGATIVE_INFINITY)) core.apply(record, [])
    t.strictSame(
      core.faults.filter((one) => one.severity === 'error').map(formatFault),
      [],
      `${name}: its example loads`,
    )
  }
})

t.test('links of these pages lead somewhere', async (t) => {
  for (const page of readdirSync(DOCS))
    for (const [, target] of readFileSync(path.join(DOCS, page), 'utf8').matchAll(/\]\(([^)#]+)\)/g))
      t.ok(existsSync(path.join(DOCS, target!)), `${page}: ${target}`)
})

t.test('every command of the tutorial prints what it says', async (t) => {
  const dir = t.testdir({})
  const env: Record<string, string> = { PATH: process.env['PATH'] ?? '' }
  let printed = ''
  let commands = 0
  for (const { language, file, body } of blocks(readFileSync(path.join(DOCS, 'tutorial.md'), 'utf8'))) {
    if (file !== '') {
      mkdirSync(path.join(dir, path.dirname(file)), { recursive: true })
      writeFileSync(path.join(dir, file), body)
    } else if (language === 'sh') {
      const [, name, value] = /^export (\w+)=(.*)$/m.exec(body) ?? []
      if (name !== undefined) env[name] = value!
      const command = /^npx haidang (.*)$/m.exec(body)
      if (command === null) continue
      commands++
      printed = await haidang(command[1]!.split(' '), dir, env)
    } else if (language === 'text') t.equal(printed, body)
    else if (language === 'json') {
      const lines = printed
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown)
      const wanted = body
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as object)
      t.equal(lines.length, wanted.length)
      wanted.forEach((one, i) => {
        t.match(lines[i], one)
      })
    }
  }
  t.equal(commands, 5)
})

async function haidang(args: readonly string[], cwd: string, env: Record<string, string>): Promise<string> {
  const run = promisify(execFile)
  try {
    return (await run(process.execPath, [path.join(ROOT, 'bin/haidang.js'), ...args], { cwd, env })).stdout
  } catch (error) {
    // Faults found are exit code 1; what they are is on standard output.
    return (error as { stdout: string }).stdout
  }
}
