/** `haidang replay` as a person at a terminal meets it: folders of rules, options, wrong usage. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { replay } from '../../src/cli/replay.js'
import { run } from '../cli/run.js'

const rule = (id: string) =>
  `rule: ${id}\ntitle: { en: x, vi: x }\ncategory: flood\nlevels: { low: { when: level_m > 1, hold: 10m } }\n`
const SAMPLES =
  '{"time":0,"device":"g1","metrics":{"level_m":2}}\n{"time":60000,"device":"g1","metrics":{"level_m":0}}\n'

t.test('every *.yaml and *.yml below the folder is read, and nothing else', async (t) => {
  const dir = t.testdir({ rules: { 'a.yaml': rule('a'), 'notes.txt': ': [' }, 'samples.ndjson': SAMPLES })
  mkdirSync(path.join(dir, 'rules/deep'))
  writeFileSync(path.join(dir, 'rules/deep/b.yml'), `${rule('b')}---\n${rule('c')}`)
  const { code, stdout } = await run(replay, ['--rules', `${dir}/rules`, `${dir}/samples.ndjson`])
  t.equal(code, 0)
  t.strictSame(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).rule),
    ['a', 'b', 'c'],
  )
})

t.test('--until takes ms and ISO 8601', async (t) => {
  const dir = t.testdir({ rules: { 'a.yaml': rule('a') }, 'samples.ndjson': SAMPLES })
  for (const until of ['600001', '1970-01-01T07:10:00.001+07:00']) {
    const { stdout } = await run(replay, [
      '--rules',
      `${dir}/rules`,
      '--until',
      until,
      `${dir}/samples.ndjson`,
    ])
    t.equal(stdout.trim().split('\n').length, 2, until)
  }
})

t.test('wrong usage is exit 2; a file or folder that is not there exit 1', async (t) => {
  const dir = t.testdir({ rules: { 'a.yaml': rule('a') }, 'samples.ndjson': SAMPLES })
  const [rules, file] = [`${dir}/rules`, `${dir}/samples.ndjson`]
  for (const args of [
    [file],
    ['--rules', rules],
    ['--rules', rules, file, file],
    ['--rules', rules, '--clock', 'moon', file],
    ['--rules', rules, '--until', 'noon', file],
    ['--rules', rules, '--speed', '2', file],
  ]) {
    const { code, stdout, stderr } = await run(replay, args)
    t.strictSame([code, stdout], [2, ''], args.slice(1).join(' '))
    t.ok(stderr.length > 0)
  }
  for (const args of [
    ['--rules', `${dir}/none`, file],
    ['--rules', rules, `${dir}/none.ndjson`],
    ['--rules', rules, `${dir}/none.ndjson.gz`],
  ])
    t.equal((await run(replay, args)).code, 1, args.join(' '))
})
