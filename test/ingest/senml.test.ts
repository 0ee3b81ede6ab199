import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Encoder } from 'cbor-x/encode'
import t from 'tap'
import { parseCbor } from '../../ingest/decoders/cbor.js'
import { decodeMessage } from '../../ingest/decoders/decode.js'
import { resolveSenml, senml } from '../../ingest/decoders/senml.js'
import { HaidangError } from '../../src/model/errors.js'
import { messageOf, rowsOf, Setup } from './setup.js'

const examples = path.resolve(import.meta.dirname, '../../../../shared/recordings/dev/senml')
const skip = existsSync(examples) ? false : 'needs ../shared/recordings/dev/senml (the examples of RFC 8428)'
const profile = { source: 's', stream: 'sensor' }

t.test('the examples of RFC 8428 resolve to their published resolved form', { skip }, async (t) => {
  for (const file of readdirSync(examples).filter((name) => name.endsWith('.gen.resolved.json'))) {
    const expected = JSON.parse(readFileSync(path.join(examples, file), 'utf8')) as Record<string, unknown>[]
    const pack = JSON.parse(
      readFileSync(path.join(examples, file.replace('.resolved', '')), 'utf8'),
    ) as Record<string, unknown>[]
    // Relative times were resolved at a moment the file alone knows: that of its first record, if it is a late one.
    const now = Math.max(...expected.map((record) => Number(record['t'])))
    const records = resolveSenml(pack, now, { refuse: (code, what) => t.fail(`${file}: ${code} ${what}`) })
    t.strictSame(
      records.map(({ bn, n, u, t, v, vs, vb }) => ({
        n: bn + n,
        u: u === '' || v === undefined ? undefined : u,
        t: t.toFixed(3),
        v,
        vs,
        vb,
      })),
      expected.map(({ n, u, t, v, vs, vb }) => ({ n, u, t: Number(t).toFixed(3), v, vs, vb })),
      file,
    )
  }
})

t.test('CBOR and JSON of one example give the same samples', { skip }, async (t) => {
  for (const name of ['ex3', 'ex5']) {
    const [json, cbor] = ['json', 'cbor'].map((extension) => {
      const { writer, batch, index } = new Setup()
      const outcome = decodeMessage(
        senml,
        messageOf(readFileSync(path.join(examples, `${name}.gen.${extension}`))),
        profile,
        null,
        writer,
        batch,
      )
      t.equal(outcome.kind, 'samples', JSON.stringify(outcome))
      return rowsOf(batch, index)
    })
    t.ok(json!.length >= 5)
    // The CBOR file was written with times in half or single precision: names, values and order are compared.
    const plain = (rows: Record<string, unknown>[]) =>
      rows.map(({ device, metric, value }) => `${device} ${metric} ${Number(value).toPrecision(6)}`)
    t.strictSame(plain(cbor!), plain(json!))
  }
})

t.test('CBOR reads what another encoder writes', async (t) => {
  const encoder = new Encoder({ useRecords: false, mapsAsObjects: false })
  const values = [
    0,
    1,
    23,
    24,
    255,
    256,
    65_535,
    65_536,
    2 ** 32,
    2 ** 53 - 1,
    -1,
    -24,
    -25,
    -1000,
    0.5,
    1.1,
    -3.25e30,
    'text',
    'mực nước',
    '',
    true,
    false,
    null,
  ]
  for (const value of [
    ...values,
    values,
    [],
    [[[]]],
    [
      new Map<unknown, unknown>([
        [-2, 'bn'],
        ['n', 1.5],
      ]),
    ],
  ])
    t.strictSame(parseCbor(encoder.encode(value)), value, JSON.stringify(value))
})

t.test('CBOR refuses what would allocate, recurse or mislead', async (t) => {
  const code = (hex: string): string => {
    try {
      parseCbor(Buffer.from(hex, 'hex'))
      return 'none'
    } catch (error) {
      return error instanceof HaidangError ? error.code : String(error)
    }
  }
  t.equal(code('9b0000000100000000'), 'HD_DECODE_TRUNCATED', 'an array of 2^32 members')
  t.equal(code('5a7fffffff00'), 'HD_DECODE_TRUNCATED', 'two gigabytes of bytes')
  t.equal(code('81'.repeat(5000)), 'HD_DECODE_DEPTH')
  t.equal(code('9f'.repeat(5000)), 'HD_DECODE_DEPTH')
  t.equal(code('ff'), 'HD_DECODE_SYNTAX')
  t.equal(code('8101ff'), 'HD_DECODE_SYNTAX', 'bytes after the value')
  t.equal(code('62c328'), 'HD_DECODE_UTF8')
  t.equal(code('c11a514b67b0'), 'none', 'a tag that only says how to read')
  t.equal(code('d9010281'), 'HD_DECODE_SYNTAX', 'a set')
  t.equal(code(''), 'HD_DECODE_TRUNCATED')
})
