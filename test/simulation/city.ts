/**
 * What the simulated city sends: gauges on two brokers whose levels wander over thresholds, fall silent for minutes and
 * speak again, some samples out of order, some with clocks of another day, year or unit. Times are far enough from every limit that an engine that is away for
 * seconds must decide the same.
 */
import { Random } from './random.js'
import { EPOCH } from './world.js'

export interface Publication {
  /** Virtual ms at which the device publishes. */
  readonly at: number
  readonly broker: 'jetstream' | 'mqtt'
  readonly device: string
  /** What the device says, ms UTC: true within a second, or as wrong as clocks get. */
  readonly stamp: number
  /** Different in every message: what a row is recognised by. */
  readonly level: number
}

export interface Workload {
  readonly publications: readonly Publication[]
  /** Virtual ms by which every timer of the last samples is over. */
  readonly end: number
}

export const METRICS = [
  'level_m: { unit: m, min: -10, max: 50, danger: up, decimals: 2, counter: false, en: Level, vi: Mức }',
]

export const RULES = [
  {
    file: 'simulation.yaml',
    text: `
rule: sim.level
title: { en: "{device} at {level_m} m", vi: "{device} mức {level_m} m" }
category: flood
owner: test
stream: flood
levels:
  medium: { when: level_m >= 2, clear: level_m < 1.8 }
  high: { when: level_m >= 2.5, clear: level_m < 2.2, for: 15s, hold: 25s }
  critical: { when: level_m >= 3 }
absent: { after: 60s, level: low }
---
rule: sim.mean
title: { en: "{device} mean", vi: "{device} trung bình" }
category: flood
owner: test
stream: flood
levels:
  medium: { when: "avg(level_m, 60s) >= 2.1", clear: "avg(level_m, 60s) < 1.9" }
---
rule: sim.rise
title: { en: "{device} rises", vi: "{device} dâng" }
category: flood
owner: test
stream: flood
levels:
  low: { when: "delta(level_m, 45s) > 0.8", hold: 20s }
---
rule: sim.smooth
title: { en: "{device} smooth", vi: "{device} trơn" }
category: flood
owner: test
stream: flood
levels:
  medium: { when: "ewma(level_m, 60s) > 2.2", clear: "ewma(level_m, 60s) < 2" }
`,
  },
] as const

const DEVICES = 5
const SPAN_MS = 4 * 60_000
const INTERVAL_MS = 9000

export function workload(seed: number): Workload {
  const random = new Random(seed)
  const publications: Publication[] = []
  const publish = (
    at: number,
    device: string,
    broker: Publication['broker'],
    stamp: number,
    level: number,
  ): void => {
    // Three decimals of level, and behind them the message's number.
    publications.push({
      at,
      broker,
      device,
      stamp,
      level: Math.round(level * 1000) / 1000 + publications.length * 1e-7,
    })
  }
  for (let d = 0; d < DEVICES; d++) {
    const device = `gauge-${d}`
    const broker = d % 2 === 0 ? 'jetstream' : 'mqtt'
    let level = 1 + random.next() * 1.5
    let drift = 0
    for (
      let time = random.integer(0, INTERVAL_MS);
      time < SPAN_MS;
      time += INTERVAL_MS + random.integer(-500, 500)
    ) {
      // Silent for much longer than `absent`, or not at all.
      if (random.chance(0.04)) time += 100_000
      if (time >= SPAN_MS) break
      drift = drift * 0.8 + (random.next() - 0.5) * 0.5
      level = Math.min(3.4, Math.max(0.5, level + drift))
      publish(time + 30 + random.integer(0, 40), device, broker, stampOf(time, broker, random), level)
      // Now and then an older sample comes behind.
      if (random.chance(0.04)) publish(time + 200, device, broker, EPOCH + time - 4001, random.next() * 3)
    }
  }
  publications.sort((a, b) => a.at - b.at)
  return { publications, end: SPAN_MS + 75_000 }
}

/**
 * A device's clock: right, or a day slow, at the epoch, a day fast, in microseconds. The fast ones are judged at their
 * arrival, which only JetStream keeps through an outage.
 */
function stampOf(time: number, broker: Publication['broker'], random: Random): number {
  const right = EPOCH + time
  // Not a device's first: nothing tells yet that it is wrong.
  if (!random.chance(0.03) || time < 2 * INTERVAL_MS) return right
  return random.pick(
    broker === 'jetstream'
      ? [right - 86_400_000, 0, right + 86_400_000, right * 1000]
      : [right - 86_400_000, 0],
  )
}
