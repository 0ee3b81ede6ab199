import t from 'tap'
import { Checkpoints } from '../../src/log/checkpoints.js'
import { Cursors } from '../../src/log/cursors.js'
import { trimPoint } from '../../src/log/trim-point.js'
import { Workbench } from './workbench.js'

const DIRECTORY = '/data/checkpoints'

function chunksOf(seq: number): Uint8Array[] {
  return Array.from({ length: 5 }, (_, i) => new Uint8Array(50 + ((seq * 7 + i * 13) % 40)).fill(seq + i))
}

async function contents(
  w: Workbench,
  checkpoints: Checkpoints,
  maxSeq?: number,
): Promise<{ seq: number; bytes: Buffer } | null> {
  const read = async (): Promise<{ seq: number; bytes: Buffer } | null> => {
    const newest = await checkpoints.newest(maxSeq)
    if (newest === null) return null
    const parts: Uint8Array[] = []
    for await (const chunk of newest.chunks()) parts.push(chunk)
    return { seq: newest.seq, bytes: Buffer.concat(parts) }
  }
  return w.wait(read())
}

const open = (w: Workbench): Promise<Checkpoints> => w.wait(Checkpoints.open(w.disk.mount(w.life), DIRECTORY))

t.test('the newest is read, two are kept, and the log from the older on must stay', async (t) => {
  const w = new Workbench()
  const checkpoints = await open(w)
  t.equal(await contents(w, checkpoints), null)
  t.equal(checkpoints.olderSeq, 0)
  await w.wait(checkpoints.write(10, chunksOf(10)))
  t.equal(checkpoints.olderSeq, 0, 'one alone protects nothing')
  await w.wait(checkpoints.write(20, chunksOf(20)))
  async function* slices(): AsyncGenerator<Uint8Array> {
    for (const chunk of chunksOf(30)) yield chunk
  }
  await w.wait(checkpoints.write(30, slices()))
  t.same([checkpoints.olderSeq, checkpoints.newestSeq], [20, 30])
  t.same(await contents(w, checkpoints), { seq: 30, bytes: Buffer.concat(chunksOf(30)) })
  t.equal(w.disk.names().length, 2)
  t.equal((await contents(w, checkpoints, 25))?.seq, 20, 'not one that is ahead of the log')
})

t.test(
  'damaged at any byte or cut anywhere, the newest gives way to the older; both gone gives none',
  async (t) => {
    const w = new Workbench()
    const checkpoints = await open(w)
    await w.wait(checkpoints.write(10, chunksOf(10)))
    await w.wait(checkpoints.write(20, chunksOf(20)))
    const [older, newest] = w.disk.names() as [string, string]
    const bytes = w.disk.contents(newest).slice()
    let wrong = 0
    for (let at = 0; at < bytes.length; at++) {
      const flipped = bytes.slice()
      flipped[at]! ^= 0x10
      // The version alone, flipped upwards, is a newer program's file and refused by name.
      if (at >= 8 && at < 12) continue
      for (const damaged of [flipped, bytes.slice(0, at)]) {
        w.disk.replace(newest, damaged)
        const read = await contents(w, await open(w))
        // The reserved bytes at the end of the header are covered by its checksum too.
        if (read?.seq !== 10 || !read.bytes.equals(Buffer.concat(chunksOf(10)))) wrong++
      }
    }
    t.equal(wrong, 0)
    w.disk.replace(older, new Uint8Array(3))
    t.equal(await contents(w, await open(w)), null)
  },
)

t.test('a checkpoint of a newer program is refused', async (t) => {
  const w = new Workbench()
  const checkpoints = await open(w)
  await w.wait(checkpoints.write(10, chunksOf(10)))
  const name = w.disk.names()[0]!
  const bytes = w.disk.contents(name).slice()
  new DataView(bytes.buffer).setUint32(8, 99, true)
  w.disk.replace(name, bytes)
  await t.rejects(w.wait(checkpoints.newest()), { code: 'HD_LOG_VERSION', message: /format 99/ })
})

t.test('a power cut at any moment of writing leaves the new one or those before, whole', async (t) => {
  let completed = 0
  let wrong = 0
  for (let seed = 1; seed <= 200; seed++) {
    const w = new Workbench(seed)
    w.disk.faults.syncMs = 3
    const checkpoints = await open(w)
    await w.wait(checkpoints.write(10, chunksOf(10)))
    await w.wait(checkpoints.write(20, chunksOf(20)))
    let done = false
    checkpoints.write(30, chunksOf(30)).then(
      () => (done = true),
      () => {},
    )
    await w.wait(w.life.after(w.world.random.next() * 14))
    w.crash('power')
    const read = await contents(w, await open(w))
    if (done) completed++
    if (read === null || (done && read.seq !== 30) || !read.bytes.equals(Buffer.concat(chunksOf(read.seq))))
      wrong++
    if (w.disk.names().some((name) => name.endsWith('.tmp'))) wrong++
  }
  t.equal(wrong, 0)
  t.ok(completed > 20 && completed < 180, `${completed} of 200 had completed`)
})

t.test('a disk that is full keeps the old ones', async (t) => {
  const w = new Workbench()
  const checkpoints = await open(w)
  await w.wait(checkpoints.write(10, chunksOf(10)))
  w.disk.faults.capacity = w.disk.usedBytes + 60
  await t.rejects(w.wait(checkpoints.write(20, chunksOf(20))), { code: 'ENOSPC' })
  t.equal((await contents(w, checkpoints))?.seq, 10)
  t.equal((await contents(w, await open(w)))?.seq, 10)
})

t.test('cursors survive a power cut as they were saved; a damaged one counts as none', async (t) => {
  const w = new Workbench()
  const cursors = (): Cursors => new Cursors(w.disk.mount(w.life), '/data/cursors')
  t.equal(await w.wait(cursors().load('webhook')), 0)
  for (const seq of [5, 17, 4_503_599_627_370_497]) {
    await w.wait(cursors().save('webhook', seq))
    w.crash('power')
    t.equal(await w.wait(cursors().load('webhook')), seq)
  }
  await w.wait(cursors().save('../Ơ:weird name', 3))
  t.equal(await w.wait(cursors().load('../Ơ:weird name')), 3)
  t.ok(w.disk.names().every((name) => name.startsWith('/data/cursors/cursor-')))
  const name = '/data/cursors/cursor-webhook.json'
  w.disk.replace(name, Buffer.from(Buffer.from(w.disk.contents(name)).toString().replace('7', '8')))
  t.equal(await w.wait(cursors().load('webhook')), 0)
  w.disk.replace(name, Buffer.from('{'))
  t.equal(await w.wait(cursors().load('webhook')), 0)
})

t.test(
  'what may leave the log: shipped and older than the older checkpoint; sinks hold it while there is room',
  async (t) => {
    const state = { shippedSeq: 500, olderCheckpointSeq: 400, sinkSeqs: [450, 30], share: 0.1 }
    t.equal(trimPoint(state), 31)
    t.equal(trimPoint({ ...state, share: 0.6 }), 401)
    t.equal(trimPoint({ ...state, share: 0.6, shippedSeq: 20 }), 21)
    t.equal(trimPoint({ ...state, sinkSeqs: [] }), 401)
  },
)
