/**
 * Question: does a stopped store move the time from publish to an alert at a WebSocket client? Baseline: the same load
 * with the store up, before and after each stop of the same run. Stopped by SIGSTOP: worse than dead, it holds its
 * connections. It does not show: a wall on another machine, or a browser's painting.
 *
 *   node dist/bench/pipeline/store-stopped.js [--stopped 60] [--up 30] [--rounds 1] [--rate 2000]
 */
import { parseArgs } from 'node:util'
import { storeStopped } from '../../test/integration/store-stop.js'
import { writeResult } from '../result.js'

const { values } = parseArgs({
  options: {
    stopped: { type: 'string', default: '60' },
    up: { type: 'string', default: '30' },
    rounds: { type: 'string', default: '1' },
    rate: { type: 'string', default: '2000' },
  },
})
const result = await storeStopped({
  via: 'embedded',
  rate: Number(values.rate),
  rounds: Number(values.rounds),
  up_s: Number(values.up),
  stopped_s: Number(values.stopped),
  say: (line) => process.stderr.write(`${line}\n`),
})
const { verified } = result
const holds =
  verified.missing === 0 &&
  verified.doubled === 0 &&
  verified.rows === verified.sent &&
  verified.rollup_1m === verified.rows &&
  verified.transitions_equal
writeResult('store-stopped', {
  holds,
  p50_ratio: result.stopped.p50_ms / result.up.p50_ms,
  p99_ratio: result.stopped.p99_ms / result.up.p99_ms,
  ...result,
})
process.exitCode = holds ? 0 : 1
