import t from 'tap'
import { compared } from './default-mosquitto.js'
import { missing } from './servers.js'

t.setTimeout(120_000)

// 1 000 unacknowledged on one connection while a sync takes 50 ms: ingest-mqtt.test.ts.
t.test(
  'QoS 1 at 2 000 msg/s through Mosquitto as shipped (20 in flight): judged and durable as soon as through a tuned one',
  { skip: missing('mosquitto'), timeout: 110_000 },
  async (t) => {
    const { sides, p99_ratio } = await compared({ rate: 2000, turns: 3, turn_s: 3 })
    for (const { name, sent, acknowledged_by_engine, in_flight_max, latency } of sides) {
      if (name === 'tuned')
        t.equal(acknowledged_by_engine, sent, `tuned: the engine acknowledged all ${sent}, each once`)
      else
        t.ok(
          acknowledged_by_engine > sent * 0.9,
          `shipped: the engine acknowledged ${acknowledged_by_engine} of ${sent}; it drops beyond 1 000 queued`,
        )
      t.comment(
        `${name}: p50 ${latency.p50_ms} p99 ${latency.p99_ms} max ${latency.max_ms} ms, ${in_flight_max} in flight at most`,
      )
    }
    // The bench holds it to 2 ×; here a busy machine's hiccup in one of six turns must not fail it, a batch of 250 ms must.
    t.ok(
      sides[0]!.latency.p50_ms <= Math.max(25, sides[1]!.latency.p50_ms * 3),
      `p50 ${sides[0]!.latency.p50_ms} ms`,
    )
    t.ok(
      sides[0]!.latency.p99_ms <= Math.max(150, sides[1]!.latency.p99_ms * 3),
      `p99 ratio ${p99_ratio.toFixed(2)}`,
    )
  },
)
