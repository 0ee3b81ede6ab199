import t from 'tap'
import { ArrivalClock } from '../../ingest/arrival.js'
import { Backoff } from '../../ingest/backoff.js'
import { Feed, withoutCredentials } from '../../ingest/feed.js'
import { messageIdentity } from '../../ingest/identity.js'
import { BOUNDS } from '../../src/model/bounds.js'
import type { IngestSink } from '../../src/model/ports.js'
import { messageOf } from './setup.js'

t.test('the arrival clock neither goes back nor jumps when the wall clock is set', async (t) => {
  let wall = 1_000_000
  let monotonic = 500
  const clock = new ArrivalClock({ now: () => wall, monotonic: () => monotonic })
  t.equal(clock.now(), 1_000_000)
  monotonic += 250.7
  wall -= 3_600_000
  t.equal(clock.now(), 1_000_250)
  wall += 2 * 3_600_000
  monotonic += 1
  t.equal(clock.now(), 1_000_251)
  monotonic -= 100
  t.equal(clock.now(), 1_000_251, 'not even if the monotonic clock lied')
})

t.test(
  'back-off: full jitter below a ceiling that doubles to 30 s, and starts anew after a stable connection',
  async (t) => {
    const highest = new Backoff(() => 0.999_999)
    const delays = Array.from({ length: 10 }, () => Math.round(highest.next(0)))
    t.strictSame(delays, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
    t.equal(Math.round(highest.next(9999)), 30_000, 'a connection that flaps is not stable')
    t.equal(Math.round(highest.next(10_000)), 250)
    const lowest = new Backoff(() => 0)
    t.equal(lowest.next(0), 20)
  },
)

t.test(
  'an identity is a safe integer, never 0, equal for equal messages and different otherwise',
  async (t) => {
    const seen = new Map<number, string>()
    const add = (topic: string, text: string): void => {
      const identity = messageIdentity(topic, Buffer.from(text))
      if (!Number.isSafeInteger(identity) || identity <= 0) t.fail(`${topic} ${text}: ${identity}`)
      const other = seen.get(identity)
      if (other !== undefined && other !== `${topic} ${text}`)
        t.fail(`${topic} ${text} collides with ${other}`)
      seen.set(identity, `${topic} ${text}`)
    }
    for (let i = 0; i < 200_000; i++)
      add(`haidang/v1/air/s/d${i % 97}`, `{"time":${1_795_294_958_123 + i},"metrics":{"x":${i % 13}}}`)
    for (let length = 0; length < 64; length++)
      for (const fill of ['a', 'b', '\0']) add('t', fill.repeat(length))
    add('t', 'ab')
    add('ta', 'b')
    t.equal(seen.size, 200_000 + 64 * 3 + 2 - 2, 'all apart (the empty text stands three times)')
    t.equal(messageIdentity('a', Buffer.from('b')), messageIdentity('a', new Uint8Array([98])))
    // Every bit of the answer moves: each is set in about half of the identities.
    for (let bit = 0; bit < 53; bit++) {
      let set = 0
      for (const identity of seen.keys()) set += Math.floor(identity / 2 ** bit) % 2
      if (Math.abs(set / seen.size - 0.5) > 0.01) t.fail(`bit ${bit} is set in ${set} of ${seen.size}`)
    }
  },
)

class Sink implements IngestSink {
  readonly states: string[] = []
  readonly waiting: (() => void)[] = []
  message(_feed: string, _raw: unknown, _identity: number, _redelivered: boolean, durable: () => void): void {
    this.waiting.push(durable)
  }
  state(_feed: string, state: string): void {
    this.states.push(state)
  }
}

t.test('a feed counts what is in flight and tells each change of state once', async (t) => {
  const feed = new Feed('f')
  const sink = new Sink()
  feed.open(sink)
  t.equal(feed.status.state, 'connecting')
  feed.down('no broker')
  feed.down('still no broker')
  feed.up()
  feed.caughtUp()
  feed.caughtUp()
  t.strictSame(sink.states, ['down', 'up', 'caught_up'])
  let acknowledged = 0
  for (let i = 0; i < BOUNDS.unacknowledged; i++) feed.message(messageOf('x'), 1, false, () => acknowledged++)
  t.equal(feed.isFull, true)
  const drained = feed.drained(60_000)
  for (const durable of sink.waiting) {
    durable()
    durable()
  }
  await drained
  t.equal(acknowledged, BOUNDS.unacknowledged, 'each once, however often it is called')
  t.match(feed.status, {
    in_flight: 0,
    messages_total: BOUNDS.unacknowledged,
    acknowledged_total: BOUNDS.unacknowledged,
    reconnects_total: 0,
  })
  feed.down('gone')
  feed.up()
  t.equal(feed.status.reconnects_total, 1)
  t.equal(withoutCredentials('mqtts://a:b@host:1/x'), 'mqtts://host:1/x')
})
