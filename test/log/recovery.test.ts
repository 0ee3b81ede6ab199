import t from 'tap'
import { FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES } from '../../src/log/frame.js'
import type { Damage } from '../../src/log/reader.js'
import { scanSegment } from '../../src/log/segment.js'
import { Random } from '../simulation/random.js'
import { DIRECTORY, type Plain, transition, Workbench } from './workbench.js'

const SEGMENT = `${DIRECTORY}/log-0000000000000001.hdl`

/** A log of one segment: `frames` frames of three records each, synced one by one. */
async function written(
  frames: number,
  options = {},
): Promise<{ w: Workbench; bytes: Uint8Array; all: Plain[] }> {
  const w = new Workbench()
  const log = await w.open(options)
  for (let seq = 1; seq <= frames * 3; seq++) {
    // New devices in every frame, so that each carries names that later ones need.
    log.append(
      w.message(seq, [{ device: `d${seq % 10}`, value: seq, label: `l${seq % 4}` }]),
      seq % 3 === 0 ? [transition(seq, 'a')] : [],
      null,
    )
    if (seq % 3 === 0) await w.wait(log.flush())
  }
  const all = await w.readAll(log)
  await w.wait(log.close())
  w.crash('kill')
  return { w, bytes: w.disk.contents(SEGMENT).slice(), all }
}

t.test('cut at every byte of its tail, the log recovers to the last whole frame and goes on', async (t) => {
  const { w, bytes, all } = await written(2)
  const ends = scanSegment(bytes, 'x').frames.map(({ offset, header }) => ({
    end: offset + header.length,
    lastSeq: header.lastSeq,
  }))
  let wrong = 0
  for (let cut = 0; cut <= bytes.length; cut++) {
    w.disk.replace(SEGMENT, bytes.subarray(0, cut))
    for (const name of w.disk.names()) if (name !== SEGMENT) w.disk.replace(name, new Uint8Array(0))
    w.crash('kill')
    const log = await w.open()
    const lastSeq = ends.findLast(({ end }) => end <= cut)?.lastSeq ?? 0
    if (log.lastSeq !== lastSeq || log.recovery.damaged !== 0) wrong++
    const record = w.message(lastSeq + 1)
    log.append(record, [], null)
    await w.wait(log.flush())
    const read = await w.readAll(log)
    if (
      JSON.stringify(read.slice(0, -1)) !== JSON.stringify(all.slice(0, lastSeq)) ||
      read.at(-1)?.seq !== lastSeq + 1
    )
      wrong++
    await w.wait(log.close())
    for (const name of w.disk.names()) if (name !== SEGMENT) await w.wait(w.disk.mount(w.life).unlink(name))
  }
  t.equal(wrong, 0, `${bytes.length + 1} cuts`)
})

t.test(
  'any byte flipped in the middle: exactly its frame is lost, counted and copied aside, the rest is read',
  async (t) => {
    const { w, bytes, all } = await written(5)
    const { frames } = scanSegment(bytes, 'x')
    let wrong = 0
    let checked = 0
    // Behind the first three frames stand two more that knew them synced.
    const end = frames[2]!.offset + frames[2]!.header.length
    for (let at = SEGMENT_HEADER_BYTES; at < end; at += at % 64 < 8 ? 1 : 13) {
      checked++
      const flipped = bytes.slice()
      flipped[at]! ^= 0x40
      w.disk.replace(SEGMENT, flipped)
      w.crash('kill')
      const damages: Damage[] = []
      const log = await w.open({ onDamage: (d) => damages.push(d) })
      const hit = frames.find(({ offset, header }) => at >= offset && at < offset + header.length)!
      const expected = all.filter(({ seq }) => seq < hit.header.firstSeq || seq > hit.header.lastSeq)
      const read = await w.readAll(log)
      await w.readAll(log)
      if (JSON.stringify(read) !== JSON.stringify(expected)) wrong++
      if (log.lastSeq !== all.length || log.recovery.damaged !== 1) wrong++
      if (
        damages.length !== 1 ||
        damages[0]!.offset !== hit.offset ||
        damages[0]!.bytes !== hit.header.length
      )
        wrong++
      const aside = w.disk.contents(`${DIRECTORY}/quarantine/${SEGMENT.split('/').at(-1)}.${hit.offset}.bin`)
      if (!Buffer.from(flipped.subarray(hit.offset, hit.offset + hit.header.length)).equals(aside)) wrong++
      await w.wait(log.close())
      for (const name of w.disk.names()) if (name !== SEGMENT) await w.wait(w.disk.mount(w.life).unlink(name))
    }
    t.equal(wrong, 0, `${checked} flips`)
  },
)

t.test('damage in an earlier segment costs its frame only, names included', async (t) => {
  const w = new Workbench()
  const log = await w.open({ limits: { segment_bytes: 1500 } })
  for (let seq = 1; seq <= 90; seq++) {
    log.append(w.message(seq), [], null)
    if (seq % 3 === 0) await w.wait(log.flush())
  }
  const all = await w.readAll(log)
  await w.wait(log.close())
  w.crash('kill')
  const segments = w.disk.names().filter((n) => n.endsWith('.hdl'))
  t.ok(segments.length >= 4)
  const bytes = w.disk.contents(segments[1]!).slice()
  const first = scanSegment(bytes, 'x').frames[0]!
  bytes.fill(0xee, first.offset + 20, first.offset + 60)
  w.disk.replace(segments[1]!, bytes)
  w.crash('kill')
  const damages: Damage[] = []
  const again = await w.open({ onDamage: (d) => damages.push(d) })
  t.equal(again.recovery.damaged, 0, 'a start looks at the last segment only')
  t.same(
    await w.readAll(again),
    all.filter(({ seq }) => seq < first.header.firstSeq || seq > first.header.lastSeq),
  )
  t.equal(damages.length, 1)
  t.equal(again.status().damaged_total, 1)
})

t.test(
  'two damaged frames side by side: what they named is left out and counted, the rest is read',
  async (t) => {
    const { w, bytes } = await written(8)
    const { frames } = scanSegment(bytes, 'x')
    const damaged = bytes.slice()
    for (const f of [0, 1]) damaged[frames[f]!.offset + FRAME_HEADER_BYTES]! ^= 1
    w.disk.replace(SEGMENT, damaged)
    w.crash('kill')
    const damages: Damage[] = []
    const log = await w.open({ onDamage: (d) => damages.push(d) })
    const read = await w.readAll(log)
    t.same(
      read.map((r) => r.seq),
      Array.from({ length: 18 }, (_, i) => i + 7),
      'all other records, their transitions too',
    )
    const rows = read.reduce((sum, r) => sum + (r['rows'] as unknown[]).length, 0)
    const nameless = damages.reduce((sum, d) => sum + d.nameless, 0)
    t.ok(nameless > 0)
    t.equal(rows + nameless, 18)
  },
)

t.test(
  'a torn group that was never synced is cut whole, even where a later frame of it is intact',
  async (t) => {
    const w = new Workbench()
    const log = await w.open({ limits: { frame_bytes: 300 } })
    for (let seq = 1; seq <= 3; seq++) log.append(w.message(seq), [], null)
    await w.wait(log.flush())
    for (let seq = 4; seq <= 30; seq++) log.append(w.message(seq), [], null)
    await w.wait(log.flush())
    w.crash('kill')
    const bytes = w.disk.contents(SEGMENT).slice()
    const { frames } = scanSegment(bytes, 'x')
    t.ok(frames.length > 4)
    bytes[frames[2]!.offset + 70]! ^= 1
    w.disk.replace(SEGMENT, bytes)
    const again = await w.open()
    t.equal(again.lastSeq, frames[1]!.header.lastSeq)
    t.equal(again.recovery.damaged, 0)
    t.equal(again.recovery.cutBytes, bytes.length - frames[2]!.offset)
  },
)

t.test('at any power cut, what was reported durable is there, and what is there is a prefix', async (t) => {
  let lost = 0
  let holes = 0
  let cutShort = 0
  for (let seed = 1; seed <= 300; seed++) {
    const w = new Workbench(seed)
    w.disk.faults.syncMs = 6
    const { random } = w.world
    let durable = 0
    let taken = 0
    for (let life = 0; life < 3; life++) {
      const log = await w.open({ limits: { segment_bytes: 2000, frame_bytes: 700 } })
      const seqs = (await w.readAll(log)).map((r) => r.seq)
      if (log.lastSeq < durable) lost++
      if (seqs.some((seq, i) => seq !== i + 1) || seqs.length !== log.lastSeq) holes++
      if (log.lastSeq < taken) cutShort++
      for (let seq = log.lastSeq + 1; seq <= log.lastSeq + 60 && seq <= (life + 1) * 60; seq++) {
        taken = seq
        w.world.schedule(random.next() * 0.5 + seq * 0.3 - life * 15, () => {
          if (seq === log.lastSeq + 1)
            log.append(w.message(seq), [], () => (durable = Math.max(durable, seq)))
        })
      }
      await w.wait(w.life.after(random.next() * 25))
      w.crash(random.chance(0.8) ? 'power' : 'kill')
    }
  }
  t.equal(lost, 0, 'nothing durable was lost')
  t.equal(holes, 0, 'no holes')
  t.ok(cutShort > 50, `${cutShort} of 600 recoveries had lost something that was not durable: the test bites`)
})

t.test('a segment of a newer program is refused at the start, and left as it is', async (t) => {
  const { w, bytes } = await written(2)
  const newer = bytes.slice()
  new DataView(newer.buffer).setUint32(8, 2, true)
  w.disk.replace(SEGMENT, newer)
  await t.rejects(w.open(), { code: 'HD_LOG_VERSION' })
  t.same(w.disk.contents(SEGMENT), newer)
})

t.test(
  'what a failed sync left in the page cache as clean is written again before it counts as synced',
  async (t) => {
    let left = 0
    for (let seed = 1; seed <= 40; seed++) {
      const w = new Workbench(seed)
      const log = await w.open()
      log.append(w.message(1), [], null)
      await w.wait(log.flush())
      w.disk.faults.syncMs = 2
      w.disk.faults.failNextSync = true
      log.append(w.message(2), [], null)
      log.append(w.message(3), [], null)
      // Dies as the sync fails, before it can tidy up: the bytes are seen, and will never reach the disk.
      let failed = false
      while (!failed) {
        await w.world.step()
        failed = !w.disk.faults.failNextSync
      }
      w.crash('kill')
      const again = await w.open()
      const claimed = again.lastSeq
      if (claimed === 3) left++
      w.crash('power')
      const after = await w.open()
      if (after.lastSeq < claimed) t.fail(`seed ${seed}: said ${claimed}, then ${after.lastSeq}`)
    }
    t.ok(left > 0, `${left} of 40 found them`)
  },
)

t.test(
  'whatever is done to its files, the log opens, reads in order, and gives back only what was written',
  async (t) => {
    const w = new Workbench()
    const log = await w.open({ limits: { segment_bytes: 1800 } })
    for (let seq = 1; seq <= 90; seq++) {
      log.append(w.message(seq), seq % 9 === 0 ? [transition(seq, 'a')] : [], null)
      if (seq % 3 === 0) await w.wait(log.flush())
    }
    const written = new Map((await w.readAll(log)).map((record) => [record.seq, JSON.stringify(record)]))
    await w.wait(log.close())
    w.crash('kill')
    const files = new Map(w.disk.names().map((name) => [name, w.disk.contents(name).slice()]))
    const random = new Random(99)
    let recovered = 0
    for (let round = 0; round < 150; round++) {
      for (const name of w.disk.names()) if (!files.has(name)) await w.wait(w.disk.mount(w.life).unlink(name))
      for (const [name, bytes] of files)
        w.disk.replace(name, random.chance(0.5) ? bytes : mangled(bytes, random))
      w.crash('kill')
      const again = await w.open()
      const read = await w.readAll(again)
      recovered += read.length
      for (const [i, record] of read.entries()) {
        const before = read[i - 1]
        if (before !== undefined && before.seq >= record.seq)
          t.fail(`round ${round}: ${record.seq} after ${before.seq}`)
        // Samples whose names were lost are left out; nothing else may differ.
        const rows = record['rows'] as unknown[]
        const wanted = written.get(record.seq)
        if (wanted === undefined || (rows.length > 0 && JSON.stringify(record) !== wanted))
          t.fail(`round ${round}: record ${record.seq} was never written so`)
      }
      again.append(w.message(again.lastSeq + 1), [], null)
      await w.wait(again.flush())
      t.equal((await w.readAll(again)).at(-1)?.seq, again.lastSeq)
      await w.wait(again.close())
    }
    t.ok(recovered > 150 * 30, `${recovered} of ${150 * 90} read`)
  },
)

/** One of the things that happen to files: flipped, cut, zeroed, repeated, swapped, lengthened, emptied. */
function mangled(bytes: Uint8Array, random: Random): Uint8Array {
  const out = bytes.slice()
  const at = random.integer(0, out.length - 1)
  const length = random.integer(1, 200)
  switch (random.integer(0, 6)) {
    case 0:
      for (let n = random.integer(1, 8); n > 0; n--)
        out[random.integer(0, out.length - 1)]! ^= 1 << random.integer(0, 7)
      // A version flipped upwards is a newer program's, and refused by name: another test.
      out.set(bytes.subarray(0, SEGMENT_HEADER_BYTES))
      return out
    case 1:
      return out.slice(0, at)
    case 2:
      return out.fill(0, Math.max(at, SEGMENT_HEADER_BYTES), at + length)
    case 3:
      return Buffer.concat([
        out.subarray(0, at),
        out.subarray(Math.max(0, at - length), at),
        out.subarray(at),
      ])
    case 4:
      return Buffer.concat([out.subarray(0, at), out.subarray(at + length)])
    case 5:
      return Buffer.concat([out, Uint8Array.from({ length }, () => random.integer(0, 255))])
    default:
      return new Uint8Array(0)
  }
}

t.test(
  'an end that was lost after others had seen it is damage, and its numbers are not given again',
  async (t) => {
    const { w, bytes, all } = await written(4)
    const { frames } = scanSegment(bytes, 'x')
    // The last frame: nothing behind it can tell that it was synced, but a checkpoint of its last record can.
    bytes[frames[3]!.offset + 70]! ^= 1
    w.disk.replace(SEGMENT, bytes)
    w.crash('kill')
    const damages: Damage[] = []
    const log = await w.open({ knownSeq: 12, onDamage: (d) => damages.push(d) })
    t.equal(log.recovery.lastSeq, 9)
    t.equal(log.lastSeq, 12)
    t.match(damages, [{ afterSeq: 9 }])
    t.same(await w.readAll(log), all.slice(0, 9))
    log.append(w.message(13), [], null)
    await w.wait(log.flush())
    t.same(
      (await w.readAll(log)).map((r) => r.seq),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 13],
    )
    t.equal(log.status().damaged_total, 1)
  },
)
