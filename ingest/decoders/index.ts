import type { Decoder } from '../../src/model/decoder.js'
import { native } from './native.js'

/** Every decoder, by the id that configuration names. One line each. */
export const DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>(
  [native].map((decoder) => [decoder.id, decoder as Decoder]),
)
