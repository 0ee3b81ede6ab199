/**
 * Question: what does the log cost the engine's thread for each message (take into columns, encode, checksum), and what
 * does reading it back cost? Baseline: JSON.stringify of the same records. Not shown: the disk (bench/pipeline).
 * `node dist/bench/micro/log.js`; figures in ns per message.
 */

import { decodeFrame, FrameBuilder, FrameEncoder, NameMap, SegmentNames } from '../../src/log/codec.js'
import { crc32c } from '../../src/log/crc32c.js'
import { frameAt } from '../../src/log/frame.js'
import { SampleBatch } from '../../src/model/columns.js'
import type { MessageRecord } from '../../src/model/record.js'
import { SeriesIndex } from '../../src/model/series.js'

const SERIES = 10_000
const index = new SeriesIndex()
for (let d = 0; d < SERIES; d++) index.series(index.devices.id(`device-${d}`), index.metrics.id('level_m'))
const feed = index.sources.id('mqtt-main')
const stream = index.streams.id('flood')

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!
}

function run(rowsPerMessage: number, messagesPerFrame: number): void {
  const batch = new SampleBatch()
  for (let i = 0; i < rowsPerMessage; i++)
    batch.append(0, 1_795_294_958_123, 1.5, 0, Number.NaN, Number.NaN, 0, '')
  const message: MessageRecord = {
    kind: 'message',
    seq: 0,
    received: 1_795_294_958_140,
    feed,
    source: feed,
    stream,
    identity: 0,
    batch,
    from: 0,
    to: rowsPerMessage,
  }
  const builder = new FrameBuilder()
  const encoder = new FrameEncoder()
  const names = new SegmentNames(index)
  const durable = (): void => {}
  const frames = Math.ceil(400_000 / messagesPerFrame / rowsPerMessage)
  const add: number[] = []
  const encode: number[] = []
  const decode: number[] = []
  let bytes = 0
  let seq = 0
  const map = new NameMap(index)
  const back = new SampleBatch()
  for (let round = 0; round < 7; round++) {
    let addNs = 0n
    let encodeNs = 0n
    let decodeNs = 0n
    for (let f = 0; f < frames; f++) {
      const t0 = process.hrtime.bigint()
      for (let m = 0; m < messagesPerFrame; m++) {
        for (let i = 0; i < rowsPerMessage; i++) batch.series[i] = (seq * 7 + i) % SERIES
        message.seq = ++seq
        message.identity = seq * 1_000_003
        builder.add(message, [], durable)
      }
      const t1 = process.hrtime.bigint()
      const frame = encoder.encode(builder, names, seq - messagesPerFrame)
      const t2 = process.hrtime.bigint()
      bytes = frame.length
      const header = frameAt(frame, 0, frame.length)
      if (typeof header !== 'object') throw new Error('the frame does not read back')
      map.learn(frame, header)
      const { records } = decodeFrame(frame, header, map, back)
      const t3 = process.hrtime.bigint()
      if (records.length !== messagesPerFrame || back.length !== messagesPerFrame * rowsPerMessage)
        throw new Error('lost records')
      builder.clear()
      addNs += t1 - t0
      encodeNs += t2 - t1
      decodeNs += t3 - t2
    }
    const messages = frames * messagesPerFrame
    add.push(Number(addNs) / messages)
    encode.push(Number(encodeNs) / messages)
    decode.push(Number(decodeNs) / messages)
  }
  console.log(
    `${rowsPerMessage} sample(s) a message, ${messagesPerFrame} messages a frame: take ${median(add).toFixed(0)} ns, encode ${median(encode).toFixed(0)} ns, read back ${median(decode).toFixed(0)} ns; ${(bytes / messagesPerFrame).toFixed(1)} bytes`,
  )
}

run(1, 1)
run(1, 10)
run(1, 1000)
run(8, 100)
run(8, 1000)

const block = new Uint8Array(1 << 20).map((_, i) => i * 31)
const times: number[] = []
let sum = 0
for (let round = 0; round < 50; round++) {
  const t0 = process.hrtime.bigint()
  sum = crc32c(block)
  times.push(Number(process.hrtime.bigint() - t0))
}
console.log(
  `crc32c: ${(block.length / median(times)).toFixed(2)} bytes/ns over 1 MiB (checksum ${sum.toString(16)})`,
)

const json: number[] = []
for (let round = 0; round < 7; round++) {
  const t0 = process.hrtime.bigint()
  let length = 0
  for (let i = 0; i < 100_000; i++)
    length += JSON.stringify({
      seq: i,
      received: 1_795_294_958_140,
      device: 'device-17',
      metric: 'level_m',
      time: 1_795_294_958_123,
      value: 1.5,
    }).length
  if (length === 0) throw new Error('unreachable')
  json.push(Number(process.hrtime.bigint() - t0) / 100_000)
}
console.log(`baseline, JSON.stringify of a one-sample message: ${median(json).toFixed(0)} ns`)
