import t from 'tap'
import { decodeMessage } from '../../ingest/decoders/decode.js'
import { DECODERS } from '../../ingest/decoders/index.js'
import { native } from '../../ingest/decoders/native.js'
import type { RawMessage } from '../../src/model/decoder.js'
import { messageOf, RECEIVED, rowsOf, Setup } from './setup.js'

const profile = { source: 'test', stream: 'sensor' }
const GOOD = '{"time":1795294958123,"metrics":{"temp_c":21.5}}'

interface Case {
  readonly name: string
  readonly bytes: string | Uint8Array
  readonly topic?: string
  /** Code of the dead letter, or undefined where samples come out. */
  readonly code?: string
  readonly refused?: readonly string[]
  readonly rows?: readonly Record<string, unknown>[]
}

const row = (value: number, rest: object = {}) => ({
  device: 'dev-1',
  metric: 'temp_c',
  time: 1795294958123,
  value,
  ...rest,
})

const CASES: readonly Case[] = [
  { name: 'empty', bytes: '', code: 'HD_DECODE_EMPTY' },
  { name: 'white space', bytes: ' \n\t ', code: 'HD_DECODE_EMPTY' },
  { name: 'not JSON', bytes: 'temp=21.5', code: 'HD_DECODE_SYNTAX' },
  { name: 'cut JSON', bytes: GOOD.slice(0, -10), code: 'HD_DECODE_TRUNCATED' },
  { name: 'cut inside a string', bytes: '{"label":"smo', code: 'HD_DECODE_TRUNCATED' },
  { name: 'trailing garbage', bytes: `${GOOD}x`, code: 'HD_DECODE_SYNTAX' },
  { name: 'a byte order mark', bytes: `\uFEFF${GOOD}`, code: 'HD_DECODE_SYNTAX' },
  { name: 'gzip', bytes: Buffer.from('1f8b0800000000000003', 'hex'), code: 'HD_DECODE_UTF8' },
  { name: 'binary', bytes: Buffer.from([0, 1, 2, 3, 0xff, 0xfe]), code: 'HD_DECODE_UTF8' },
  {
    name: 'invalid UTF-8 in a text',
    bytes: Buffer.concat([Buffer.from('{"label":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]),
    code: 'HD_DECODE_UTF8',
  },
  {
    name: 'overlong UTF-8',
    bytes: Buffer.concat([Buffer.from('{"label":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]),
    code: 'HD_DECODE_UTF8',
  },
  { name: 'NaN', bytes: '{"metrics":{"temp_c":NaN}}', code: 'HD_DECODE_SYNTAX' },
  { name: 'Infinity', bytes: '{"metrics":{"temp_c":Infinity}}', code: 'HD_DECODE_SYNTAX' },
  { name: '1e999 alone', bytes: '{"metrics":{"temp_c":1e999}}', code: 'HD_DECODE_VALUE' },
  {
    name: '1e999 beside a good one',
    bytes: '{"time":1795294958123,"metrics":{"x":1e999,"temp_c":1}}',
    refused: ['HD_DECODE_VALUE'],
    rows: [row(1)],
  },
  {
    name: 'wrong types beside a good one',
    bytes: '{"time":1795294958123,"metrics":{"a":"21.5","b":true,"c":null,"d":[],"e":{},"temp_c":1}}',
    refused: Array(5).fill('HD_DECODE_TYPE'),
    rows: [row(1)],
  },
  { name: 'depth 10 000', bytes: '['.repeat(10_000), code: 'HD_DECODE_DEPTH' },
  { name: 'depth 33', bytes: `${'['.repeat(33)}${']'.repeat(33)}`, code: 'HD_DECODE_DEPTH' },
  {
    name: 'brackets inside a text are not depth',
    bytes: `{"time":1795294958123,"metrics":{"temp_c":1},"attrs":{"x":"${'['.repeat(100)}"}}`,
    rows: [row(1, { attrs: `{"x":"${'['.repeat(100)}"}` })],
  },
  { name: '10 MB', bytes: Buffer.alloc(10_000_000, 0x20), code: 'HD_DECODE_SIZE' },
  { name: 'one byte over 256 KiB', bytes: Buffer.alloc(256 * 1024 + 1, 0x20), code: 'HD_DECODE_SIZE' },
  { name: '__proto__', bytes: '{"metrics":{"temp_c":1},"__proto__":{"x":1}}', code: 'HD_DECODE_PROTOTYPE' },
  {
    name: '__proto__ as a metric',
    bytes: '{"metrics":{"temp_c":1,"__proto__":2}}',
    code: 'HD_DECODE_PROTOTYPE',
  },
  {
    name: '__proto__ by escapes',
    bytes: '{"metrics":{"temp_c":1},"attrs":{"\\u005f\\u005fproto\\u005f\\u005f":1}}',
    code: 'HD_DECODE_PROTOTYPE',
  },
  {
    name: 'constructor in attrs',
    bytes: '{"metrics":{"temp_c":1},"attrs":{"a":[{"constructor":{"prototype":1}}]}}',
    code: 'HD_DECODE_PROTOTYPE',
  },
  {
    name: 'those words as values',
    bytes: '{"time":1795294958123,"metrics":{"temp_c":1},"attrs":{"note":"constructor"}}',
    rows: [row(1, { attrs: '{"note":"constructor"}' })],
  },
  { name: 'a time in 1970', bytes: '{"time":0,"metrics":{"temp_c":1}}', rows: [row(1, { time: 0 })] },
  {
    name: 'a time in 2262',
    bytes: '{"time":9214646400000,"metrics":{"temp_c":1}}',
    rows: [row(1, { time: 9214646400000 })],
  },
  {
    name: 'a time in microseconds is not guessed',
    bytes: '{"time":1795294958123000,"metrics":{"temp_c":1}}',
    rows: [row(1, { time: 1795294958123000 })],
  },
  {
    name: 'a negative time',
    bytes: '{"time":-1,"metrics":{"temp_c":1}}',
    refused: ['HD_DECODE_TIME'],
    rows: [row(1, { time: RECEIVED, quality: ['no_time'] })],
  },
  {
    name: 'a time beyond all dates',
    bytes: '{"time":8640000000000001,"metrics":{"temp_c":1}}',
    refused: ['HD_DECODE_TIME'],
    rows: [row(1, { time: RECEIVED, quality: ['no_time'] })],
  },
  {
    name: 'a time of 1e999',
    bytes: '{"time":1e999,"metrics":{"temp_c":1}}',
    refused: ['HD_DECODE_TIME'],
    rows: [row(1, { time: RECEIVED, quality: ['no_time'] })],
  },
  {
    name: 'an ISO time without zone',
    bytes: '{"time":"2026-11-21T21:02:38","metrics":{"temp_c":1}}',
    refused: ['HD_DECODE_TIME'],
    rows: [row(1, { time: RECEIVED, quality: ['no_time'] })],
  },
  {
    name: 'no time',
    bytes: '{"metrics":{"temp_c":1}}',
    rows: [row(1, { time: RECEIVED, quality: ['no_time'] })],
  },
  {
    name: 'doubled keys: the last wins',
    bytes: '{"time":1795294958123,"metrics":{"temp_c":1,"temp_c":99}}',
    rows: [row(99)],
  },
  { name: 'nothing usable', bytes: '{"temp_c":21.5}', code: 'HD_DECODE_NO_SAMPLES' },
  { name: 'an empty object', bytes: '{}', code: 'HD_DECODE_NO_SAMPLES' },
  { name: 'an empty batch', bytes: '[]', code: 'HD_DECODE_NO_SAMPLES' },
  { name: 'a number', bytes: '42', code: 'HD_DECODE_SHAPE' },
  { name: 'null', bytes: 'null', code: 'HD_DECODE_SHAPE' },
  {
    name: 'a label that is a number',
    bytes: '{"time":1795294958123,"label":7,"metrics":{"temp_c":1}}',
    refused: ['HD_DECODE_TYPE'],
    rows: [row(1)],
  },
  { name: 'an empty device', bytes: GOOD, topic: 'haidang/v1/sensor/test/', code: 'HD_DECODE_TOPIC' },
  { name: 'no device', bytes: GOOD, topic: 'haidang/v1/sensor/test', code: 'HD_DECODE_TOPIC' },
  { name: 'a foreign topic', bytes: GOOD, topic: 'factory/line/1', code: 'HD_DECODE_TOPIC' },
  {
    name: 'a device with NUL',
    bytes: GOOD,
    topic: 'haidang/v1/sensor/test/a\0b',
    code: 'HD_DECODE_IDENTITY',
  },
  {
    name: 'a device with a direction mark',
    bytes: GOOD,
    topic: 'haidang/v1/sensor/test/a\u202eb',
    code: 'HD_DECODE_IDENTITY',
  },
  {
    name: 'a device with a lone surrogate',
    bytes: GOOD,
    topic: 'haidang/v1/sensor/test/a\ud800b',
    code: 'HD_DECODE_IDENTITY',
  },
  {
    name: 'a device of 257 characters',
    bytes: GOOD,
    topic: `haidang/v1/sensor/test/${'d'.repeat(257)}`,
    code: 'HD_DECODE_IDENTITY',
  },
  {
    name: 'a metric name of 129 characters',
    bytes: `{"time":1795294958123,"metrics":{"${'m'.repeat(129)}":1,"temp_c":2}}`,
    refused: ['HD_DECODE_IDENTITY'],
    rows: [row(2)],
  },
  {
    name: 'attrs beyond 4 096 characters',
    bytes: `{"time":1795294958123,"metrics":{"temp_c":2},"attrs":{"x":"${'y'.repeat(5000)}"}}`,
    refused: ['HD_DECODE_VALUE'],
    rows: [row(2)],
  },
  {
    name: 'an unknown metric is kept',
    bytes: '{"time":1795294958123,"metrics":{"gloop":2}}',
    rows: [{ ...row(2), metric: 'gloop' }],
  },
]

t.test(
  'bad input never stops anything: each message is a dead letter or is marked, and the next one is judged',
  async (t) => {
    const { writer, batch, index } = new Setup()
    for (const bad of CASES) {
      batch.clear()
      const raw: RawMessage = messageOf(bad.bytes, bad.topic === undefined ? {} : { topic: bad.topic })
      const outcome = decodeMessage(native, raw, profile, null, writer, batch)
      if (bad.code !== undefined) {
        t.equal(outcome.kind === 'dead_letter' ? outcome.code : outcome.kind, bad.code, bad.name)
        t.equal(batch.length, 0, `${bad.name}: nothing is left in the batch`)
      } else {
        t.equal(outcome.kind, 'samples', `${bad.name} ${JSON.stringify(outcome)}`)
        t.strictSame(rowsOf(batch, index), bad.rows, bad.name)
        t.strictSame(
          writer.refusals.map((refusal) => refusal.code),
          bad.refused ?? [],
          bad.name,
        )
      }
      batch.clear()
      t.equal(decodeMessage(native, messageOf(GOOD), profile, null, writer, batch).kind, 'samples')
      t.strictSame(rowsOf(batch, index), [row(21.5)], `${bad.name}: the next message is whole`)
    }
    t.equal(({} as Record<string, unknown>)['x'], undefined, 'no prototype was touched')
  },
)

t.test('a message of more than 65 536 samples is a dead letter and leaves no row', async (t) => {
  const { writer, batch } = new Setup()
  const many = `[${Array(65_537).fill('{}').join(',')}]`
  t.ok(many.length < 256 * 1024)
  const flood = {
    ...native,
    decode: (_raw: unknown, _profile: unknown, out: typeof writer) => {
      for (let i = 0; i <= 65_536; i++) out.sample('d', 'm', 1, i, '', Number.NaN, Number.NaN, 0, '')
    },
  }
  const outcome = decodeMessage(
    flood as unknown as typeof native,
    messageOf(many),
    profile,
    null,
    writer,
    batch,
  )
  t.match(outcome, { kind: 'dead_letter', code: 'HD_DECODE_SAMPLES_MAX' })
  t.equal(batch.length, 0)
})

t.test('a decoder that fails on its own costs its message alone', async (t) => {
  const { writer, batch } = new Setup()
  const broken = { ...native, decode: () => (undefined as unknown as string[]).length }
  t.match(decodeMessage(broken as unknown as typeof native, messageOf(GOOD), profile, null, writer, batch), {
    kind: 'dead_letter',
    code: 'HD_DECODE_POISON',
  })
})

t.test('a retained message without a time is state, not news', async (t) => {
  const { writer, batch, index } = new Setup()
  decodeMessage(
    native,
    messageOf('{"metrics":{"temp_c":1}}', { retained: true }),
    profile,
    null,
    writer,
    batch,
  )
  t.strictSame(rowsOf(batch, index), [row(1, { time: RECEIVED, quality: ['no_time', 'historical'] })])
})

t.test('every decoder answers every bad message with a code', async (t) => {
  const { writer, batch } = new Setup()
  for (const [id, decoder] of DECODERS) {
    for (const bad of CASES) {
      batch.clear()
      const outcome = decodeMessage(
        decoder,
        messageOf(bad.bytes, { topic: `application/a/devices/device/d/event/up` }),
        profile,
        decoder.createState(),
        writer,
        batch,
      )
      t.not(outcome.kind === 'dead_letter' ? outcome.code : '', 'HD_DECODE_POISON', `${id}: ${bad.name}`)
    }
  }
})
