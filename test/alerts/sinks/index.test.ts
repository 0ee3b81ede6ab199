import { Ajv } from 'ajv'
import t from 'tap'
import { SINKS } from '../../../src/alerts/sinks/index.js'

const EXAMPLES: Readonly<Record<string, { good: object; bad: object[] }>> = {
  webhook: {
    good: { url: 'https://example.org/alerts', reach: 'private' },
    bad: [
      {},
      { url: 1 },
      { url: 'https://example.org/', reach: 'everywhere' },
      { url: 'https://example.org/', colour: 'red' },
    ],
  },
  nats: {
    good: { servers: ['nats://127.0.0.1:4222'], user: 'haidang', delivery: 'jetstream' },
    bad: [
      {},
      { servers: [] },
      { servers: ['a'], delivery: 'often' },
      { servers: ['a'], password: 'in plain text' },
    ],
  },
}

t.test(
  'every sink has a schema that takes its example, refuses what is wrong, and makes a sink of that name',
  async (t) => {
    t.same([...SINKS.keys()].sort(), Object.keys(EXAMPLES).sort())
    for (const [kind, sink] of SINKS) {
      const validate = new Ajv({ strict: true }).compile(sink.schema)
      const { good, bad } = EXAMPLES[kind]!
      t.equal(validate(good), true, `${kind}: ${JSON.stringify(validate.errors)}`)
      for (const settings of bad) t.equal(validate(settings), false, `${kind}: ${JSON.stringify(settings)}`)
      const made = sink.create(good as Record<string, unknown>, { name: 'duty', now: () => 0, secret: 's' })
      t.equal(made.name, 'duty')
      await made.close()
    }
  },
)
