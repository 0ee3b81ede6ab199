/**
 * Every decoder against what nobody would send on purpose: each fixture with bytes flipped, cut, doubled and inserted, and
 * JSON values made by fast-check. Seeded: a failing run prints its seed and path (fast-check) or its fixture and step.
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { decodeMessage } from '../../ingest/decoders/decode.js'
import { DECODERS } from '../../ingest/decoders/index.js'
import type { SampleBatch } from '../../src/model/columns.js'
import type { RawMessage, SourceProfile } from '../../src/model/decoder.js'
import { messageOf, Setup } from './setup.js'

const payloads = path.resolve(import.meta.dirname, '../../../fixtures/payloads')
const SEED = 20_261_121
const MUTATIONS = 400

/** xorshift32: the same mutations on every machine. */
function random(seed: number): (below: number) => number {
  let x = seed | 0 || 1
  return (below) => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) % below
  }
}

const INTERESTING = [
  '1e999',
  '-0',
  '9007199254740993',
  'null',
  '[]',
  '{}',
  '"x"',
  '__proto__',
  '\\u0000',
  '\\ud800',
  '\u202e',
  '\0',
  '[[[[[[[[',
  '1',
  ',',
  ':',
  '"',
  '}',
  ']',
]

function mutated(bytes: Uint8Array, draw: (below: number) => number): Buffer {
  let out = Buffer.from(bytes)
  for (let i = draw(3) + 1; i > 0; i--) {
    const at = draw(out.length + 1)
    switch (draw(5)) {
      case 0:
        if (at < out.length) out[at] = out[at]! ^ (1 << draw(8))
        break
      case 1:
        out = out.subarray(0, at)
        break
      case 2:
        out = Buffer.concat([
          out.subarray(0, at),
          Buffer.from(INTERESTING[draw(INTERESTING.length)]!),
          out.subarray(at),
        ])
        break
      case 3:
        out = Buffer.concat([out.subarray(0, at), out.subarray(at + draw(12))])
        break
      default:
        out = Buffer.concat([out.subarray(0, at), out.subarray(draw(out.length + 1), at), out.subarray(at)])
    }
  }
  return out
}

/** What must hold of any batch, whatever was decoded into it. */
function sound(batch: SampleBatch): string | undefined {
  for (let i = 0; i < batch.length; i++) {
    if (!Number.isFinite(batch.value[i])) return `value ${batch.value[i]}`
    const time = batch.time[i]!
    if (!(time >= 0 && time <= 8.64e15) || !Number.isInteger(time)) return `time ${time}`
    const lat = batch.lat[i]!
    const lon = batch.lon[i]!
    if (Number.isNaN(lat) !== Number.isNaN(lon) || Math.abs(lat) > 90 || Math.abs(lon) > 180)
      return `position ${lat}, ${lon}`
    if (batch.attrs[i]!.length > 4096) return `attrs of ${batch.attrs[i]!.length}`
    if (batch.quality[i]! > 2047) return `quality ${batch.quality[i]}`
  }
  return undefined
}

for (const [id, decoder] of DECODERS) {
  t.test(
    `${id}: no mutation of a fixture crashes it, writes what is not a sample, or takes long`,
    async (t) => {
      const { writer, batch } = new Setup()
      const folder = path.join(payloads, id)
      let worst = 0
      let samples = 0
      let refused = 0
      for (const file of readdirSync(folder).filter((name) => name.endsWith('payload.json'))) {
        const expected = JSON.parse(
          readFileSync(path.join(folder, file.replace('payload.json', 'expected.json')), 'utf8'),
        ) as {
          message: Partial<RawMessage>
          profile: SourceProfile
        }
        const bytes = readFileSync(path.join(folder, file))
        const draw = random(SEED)
        for (let step = 0; step < MUTATIONS; step++) {
          const raw = messageOf(mutated(bytes, draw), expected.message)
          batch.clear()
          const start = performance.now()
          const outcome = decodeMessage(decoder, raw, expected.profile, null, writer, batch)
          worst = Math.max(worst, performance.now() - start)
          const fault =
            outcome.kind === 'dead_letter' && outcome.code === 'HD_DECODE_POISON'
              ? outcome.reason
              : sound(batch)
          if (fault !== undefined)
            t.fail(`${file}, step ${step}: ${fault}`, { payload: Buffer.from(raw.bytes).toString() })
          if (outcome.kind === 'samples') samples++
          else refused++
        }
      }
      // A pause of the machine is not the decoder's: half a second would be.
      t.ok(worst < 500, `slowest ${worst.toFixed(2)} ms`)
      t.ok(samples > 0 && refused > 0, `${samples} decoded, ${refused} refused`)
    },
  )

  t.test(`${id}: no JSON value crashes it`, async (t) => {
    const { writer, batch } = new Setup()
    const topics: Record<string, string> = {
      native: 'haidang/v1/air/s/d',
      senml: 'x',
      chirpstack: 'application/a/device/d/event/up',
      ttn: 'v3/a@t/devices/d/up',
    }
    const key = fc.oneof(
      fc.constantFrom(
        'time',
        'metrics',
        'label',
        'lat',
        'lon',
        'attrs',
        'quality',
        'object',
        'rxInfo',
        'deviceInfo',
        'devEui',
        'history',
        'timestamp',
        'distance',
        'uplink_message',
        'end_device_ids',
        'device_id',
        'decoded_payload',
        'received_at',
        'bn',
        'bt',
        'bu',
        'bv',
        'n',
        'u',
        'v',
        'vs',
        'vb',
        's',
        't',
        'ut',
      ),
      fc.string(),
    )
    const { value } = fc.letrec((tie) => ({
      leaf: fc.oneof(
        fc.double(),
        fc.integer(),
        fc.string({ unit: 'binary' }),
        fc.boolean(),
        fc.constant(null),
        fc.constantFrom('2026-11-21T21:02:38Z', 'Cel', 'lat', 'lon'),
      ),
      value: fc.oneof(
        { depthSize: 'small' },
        tie('leaf'),
        fc.array(tie('value'), { maxLength: 6 }),
        fc.dictionary(key, tie('value'), { maxKeys: 8 }),
      ),
    }))
    fc.assert(
      fc.property(value, (payload) => {
        batch.clear()
        const raw = messageOf(JSON.stringify(payload) ?? 'null', { topic: topics[id]! })
        const outcome = decodeMessage(decoder, raw, { source: 's', stream: 'air' }, null, writer, batch)
        if (outcome.kind === 'dead_letter' && outcome.code === 'HD_DECODE_POISON')
          throw new Error(outcome.reason)
        const fault = sound(batch)
        if (fault !== undefined) throw new Error(fault)
      }),
      { seed: SEED, numRuns: 1500 },
    )
    t.pass('1 500 values')
  })
}

t.test('the largest and deepest messages allowed are answered quickly', async (t) => {
  const { writer, batch } = new Setup()
  const full = (piece: string, head: string, tail: string): string =>
    head + piece.repeat(Math.floor((256 * 1024 - head.length - tail.length - 16) / piece.length)) + tail
  const cases = [
    full('{},', '[', '{}]'),
    full('{"metrics":{"a":1}},', '[', '{}]'),
    full('[],', '{"attrs":[', '[]]}'),
    full('1', '{"metrics":{"a":', '}}'),
    full('\\u0041', '{"label":"', '"}'),
    full('"\\u005f":1,', '{"attrs":{', '"x":1}}'),
    full(`${'['.repeat(20)}${']'.repeat(20)},`, '[', '[]]'),
  ]
  const timed = (call: () => void): number => {
    const start = performance.now()
    call()
    return performance.now() - start
  }
  for (const [id, decoder] of DECODERS) {
    for (const [i, text] of cases.entries()) {
      const raw = messageOf(text, {
        topic: id === 'native' ? 'haidang/v1/a/b/c' : 'v3/a/devices/device/event/up',
      })
      // Other programs of the machine make a run slower, never faster: one fast run in fifty is enough to show the cost.
      let parse = Number.POSITIVE_INFINITY
      let decode = Number.POSITIVE_INFINITY
      for (let run = 0; run < 50 && !(run > 2 && decode < 10 + parse); run++) {
        parse = Math.min(
          parse,
          timed(() => JSON.parse(text)),
        )
        batch.clear()
        decode = Math.min(
          decode,
          timed(() => decodeMessage(decoder, raw, { source: 's', stream: 'air' }, null, writer, batch)),
        )
      }
      t.ok(
        decode < 10 + parse,
        `${id}, case ${i}: ${decode.toFixed(1)} ms for ${text.length} bytes; JSON.parse alone ${parse.toFixed(1)} ms`,
      )
    }
  }
})

t.test('a message with thousands of bad parts is one dead letter', async (t) => {
  const { writer, batch } = new Setup()
  const outcome = decodeMessage(
    DECODERS.get('native')!,
    messageOf(`[${'{},'.repeat(5000)}{"metrics":{"a":1}}]`),
    { source: 's', stream: 'air' },
    null,
    writer,
    batch,
  )
  t.match(outcome, { kind: 'dead_letter', code: 'HD_DECODE_SHAPE', reason: /more than 4096 parts/ })
  t.equal(batch.length, 0)
})
