import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { decodeMessage } from '../../ingest/decoders/decode.js'
import { DECODERS } from '../../ingest/decoders/index.js'
import type { SourceProfile } from '../../src/model/decoder.js'
import { messageOf, rowsOf, Setup } from './setup.js'

const payloads = path.resolve(import.meta.dirname, '../../../fixtures/payloads')

interface Expected {
  readonly message: { topic: string; separator: '/' | '.'; received: number; retained: boolean }
  readonly profile: SourceProfile
  readonly outcome: 'samples' | 'nothing' | 'dead_letter'
  readonly code?: string
  readonly stream?: string
  readonly source?: string
  readonly refused?: readonly string[]
  readonly presence?: readonly { device: string; state: string }[]
  readonly samples: readonly Record<string, unknown>[]
}

t.test(
  'every decoder has its fixtures, with a truncated and a wrong-version case, and a source',
  async (t) => {
    for (const id of DECODERS.keys()) {
      const files = readdirSync(path.join(payloads, id))
      for (const file of [
        'payload.json',
        'expected.json',
        'truncated.payload.json',
        'wrong-version.payload.json',
        'SOURCE.md',
      ])
        t.ok(files.includes(file), `${id}/${file}`)
    }
  },
)

for (const [id, decoder] of DECODERS) {
  t.test(`${id}: every fixture decodes to exactly what is expected`, async (t) => {
    const folder = path.join(payloads, id)
    for (const file of readdirSync(folder).filter((name) => name.endsWith('payload.json'))) {
      t.test(file, async (t) => {
        const expected: Expected = JSON.parse(
          readFileSync(path.join(folder, file.replace('payload.json', 'expected.json')), 'utf8'),
        )
        const { writer, batch, index } = new Setup()
        const raw = messageOf(readFileSync(path.join(folder, file)), expected.message)
        const outcome = decodeMessage(decoder, raw, expected.profile, decoder.createState(), writer, batch)
        t.equal(outcome.kind, expected.outcome, outcome.kind === 'dead_letter' ? outcome.reason : '')
        if (outcome.kind === 'dead_letter') t.equal(outcome.code, expected.code)
        else
          t.strictSame(
            writer.refusals.map((refusal) => refusal.code),
            expected.refused ?? [],
          )
        t.strictSame(writer.presence, expected.presence ?? [])
        t.strictSame(rowsOf(batch, index), expected.samples)
        if (expected.stream !== undefined) t.equal(index.streams.text(writer.stream), expected.stream)
        if (expected.source !== undefined) t.equal(index.sources.text(writer.source), expected.source)
      })
    }
  })
}
