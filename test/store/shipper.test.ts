/** The shipper against a store that loses answers, is busy, refuses, forgets nothing: seeded, without chDB. */
import t from 'tap'
import type { SampleColumns } from '../../src/store/columns.js'
import { failureOf, type ShipmentBounds, type Table } from '../../src/store/shipment.js'
import type { ShipmentFiles, ShippingState } from '../../src/store/shipment-files.js'
import { type SetAside, Shipper, type StorePort } from '../../src/store/shipper.js'
import { MemoryLog, random } from './city.js'

/** Encodes columns as a list of seqs: all that the simulated store needs of them. */
const encoder = {
  encode: async (columns: SampleColumns): Promise<Uint8Array> => new Uint8Array(columns.seq.buffer.slice(0)),
  textRows: async () => null,
}

class Answer extends Error {
  readonly code: string
  constructor(code: number, message: string) {
    super(message)
    this.code = String(code)
  }
}

type Misbehaviour = (
  statement: string,
  seqs: readonly number[],
) => 'lose' | 'commit and lose' | Answer | undefined

/** A table that drops what it has under a token, as ClickHouse's deduplication window does, and misbehaves on demand. */
class SimulatedStore implements StorePort {
  readonly seqs = new Map<Table, number[]>()
  readonly tokens = new Set<string>()
  readonly attempts: { statement: string; token: string; payload: string }[] = []
  readonly #misbehave: Misbehaviour

  constructor(misbehave: Misbehaviour = () => undefined) {
    this.#misbehave = misbehave
  }

  async insert(statement: string, payload: Uint8Array, token: string): Promise<void> {
    const table = /INSERT INTO (\w+)/.exec(statement)![1] as Table
    const seqs = seqsOf(table, payload)
    this.attempts.push({ statement, token, payload: Buffer.from(payload).toString('base64') })
    const fault = this.#misbehave(statement, seqs)
    if (fault === 'lose') throw new Error('socket hang up')
    if (fault instanceof Answer) throw fault
    if (!this.tokens.has(token)) {
      this.tokens.add(token)
      this.seqs.set(table, [...(this.seqs.get(table) ?? []), ...seqs])
    }
    if (fault === 'commit and lose') throw new Error('socket hang up')
  }

  async count(table: Table, first: number, last: number): Promise<number> {
    return (this.seqs.get(table) ?? []).filter((seq) => seq >= first && seq <= last).length
  }
}

function seqsOf(table: Table, payload: Uint8Array): number[] {
  if (table === 'samples')
    return [...new Float64Array(payload.buffer, payload.byteOffset, payload.byteLength / 8)]
  if (table === 'dead_letters') {
    const bytes = Buffer.from(payload)
    const seqs: number[] = []
    for (let at = 0; at < bytes.length; ) {
      seqs.push(Number(bytes.readBigUInt64LE(at)))
      at += 16
      // source, topic, identity (a number), code, reason, bytes: none longer than 127.
      for (const field of ['text', 'text', 'number', 'text', 'text', 'text'])
        at += field === 'number' ? 8 : 1 + bytes[at]!
    }
    return seqs
  }
  return Buffer.from(payload)
    .toString()
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { seq: number }).seq)
}

class MemoryFiles implements ShipmentFiles {
  state: ShippingState | null = null
  readonly aside: string[] = []
  async load(): Promise<ShippingState | null> {
    return this.state === null ? null : structuredClone(this.state)
  }
  async save(state: ShippingState): Promise<void> {
    this.state = structuredClone(state)
  }
  async setAside(name: string): Promise<void> {
    this.aside.push(name)
  }
}

const SMALL: ShipmentBounds = { rows: 200, bytes: 1e9, days: 90 }

function sorted(seqs: readonly number[] | undefined): number[] {
  return [...(seqs ?? [])].sort((a, b) => a - b)
}

t.test('every row once, in order, in bounded shipments', async (t) => {
  const log = new MemoryLog(1)
  log.grow(2000)
  const store = new SimulatedStore()
  let shipped = 0
  const shipper = await Shipper.open({
    log,
    index: log.index,
    store,
    encoder,
    files: new MemoryFiles(),
    bounds: SMALL,
    interval_ms: 0,
    onShipped: (seq) => {
      t.ok(seq > shipped, 'onward only')
      shipped = seq
    },
  })
  await shipper.drained()
  await shipper.close()
  t.same(
    store.seqs.get('samples'),
    log.samples.map((s) => s.seq),
  )
  for (const [table, n] of Object.entries(log.counts))
    t.equal(store.seqs.get(table as Table)?.length, n, table)
  t.equal(shipped, log.lastSeq)
  t.equal(shipper.status.shipped_seq, log.lastSeq)
  t.equal(
    shipper.status.rows_total,
    log.samples.length + log.counts.audit + log.counts.dead_letters + log.counts.transitions,
  )
  t.ok(
    store.attempts
      .filter((a) => a.statement.includes('samples'))
      .every((a) => Buffer.from(a.payload, 'base64').length / 8 <= 200),
  )
})

t.test(
  '100 seeds: answers lost before and after the commit, busy answers, restarts: once, with the same bytes',
  async (t) => {
    for (let seed = 1; seed <= 100; seed++) {
      const next = random(seed)
      const log = new MemoryLog(seed)
      log.grow(60)
      const store = new SimulatedStore(() => {
        const x = next()
        return x < 0.1
          ? 'lose'
          : x < 0.25
            ? 'commit and lose'
            : x < 0.3
              ? new Answer(252, 'Too many parts (3000)')
              : undefined
      })
      const files = new MemoryFiles()
      const options = {
        log,
        index: log.index,
        store,
        encoder,
        files,
        bounds: { rows: 40, bytes: 1e9, days: 90 },
        interval_ms: 0,
      }
      for (let start = 0; start < 3; start++) {
        const shipper = await Shipper.open(options)
        log.grow(20)
        const attempts = store.attempts.length
        // A crash at some attempt: only what is written down goes on.
        while (store.attempts.length < attempts + 2 && shipper.status.shipped_seq < log.lastSeq) {
          shipper.retry()
          await new Promise((resolve) => setImmediate(resolve))
        }
        await shipper.close()
      }
      const shipper = await Shipper.open(options)
      const done = shipper.drained().then(() => true)
      while (!(await Promise.race([done, new Promise((resolve) => setImmediate(resolve, false))])))
        shipper.retry()
      await shipper.close()
      if (
        !t.same(
          sorted(store.seqs.get('samples')),
          log.samples.map((s) => s.seq),
          `seed ${seed}`,
        )
      )
        break
      for (const [table, n] of Object.entries(log.counts))
        t.equal(store.seqs.get(table as Table)?.length ?? 0, n)
      const bytes = new Map<string, string>()
      for (const a of store.attempts) {
        if (bytes.has(a.token) && bytes.get(a.token) !== a.payload)
          t.fail(`seed ${seed}: a token with two contents`)
        bytes.set(a.token, a.payload)
      }
      t.equal(shipper.status.doubled_total, 0)
    }
  },
)

t.test('poison is found by halves and set aside alone', async (t) => {
  const log = new MemoryLog(3)
  log.grow(100)
  const poison = [log.message(3, 666), 0]
  log.grow(100)
  poison[1] = log.message(1, 666)
  log.grow(50)
  const store = new SimulatedStore((statement, seqs) =>
    statement.includes('samples') && seqs.some((seq) => poison.includes(seq))
      ? new Answer(469, 'Constraint violated')
      : undefined,
  )
  const aside: SetAside[] = []
  const files = new MemoryFiles()
  const shipper = await Shipper.open({
    log,
    index: log.index,
    store,
    encoder,
    files,
    interval_ms: 0,
    onSetAside: (entry) => {
      aside.push(entry)
    },
  })
  const done = shipper.drained().then(() => true)
  while (!(await Promise.race([done, new Promise((resolve) => setImmediate(resolve, false))])))
    shipper.retry()
  await shipper.close()
  t.same(
    sorted(store.seqs.get('samples')),
    log.samples.filter((s) => !poison.includes(s.seq)).map((s) => s.seq),
  )
  t.equal(store.seqs.get('transitions')?.length, log.counts.transitions, 'other tables have all of theirs')
  t.same(
    aside.map((a) => [a.first, a.last, a.rows, a.stored]),
    [
      [poison[0], poison[0], 3, 0],
      [poison[1], poison[1], 1, 0],
    ],
  )
  t.same(
    files.aside,
    poison.map((seq) => `${seq}-${seq}-samples.arrow`),
  )
  t.equal(shipper.status.set_aside_total, 2)
})

t.test('a shipment whose rows are in the table is not split', async (t) => {
  const log = new MemoryLog(4)
  log.grow(50)
  const store = new SimulatedStore()
  // The table takes them, a view behind it refuses: the answer is an error all the same.
  const port: StorePort = {
    insert: async (statement, payload, token) => {
      await store.insert(statement, payload, token)
      if (statement.includes('INTO samples')) throw new Answer(395, 'throwIf')
    },
    count: (table, first, last) => store.count(table, first, last),
  }
  const aside: SetAside[] = []
  const shipper = await Shipper.open({
    log,
    index: log.index,
    store: port,
    encoder,
    files: new MemoryFiles(),
    interval_ms: 0,
    onSetAside: (entry) => {
      aside.push(entry)
    },
  })
  const done = shipper.drained().then(() => true)
  while (!(await Promise.race([done, new Promise((resolve) => setImmediate(resolve, false))])))
    shipper.retry()
  await shipper.close()
  t.same(
    store.seqs.get('samples'),
    log.samples.map((s) => s.seq),
    'once',
  )
  t.match(aside, [{ table: 'samples', rows: log.samples.length, stored: log.samples.length }])
})

t.test('a store that is away costs nothing but time, and close does not wait for it', async (t) => {
  const log = new MemoryLog(5)
  log.grow(50)
  const store = new SimulatedStore(() => 'lose')
  const shipper = await Shipper.open({ log, index: log.index, store, encoder, files: new MemoryFiles() })
  while (shipper.status.state !== 'waiting') await new Promise((resolve) => setImmediate(resolve))
  t.match(shipper.status, { shipped_seq: 0, last_error: 'socket hang up' })
  const started = performance.now()
  await shipper.close()
  t.ok(performance.now() - started < 1000)
  t.equal(shipper.status.state, 'closed')
})

t.test('an insert that hangs is given up at the close', async (t) => {
  const log = new MemoryLog(6)
  log.grow(10)
  const store: StorePort = {
    insert: (_s, _p, _t, signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
    count: async () => 0,
  }
  const shipper = await Shipper.open({ log, index: log.index, store, encoder, files: new MemoryFiles() })
  while (shipper.status.state !== 'shipping') await new Promise((resolve) => setImmediate(resolve))
  await shipper.close()
  t.equal(shipper.status.shipped_seq, 0)
})

t.test('what a failed insert means', async (t) => {
  t.equal(failureOf(undefined, 'socket hang up'), 'doubt')
  t.equal(
    failureOf(252, 'Too many parts (300). Merges are processing significantly slower than inserts'),
    'later',
  )
  t.equal(failureOf(252, 'Too many partitions for single INSERT block (more than 100)'), 'refused')
  t.equal(failureOf(241, 'Memory limit exceeded'), 'later')
  t.equal(failureOf(243, 'Cannot reserve 1.00 MiB, not enough space'), 'later')
  t.equal(failureOf(60, 'Table does not exist'), 'later')
  t.equal(failureOf(117, 'INCORRECT_DATA'), 'refused')
  t.equal(failureOf(395, 'throwIf'), 'refused')
})

t.test('a log that ends before what was shipped is another log', async (t) => {
  const log = new MemoryLog(7)
  log.grow(10)
  const files = new MemoryFiles()
  files.state = { shipped: 11, queue: [], set_aside: 0 }
  const options = { log, index: log.index, store: new SimulatedStore(), encoder, files }
  await t.rejects(Shipper.open(options), { code: 'HD_LOG_CORRUPT', message: /ends before seq 11/ })
  files.state = { shipped: 10, queue: [], set_aside: 0 }
  const shipper = await Shipper.open(options)
  await shipper.drained()
  t.equal(shipper.status.inserts_total, 0, 'nothing is shipped again')
  await shipper.close()
})
