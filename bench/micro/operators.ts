/**
 * Question: what does one sample cost in each operator, pushed into its window and read at once?
 * Also: does that cost depend on how long the history is (a tenth of a window against ten windows), and what does a
 * window cost in bytes?
 *
 *   node dist/bench/micro/operators.js [name …]
 *
 * Baseline: 1 000 ns a sample is the whole engine's budget at 1 000 000 samples/s. One series of noise at one sample in
 * 10 s and in 1 s, window 10 min (60 and 600 samples in it), late 5 min; 1 000 series in turn, so that states compete
 * for the cache as they do in a city. Median of five runs. It does not show decoding, dispatch, rules or the log.
 */
import { OPERATORS } from '../../rules/operators/index.js'
import type { Constants, Operator } from '../../rules/operators/operator.js'
import { SampleWindow } from '../../rules/operators/window.js'

const MINUTE = 60_000
const W = 10 * MINUTE
const LATE = 5 * MINUTE
const START = 1_795_200_000_000
const RUNS = 5

const CASES: readonly (readonly [name: string, constants: Constants])[] = [
  ['count', { w: W }],
  ['avg', { w: W }],
  ['max', { w: W }],
  ['range', { w: W }],
  ['delta', { w: W }],
  ['stddev', { w: W }],
  ['rate', { w: W }],
  ['median', { w: W }],
  ['mad', { w: W }],
  ['distinct', { w: W }],
  ['zscore', { w: W }],
  ['robust_z', { w: W }],
  ['slope', { w: W, method: 'theil_sen' }],
  ['slope', { w: W, method: 'least_squares' }],
  ['time_to', { w: W, method: 'theil_sen', direction: 'up' }],
  ['ewma', { halflife: W }],
  ['ewmsd', { halflife: W }],
  ['change', { w: W }],
  ['anomaly', {}],
  ['spike', {}],
  ['stuck', { w: W }],
  ['lag', { w: W }],
  ['changed', {}],
  ['held', {}],
  ['seasonal_z', { period: 86_400_000, w: 28 * 86_400_000 }],
  ['nowcast', {}],
]

class State {
  readonly windows: SampleWindow[] = []
  readonly operator: Operator
  constructor(name: string, constants: Constants) {
    this.operator = OPERATORS.get(name)!.create(constants, {
      window: (ms) => {
        const window = new SampleWindow(ms, LATE)
        this.windows.push(window)
        return window
      },
      late: LATE,
      metricMin: Number.NaN,
      metricMax: Number.NaN,
      zoneOffset: () => 25_200_000,
    })
  }
  feed(time: number, value: number): number {
    for (let i = 0; i < this.windows.length; i++) this.windows[i]!.push(time, value)
    this.operator.push?.(time, value, 0)
    return this.operator.read(time, '', 5)
  }
}

/** The same noise for every case: 65 536 numbers around 3, in turn. */
const NOISE = new Float64Array(65_536)
let seed = 1
for (let i = 0; i < NOISE.length; i++) {
  let sum = 0
  for (let k = 0; k < 6; k++) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    sum += seed / 4_294_967_296
  }
  NOISE[i] = Math.round(100 * sum) / 100
}

let sink = 0

/** ns a sample for `samples` more of each series, and the time reached. */
function run(states: readonly State[], from: number, every: number, samples: number): number {
  // Time of this process on the CPU: other programs of the machine do not count.
  const start = process.cpuUsage()
  for (let i = 0; i < samples; i++) {
    const time = from + i * every
    for (let s = 0; s < states.length; s++)
      sink += states[s]!.feed(time, NOISE[(i * 31 + s * 7) & 65_535]!) > 3 ? 1 : 0
  }
  const { user, system } = process.cpuUsage(start)
  return ((user + system) * 1000) / (samples * states.length)
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!
}

function measure(name: string, constants: Constants, every: number, series: number, samples: number): number {
  const states = Array.from({ length: series }, () => new State(name, constants))
  let time = START
  const warm = Math.ceil((1.5 * W) / every)
  run(states, time, every, warm)
  time += warm * every
  const found: number[] = []
  for (let i = 0; i < RUNS; i++) {
    found.push(run(states, time, every, samples))
    time += samples * every
  }
  return median(found)
}

/** Cost after ten windows over the cost after two. */
function growth(name: string, constants: Constants): number {
  const every = 10_000
  const perWindow = W / every
  const states = Array.from({ length: 200 }, () => new State(name, constants))
  run(states, START, every, 2 * perWindow)
  const early: number[] = []
  const late: number[] = []
  for (let i = 0; i < RUNS; i++) early.push(run(states, START + (2 + i) * W, every, perWindow))
  run(states, START + 7 * W, every, 10 * perWindow)
  for (let i = 0; i < RUNS; i++) late.push(run(states, START + (17 + i) * W, every, perWindow))
  return median(late) / median(early)
}

/** Bytes of one series with its window, run for a window and a half. NaN without --expose-gc. */
async function bytes(name: string, constants: Constants, every: number): Promise<number> {
  const gc = (globalThis as { gc?: () => void }).gc
  if (gc === undefined) return Number.NaN
  const used = async (): Promise<number> => {
    // Buffers are given back a turn of the event loop after their owners.
    for (let i = 0; i < 4; i++) {
      gc()
      await new Promise((resolve) => setImmediate(resolve))
    }
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const before = await used()
  const states = Array.from({ length: 1000 }, () => new State(name, constants))
  run(states, START, every, Math.ceil((1.5 * W) / every))
  const after = await used()
  sink += states.length
  return (after - before) / states.length
}

const wanted = new Set(process.argv.slice(2))
const rows: Record<string, unknown>[] = []
for (const [name, constants] of CASES) {
  if (wanted.size > 0 && !wanted.has(name)) continue
  const method = constants['method'] === 'least_squares' ? ' (least squares)' : ''
  const row = {
    operator: name + method,
    ns_at_60: Math.round(measure(name, constants, 10_000, 1000, 60)),
    ns_at_600: Math.round(measure(name, constants, 1000, 100, 600)),
    ns_at_6000: Math.round(measure(name, constants, 100, 4, 6000)),
    growth_10_windows: Math.round(100 * growth(name, constants)) / 100,
    bytes_at_60: Math.round(await bytes(name, constants, 10_000)),
  }
  rows.push(row)
  process.stdout.write(`${JSON.stringify(row)}\n`)
}
process.stdout.write(`${JSON.stringify({ node: process.version, cases: rows.length, sink: sink > 0 })}\n`)
