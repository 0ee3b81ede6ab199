import t from 'tap'
import { storeStopped } from './store-stop.js'

t.setTimeout(120_000)

// Short: `node dist/bench/pipeline/store-stopped.js` stops it for 60 s.
t.test(
  'the store stopped under load: alerts come as before, the log grows and drains, nothing is lost',
  { timeout: 110_000 },
  async (t) => {
    const { up, stopped, verified, backlog_max, log_grew_bytes, drained_ms, store_command } =
      await storeStopped({ via: 'embedded', rate: 2000, rounds: 3, up_s: 4, stopped_s: 5 })
    t.match(store_command, /^haidang-store/)
    t.ok(
      up.count > 60 && stopped.count > 60,
      `${up.count} alerts with the store up, ${stopped.count} with it stopped`,
    )
    t.comment(
      `publish → wall: up p50 ${up.p50_ms} p99 ${up.p99_ms} ms, stopped p50 ${stopped.p50_ms} p99 ${stopped.p99_ms} ms; backlog ${backlog_max} records, drained after ${drained_ms} ms`,
    )
    // A shared machine's noise is allowed for, waiting for a store (which would be seconds) is not.
    t.ok(stopped.p50_ms <= up.p50_ms * 2 + 10, 'p50 unmoved')
    t.ok(stopped.p99_ms <= up.p99_ms * 2 + 100, 'p99 unmoved')
    t.ok(backlog_max > 5000, 'the log held what the store did not take')
    t.ok(log_grew_bytes > 0)
    t.equal(verified.missing, 0)
    t.equal(verified.doubled, 0)
    t.equal(verified.rows, verified.sent)
    t.equal(verified.rollup_1m, verified.rows)
    t.equal(verified.rollup_1h, verified.rows)
    t.ok(verified.transitions_equal, verified.first_difference)
  },
)
