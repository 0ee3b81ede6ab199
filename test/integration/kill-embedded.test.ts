import t from 'tap'
import { disturbed } from './disturbance.js'
import { exactlyOnce } from './outcome.js'

t.setTimeout(120_000)

// Short: `node dist/bench/pipeline/kill.js` runs 60 s.
t.test(
  'embedded broker: killed with -9, engine and store, every acknowledged sample is stored exactly once',
  { timeout: 110_000 },
  async (t) => {
    exactlyOnce(
      t,
      await disturbed({ via: 'embedded', rate: 2000, seconds: 10, kills: ['engine', 'store', 'engine'] }),
    )
  },
)
