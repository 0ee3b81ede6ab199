import t from 'tap'
import { SeriesIndex } from '../../src/model/series.js'
import { transition, Workbench } from './workbench.js'

t.test('records are durable in order of seq, after the sync that holds them and not before', async (t) => {
  const w = new Workbench()
  w.disk.faults.syncMs = 10
  const log = await w.open()
  const durable: number[] = []
  for (let seq = 1; seq <= 100; seq++)
    log.append(w.message(seq), [], () => {
      t.ok(log.syncedSeq >= seq)
      durable.push(seq)
    })
  t.same(durable, [], 'nothing is durable while append runs')
  await w.wait(log.flush())
  t.same(
    durable,
    Array.from({ length: 100 }, (_, i) => i + 1),
  )
  t.equal((await w.readAll(log)).length, 100)
})

t.test('what waits during a sync shares the next one: group commit', async (t) => {
  const w = new Workbench()
  w.disk.faults.syncMs = 10
  const log = await w.open()
  const syncsAtArrival: number[] = []
  for (let seq = 1; seq <= 500; seq++)
    w.world.schedule(seq * 0.1, () => {
      syncsAtArrival.push(log.status().syncs_total)
      log.append(w.message(seq), [], null)
    })
  await w.wait(new Promise<void>((resolve) => w.world.schedule(51, resolve)))
  await w.wait(log.flush())
  const { syncs_total, frames_total } = log.status()
  t.ok(syncs_total >= 5 && syncs_total <= 20, `${syncs_total} syncs for 50 ms of arrivals`)
  t.equal(frames_total, syncs_total)
})

t.test('a lone record waits for one write and one sync only', async (t) => {
  const w = new Workbench()
  w.disk.faults.syncMs = 10
  const log = await w.open()
  log.append(w.message(1), [], null)
  await w.wait(log.flush())
  const begun = w.world.monotonic()
  log.append(w.message(2), [], null)
  await w.wait(log.flush())
  t.ok(w.world.monotonic() - begun <= 11)
})

t.test('a record is copied: the batch can be reused at once', async (t) => {
  const w = new Workbench()
  const log = await w.open()
  const record = w.message(1, [{ device: 'd', value: 5, attrs: '{"a":1}' }])
  log.append(record, [], null)
  record.batch.value.fill(99)
  record.batch.attrs.fill('changed')
  await w.wait(log.flush())
  t.match(await w.readAll(log), [{ rows: [{ value: 5, attrs: '{"a":1}' }] }])
})

t.test('segments are closed at their size, read in order, and each reads by itself', async (t) => {
  const w = new Workbench()
  const log = await w.open({ limits: { segment_bytes: 4096 } })
  for (let seq = 1; seq <= 400; seq++) {
    log.append(w.message(seq), seq % 50 === 0 ? [transition(seq, `a_${seq}`)] : [], null)
    if (seq % 5 === 0) await w.wait(log.flush())
  }
  t.ok(log.status().segments > 5)
  const all = await w.readAll(log)
  t.same(
    all.map((r) => r.seq),
    Array.from({ length: 400 }, (_, i) => i + 1),
  )
  for (const from of [1, 7, 137, 200, 399, 400, 401])
    t.same(await w.readAll(log, from), all.slice(from - 1), `from ${from}`)
  const reader = log.transitionReader()
  const seen: number[] = []
  const read = async (): Promise<void> => {
    for await (const { seq, transitions } of reader.read(120)) if (transitions.length > 0) seen.push(seq)
  }
  await w.wait(read())
  t.same(seen, [150, 200, 250, 300, 350, 400])
})

t.test('a reader follows the writer, sees only what is synced, and misses nothing', async (t) => {
  const w = new Workbench(3)
  w.disk.faults.syncMs = 5
  const log = await w.open({ limits: { segment_bytes: 3000 } })
  const reader = log.reader(new SeriesIndex())
  const seen: number[] = []
  let ahead = 0
  const follow = async (): Promise<void> => {
    while (seen.length < 600) {
      for await (const { record } of reader.read(seen.length + 1)) {
        if (record.seq > log.syncedSeq) ahead++
        seen.push(record.seq)
      }
      await w.life.after(w.world.random.next() * 7)
    }
  }
  for (let seq = 1; seq <= 600; seq++) w.world.schedule(seq * 0.3, () => log.append(w.message(seq), [], null))
  await w.wait(follow())
  t.equal(ahead, 0)
  t.same(
    seen,
    Array.from({ length: 600 }, (_, i) => i + 1),
  )
})

t.test('after a restart the log goes on where it was', async (t) => {
  const w = new Workbench()
  for (let life = 0; life < 5; life++) {
    const log = await w.open()
    t.equal(log.lastSeq, life * 20)
    t.equal(log.syncedSeq, life * 20)
    for (let seq = life * 20 + 1; seq <= life * 20 + 20; seq++) log.append(w.message(seq), [], null)
    await w.wait(log.close())
    w.crash('power')
  }
  const log = await w.open()
  t.equal((await w.readAll(log)).length, 100)
  t.throws(() => log.append(w.message(100), [], null), RangeError, 'a seq cannot come twice')
})

t.test('trim drops only segments that hold nothing from the point on, and never the last', async (t) => {
  const w = new Workbench()
  const log = await w.open({ limits: { segment_bytes: 3000 } })
  for (let seq = 1; seq <= 300; seq++) {
    log.append(w.message(seq), [], null)
    if (seq % 3 === 0) await w.wait(log.flush())
  }
  const before = log.status()
  t.equal(await w.wait(log.trim(1)), 0)
  const freed = await w.wait(log.trim(150))
  t.ok(freed > 0)
  t.equal(log.status().bytes, before.bytes - freed)
  t.ok(log.firstSeq <= 150 && log.firstSeq > 100, `first is ${log.firstSeq}`)
  t.same(
    (await w.readAll(log, 150)).map((r) => r.seq),
    Array.from({ length: 151 }, (_, i) => i + 150),
  )
  await w.wait(log.trim(1e9))
  t.equal(log.status().segments, 1)
  await w.wait(log.close())
  w.crash('power')
  t.equal((await w.open()).lastSeq, 300, 'the last seq is known after a trim of everything')
})

t.test(
  'a full log refuses messages, then takes transitions and commands from the reserve, and recovers by a trim',
  async (t) => {
    const w = new Workbench()
    const log = await w.open({ limits: { log_bytes: 60_000, segment_bytes: 4000 } })
    let seq = 0
    let share = 0
    while (log.append(w.message(seq + 1), [], null)) {
      seq++
      if (seq % 4 === 0) await w.wait(log.flush())
      share = log.status().share
    }
    t.ok(share > 0.9 && share <= 0.951, `refused at ${share}`)
    t.equal(log.status().state, 'full')
    t.equal(
      log.append(w.message(++seq), [transition(seq, 'a_1')], null),
      true,
      'a message that caused a transition',
    )
    t.equal(
      log.append(
        {
          kind: 'command',
          seq: ++seq,
          received: 1,
          name: 'acknowledge',
          who: 'lan',
          target: 'a_1',
          body: {},
        },
        [],
        null,
      ),
      true,
    )
    t.equal(log.append({ kind: 'tick', seq: seq + 1, received: 1 }, [], null), false)
    await w.wait(log.flush())
    await w.wait(log.trim(seq - 100))
    t.equal(log.append(w.message(++seq), [], null), true)
    await w.wait(log.flush())
    t.equal(log.status().state, 'ok')
    t.equal((await w.readAll(log, seq)).length, 1, 'refused records leave holes, not gaps in reading')
  },
)

t.test(
  'ENOSPC: acks stop, what was taken is kept and written when space returns, nothing twice',
  async (t) => {
    const w = new Workbench(5)
    const log = await w.open({ limits: { segment_bytes: 4096 } })
    const durable: number[] = []
    const append = (seq: number): boolean => log.append(w.message(seq), [], () => durable.push(seq))
    for (let seq = 1; seq <= 20; seq++) append(seq)
    await w.wait(log.flush())
    w.disk.faults.capacity = w.disk.usedBytes + 100
    for (let seq = 21; seq <= 40; seq++) append(seq)
    await w.wait(w.life.after(3000))
    t.equal(durable.length, 20, 'no ack without space')
    t.equal(log.status().state, 'full')
    t.match(log.status().reason, /ENOSPC/)
    t.ok(log.status().retries_total >= 3)
    w.disk.faults.capacity = Number.POSITIVE_INFINITY
    const begun = w.world.monotonic()
    await w.wait(log.flush())
    t.ok(w.world.monotonic() - begun <= 2100, 'resumes within one back-off')
    t.equal(log.status().state, 'ok')
    t.same(
      durable,
      Array.from({ length: 40 }, (_, i) => i + 1),
    )
    const read = (await w.readAll(log)).map((r) => r.seq)
    t.same(read, durable)
    w.crash('power')
    const again = await w.open()
    t.same(
      (await w.readAll(again)).map((r) => r.seq),
      read,
    )
  },
)

t.test('the space that others leave counts: refused before the disk itself refuses', async (t) => {
  const w = new Workbench()
  w.disk.faults.capacity = 40_000
  const log = await w.open({ limits: { segment_bytes: 4096 } })
  let seq = 0
  while (log.append(w.message(seq + 1), [], null)) {
    seq++
    if (seq % 4 === 0) {
      await w.wait(log.flush())
      await w.wait(w.life.after(200))
    }
  }
  t.equal(log.status().retries_total, 0, 'no write failed')
  t.ok(log.status().limit_bytes <= 40_000)
  await w.wait(w.life.after(1000))
  w.disk.faults.capacity = 80_000
  t.equal(log.append(w.message(++seq), [], null), false, 'the refused one makes it look again')
  await w.wait(w.life.after(10))
  t.equal(log.append(w.message(++seq), [], null), true)
})

t.test(
  'a failing disk: each attempt in a new segment, never the same bytes synced again, nothing lost or doubled',
  async (t) => {
    for (let seed = 1; seed <= 30; seed++) {
      const w = new Workbench(seed)
      const log = await w.open({ limits: { segment_bytes: 2500, frame_bytes: 900 } })
      w.disk.faults.ioErrors = 0.3
      const durable: number[] = []
      for (let seq = 1; seq <= 200; seq++) {
        log.append(w.message(seq), [], () => durable.push(seq))
        if (seq % 25 === 0) await w.wait(w.life.after(20))
      }
      await w.wait(log.flush())
      const expected = Array.from({ length: 200 }, (_, i) => i + 1)
      const read = (await w.readAll(log)).map((r) => r.seq)
      w.crash('power')
      w.disk.faults.ioErrors = 0
      const again = await w.open()
      const after = (await w.readAll(again)).map((r) => r.seq)
      if (!same(read, expected) || !same(durable, expected) || !same(after, expected)) {
        t.fail(
          `seed ${seed}: read ${read.length}, durable ${durable.length}, after the power cut ${after.length}`,
        )
        return
      }
    }
    t.pass('30 seeds')
  },
)

t.test('memory is bounded while the disk stands still', async (t) => {
  const w = new Workbench()
  const log = await w.open({ limits: { pending_bytes: 20_000 } })
  w.disk.faults.syncMs = 1e9
  let taken = 0
  for (let seq = 1; seq <= 5000; seq++) if (log.append(w.message(seq), [], null)) taken++
  t.ok(taken < 400, `${taken} taken`)
  t.ok(log.status().pending_bytes <= 20_100)
  t.equal(
    log.append(w.message(6000), [transition(6000, 'a')], null),
    true,
    'the reserve holds for memory too',
  )
})

t.test('close flushes; on a disk that refuses it says what is not durable instead of hanging', async (t) => {
  const w = new Workbench()
  const log = await w.open()
  log.append(w.message(1), [], null)
  await w.wait(log.close())
  t.equal(log.syncedSeq, 1)
  t.equal(log.append(w.message(2), [], null), false, 'closed')

  const v = new Workbench()
  const full = await v.open()
  v.disk.faults.capacity = 10
  full.append(v.message(1), [], null)
  await t.rejects(v.wait(full.close()), { code: 'HD_LOG_FULL', message: /1 records not durable/ })
})

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i])
}
