import t from 'tap'
import { SINKS } from '../../../src/alerts/sinks/index.js'
import { schemaFaults } from '../../../src/config/validate.js'

const EXAMPLES: Readonly<Record<string, { good: object; bad: object[] }>> = {
  webhook: {
    good: { url: 'https://example.org/alerts', reach: 'private' },
    bad: [
      {},
      { url: 1 },
      { url: 'ftp://example.org/' },
      { url: 'https://user:pass@example.org/' },
      { url: 'https://example.org/', reach: 'everywhere' },
      { url: 'https://example.org/', colour: 'red' },
    ],
  },
  nats: {
    good: { servers: ['nats://127.0.0.1:4222'], user: 'haidang', delivery: 'jetstream' },
    bad: [
      {},
      { servers: [] },
      { servers: ['a'] },
      { servers: ['nats://a'], delivery: 'often' },
      { servers: ['nats://a'], password: 'in plain text' },
    ],
  },
}

t.test(
  'every sink has a schema that takes its example, refuses what is wrong, and makes a sink of that name',
  async (t) => {
    t.same([...SINKS.keys()].sort(), Object.keys(EXAMPLES).sort())
    for (const [kind, sink] of SINKS) {
      const { good, bad } = EXAMPLES[kind]!
      t.same(schemaFaults(sink.schema, good), [], kind)
      for (const settings of bad)
        t.ok(schemaFaults(sink.schema, settings).length > 0, `${kind}: ${JSON.stringify(settings)}`)
      const made = sink.create(good as Record<string, unknown>, { name: 'duty', now: () => 0, secret: 's' })
      t.equal(made.name, 'duty')
      await made.close()
    }
  },
)
