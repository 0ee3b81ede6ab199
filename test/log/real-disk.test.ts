import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { realDisk } from '../../src/log/disk.js'
import { openLog } from '../../src/log/log.js'
import { SeriesIndex } from '../../src/model/series.js'
import { Workbench } from './workbench.js'

async function directory(t: { teardown: (fn: () => unknown) => unknown }): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'hd-log-'))
  t.teardown(() => rm(made, { recursive: true, force: true }))
  return made
}

async function seqs(log: Awaited<ReturnType<typeof openLog>>): Promise<number[]> {
  const out: number[] = []
  const reader = log.reader(new SeriesIndex())
  for await (const { record } of reader.read(1)) out.push(record.seq)
  await reader.close()
  return out
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`not within 10 s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

t.test('on the machine’s disk: written, closed, opened, read', async (t) => {
  const target = await directory(t)
  const w = new Workbench()
  const log = await openLog({
    disk: realDisk,
    directory: target,
    index: w.index,
    limits: { segment_bytes: 20_000 },
  })
  let durable = 0
  for (let seq = 1; seq <= 2000; seq++) {
    log.append(w.message(seq), [], () => durable++)
    if (seq % 50 === 0) await log.flush()
  }
  await log.close()
  t.equal(durable, 2000)
  const again = await openLog({ disk: realDisk, directory: target, index: new SeriesIndex() })
  t.same(
    await seqs(again),
    Array.from({ length: 2000 }, (_, i) => i + 1),
  )
  t.ok((await again.trim(1500)) > 0)
  await again.close()
})

t.test('kill -9 while it writes: all that was reported durable is there', async (t) => {
  const target = await directory(t)
  const at = (module: string): string => JSON.stringify(new URL(module, import.meta.url).href)
  const writer = `import { openLog } from ${at('../../src/log/log.js')}
import { realDisk } from ${at('../../src/log/disk.js')}
import { Workbench } from ${at('./workbench.js')}
import { writeSync } from 'node:fs'
const w = new Workbench()
const log = await openLog({ disk: realDisk, directory: process.argv[1], index: w.index, limits: { segment_bytes: 30000 } })
let seq = log.lastSeq
const more = () => {
  for (let i = 0; i < 20; i++) { const s = ++seq; log.append(w.message(s), [], () => writeSync(1, s + '\\n')) }
  setImmediate(more)
}
more()`
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', writer, target], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await until('some records are durable', () => said.length > 3000 + round * 1777)
    child.kill('SIGKILL')
    await once(child.stdout, 'close')
    const durable = said.split('\n').slice(0, -1).map(Number)
    const log = await openLog({ disk: realDisk, directory: target, index: new SeriesIndex() })
    const read = await seqs(log)
    t.ok(read.length >= durable.at(-1)!, `${durable.length} reported, ${read.length} in the log`)
    t.ok(read.every((seq, i) => seq === i + 1))
    await log.close()
  }
})

t.test(
  'an 8 MB file system fills up: acks stop, and go on when space returns; nothing acknowledged is lost',
  async (t) => {
    const target = await directory(t)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', target], { stdio: 'pipe' })
    } catch {
      t.pass('skipped: mounting a tmpfs needs root')
      return
    }
    t.teardown(() => execFileSync('umount', [target]))
    const w = new Workbench()
    const log = await openLog({
      disk: realDisk,
      directory: path.join(target, 'log'),
      index: w.index,
      limits: { segment_bytes: 500_000 },
    })
    const ballast = path.join(target, 'ballast')
    await writeFile(ballast, new Uint8Array(4 << 20))
    const rows = Array.from({ length: 50 }, (_, i) => ({ device: `d${i}`, value: i }))
    const durable: number[] = []
    let seq = 0
    const append = (): boolean =>
      log.append(w.message(seq + 1, rows), [], () => durable.push(log.syncedSeq)) && ++seq > 0
    await until('it refuses', () => {
      for (let i = 0; i < 100; i++) if (!append()) return true
      return false
    })
    await until(
      'what was taken is durable or the disk refuses',
      () => log.status().pending_records === 0 || log.status().retries_total > 0,
    )
    t.equal(log.status().state, 'full')

    const before = durable.length
    await rm(ballast)
    await log.flush()
    t.ok(durable.length > before && durable.length === seq, 'what waited in memory is durable now')
    await log.trim(seq - 1000)
    await until('it takes again', append)
    await log.flush()
    t.equal(durable.length, seq)
    t.equal(log.status().state, 'ok')
    await log.close()
    const again = await openLog({
      disk: realDisk,
      directory: path.join(target, 'log'),
      index: new SeriesIndex(),
    })
    const read = await seqs(again)
    t.same([read.at(-1), read.length >= 1000], [seq, true])
    t.ok(read.every((each, i) => each === read[0]! + i))
    await again.close()
  },
)
