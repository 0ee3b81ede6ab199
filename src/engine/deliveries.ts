/**
 * Which messages of a broker have been taken already. Redelivery is recognised by identity, never by flags:
 *
 *   sequence  JetStream: the stream's sequence, exact; a ring remembers the last 131 072.
 *   run       MQTT from a broker: after a (re)connection the broker sends again, in order, what it has no
 *             acknowledgement for; their hashes are matched in order against those last taken. The first message that
 *             does not match ends the run.
 *   flag      MQTT publishers on our own broker: a publisher that got no acknowledgement sends again with DUP set; a
 *             DUP whose hash was taken lately is the same message.
 *   none      core NATS, HTTP: best effort, nothing to recognise.
 */
export type DeliveryMode = 'sequence' | 'run' | 'flag' | 'none'

const RING = 131_072
/** Acknowledgements older than this have reached the broker or its connection is long dead. */
const KNOWN_ACKNOWLEDGED_MS = 60_000
const RECENT_MAX = 65_536
const FLAG_MS = 10 * 60_000

interface Taken {
  readonly identity: number
  readonly received: number
}

export interface SavedDeliveries {
  readonly sequences: readonly { readonly feed: number; readonly taken: Float64Array }[]
  readonly recent: readonly { readonly feed: number; readonly taken: readonly Taken[] }[]
}

export class Deliveries {
  readonly #ring = new Map<number, Float64Array>()
  readonly #recent = new Map<number, Taken[]>()
  readonly #runs = new Map<number, { tail: readonly Taken[]; at: number }>()

  /** Plain data for the checkpoint. */
  save(): SavedDeliveries {
    return {
      sequences: [...this.#ring].map(([feed, ring]) => ({ feed, taken: filled(ring) })),
      recent: [...this.#recent].map(([feed, taken]) => ({ feed, taken })),
    }
  }

  load(saved: SavedDeliveries): void {
    for (const { feed, taken } of saved.sequences)
      for (const sequence of taken) this.take(feed, 'sequence', sequence, 0)
    for (const { feed, taken } of saved.recent) this.#recent.set(feed, [...taken])
  }

  /** The feed's connection is new: what comes first may be what came last. */
  connected(feed: number, mode: DeliveryMode): void {
    if (mode !== 'run') return
    const recent = this.#recent.get(feed) ?? []
    const newest = recent.at(-1)?.received ?? 0
    const tail = recent.filter((one) => newest - one.received <= KNOWN_ACKNOWLEDGED_MS)
    this.#runs.set(feed, { tail, at: 0 })
  }

  /** Has this message been taken before? Advances the run of a reconnected feed. */
  isRedelivery(feed: number, mode: DeliveryMode, identity: number, redelivered: boolean): boolean {
    if (identity === 0) return false
    switch (mode) {
      case 'none':
        return false
      case 'sequence':
        return this.#ring.get(feed)?.[identity % RING] === identity
      case 'flag':
        return redelivered && (this.#recent.get(feed)?.some((one) => one.identity === identity) ?? false)
      case 'run': {
        const run = this.#runs.get(feed)
        if (run === undefined) return false
        for (let i = run.at; i < run.tail.length; i++)
          if (run.tail[i]!.identity === identity) {
            run.at = i + 1
            return true
          }
        this.#runs.delete(feed)
        return false
      }
    }
  }

  /** A message was taken (judged, and on its way to the log). */
  take(feed: number, mode: DeliveryMode, identity: number, received: number): void {
    if (identity === 0 || mode === 'none') return
    if (mode === 'sequence') {
      let ring = this.#ring.get(feed)
      if (ring === undefined) {
        ring = new Float64Array(RING)
        this.#ring.set(feed, ring)
      }
      ring[identity % RING] = identity
      return
    }
    let recent = this.#recent.get(feed)
    if (recent === undefined) {
      recent = []
      this.#recent.set(feed, recent)
    }
    recent.push({ identity, received })
    // Cut in large steps: shifting one at a time would move the whole list each time.
    if (recent.length >= 2 * RECENT_MAX) recent.splice(0, recent.length - RECENT_MAX)
    const horizon = received - (mode === 'flag' ? FLAG_MS : 2 * KNOWN_ACKNOWLEDGED_MS)
    if (recent.length > 1024 && recent[512]!.received < horizon) recent.splice(0, 512)
  }
}

/** The slots in use. A plain loop: `filter` with a closure takes 1 ms over a ring, on the engine's thread. */
function filled(ring: Float64Array): Float64Array {
  let count = 0
  for (let i = 0; i < ring.length; i++) if (ring[i] !== 0) count++
  const taken = new Float64Array(count)
  let at = 0
  for (let i = 0; i < ring.length && at < count; i++) if (ring[i] !== 0) taken[at++] = ring[i]!
  return taken
}
