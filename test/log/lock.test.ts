import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { lockDirectory } from '../../src/log/lock.js'

const MODULE = new URL('../../src/log/lock.js', import.meta.url).href
/** Takes the lock, says so, and keeps it until it is killed. */
const HOLDER = `import { lockDirectory } from ${JSON.stringify(MODULE)}
try { await lockDirectory(process.argv[1]); console.log('locked') } catch (e) { console.log(e.code + ' ' + e.message) }
setInterval(() => {}, 1000)`

async function directory(t: { teardown: (fn: () => unknown) => unknown }): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'hd-lock-'))
  t.teardown(() => rm(made, { recursive: true, force: true }))
  return made
}

async function holder(
  t: { teardown: (fn: () => unknown) => unknown },
  target: string,
): Promise<{ child: ChildProcess; says: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', HOLDER, target], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [says] = (await once(child.stdout!, 'data')) as [Buffer]
  return { child, says: says.toString().trim() }
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

t.test(
  'a directory that a living process holds is refused, naming its pid, also while that is stopped',
  async (t) => {
    const target = await directory(t)
    const { child, says } = await holder(t, target)
    t.equal(says, 'locked')
    await t.rejects(lockDirectory(target), {
      code: 'HD_LOG_LOCKED',
      message: new RegExp(`process ${child.pid}\\b`),
    })
    child.kill('SIGSTOP')
    await t.rejects(lockDirectory(target), { code: 'HD_LOG_LOCKED' })
    await kill(child)
    const lock = await lockDirectory(target)
    await lock.release()
  },
)

t.test('the same process cannot take it twice, and can after a release', async (t) => {
  const target = await directory(t)
  const lock = await lockDirectory(target)
  await t.rejects(lockDirectory(target), {
    code: 'HD_LOG_LOCKED',
    message: new RegExp(`process ${process.pid}\\b`),
  })
  await lock.release()
  const again = await lockDirectory(target)
  await again.release()
  t.equal(
    (await readdir(target)).filter((name) => !/^lock-\d+\.json$/.test(name)).length,
    0,
    'no sockets or drafts are left',
  )
})

t.test('a lock whose pid is alive again as another process is taken over', async (t) => {
  const target = await directory(t)
  await writeFile(
    path.join(target, 'lock-7.json'),
    JSON.stringify({ pid: process.pid, socket: 'lock-1-00000000.sock', released: false }),
  )
  const lock = await lockDirectory(target)
  t.same(
    (await readdir(target)).filter((name) => name.endsWith('.json')),
    ['lock-8.json'],
  )
  await lock.release()
})

t.test('of many that want a dead holder’s directory at once exactly one gets it', async (t) => {
  const target = await directory(t)
  for (let round = 0; round < 3; round++) {
    const first = await holder(t, target)
    t.equal(first.says, 'locked')
    await kill(first.child)
    const contenders = await Promise.all(Array.from({ length: 6 }, () => holder(t, target)))
    t.equal(contenders.filter(({ says }) => says === 'locked').length, 1)
    for (const { child } of contenders) await kill(child)
  }
  const inProcess = await Promise.allSettled(Array.from({ length: 20 }, () => lockDirectory(target)))
  const won = inProcess.filter((r) => r.status === 'fulfilled')
  t.equal(won.length, 1)
  await won[0]!.value.release()
})

t.test('a path longer than a socket address may be works all the same', async (t) => {
  const target = path.join(await directory(t), 'a'.repeat(120), 'b'.repeat(120))
  const { child, says } = await holder(t, target)
  t.equal(says, 'locked')
  await t.rejects(lockDirectory(target), { code: 'HD_LOG_LOCKED' })
  await kill(child)
  await (await lockDirectory(target)).release()
})
