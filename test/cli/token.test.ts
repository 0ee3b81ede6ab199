import { existsSync } from 'node:fs'
import { chown, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { token } from '../../src/cli/token.js'
import { Tokens } from '../../src/server/tokens.js'
import { run } from './run.js'

const folder = await mkdtemp(path.join(tmpdir(), 'haidang-token-'))
t.teardown(() => rm(folder, { recursive: true }))

let folders = 0
async function place(): Promise<{ data: string; env: Record<string, string> }> {
  const data = path.join(folder, String(++folders), 'data')
  await mkdir(path.dirname(data))
  return { data, env: { HAIDANG_DATA: data } }
}
const clock = { now: () => Date.now(), monotonic: () => performance.now() }
const open = (data: string) => Tokens.open(path.join(data, 'tokens.json'), clock)

t.test('a token that was added lets its holder in with its role, and is shown once', async (t) => {
  const { data, env } = await place()
  const added = await run(token, ['add', 'operator', '--name', 'desk 3'], env)
  t.equal(added.code, 0)
  t.match(added.stdout, /^hd_[A-Za-z0-9_-]{43}\n$/, 'nothing else on standard output')
  t.match(added.stderr, /^operator 'desk 3', id [0-9a-f]{12}, does not expire; /)
  const secret = added.stdout.trim()
  t.match((await open(data)).verify(secret), { name: 'desk 3', role: 'operator' })
  t.equal((await stat(path.join(data, 'tokens.json'))).mode & 0o777, 0o600)
  const listed = await run(token, ['list'], env)
  t.equal(listed.code, 0)
  t.match(listed.stdout, /^[0-9a-f]{12} {2}operator {2}since \d{4}-\d\d-\d\d {2}does not expire {4}desk 3\n$/)
  t.notMatch(listed.stdout, secret)
})

t.test('a running engine takes over what was added and revoked meanwhile', async (t) => {
  const { data, env } = await place()
  await run(token, ['add', 'admin'], env)
  const engine = await open(data)
  const { stdout, stderr } = await run(token, ['add', 'analyst', '--expires', '1h'], env)
  const secret = stdout.trim()
  t.equal(engine.verify(secret), null)
  await engine.refresh()
  t.match(
    engine.verify(secret),
    { name: 'analyst', role: 'analyst' },
    'the name is the role where none is given',
  )
  t.match(stderr, /until \d{4}-/)
  const id = /id ([0-9a-f]{12})/.exec(stderr)![1]!
  t.strictSame(await run(token, ['revoke', id], env), { code: 0, stdout: `${id} revoked\n`, stderr: '' })
  await engine.refresh()
  t.equal(engine.verify(secret), null)
  t.equal((await open(data)).size, 1)
})

t.test('neither the engine nor the command line undoes what the other wrote', async (t) => {
  const { data, env } = await place()
  await run(token, ['add', 'admin'], env)
  const engine = await open(data)
  const added = (await run(token, ['add', 'operator'], env)).stdout.trim()
  const wall = await engine.enrol('wall on the ceiling')
  t.equal(engine.verify(added)?.role, 'operator', 'an enrolment writes the whole file')
  t.match((await run(token, ['list'], env)).stdout, new RegExp(`operator[^]*${wall.id} {2}wall`))
  await run(token, ['revoke', wall.id], env)
  await engine.create('another', 'analyst')
  t.notOk((await open(data)).holds(wall.id), 'what was revoked stays revoked')
})

t.test('what cannot be done is said, with the exit code of its kind', async (t) => {
  const { data, env } = await place()
  const usage: readonly (readonly [string[], RegExp])[] = [
    [[], /add, list or revoke\?/],
    [['make'], /there is no 'token make'/],
    [['add'], /which ROLE\?/],
    [['add', 'operater'], /there is no role 'operater': did you mean 'operator'\?/],
    [['add', 'admin', 'me'], /'me' is one too many/],
    [['add', 'admin', '--expires', 'soon'], /--expires takes a duration like 12h or 30d, not 'soon'/],
    [['add', 'admin', '--name', ' '], /--name has 1 to 100 characters/],
    [['list', '--name', 'x'], /belong to add/],
    [['revoke'], /which ID\?/],
    [['add', '--rol', 'admin'], /--rol/],
  ]
  for (const [args, reason] of usage) {
    const { code, stdout, stderr } = await run(token, args, env)
    t.strictSame([code, stdout], [2, ''], args.join(' '))
    t.match(stderr, reason)
    t.match(stderr, /usage: haidang token add ROLE/)
  }
  t.notOk(existsSync(data), 'nothing was made')
  t.strictSame(await run(token, ['list'], env), {
    code: 0,
    stdout: '',
    stderr: `there are no tokens in ${data} yet\n`,
  })
  t.equal((await run(token, ['revoke', 'abc'], env)).code, 1)
  t.notOk(existsSync(data), 'looking makes nothing either')
  await run(token, ['add', 'wall'], env)
  const unknown = await run(token, ['revoke', 'a\u001b[2J'], env)
  t.equal(unknown.code, 1)
  t.equal(unknown.stderr, "haidang token: there is no token 'a?[2J' (haidang token list)\n")
  await writeFile(path.join(data, 'tokens.json'), '{')
  const broken = await run(token, ['list'], env)
  t.equal(broken.code, 1)
  t.match(broken.stderr, /tokens\.json/)
})

t.test(
  'the folder is that of haidang.yaml; secrets of brokers may be missing, a broken file not',
  async (t) => {
    const cwd = path.join(folder, 'configured')
    await mkdir(cwd)
    const file = path.join(cwd, 'haidang.yaml')
    await writeFile(
      file,
      "data: var\nnats: { url: 'nats://n', username: u, password_env: NOT_IN_THIS_SHELL }\n",
    )
    t.equal((await run(token, ['add', 'admin'], {}, cwd)).code, 0)
    t.ok(existsSync(path.join(cwd, 'var/tokens.json')))
    await writeFile(file, 'dat: var\n')
    const { code, stdout, stderr } = await run(token, ['add', 'admin'], {}, cwd)
    t.strictSame([code, stdout], [1, ''])
    t.match(stderr, /^haidang\.yaml:1:1: error: there is no 'dat': did you mean 'data'\?/)
    t.notOk(existsSync(path.join(cwd, 'data')), 'no token where nobody looks')
    t.equal((await run(token, ['list'], { HAIDANG_CONFIG: 'none.yaml' }, cwd)).code, 1)
  },
)

t.test(
  "root leaves the file to the folder's owner",
  { skip: process.getuid?.() !== 0 && 'only root can show it' },
  async (t) => {
    const { data, env } = await place()
    await mkdir(data)
    await chown(data, 12_345, 12_346)
    await run(token, ['add', 'admin'], env)
    const { uid, gid, mode } = await stat(path.join(data, 'tokens.json'))
    t.strictSame([uid, gid, mode & 0o777], [12_345, 12_346, 0o600])
  },
)
