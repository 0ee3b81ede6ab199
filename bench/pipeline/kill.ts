/**
 * Question: is every sample that was acknowledged to its publisher in ClickHouse exactly once, in the rollups exactly
 * once, and are the alerts those of an undisturbed run, when real processes are killed with -9 in the middle of
 * 2 000 msg/s? Baseline: the same messages through `haidang replay`.
 *
 * It does not show: a power cut (kill -9 leaves the page cache), and nats-server's `sync_interval: always`, which the
 * 2.9.10 of Debian does not have.
 *
 *   node dist/bench/pipeline/kill.js [--seconds 60] [--rate 2000] [--via embedded,mosquitto,jetstream,mosquitto-itself]
 */
import { parseArgs } from 'node:util'
import { type Disturbance, disturbed, type Outcome } from '../../test/integration/disturbance.js'
import { writeResult } from '../result.js'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '2000' },
    via: { type: 'string', default: 'embedded,mosquitto,jetstream,mosquitto-itself' },
  },
})

const PLANS: Readonly<Record<string, Pick<Disturbance, 'via' | 'kills'>>> = {
  embedded: { via: 'embedded', kills: ['engine', 'store', 'engine', 'store', 'engine'] },
  mosquitto: { via: 'mosquitto', kills: ['engine', 'store', 'engine', 'store', 'engine'] },
  jetstream: { via: 'jetstream', kills: ['engine', 'broker', 'store', 'broker', 'engine'] },
  'mosquitto-itself': { via: 'mosquitto', kills: ['broker', 'broker', 'broker', 'broker'] },
}

const runs: Record<string, Outcome & { holds: boolean }> = {}
for (const name of values.via.split(',')) {
  const plan = PLANS[name]
  if (plan === undefined) throw new Error(`--via takes ${Object.keys(PLANS).join(', ')}, not '${name}'`)
  const rate = Number(values.rate)
  // A device crosses its level every 30 s: seldom enough not to flap, often enough for some alerts a second.
  const load = { devices: 200, period: Math.round((rate / 200) * 30) }
  const outcome = await disturbed({
    ...plan,
    rate,
    seconds: Number(values.seconds),
    load,
    say: (line) => process.stderr.write(`${name} ${line}\n`),
  })
  const lost = name === 'mosquitto-itself' ? rate * outcome.kills.length : 0
  const holds =
    outcome.missing <= lost &&
    outcome.doubled === 0 &&
    outcome.rows === outcome.acknowledged - outcome.missing &&
    outcome.rollup_1m === outcome.rows &&
    outcome.rollup_1h === outcome.rows &&
    outcome.rollup_sums_equal &&
    outcome.transitions_equal &&
    outcome.kills.every((kill) => kill.in_flight > 0)
  runs[name] = { holds, ...outcome }
}
writeResult('kill', { runs })
process.exitCode = Object.values(runs).every((run) => run.holds) ? 0 : 1
