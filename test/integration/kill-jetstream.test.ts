import t from 'tap'
import { disturbed } from './disturbance.js'
import { exactlyOnce } from './outcome.js'
import { missing } from './servers.js'

t.setTimeout(120_000)

// 1 000 msg/s: nats-server 2.9 counts a filtered consumer's backlog again for each message it delivers, some hundred a second.
// Short: `node dist/bench/pipeline/kill.js` runs 60 s.
t.test(
  'JetStream: exactly once across kill -9 of engine, nats-server and store',
  { skip: missing('nats-server'), timeout: 110_000 },
  async (t) => {
    exactlyOnce(
      t,
      await disturbed({ via: 'jetstream', rate: 1000, seconds: 10, kills: ['engine', 'broker', 'store'] }),
    )
  },
)
