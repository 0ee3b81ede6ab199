/**
 * What does the identity of an MQTT message cost, by payload size? Baseline: SHA-1 of node:crypto over the same bytes
 * (the fastest call that a library would give). What this does not show: the quality of the hash (test/ingest/edges).
 *
 *   node dist/bench/micro/identity.js
 */
import { createHash } from 'node:crypto'
import { messageIdentity } from '../../ingest/identity.js'

const topic = 'haidang/v1/air/vendor-a/air-0001'

/** Median µs a call over 30 passes of `calls`. */
function measure(call: () => unknown, calls: number): number {
  const costs: number[] = []
  for (let pass = 0; pass < 40; pass++) {
    const start = performance.now()
    for (let i = 0; i < calls; i++) call()
    if (pass >= 10) costs.push(((performance.now() - start) * 1000) / calls)
  }
  return costs.sort((a, b) => a - b)[15]!
}

for (const size of [100, 225, 1000, 65_536]) {
  const payload = Buffer.alloc(size, '{"time":1795294958123,"metrics":{"pm25_ugm3":35.2}}')
  const calls = Math.max(20, Math.floor(2_000_000 / size))
  const ours = measure(() => messageIdentity(topic, payload), calls)
  const sha1 = measure(() => createHash('sha1').update(topic).update(payload).digest(), calls)
  process.stdout.write(
    `${JSON.stringify({ bench: 'identity', payload_bytes: size, identity_us_p50: Number(ours.toFixed(3)), sha1_us_p50: Number(sha1.toFixed(3)), node: process.version })}\n`,
  )
}
