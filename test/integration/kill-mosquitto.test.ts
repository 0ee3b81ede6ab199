import t from 'tap'
import { disturbed } from './disturbance.js'
import { exactlyOnce } from './outcome.js'
import { missing } from './servers.js'

t.setTimeout(120_000)

// Short: `node dist/bench/pipeline/kill.js` runs 60 s.
t.test(
  'Mosquitto: exactly once across kill -9 of engine and store',
  { skip: missing('mosquitto'), timeout: 110_000 },
  async (t) => {
    exactlyOnce(
      t,
      await disturbed({ via: 'mosquitto', rate: 2000, seconds: 10, kills: ['engine', 'store', 'engine'] }),
    )
  },
)

t.test(
  "Mosquitto's own kill -9 costs at most a second of what was in flight",
  { skip: missing('mosquitto'), timeout: 110_000 },
  async (t) => {
    const rate = 2000
    const outcome = await disturbed({ via: 'mosquitto', rate, seconds: 8, kills: ['broker', 'broker'] })
    exactlyOnce(t, outcome, rate * outcome.kills.length)
    t.comment(
      `lost by Mosquitto: ${outcome.missing}; sent again after its kills and recognised: ${outcome.redelivered}, stored as duplicates: ${outcome.rows_marked_duplicate}`,
    )
  },
)
