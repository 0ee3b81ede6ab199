/**
 * Question: do recordings of real instruments, whole, come through real brokers into the engine as they were recorded,
 * and how fast? Baseline: the samples in the file, and the transitions of `haidang replay --clock event` of it.
 *
 * Speed is that of the whole way: `haidang play` at QoS 1 (JetStream: with its acknowledgement), broker, engine, log,
 * ClickHouse, until the last row can be selected. It does not show what the engine alone could take.
 *
 *   node dist/bench/pipeline/recordings.js [--names flood_uk_ea,airq_hanoi,gps_bus_wmata,skab]
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { played, SHARED, samplesIn, studio } from '../../test/integration/recorded.js'
import { writeResult } from '../result.js'

const { values } = parseArgs({
  options: { names: { type: 'string', default: 'flood_uk_ea,airq_hanoi,gps_bus_wmata,skab' } },
})

const runs: Record<string, unknown>[] = []
let holds = true
for (const transport of ['mqtt', 'jetstream'] as const)
  for (const recording of values.names.split(',')) {
    // An engine each: with `clock: event` a feed's clock is where the recording before it ended, which replay's is not.
    const room = await studio(transport)
    try {
      const file = path.join(SHARED, `${recording}.ndjson.gz`)
      const samples = samplesIn(gunzipSync(readFileSync(file)).toString().trim().split('\n'))
      const { rows, seconds, expected, live, replayed } = await played(room, file, recording, samples)
      const transitions_equal = isDeepStrictEqual(live, replayed)
      holds &&= rows === samples && transitions_equal
      const run = {
        transport,
        recording,
        samples,
        rows,
        seconds: Number(seconds.toFixed(2)),
        samples_per_second: Math.round(samples / seconds),
        transitions: expected.length,
        transitions_equal,
      }
      process.stderr.write(`${JSON.stringify(run)}\n`)
      runs.push(run)
    } finally {
      await room.close()
    }
  }
writeResult('recordings', { holds, runs })
process.exitCode = holds ? 0 : 1
