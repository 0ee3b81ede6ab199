/**
 * Question: QoS 1 at 2 000 msg/s through Mosquitto with its shipped defaults (20 in flight), how long from publish until
 * the engine has judged a message, synced it and acknowledged it? Baseline: the same through one with the settings of
 * DESIGN.md 13, in the same run, in turns. Pass: p99 within 2 ×. It does not show: what the defaults lose when killed.
 *
 *   node dist/bench/pipeline/mosquitto-default.js [--turns 6] [--turn 5] [--rate 2000]
 */
import { parseArgs } from 'node:util'
import { compared } from '../../test/integration/default-mosquitto.js'
import { writeResult } from '../result.js'

const { values } = parseArgs({
  options: {
    turns: { type: 'string', default: '6' },
    turn: { type: 'string', default: '5' },
    rate: { type: 'string', default: '2000' },
  },
})
const result = await compared({
  rate: Number(values.rate),
  turns: Number(values.turns),
  turn_s: Number(values.turn),
})
const holds =
  result.p99_ratio <= 2 &&
  result.sides.every((side) => side.name === 'shipped' || side.acknowledged_by_engine === side.sent)
writeResult('mosquitto-default', { holds, ...result })
process.exitCode = holds ? 0 : 1
