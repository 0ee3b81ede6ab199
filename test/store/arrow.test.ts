/** Shipments as Arrow: read back by apache-arrow's own reader, value by value. */
import { tableFromIPC } from 'apache-arrow'
import t from 'tap'
import { ArrowEncoder, SAMPLE_COLUMNS } from '../../src/store/arrow.js'
import { ColumnBuilder, NAMES } from '../../src/store/columns.js'
import { EncodingThread } from '../../src/store/encoding-thread.js'
import { MemoryLog } from './city.js'

async function gathered(log: MemoryLog, from = 1) {
  const builder = new ColumnBuilder(4)
  for await (const { record } of log.read(from)) if (record.kind === 'message') builder.add(record, log.index)
  return builder.columns()
}

function texts(log: MemoryLog) {
  const { streams, sources, devices, metrics, labels } = log.index
  const of = { stream: streams, source: sources, device: devices, metric: metrics, label: labels }
  return (name: (typeof NAMES)[number], from: number) =>
    Array.from({ length: of[name].size - from }, (_, i) => of[name].text(from + i))
}

t.test('columns, dictionaries, 64-bit times, sparse attrs', async (t) => {
  const log = new MemoryLog(1)
  log.grow(500)
  const columns = await gathered(log)
  const encoder = new ArrowEncoder()
  for (const name of NAMES) encoder.learn(name, texts(log)(name, 0))
  const table = tableFromIPC(encoder.encode(columns))
  t.same(
    table.schema.fields.map((f) => f.name),
    SAMPLE_COLUMNS,
  )
  t.equal(table.batches.length, 1, 'one batch: one block, one part a partition')
  t.equal(table.numRows, log.samples.length)
  log.samples.forEach((s, i) => {
    const row = table.get(i)!.toJSON() as Record<string, unknown>
    const { lat, lon, ...rest } = row
    if (
      !t.same(
        { ...rest, seq: Number(row['seq']), time: Number(row['time']), received: Number(row['received']) },
        { ...s, stream: 'flood', source: 'gauges' },
      ) ||
      !Number.isNaN(lat) ||
      !Number.isNaN(lon)
    )
      t.fail(`row ${i}`)
  })
})

t.test('times before 1970, beyond 32 bits, and seq beyond 2^32', async (t) => {
  const log = new MemoryLog(2)
  log.message(6)
  const columns = await gathered(log)
  const edges = [-1, -2_208_988_800_000, 0, 4_294_967_296, 9_214_646_400_000, 2 ** 31]
  columns.time.set(edges)
  columns.seq.set([1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 3])
  const encoder = new ArrowEncoder()
  for (const name of NAMES) encoder.learn(name, texts(log)(name, 0))
  const table = tableFromIPC(encoder.encode(columns))
  t.same([...table.getChild('time')!].map(Number), edges)
  t.same([...table.getChild('seq')!].map(Number), [1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 3])
})

t.test('the thread is sent each text once, and later ones when they come', async (t) => {
  const log = new MemoryLog(3)
  const thread = new EncodingThread(log.index)
  t.teardown(() => thread.close())
  log.grow(20)
  let from = 1
  for (let round = 0; round < 3; round++) {
    const columns = await gathered(log, from)
    const bytes = await thread.encode(columns)
    t.equal(columns.seq.length, 0, 'moved, not copied')
    const devices = [...tableFromIPC(bytes).getChild('device')!]
    t.same(
      devices,
      log.samples.filter((s) => s.seq >= from).map((s) => s.device),
    )
    from = log.lastSeq + 1
    log.grow(40)
  }
})

t.test('an id without a text is a fault, not another device', async (t) => {
  const log = new MemoryLog(4)
  log.grow(5)
  const columns = await gathered(log)
  t.throws(() => new ArrowEncoder().encode(columns), /no text for id/)
})
