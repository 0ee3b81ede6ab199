import type { Probe, Sample, Value } from './driver.js'

/**
 * Random feeds of two devices of one site (gaps, equal times, messages out of order), each function beside a few lines
 * that work it out from all samples so far, the slow way.
 */
interface Point {
  readonly at: number
  readonly device: string
  readonly x: number
}

function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}

const LATE = 30
/** Samples four minutes apart at least, so that probing never flaps; one in six arrives up to 25 min late. */
function points(seed: number, n: number): { point: Point; received: number; inOrder: boolean }[] {
  const next = random(seed)
  const out: { point: Point; received: number; inOrder: boolean }[] = []
  let now = 0
  const newest: Record<string, number> = { d1: 0, d2: 0 }
  for (let i = 0; i < n; i++) {
    now += 4 + Math.floor(next() * 6)
    const late = next() < 1 / 6 && i > 4
    const device = next() < 0.6 ? 'd1' : 'd2'
    const at = late ? now - 5 - Math.floor(next() * 20) : now
    const x = Math.round(100 + 20 * next() + (next() < 0.1 ? 60 : 0)) / 10
    out.push({
      point: { at, device, x },
      received: now,
      inOrder: at >= Math.max(newest['d1']!, newest['d2']!),
    })
    newest[device] = Math.max(newest[device]!, at)
  }
  return out
}

type Oracle = (own: readonly Point[], all: readonly Point[], t: number) => number

const missing = Number.NaN
const within = (list: readonly Point[], t: number, w: number) =>
  list.filter(({ at }) => at > t - w && at <= t)
const warm = (list: readonly Point[], w: number) => list.length >= 2 && list.at(-1)!.at - list[0]!.at >= w / 2
const total = (list: readonly number[]) => list.reduce((a, b) => a + b, 0)
const xs = (list: readonly Point[]) => list.map(({ x }) => x)
function middle(list: readonly number[], q = 0.5): number {
  const sorted = [...list].sort((a, b) => a - b)
  const rank = q * (sorted.length - 1)
  const low = Math.floor(rank)
  return sorted[low]! + (rank - low) * ((sorted[low + 1] ?? sorted[low]!) - sorted[low]!)
}
function deviation(list: readonly number[]): number {
  const mean = total(list) / list.length
  return Math.sqrt(total(list.map((v) => (v - mean) ** 2)) / list.length)
}
const windowed =
  (w: number, f: (values: readonly number[], list: readonly Point[]) => number): Oracle =>
  (_own, all, t) => {
    const list = within(all, t, w)
    return warm(list, w) ? f(xs(list), list) : missing
  }
const succession =
  (w: number, f: (values: readonly number[], list: readonly Point[]) => number): Oracle =>
  (own, _all, t) => {
    const list = within(own, t, w)
    return warm(list, w) ? f(xs(list), list) : missing
  }
function slope(list: readonly Point[]): number {
  const slopes: number[] = []
  for (let j = 1; j < list.length; j++)
    for (let i = 0; i < j; i++)
      if (list[j]!.at !== list[i]!.at)
        slopes.push((list[j]!.x - list[i]!.x) / ((list[j]!.at - list[i]!.at) / 60))
  return middle(slopes)
}

const ORACLES: Readonly<Record<string, Oracle>> = {
  'count(level_m, 60m)': (_own, all, t) => within(all, t, 60).length,
  'sum(level_m, 45m)': (_own, all, t) => total(xs(within(all, t, 45))),
  'avg(level_m, 60m)': windowed(60, (v) => total(v) / v.length),
  'min(level_m, 60m)': windowed(60, (v) => Math.min(...v)),
  'max(level_m, 60m)': windowed(60, (v) => Math.max(...v)),
  'range(level_m, 60m)': windowed(60, (v) => Math.max(...v) - Math.min(...v)),
  'stddev(level_m, 60m)': windowed(60, deviation),
  'var(level_m, 90m)': windowed(90, (v) => deviation(v) ** 2),
  'median(level_m, 60m)': windowed(60, (v) => middle(v)),
  'quantile(level_m, 90m, 0.8)': windowed(90, (v) => middle(v, 0.8)),
  'mad(level_m, 90m)': windowed(90, (v) => 1.4826 * middle(v.map((x) => Math.abs(x - middle(v))))),
  'share(level_m > 11, 60m)': windowed(60, (v) => v.filter((x) => x > 11).length / v.length),
  'count_if(level_m > 11, 60m)': (_own, all, t) => within(all, t, 60).filter(({ x }) => x > 11).length,
  'distinct(device, 20m)': (_own, all, t) => new Set(within(all, t, 20).map(({ device }) => device)).size,
  'first(level_m, 60m)': succession(60, (v) => v[0]!),
  'last(level_m, 60m)': succession(60, (v) => v.at(-1)!),
  'delta(level_m, 60m)': succession(60, (v) => v.at(-1)! - v[0]!),
  'zscore(level_m, 120m)': succession(120, (v) => {
    const before = v.slice(0, -1)
    return deviation(before) < 1e-12
      ? missing
      : (v.at(-1)! - total(before) / before.length) / deviation(before)
  }),
  'robust_z(level_m, 120m, min=0.3)': succession(120, (v) => {
    const before = v.slice(0, -1)
    const centre = middle(before)
    return (v.at(-1)! - centre) / Math.max(0.3, 1.4826 * middle(before.map((x) => Math.abs(x - centre))))
  }),
  'slope(level_m, 90m)': (own, _all, t) => {
    const list = within(own, t, 90)
    return list.length >= 4 && new Set(list.map(({ at }) => at)).size === list.length ? slope(list) : missing
  },
  'lag(level_m, 30m)': (own, _all, t) => own.filter(({ at }) => at <= t - 30).at(-1)?.x ?? missing,
  'ewma(level_m, 20m)': (own) => {
    if (own.length < 2) return missing
    let y = own[0]!.x
    for (let i = 1; i < own.length; i++)
      y += (1 - 2 ** (-(own[i]!.at - own[i - 1]!.at) / 20)) * (own[i]!.x - y)
    return y
  },
}

/** Random feeds and every function at every in-order message of them. */
export const RANDOM: readonly Probe[] = Object.entries(ORACLES).map(([probe, oracle], i) => {
  const sent = points(11 + i, 36)
  const feed: Sample[] = sent.map(({ point, received }) => ({
    at: point.at,
    received,
    device: point.device,
    metrics: { level_m: point.x },
  }))
  const values: [number, Value][] = []
  const known: Point[] = []
  for (const [message, { point, inOrder }] of sent.entries()) {
    // In order of time, equal times in order of arrival.
    let at = known.length
    while (at > 0 && known[at - 1]!.at > point.at) at--
    known.splice(at, 0, point)
    const value = oracle(
      known.filter(({ device }) => device === point.device),
      known,
      point.at,
    )
    if (inOrder) values.push([message, Number.isNaN(value) ? 'missing' : value])
  }
  return {
    name: `random: ${probe}`,
    probe,
    feed,
    values,
    rule: ['key: [site]', `late: ${LATE}m`],
    registry: '- { device: d1, site: s }\n- { device: d2, site: s }',
    within: 1e-8,
  }
})
