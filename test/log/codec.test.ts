import fc from 'fast-check'
import t from 'tap'
import {
  decodeFrame,
  decodeTransitions,
  FrameBuilder,
  FrameEncoder,
  NameMap,
  SegmentNames,
} from '../../src/log/codec.js'
import { crc32c } from '../../src/log/crc32c.js'
import { FORMAT_VERSION, frameAt, readSegmentHeader, segmentHeader } from '../../src/log/frame.js'
import { SampleBatch } from '../../src/model/columns.js'
import type { EngineRecord } from '../../src/model/record.js'
import { SeriesIndex } from '../../src/model/series.js'
import { type Plain, plain, plainRecord, type Row, transition, Workbench } from './workbench.js'

t.test('CRC32C gives the published check values', async (t) => {
  // RFC 3720 appendix B.4.
  t.equal(crc32c(new Uint8Array(32)), 0x8a9136aa)
  t.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43)
  t.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e)
  t.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c)
  t.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
})

t.test('CRC32C is the same at any alignment, cut and continuation', async (t) => {
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => (i * 89) ^ (i >> 3))
  const bitwise = (from: number, to: number): number => {
    let crc = ~0
    for (let i = from; i < to; i++) {
      crc ^= bytes[i]!
      for (let b = 0; b < 8; b++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    }
    return ~crc >>> 0
  }
  let wrong = 0
  for (let from = 0; from < 20; from++)
    for (let to = from; to < bytes.length; to++) {
      if (crc32c(bytes, from, to) !== bitwise(from, to)) wrong++
      const middle = (from + to) >> 1
      if (crc32c(bytes, middle, to, crc32c(bytes, from, middle)) !== crc32c(bytes, from, to)) wrong++
    }
  t.equal(wrong, 0)
})

const name = fc.oneof(
  fc.constantFrom('d1', 'd2', 'fl-kiến-an', '', '😀'),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
)
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1.5, 2 ** 53),
)
const row: fc.Arbitrary<Row> = fc.record({
  device: name,
  metric: fc.constantFrom('level_m', 'rain_mm'),
  time: number,
  value: number,
  label: name,
  lat: fc.oneof(fc.constant(Number.NaN), fc.float({ noNaN: true })),
  lon: fc.oneof(fc.constant(Number.NaN), fc.float({ noNaN: true })),
  quality: fc.integer({ min: 0, max: 2047 }),
  attrs: fc.oneof(fc.constant(''), fc.json({ stringUnit: 'grapheme' })),
})
const other = fc.oneof(
  fc.record({ kind: fc.constant('tick' as const) }),
  fc.record({
    kind: fc.constant('command' as const),
    name,
    who: name,
    target: name,
    body: fc.constant({ until: 5, note: 'đã xem' }),
  }),
  fc.record({
    kind: fc.constantFrom('rules' as const, 'registry' as const, 'zones' as const, 'metrics' as const),
    hash: name,
    text: name,
  }),
  fc.record({
    kind: fc.constant('dead_letter' as const),
    topic: name,
    bytes: fc.uint8Array({ maxLength: 40 }),
    code: name,
    reason: name,
    identity: fc.nat(),
  }),
  fc.record({
    kind: fc.constant('feed' as const),
    state: fc.constantFrom('up' as const, 'down' as const, 'caught_up' as const),
  }),
)
const step = fc.record({
  gap: fc.integer({ min: 1, max: 3 }),
  content: fc.oneof(fc.array(row, { maxLength: 5 }), other),
  transitions: fc.integer({ min: 0, max: 2 }),
})

t.test(
  'what is encoded is decoded, names, order, positions, texts and all, by a reader with ids of its own',
  async (t) => {
    const check = (): void =>
      fc.assert(
        fc.property(
          fc.array(fc.array(step, { minLength: 1, maxLength: 8 }), { maxLength: 4 }),
          fc.integer({ min: 1, max: 2 ** 40 }),
          (frames, first) => {
            const w = new Workbench()
            const names = new SegmentNames(w.index)
            const encoder = new FrameEncoder()
            const builder = new FrameBuilder()
            const index = new SeriesIndex()
            index.devices.id('an id taken before')
            index.series(index.devices.id('d2'), index.metrics.id('rain_mm'))
            const map = new NameMap(index)
            const batch = new SampleBatch(2)
            let seq = first
            for (const steps of frames) {
              const expected: Plain[] = []
              for (const { gap, content, transitions } of steps) {
                seq += gap
                const record: EngineRecord = Array.isArray(content)
                  ? w.message(seq, content)
                  : ({
                      ...content,
                      seq,
                      received: seq + 0.5,
                      ...('state' in content || 'topic' in content ? { feed: w.index.sources.id('f2') } : {}),
                    } as EngineRecord)
                const caused = Array.from({ length: transitions }, (_, i) => transition(seq, `a_${i}`))
                builder.add(record, caused, null)
                expected.push({ ...plainRecord(record, w.index), transitions: caused })
              }
              const bytes = encoder.encode(builder, names, seq - 1).slice()
              builder.clear()
              const header = frameAt(bytes, 0, bytes.length)
              if (typeof header !== 'object') throw new Error('not a frame')
              if (bytes.length % 8 !== 0 || header.lastSeq !== seq || header.syncedSeq !== seq - 1)
                throw new Error('wrong header')
              map.learn(bytes, header)
              const { records, nameless } = decodeFrame(bytes, header, map, batch)
              const got = records.map((logged) => plain(logged, index))
              if (nameless !== 0 || !same(got, expected))
                throw new Error(`${JSON.stringify(got)}\n${JSON.stringify(expected)}`)
              const alone = decodeTransitions(bytes, header)
              const with2 = expected.filter((e) => (e['transitions'] as unknown[]).length > 0)
              if (
                !same(
                  alone,
                  with2.map((e) => ({ seq: e.seq, transitions: e['transitions'] })),
                )
              )
                throw new Error('transitions alone differ')
            }
          },
        ),
        { numRuns: 300, seed: 7 },
      )
    t.doesNotThrow(check)
  },
)

function same(a: unknown, b: unknown): boolean {
  const text = (value: unknown): string =>
    JSON.stringify(value, (_, v) =>
      typeof v === 'number' && (Number.isNaN(v) || Object.is(v, -0))
        ? String(v) + (Object.is(v, -0) ? '-' : '')
        : sorted(v),
    )
  return text(a) === text(b)
}

function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

t.test('any single flipped bit of a frame is noticed', async (t) => {
  const w = new Workbench()
  const builder = new FrameBuilder()
  builder.add(w.message(1), [transition(1, 'a_1')], null)
  const bytes = new FrameEncoder().encode(builder, new SegmentNames(w.index), 0).slice()
  let unnoticed = 0
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    if (typeof frameAt(bytes, 0, bytes.length) === 'object') unnoticed++
    bytes[bit >> 3]! ^= 1 << (bit & 7)
  }
  t.equal(unnoticed, 0)
  t.type(frameAt(bytes, 0, bytes.length), 'object')
})

t.test('a segment of a newer format is refused by name and number', async (t) => {
  const bytes = segmentHeader(17)
  t.equal(readSegmentHeader(bytes, 'x'), 17)
  new DataView(bytes.buffer).setUint32(8, FORMAT_VERSION + 1, true)
  t.throws(() => readSegmentHeader(bytes, 'log-17'), {
    code: 'HD_LOG_VERSION',
    message: /log-17 has format 2/,
  })
})

t.test('a message of one sample costs at most 200 bytes by itself and 80 among many', async (t) => {
  const w = new Workbench()
  const names = new SegmentNames(w.index)
  const encoder = new FrameEncoder()
  const builder = new FrameBuilder()
  const size = (messages: number): number => {
    for (let i = 1; i <= messages; i++) builder.add(w.message(i), [], null)
    const { length } = encoder.encode(builder, names, 0)
    builder.clear()
    return length / messages
  }
  for (let i = 0; i < 3; i++) size(20)
  t.ok(size(1) <= 200)
  t.ok(size(100) <= 80)
})
