/**
 * One message through one decoder: the only place where a bad payload is caught. Whatever a payload holds, the answer
 * is one of three and the next message is untouched.
 */
import { BOUNDS } from '../../src/model/bounds.js'
import type { SampleBatch } from '../../src/model/columns.js'
import type { Decoder, RawMessage, SourceProfile } from '../../src/model/decoder.js'
import { type ErrorCode, HaidangError } from '../../src/model/errors.js'
import type { MessageWriter } from './writer.js'

export type DecodeOutcome =
  /** Rows [writer.firstRow, batch.length); some parts may have been refused (writer.refusals). */
  | { readonly kind: 'samples' }
  /** None of the samples' business: a join, an ack, a Last Will (writer.presence). Acknowledge it and go on. */
  | { readonly kind: 'nothing' }
  /** The message as a whole could not be used; its rows are taken back. */
  | { readonly kind: 'dead_letter'; readonly code: ErrorCode; readonly reason: string }

const SAMPLES: DecodeOutcome = { kind: 'samples' }
const NOTHING: DecodeOutcome = { kind: 'nothing' }

/**
 * Decodes `raw` into `batch` through `writer`. Never throws. A message all of whose parts were refused is a dead letter
 * with the first refusal's code. `bytesMax` is larger only for polled answers and watched files.
 */
export function decodeMessage(
  decoder: Decoder,
  raw: RawMessage,
  profile: SourceProfile,
  state: unknown,
  writer: MessageWriter,
  batch: SampleBatch,
  bytesMax: number = BOUNDS.message_bytes,
): DecodeOutcome {
  try {
    writer.begin(batch, profile, raw)
    if (raw.bytes.length > bytesMax)
      throw new HaidangError('HD_DECODE_SIZE', `${raw.bytes.length} bytes; at most ${bytesMax} are read`)
    decoder.decode(raw, profile, writer, state)
  } catch (error) {
    writer.takeBack()
    if (error instanceof HaidangError)
      return { kind: 'dead_letter', code: error.code, reason: error.message.slice(0, 500) }
    // A decoder that fails on its own is our fault, but its message must not stop the others.
    return {
      kind: 'dead_letter',
      code: 'HD_DECODE_POISON',
      reason: `decoder ${decoder.id}: ${String(error).slice(0, 400)}`,
    }
  }
  if (batch.length > writer.firstRow) return SAMPLES
  const first = writer.refusals[0]
  if (first !== undefined && writer.presence.length === 0)
    return {
      kind: 'dead_letter',
      code: first.code,
      reason: writer.refused > 1 ? `${first.what} (and ${writer.refused - 1} more)` : first.what,
    }
  return NOTHING
}
