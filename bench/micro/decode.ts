/**
 * What does a native message of 8 metrics cost from bytes to rows, and how much of it is JSON.parse?
 *
 *   node dist/bench/micro/decode.js
 *
 * Baseline: TextDecoder-free `JSON.parse(buffer.toString())` of the same bytes. The aim is ≤ 3 µs a message. What this
 * does not show: cache misses of a million devices (here 1 000), and the broker's share.
 */
import { decodeMessage } from '../../ingest/decoders/decode.js'
import { native } from '../../ingest/decoders/native.js'
import { MessageWriter } from '../../ingest/decoders/writer.js'
import { SampleBatch } from '../../src/model/columns.js'
import type { RawMessage } from '../../src/model/decoder.js'
import { SeriesIndex } from '../../src/model/series.js'

const DEVICES = 1000
const ROUNDS = 200
const profile = { source: 'bench', stream: 'air' }
const writer = new MessageWriter(new SeriesIndex())
const batch = new SampleBatch(4096)
const messages: RawMessage[] = Array.from({ length: DEVICES }, (_, i) => ({
  topic: `haidang/v1/air/bench/air-${i}`,
  separator: '/',
  bytes: Buffer.from(
    `{"time":${1795294958123 + i},"metrics":{"pm25_ugm3":${35 + (i % 7)}.2,"pm10_ugm3":61.5,"o3_ugm3":12.1,"no2_ugm3":40.2,"so2_ugm3":8.4,"co_ugm3":820,"temp_c":28.1,"humidity_pct":81},"lat":20.86,"lon":106.68}`,
  ),
  received: 1795294958200,
  retained: false,
  headers: null,
}))

function decodeAll(): void {
  for (const message of messages) {
    batch.clear()
    decodeMessage(native, message, profile, null, writer, batch)
    if (batch.length !== 8) throw new Error(`${batch.length} rows instead of 8`)
  }
}

let kept: unknown
function parseAll(): void {
  for (const message of messages) kept = JSON.parse((message.bytes as Buffer).toString('latin1'))
}

/** Median µs a message over `rounds` passes. */
function measure(pass: () => void, rounds: number): number {
  for (let i = 0; i < 50; i++) pass()
  const costs: number[] = []
  for (let i = 0; i < rounds; i++) {
    const start = performance.now()
    pass()
    costs.push(((performance.now() - start) * 1000) / messages.length)
  }
  return costs.sort((a, b) => a - b)[rounds >> 1]!
}

const decode = measure(decodeAll, ROUNDS)
const parse = measure(parseAll, ROUNDS)
if (kept === undefined) throw new Error('nothing was parsed')
const bytes = messages[0]!.bytes.length
process.stdout.write(
  `${JSON.stringify({ bench: 'decode', message_bytes: bytes, metrics: 8, decode_us_p50: Number(decode.toFixed(3)), json_parse_us_p50: Number(parse.toFixed(3)), node: process.version })}\n`,
)
