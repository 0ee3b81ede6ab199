/** A configured source: one subscription with its decoder. */
import type { SourceProfile } from '../src/model/decoder.js'

export type TransportKind = 'mqtt' | 'nats' | 'jetstream' | 'http_poll' | 'http_post' | 'folder'

/** One configured subscription with its decoder. */
export interface Source {
  readonly name: string
  readonly transport: TransportKind
  /** Id of a decoder: `native senml chirpstack ttn`. */
  readonly decoder: string
  readonly profile: SourceProfile
  /** Topic filters or subjects. */
  readonly topics: readonly string[]
  /** How far behind its key's newest a sample may be and still be judged, ms. */
  readonly late: number
  /** `event`: a recording played into a live engine; `received` is then the newest event time. */
  readonly clock: 'arrival' | 'event'
}
