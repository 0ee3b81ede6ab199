/**
 * Sequences: smoke, then heat, within two minutes. Pure state of one (rule, key): the samples that fit some step
 * ("hits") of the last `within` + `late`, in (time, arrival) order, and what has matched.
 *
 * Matching runs over the kept hits from the start each time one arrives, so a late hit is simply tried in its place;
 * what has matched stays matched. Hits before the end of the last match are consumed. Bounded: 64 starts a key.
 */
import type { Sequence, SequenceStep } from '../../rules/language/ast.js'
import { BOUNDS } from '../model/bounds.js'
import type { Captured } from './judgement.js'

/** A sample that fits at least one step by itself, or one that only captures can decide. */
export interface Hit {
  readonly time: number
  readonly arrival: number
  /** Bit i: fits step i whatever was captured. */
  readonly fits: number
  readonly captured: Captured
}

export interface SequenceState {
  hits: Hit[]
  arrivals: number
  /** Hits up to here (time, arrival) are consumed by a match. */
  consumedTime: number
  consumedArrival: number
  /** `matched` is true for times in [matchedAt, matchedUntil). */
  matchedAt: number
  matchedUntil: number
  /** Samples the last match took, by step name. */
  matchedSteps: Record<string, Captured>
  /** When a last `not` is fulfilled by silence; Infinity where no start waits. */
  due: number
  /** The `due` a timer has been set for. */
  armed: number
  /** Starts dropped for being more than the bound. */
  dropped: number
}

export function createSequenceState(): SequenceState {
  return {
    hits: [],
    arrivals: 0,
    consumedTime: Number.NEGATIVE_INFINITY,
    consumedArrival: -1,
    matchedAt: Number.NaN,
    matchedUntil: Number.NEGATIVE_INFINITY,
    matchedSteps: {},
    due: Number.POSITIVE_INFINITY,
    armed: Number.POSITIVE_INFINITY,
    dropped: 0,
  }
}

/** Does the hit fit a step whose condition uses captured samples? Asked only where bit i of `fits` is not enough. */
export type FitsWith = (hit: Hit, step: number, captures: ReadonlyMap<string, Captured>) => boolean

/** Steps that can only be decided with earlier samples at hand, as a bit mask. */
export function capturingSteps(sequence: Sequence, readsCaptures: (step: SequenceStep) => boolean): number {
  return sequence.steps.reduce((mask, step, i) => (readsCaptures(step) ? mask | (1 << i) : mask), 0)
}

/**
 * Takes a hit and matches. Returns the time of a new match (that of its last step), NaN where there is none.
 * O(starts × hits), both bounded.
 */
export function arrive(
  state: SequenceState,
  sequence: Sequence,
  hit: { time: number; fits: number; captured: Captured },
  newest: number,
  late: number,
  capturing: number,
  fitsWith: FitsWith,
): number {
  const entry: Hit = { ...hit, arrival: state.arrivals++ }
  let at = state.hits.length
  while (at > 0 && state.hits[at - 1]!.time > entry.time) at--
  state.hits.splice(at, 0, entry)
  const oldest = newest - sequence.within - late
  while (state.hits.length > 0 && state.hits[0]!.time < oldest) state.hits.shift()
  const starts = state.hits.filter((h) => (h.fits & 1) !== 0 && !consumed(state, h))
  for (let extra = starts.length - BOUNDS.sequence_starts; extra > 0; extra--) {
    state.hits.splice(state.hits.indexOf(starts.shift()!), 1)
    state.dropped++
  }
  return match(state, sequence, newest, capturing, fitsWith)
}

/** The clock has passed `due`: a start whose last `not` never came is a match at first + within. */
export function expire(
  state: SequenceState,
  sequence: Sequence,
  clock: number,
  capturing: number,
  fitsWith: FitsWith,
): number {
  return match(state, sequence, clock, capturing, fitsWith, true)
}

function consumed(state: SequenceState, hit: Hit): boolean {
  return (
    hit.time < state.consumedTime || (hit.time === state.consumedTime && hit.arrival <= state.consumedArrival)
  )
}

function match(
  state: SequenceState,
  sequence: Sequence,
  clock: number,
  capturing: number,
  fitsWith: FitsWith,
  passed = false,
): number {
  const { steps, within } = sequence
  let best: { time: number; last: Hit; steps: Map<string, Captured> } | undefined
  state.due = Number.POSITIVE_INFINITY
  for (let start = 0; start < state.hits.length; start++) {
    const first = state.hits[start]!
    if ((first.fits & 1) === 0 || consumed(state, first)) continue
    const captures = new Map([[steps[0]!.name, first.captured]])
    let step = 1
    let last = first
    let dead = false
    let done = steps.length === 1
    const fits = (hit: Hit, i: number): boolean =>
      (capturing & (1 << i)) !== 0 ? fitsWith(hit, i, captures) : (hit.fits & (1 << i)) !== 0
    for (let n = start + 1; n < state.hits.length && !done; n++) {
      const hit = state.hits[n]!
      if (hit.time > first.time + within) break
      // Consecutive `not` steps forbid side by side until the next step that takes a sample.
      let next = step
      while (next < steps.length && steps[next]!.not) {
        if (fits(hit, next)) dead = true
        next++
      }
      if (dead) break
      if (next < steps.length && fits(hit, next)) {
        captures.set(steps[next]!.name, hit.captured)
        last = hit
        step = next + 1
        done = step === steps.length
      }
    }
    if (dead) continue
    let time = last.time
    if (!done) {
      const onlyNots = steps.slice(step).every((s) => s.not)
      if (!onlyNots) continue
      time = first.time + within
      if (!(passed ? clock >= time : clock > time)) {
        state.due = Math.min(state.due, time)
        continue
      }
    }
    if (best === undefined || time < best.time) best = { time, last, steps: captures }
  }
  if (best === undefined) return Number.NaN
  state.consumedTime = Math.max(best.last.time, state.consumedTime)
  state.consumedArrival = state.arrivals
  state.hits = state.hits.filter((h) => !consumed(state, h))
  state.matchedAt = best.time
  state.matchedUntil = Math.max(state.matchedUntil, best.time + within)
  state.matchedSteps = Object.fromEntries(best.steps)
  // A later match may stand ready among what was not consumed.
  state.due = Number.POSITIVE_INFINITY
  const again = match(state, sequence, clock, capturing, fitsWith, passed)
  return Number.isNaN(again) ? best.time : again
}
