/** What must hold after real processes were killed under load (see disturbance.ts). */
import type { Test } from 'tap'
import type { Outcome } from './disturbance.js'

const COMMANDS = { engine: /haidang\.js run$/, store: /^haidang-store/, broker: /^(mosquitto|nats-server) / }

/** `lossy`: the broker itself may forget so many of those it had acknowledged. */
export function exactlyOnce(t: Test, outcome: Outcome, lossy = 0): void {
  for (const { victim, command, in_flight, in_flight_of } of outcome.kills) {
    t.match(command, COMMANDS[victim], `killed: ${victim}, and /proc says so`)
    t.ok(in_flight > 0, `${victim} killed with ${in_flight} ${in_flight_of}`)
  }
  t.equal(outcome.acknowledged, outcome.sent, `all ${outcome.sent} were acknowledged to the publisher`)
  if (lossy === 0) t.equal(outcome.missing, 0, 'none of them is missing')
  else
    t.ok(
      outcome.missing <= lossy,
      `${outcome.missing} of them were lost by the broker, at most ${lossy} may be`,
    )
  t.equal(outcome.doubled, 0, 'none is there twice')
  t.equal(outcome.rows, outcome.acknowledged - outcome.missing, 'rows are what was acknowledged')
  t.equal(outcome.rollup_1m, outcome.rows, 'samples_1m counts each once')
  t.equal(outcome.rollup_1h, outcome.rows, 'samples_1h counts each once')
  t.ok(outcome.rollup_sums_equal, 'and their sums are those of the rows')
  t.ok(outcome.transitions >= 10, `${outcome.transitions} transitions`)
  t.ok(outcome.transitions_equal, `alerts are those of an undisturbed run ${outcome.first_difference}`)
}
