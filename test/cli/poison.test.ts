import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { PoisonFile, type PoisonOptions } from '../../src/cli/poison.js'

const DAY = 86_400_000

function folder(test: typeof t): string {
  const made = mkdtempSync(path.join(tmpdir(), 'haidang-poison-'))
  test.teardown(() => rmSync(made, { recursive: true }))
  return path.join(made, 'poison.json')
}

function open(file: string, options: Partial<PoisonOptions> = {}) {
  const said: string[] = []
  let ended = 0
  const poison = new PoisonFile({
    file,
    version: '1',
    now: () => 100 * DAY,
    say: (line) => said.push(line),
    end: () => ended++,
    ...options,
  })
  return { poison, said, ended: () => ended }
}

t.test('the second end makes it poison, from the next start on, and only that message', async (t) => {
  const file = folder(t as never)
  const first = open(file)
  first.poison.add('mqtt', 7, 'a/b', new Error('boom'))
  t.equal(first.ended(), 1, 'the process is ended at once')
  t.match(first.said, [/'mqtt' on 'a\/b' ended the engine: Error: boom/])
  const second = open(file)
  t.notOk(second.poison.has('mqtt', 7, 'a/b'), 'once may be an accident')
  second.poison.add('mqtt', 7, 'a/b', new Error('boom'))
  t.notOk(second.poison.has('mqtt', 7, 'a/b'), 'the process that ends asks no more')
  const third = open(file).poison
  t.ok(third.has('mqtt', 7, 'a/b'))
  t.notOk(third.has('mqtt', 8, 'a/b'))
  t.notOk(third.has('nats', 7, 'a/b'))
  t.notOk(third.has('mqtt', 7, 'a/c'))
})

t.test('what no broker sends again is not kept, but ends the process all the same', async (t) => {
  const file = folder(t as never)
  for (let i = 0; i < 3; i++) {
    const one = open(file)
    one.poison.add('nats', 0, 'a.b', new Error('boom'))
    t.equal(one.ended(), 1)
  }
  t.notOk(open(file).poison.has('nats', 0, 'a.b'))
})

t.test('a new version and a week give a new chance', async (t) => {
  const file = folder(t as never)
  for (let i = 0; i < 2; i++) open(file).poison.add('mqtt', 7, 'a', new Error('boom'))
  t.ok(open(file).poison.has('mqtt', 7, 'a'))
  t.notOk(open(file, { version: '2' }).poison.has('mqtt', 7, 'a'))
  t.notOk(open(file, { now: () => 108 * DAY }).poison.has('mqtt', 7, 'a'))
})

t.test('a damaged file is as none and is replaced; the list is bounded', async (t) => {
  const file = folder(t as never)
  for (const text of ['{', 'null', '7', '[null,7,{"feed":1}]', '{"feed":"mqtt"}']) {
    writeFileSync(file, text)
    t.notOk(open(file).poison.has('mqtt', 7, 'a'))
  }
  for (let i = 0; i < 2; i++) open(file).poison.add('mqtt', 7, 'a', new Error('boom'))
  t.ok(open(file).poison.has('mqtt', 7, 'a'))
  const [entry] = JSON.parse(readFileSync(file, 'utf8')) as [object]
  writeFileSync(file, JSON.stringify(Array.from({ length: 1000 }, (_, i) => ({ ...entry, identity: i + 1 }))))
  const { poison } = open(file)
  for (let i = 1; i <= 5; i++) poison.add('mqtt', 1000 + i, 'a', new Error('boom'))
  t.equal((JSON.parse(readFileSync(file, 'utf8')) as unknown[]).length, 1000)
})

t.test('a folder that cannot be written still ends the process', async (t) => {
  const one = open('/nowhere/at/all/poison.json')
  one.poison.add('mqtt', 7, 'a', new Error('boom'))
  t.equal(one.ended(), 1)
  t.match(one.said, [/ended the engine/, /ENOENT/])
})
