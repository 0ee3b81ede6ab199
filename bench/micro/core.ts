/**
 * Question: how many samples a second does the engine's core judge on one core, without transports, log and store?
 * 100 rules of which 5 match each sample, 10 000 series at one sample a minute, visited round robin (so that nothing
 * stays in a near cache by luck). Three mixes of the five:
 *
 *   thresholds   five thresholds, one with `for`
 *   windows      two thresholds, avg and max over 10 minutes, ewma
 *   trend        two thresholds (one with `for`), avg, ewma, and a Theil–Sen slope over 10 minutes
 *
 * For windows, beside it in the same run, windows ten times as long; bytes allocated per sample. Rates are per CPU second.
 * What it does not show: decoding, logging, the wall.
 *
 *   node --expose-gc dist/bench/micro/core.js
 */
import { textRecords } from '../../src/engine/configure.js'
import { Core } from '../../src/engine/core.js'
import type { Transition } from '../../src/model/alert.js'
import { SampleBatch } from '../../src/model/columns.js'
import type { MessageRecord } from '../../src/model/record.js'
import { writeResult } from '../result.js'

const METRICS = 'level_m: { unit: m, min: -20, max: 100 }\ntemp_c: { unit: C, min: -60, max: 1200 }\n'

type Mix = 'thresholds' | 'windows' | 'trend'

function rulesText(mix: Mix, window: string, matching: number, others: number): string {
  const title = "title: { en: 'x', vi: 'x' }\ncategory: flood"
  const threshold = 'levels: { low: { when: level_m > 5 } }'
  const patient = 'levels: { medium: { when: level_m > 6, for: 2m }, high: { when: level_m > 7 } }'
  const windowed = (call: string) => `levels: { low: { when: "${call} > 50" } }`
  const avg = windowed(`avg(level_m, ${window})`)
  const ewma = windowed(`ewma(level_m, ${window})`)
  const kinds = {
    thresholds: [threshold, patient, threshold, threshold, threshold],
    windows: [threshold, patient, avg, windowed(`max(level_m, ${window})`), ewma],
    trend: [threshold, patient, avg, ewma, windowed(`slope(level_m, ${window})`)],
  }[mix]
  const documents: string[] = []
  for (let i = 0; i < matching; i++)
    documents.push(`rule: match.r${i}\n${title}\nstream: flood\n${kinds[i % kinds.length]}`)
  for (let i = 0; i < others; i++)
    documents.push(
      `rule: other.r${i}\n${title}\nstream: sensor\nlevels: { low: { when: temp_c > ${50 + i} } }`,
    )
  return documents.join('\n---\n')
}

interface Figures {
  readonly rate: number
  readonly bytes: number
  readonly judgements: number
}

/** Samples a second over `rounds` rounds of all series, after a warm-up that fills the windows. */
function run(options: {
  mix: Mix
  window: string
  rules?: [number, number]
  series: number
  rounds: number
  warmup: number
}): Figures {
  const core = new Core()
  const out: Transition[] = []
  const [matching, others] = options.rules ?? [5, 95]
  const rules = JSON.stringify([
    { file: 'bench.yaml', text: rulesText(options.mix, options.window, matching, others) },
  ])
  for (const record of textRecords({ metrics: JSON.stringify([METRICS]), registry: '', zones: '', rules }, 0))
    core.apply(record, out)
  if (core.faults.length > 0) throw new Error(core.faults[0]!.message)
  const { index } = core
  const metric = index.metrics.id('level_m')
  const series = Array.from({ length: options.series }, (_, i) =>
    index.series(index.devices.id(`gauge-${i}`), metric),
  )
  const batch = new SampleBatch(1)
  const record: MessageRecord = {
    kind: 'message',
    seq: 0,
    received: 0,
    feed: index.sources.id('bench'),
    source: index.sources.id('bench'),
    stream: index.streams.id('flood'),
    identity: 0,
    batch,
    from: 0,
    to: 1,
  }
  let time = 1_795_294_800_000
  let random = 42
  const round = (): void => {
    for (let i = 0; i < series.length; i++) {
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0
      batch.clear()
      batch.append(series[i]!, time + i, 2 + (random / 4294967296) * 0.5, 0, Number.NaN, Number.NaN, 0, '')
      record.seq++
      record.received = time + i
      core.apply(record, out)
    }
    time += 60_000
  }
  for (let r = 0; r < options.warmup; r++) round()
  const before = core.counters.judgements
  global.gc?.()
  const heap = process.memoryUsage().heapUsed
  // CPU seconds of this process: on a shared machine the wall clock counts the neighbours too.
  const start = process.cpuUsage()
  for (let r = 0; r < options.rounds; r++) round()
  const { user, system } = process.cpuUsage(start)
  const seconds = (user + system) / 1e6
  const bytes = Math.max(0, process.memoryUsage().heapUsed - heap)
  const samples = options.rounds * options.series
  if (out.length > 0) throw new Error(`${out.length} alerts in quiet data`)
  return {
    rate: samples / seconds,
    bytes: bytes / samples,
    judgements: (core.counters.judgements - before) / seconds,
  }
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!
const PAIRS = 5
const figures: Record<Mix, Figures[]> = { thresholds: [], windows: [], trend: [] }
const long: Figures[] = []
for (let pair = 0; pair < PAIRS; pair++) {
  for (const mix of ['thresholds', 'windows', 'trend'] as const)
    figures[mix].push(run({ mix, window: '10m', series: 10_000, rounds: 30, warmup: 15 }))
  long.push(run({ mix: 'windows', window: '100m', series: 10_000, rounds: 30, warmup: 105 }))
}
const summary = (list: Figures[]) => ({
  samples_per_s: Math.round(median(list.map((f) => f.rate))),
  rule_evaluations_per_s: Math.round(median(list.map((f) => f.judgements))),
  bytes_per_sample: Math.round(median(list.map((f) => f.bytes))),
})
writeResult('core', {
  thresholds: summary(figures.thresholds),
  windows: summary(figures.windows),
  trend: summary(figures.trend),
  cost_at_10x_window: Number(median(figures.windows.map((f, i) => f.rate / long[i]!.rate)).toFixed(2)),
  aims: { samples_per_s: 500_000, bytes_per_sample: 50, cost_at_10x_window: 1.2 },
})
