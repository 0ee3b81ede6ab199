/**
 * QoS 1 through Mosquitto as it is shipped (20 in flight) beside one tuned as DESIGN.md 13 says: from publish until the
 * engine's PUBACK, that is until judged and durable. Two brokers and two engines in one run, loaded in turns.
 */
import { AckTap } from './ack-tap.js'
import { type City, city } from './disturbance.js'
import { Load } from './load.js'
import { until } from './servers.js'
import { type Latency, latency } from './store-stop.js'

/** What mosquitto 2.0 has without a word in its file (mosquitto.conf(5)). */
export const SHIPPED = [
  'persistence false',
  'max_inflight_messages 20',
  'max_queued_messages 1000',
  'autosave_interval 1800',
]

export interface Side {
  readonly name: 'shipped' | 'tuned'
  readonly sent: number
  readonly acknowledged_by_engine: number
  /** Delivered to the engine and not acknowledged, seen on the wire. 2.0.11 goes beyond its 20 when acknowledgements come together. */
  readonly in_flight_max: number
  readonly latency: Latency
}

export interface Compared {
  readonly rate: number
  readonly turns: number
  readonly turn_s: number
  readonly sides: readonly Side[]
  readonly p99_ratio: number
}

interface Running {
  readonly name: Side['name']
  readonly town: City
  readonly load: Load
  readonly tap: AckTap
  readonly latencies: number[]
  readonly acknowledged: () => number
}

async function running(name: Side['name'], rate: number): Promise<Running> {
  const latencies: number[] = []
  let acknowledged = 0
  const tap = new AckTap((topic, payload, at) => {
    const device = Number(topic.slice(topic.lastIndexOf('-') + 1))
    const { metrics } = JSON.parse(payload.toString()) as { metrics: { message_count: number } }
    latencies.push(at - load.sentAt[metrics.message_count * load.devices + device]!)
    acknowledged++
  })
  const town = await city('mosquitto', {
    ...(name === 'shipped' ? { mosquitto: SHIPPED } : {}),
    through: (port) => tap.open(port),
  })
  const load: Load = new Load({ rate, devices: 200, period: 300, link: (done) => town.link(done) })
  await load.link.up
  return { name, town, load, tap, latencies, acknowledged: () => acknowledged }
}

/** Everything is acknowledged by the engine, or nothing has come for 2 s: as shipped, Mosquitto drops beyond 1 000 queued. */
async function settled(side: Running): Promise<void> {
  let last = -1
  let since = performance.now()
  await until(
    'the engine has acknowledged what it got',
    () => {
      if (side.acknowledged() !== last) {
        last = side.acknowledged()
        since = performance.now()
      }
      return last >= side.load.sent || performance.now() - since > 2000
    },
    30_000,
  )
}

const seconds = (s: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, s * 1000))

export async function compared({
  rate,
  turns,
  turn_s,
}: Pick<Compared, 'rate' | 'turns' | 'turn_s'>): Promise<Compared> {
  const sides: Running[] = []
  try {
    for (const name of ['shipped', 'tuned'] as const) sides.push(await running(name, rate))
    // One turn each to warm up, not counted; then in turns, the order changing.
    for (let turn = -1; turn < turns; turn++) {
      for (const side of turn % 2 === 0 ? sides : [...sides].reverse()) {
        side.load.start()
        await seconds(turn < 0 ? 2 : turn_s)
        side.load.stop()
        await settled(side)
        if (turn < 0) side.latencies.length = 0
      }
    }
    const results = sides.map(({ name, load, tap, latencies, acknowledged }) => ({
      name,
      sent: load.sent,
      acknowledged_by_engine: acknowledged(),
      in_flight_max: tap.inFlightMax,
      latency: latency(latencies),
    }))
    return {
      rate,
      turns,
      turn_s,
      sides: results,
      p99_ratio: results[0]!.latency.p99_ms / results[1]!.latency.p99_ms,
    }
  } finally {
    for (const { town, load, tap } of sides) {
      load.stop()
      await load.link.close()
      tap.close()
      await town.close()
    }
  }
}
