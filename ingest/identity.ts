/**
 * What an MQTT message is recognised by when it comes again: 53 bits (a safe integer) of a hash of topic and payload.
 * MQTT has no message id that survives a reconnect, and DUP lies both ways, so the log's tail is matched against the
 * redelivered run by these, in order.
 *
 * Two 32-bit lanes in the manner of MurmurHash3's mixing [A. Appleby, public domain], four bytes a step, each lane with
 * its own constants; not cryptographic, which it need not be: a collision costs one message only if it falls on the
 * same place of the same redelivered run. Cost: about 1 ns a byte.
 */
const C1 = 0xcc9e2d51
const C2 = 0x1b873593
const C3 = 0x239b961b
const C4 = 0xab0e9789

/** 1 … 2^53 − 1; never 0, which means "no identity". */
export function messageIdentity(topic: string, payload: Uint8Array): number {
  let a = 0x9747b28c ^ topic.length
  let b = 0x3c6ef372 ^ payload.length
  for (let i = 0; i < topic.length; i++) {
    const unit = topic.charCodeAt(i)
    a = Math.imul(a ^ unit, C1)
    b = Math.imul(b ^ unit, C3)
    a ^= a >>> 15
    b ^= b >>> 13
  }
  const whole = payload.length & ~3
  for (let i = 0; i < whole; i += 4) {
    const word = payload[i]! | (payload[i + 1]! << 8) | (payload[i + 2]! << 16) | (payload[i + 3]! << 24)
    let k = Math.imul(word, C1)
    k = Math.imul((k << 15) | (k >>> 17), C2)
    a ^= k
    a = (Math.imul((a << 13) | (a >>> 19), 5) + 0xe6546b64) | 0
    k = Math.imul(word, C3)
    k = Math.imul((k << 16) | (k >>> 16), C4)
    b ^= k
    b = (Math.imul((b << 17) | (b >>> 15), 5) + 0x0bcaa747) | 0
  }
  for (let i = whole; i < payload.length; i++) {
    a = Math.imul(a ^ payload[i]!, C1)
    b = Math.imul(b ^ payload[i]!, C3)
    a ^= a >>> 15
    b ^= b >>> 13
  }
  // The lanes know of each other before they are put together.
  a = final((a + b) | 0)
  b = final((b + a) | 0)
  const identity = (a >>> 0) * 0x200000 + (b >>> 11)
  return identity === 0 ? 1 : identity
}

function final(lane: number): number {
  let h = lane ^ (lane >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/**
 * Identity of a JetStream message: its sequence, in a stream that was created at `created` (the server's ISO text). A
 * stream that is deleted and made again counts from 1 again; without its creation time in the identity, its first
 * messages would be taken for those of the old one and dropped.
 *
 *   2^40 × (13 bits of the creation time's hash, never 0) + sequence        sequence < 2^40: a million a second for 12 days,
 *                                                                          2 000 a second for 17 years
 */
export function sequenceIdentity(created: string): (sequence: number) => number {
  const incarnation = (messageIdentity(created, NOTHING) % 0x1fff) + 1
  const base = incarnation * 2 ** 40
  return (sequence) => base + sequence
}
const NOTHING = new Uint8Array(0)
