/**
 * Real input (../shared/recordings): played by `haidang play` through a real Mosquitto and a real nats-server
 * (JetStream) into a running engine with `clock: event`. Rows in ClickHouse equal the samples published, known events
 * raise alerts, and the live run's transitions are those of `haidang replay --clock event` of the same file.
 *
 * Small cuts here; `node dist/bench/pipeline/recordings.js` plays each once in full.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { played, SHARED, samplesIn, studio } from './recorded.js'
import { missing } from './servers.js'

const HOUR = 3_600_000

/** Recording, the span of its cut (ms UTC), and the known event of EVENTS.csv in it, with the rule that must see it. */
const CUTS: readonly { name: string; from: number; to: number; event?: { device: string; rule: string } }[] =
  [
    // The flood of June 2007 on the Don.
    {
      name: 'flood_uk_ea',
      from: Date.UTC(2007, 5, 23),
      to: Date.UTC(2007, 5, 29),
      event: { device: 'ea-don-hadfields', rule: 'test.level' },
    },
    {
      name: 'airq_hanoi',
      from: Date.UTC(2016, 11, 8),
      to: Date.UTC(2016, 11, 22),
      event: { device: 'hanoi-usembassy', rule: 'test.pm' },
    },
    { name: 'gps_bus_wmata', from: Date.UTC(2026, 1, 16, 16), to: Date.UTC(2026, 1, 16, 16) + HOUR / 2 },
    { name: 'skab', from: Date.UTC(2020, 2, 9, 10), to: Date.UTC(2020, 2, 9, 10) + HOUR / 2 },
  ]

/** Writes the cut; resolves with its file and how many samples it holds. */
function cut(
  folder: string,
  one: (typeof CUTS)[number],
): { readonly file: string; readonly samples: number } {
  const lines = gunzipSync(readFileSync(path.join(SHARED, `${one.name}.ndjson.gz`)))
    .toString()
    .trim()
    .split('\n')
  const part = lines.filter((line) => {
    const { time } = JSON.parse(line) as { time: number }
    return time >= one.from && time < one.to
  })
  const file = path.join(folder, `${one.name}.ndjson`)
  writeFileSync(file, `${part.join('\n')}\n`)
  return { file, samples: samplesIn(part) }
}

t.setTimeout(300_000)
const absent = existsSync(SHARED) ? false : 'needs ../shared/recordings'

for (const transport of ['mqtt', 'jetstream'] as const) {
  const skip = absent || missing(transport === 'mqtt' ? 'mosquitto' : 'nats-server')
  t.test(
    `recordings over ${transport}: rows, alerts and replay agree`,
    { skip, timeout: 170_000 },
    async (t) => {
      const folder = mkdtempSync(path.join(tmpdir(), 'haidang-cuts-'))
      t.teardown(() => rmSync(folder, { recursive: true, force: true }))
      const room = await studio(transport)
      t.teardown(() => room.close())
      let raised = 0
      for (const one of CUTS) {
        const { file, samples } = cut(folder, one)
        const { rows, expected, live, replayed } = await played(room, file, one.name, samples)
        t.equal(rows, samples, `${one.name}: every sample is one row`)
        t.same(live, replayed, `${one.name}: the live run's transitions are replay's`)
        const { event } = one
        if (event !== undefined)
          t.ok(
            expected.some(
              (line) => line.rule === event.rule && line.device === event.device && line.status === 'firing',
            ),
            `${one.name}: the known event raises ${event.rule}`,
          )
        raised += expected.length
      }
      t.ok(raised >= 10, `known events raise alerts (${raised} transitions)`)
    },
  )
}
