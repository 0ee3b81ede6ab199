import type { Decoder } from '../../src/model/decoder.js'
import { chirpstack } from './chirpstack.js'
import { native } from './native.js'
import { senml } from './senml.js'
import { ttn } from './ttn.js'

/** Every decoder, by the id that configuration names. One line each. */
export const DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>(
  [chirpstack, native, senml, ttn].map((decoder) => [decoder.id, decoder as Decoder]),
)
