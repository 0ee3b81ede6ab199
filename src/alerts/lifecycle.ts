/**
 * The life of one alert: one rule × one key, the rule's half. Pure: the clock is an argument, what happened leaves
 * through `emit`, sending is somebody else's.
 *
 *            when true for `for`          when/clear/hold
 *   closed ─────────────────────► firing(level) ◄──────────► firing(other level) ───► resolved (closed)
 *      │                             │   ▲
 *      └──────── absent ─────────► unknown ── next sample ──► firing or resolved
 *
 * `beneath` is the level that the conditions give; `level` is the one printed. They differ while flapping (the alert
 * stands at the highest level of the recent changes) and while unknown (`absent.level` may be higher).
 * Exact meanings: RULES.md "How a level lives", "Falling", "Flapping", "absent", "Levels beside each other".
 */
import type { LevelIndex, ResolveReason } from '../model/alert.js'

export interface LevelSpec {
  readonly index: Exclude<LevelIndex, 0>
  /** ms. */
  readonly for: number
  readonly hold: number
  /** Has a `clear` of its own; else it clears when `when` is false. */
  readonly clears: boolean
}

/** One printed change, before the engine dresses it as a Transition. */
export interface Change {
  readonly status: 'firing' | 'unknown' | 'resolved'
  readonly level: LevelIndex
  readonly previous: LevelIndex
  readonly time: number
  readonly flapping: boolean
  /** People hear it: rises, and of the falls the last. */
  readonly announced: boolean
  readonly reason?: ResolveReason
}
export type Emit = (change: Change) => void

export const FLAPPING_MS = 10 * 60_000
/** Changes are kept for twice as long: a sample up to ten minutes late looks back from its own time. */
const CHANGES_KEPT_MS = 2 * FLAPPING_MS
/** The seventh change within FLAPPING_MS is flapping. */
export const FLAPPING_CHANGES = 7

/** What stands of one alert between judgements; plain data, so that a checkpoint is a copy. */
export interface AlertCell {
  status: 'closed' | 'firing' | 'unknown'
  level: LevelIndex
  beneath: LevelIndex
  /** How often this rule has opened for this key. */
  n: number
  /** Event time of the first printed transition of the open alert. */
  opened: number
  flapping: boolean
  /** By level index: since when `when` has been true without a break; NaN where it is not. */
  since: number[]
  /** By level index: when the alert rose to that level or past it. */
  rose: number[]
  /** By level index: last verdict of `when` and of `clear`: 1, 0, NaN. */
  when: number[]
  clear: number[]
  /** Rises and falls of the last 20 minutes: time and the higher of the two levels. */
  changes: { readonly time: number; readonly level: LevelIndex }[]
  /** Newest event time of a judged sample of this key while the cell lived. */
  newest: number
  /** Device of the alert's last judgement, for its transitions by timer. */
  device: number
  /** Where it was then, degrees; NaN unknown. */
  lat: number
  lon: number
  /** Feed of its last judgement: whose clock its timers follow. */
  feed: number
  /** When the level timer is due; Infinity where none is. */
  due: number
  /** The last printed transition was unconfirmed. */
  unconfirmed: boolean
  acknowledged: boolean
  /** ms until which it is shelved, 0 where not. */
  shelved: number
  /** `seq` of the last transition of it, for version checks. */
  seq: number
}

export function createCell(): AlertCell {
  const none = () => [Number.NaN, Number.NaN, Number.NaN, Number.NaN, Number.NaN]
  return {
    status: 'closed',
    level: 0,
    beneath: 0,
    n: 0,
    opened: Number.NaN,
    flapping: false,
    since: none(),
    rose: none(),
    when: none(),
    clear: none(),
    changes: [],
    newest: Number.NEGATIVE_INFINITY,
    device: 0,
    lat: Number.NaN,
    lon: Number.NaN,
    feed: 0,
    due: Number.POSITIVE_INFINITY,
    unconfirmed: false,
    acknowledged: false,
    shelved: 0,
    seq: 0,
  }
}

/** Nothing stands and nothing is pending: the cell need not be looked at until a `when` is true. */
export function isQuiet(cell: AlertCell): boolean {
  return cell.status === 'closed' && !cell.flapping && cell.since.every(Number.isNaN)
}

/**
 * One judgement at event time `time`. `cell.when` (and, where something stands, `cell.clear`) hold the verdicts.
 * `behind`: the sample is older than the key's newest; it may raise, at once only, and never lower.
 */
export function judge(
  cell: AlertCell,
  levels: readonly LevelSpec[],
  time: number,
  behind: boolean,
  emit: Emit,
): void {
  if (!behind) cell.newest = Math.max(cell.newest, time)
  const held = cell.beneath
  let target: LevelIndex = 0
  for (const spec of levels) {
    const i = spec.index
    if (cell.when[i] === 1) {
      if (spec.for === 0 || i <= held) target = i
      if (behind) continue
      if (Number.isNaN(cell.since[i]!)) cell.since[i] = time
      if (time - cell.since[i]! >= spec.for) target = i
    } else if (!behind) cell.since[i] = Number.NaN
  }
  if (cell.status === 'unknown') {
    if (behind) return
    returnFromUnknown(cell, levels, target, time, emit)
  } else if (target > held) rise(cell, target, time, emit)
  else if (!behind && held > 0) fall(cell, levels, time, emit)
  cell.due = nextDue(cell, levels)
}

/** The clock has passed `due`: what `for`, `hold` and flapping do without a sample. `fresh`: the key's newest sample is recent enough for `for` to be fulfilled by the clock. */
export function expireTimer(
  cell: AlertCell,
  levels: readonly LevelSpec[],
  due: number,
  fresh: boolean,
  emit: Emit,
): void {
  if (cell.flapping && due >= lastChange(cell) + FLAPPING_MS) endFlapping(cell, due, emit)
  if (cell.status !== 'unknown') {
    let target: LevelIndex = 0
    if (fresh)
      for (const spec of levels)
        if (cell.when[spec.index] === 1 && due - cell.since[spec.index]! >= spec.for) target = spec.index
    if (target > cell.beneath) rise(cell, target, due, emit)
    else if (cell.beneath > 0) fall(cell, levels, due, emit)
  }
  cell.due = nextDue(cell, levels, due)
}

/** No sample for too long. Opens the alert where it is closed; silence never resolves. */
export function becomeUnknown(cell: AlertCell, absentLevel: LevelIndex, time: number, emit: Emit): void {
  if (cell.status === 'unknown') return
  cell.since.fill(Number.NaN)
  print(cell, 'unknown', Math.max(cell.level, absentLevel) as LevelIndex, time, true, emit)
}

/** Ends the alert for a reason that is not its conditions. */
export function end(cell: AlertCell, time: number, reason: ResolveReason, emit: Emit): void {
  if (cell.status !== 'closed') {
    cell.flapping = false
    print(cell, 'resolved', 0, time, true, emit, reason)
  }
  cell.beneath = 0
  cell.changes = []
  cell.flapping = false
  cell.since.fill(Number.NaN)
  cell.due = Number.POSITIVE_INFINITY
}

function rise(cell: AlertCell, to: LevelIndex, time: number, emit: Emit): void {
  change(cell, to, time, true, emit)
}

/** Walks down as far as it may, one change a level. */
function fall(cell: AlertCell, levels: readonly LevelSpec[], time: number, emit: Emit): void {
  const path: LevelIndex[] = []
  let level: LevelIndex = cell.beneath
  while (level > 0 && mayLeave(cell, levels, level, time)) {
    level = below(levels, level)
    path.push(level)
  }
  path.forEach((to, step) => {
    change(cell, to, time, step === path.length - 1, emit)
  })
}

function mayLeave(cell: AlertCell, levels: readonly LevelSpec[], level: LevelIndex, time: number): boolean {
  const spec = levels.find((l) => l.index === level)
  // A reload may have taken the level away: then nothing holds it.
  if (spec === undefined) return true
  return clears(cell, spec) && !(time - cell.rose[level]! < spec.hold)
}

function clears(cell: AlertCell, spec: LevelSpec): boolean {
  const when = cell.when[spec.index]!
  return spec.clears ? when !== 1 && cell.clear[spec.index] === 1 : when === 0
}

function below(levels: readonly LevelSpec[], level: LevelIndex): LevelIndex {
  let next: LevelIndex = 0
  for (const spec of levels) if (spec.index < level) next = spec.index
  return next
}

function change(cell: AlertCell, to: LevelIndex, time: number, last: boolean, emit: Emit): void {
  const from = cell.beneath
  cell.beneath = to
  for (let i = from + 1; i <= to; i++) cell.rose[i] = time
  for (let i = to + 1; i <= from; i++) cell.since[i] = Number.NaN
  countChange(cell, from, to, time)
  if (cell.flapping) {
    if (to > cell.level) print(cell, 'firing', to, time, true, emit)
    return
  }
  if (startsFlapping(cell, time)) {
    const top = stood(cell)
    print(cell, 'firing', top, time, top > cell.level, emit)
    return
  }
  if (to === 0) print(cell, 'resolved', 0, time, last, emit)
  else print(cell, 'firing', to, time, to > from || last, emit)
}

/** While flapping, the newest change carries the level at which the alert stands, however long that goes on. */
function countChange(cell: AlertCell, from: LevelIndex, to: LevelIndex, time: number): void {
  const level = Math.max(cell.flapping ? stood(cell) : 0, from, to) as LevelIndex
  cell.changes = cell.changes.filter((one) => one.time > time - CHANGES_KEPT_MS)
  cell.changes.push({ time, level })
}

/** Is this the seventh change over (time − 10 min, time]? A late sample's own time leaves out what came after it. */
function startsFlapping(cell: AlertCell, time: number): boolean {
  const counted = cell.changes.filter((one) => one.time > time - FLAPPING_MS && one.time <= time)
  if (counted.length < FLAPPING_CHANGES) return false
  cell.flapping = true
  cell.changes.push({
    ...cell.changes.pop()!,
    level: Math.max(...counted.map((one) => one.level)) as LevelIndex,
  })
  return true
}

function stood(cell: AlertCell): LevelIndex {
  return cell.changes.at(-1)!.level
}

/** While unknown it ends without a word: what is true then, the next sample will say. */
function endFlapping(cell: AlertCell, time: number, emit: Emit): void {
  cell.flapping = false
  cell.changes = []
  if (cell.status !== 'firing') return
  print(cell, cell.beneath === 0 ? 'resolved' : 'firing', cell.beneath, time, true, emit)
}

function returnFromUnknown(
  cell: AlertCell,
  levels: readonly LevelSpec[],
  target: LevelIndex,
  time: number,
  emit: Emit,
): void {
  let to = cell.beneath
  if (target > to) to = target
  else while (to > 0 && mayLeave(cell, levels, to, time)) to = below(levels, to)
  for (let i = cell.beneath + 1; i <= to; i++) cell.rose[i] = time
  const changed = to !== cell.beneath
  if (changed) countChange(cell, cell.beneath, to, time)
  cell.beneath = to
  if (cell.flapping || (changed && startsFlapping(cell, time))) {
    print(cell, 'firing', stood(cell), time, to > 0, emit)
  } else print(cell, to === 0 ? 'resolved' : 'firing', to, time, true, emit)
}

function print(
  cell: AlertCell,
  status: Change['status'],
  level: LevelIndex,
  time: number,
  announced: boolean,
  emit: Emit,
  reason?: ResolveReason,
): void {
  const previous = cell.level
  if (cell.status === 'closed') {
    cell.n++
    cell.opened = time
    cell.acknowledged = false
    cell.shelved = 0
  }
  cell.level = level
  cell.status = status === 'resolved' ? 'closed' : status
  emit({
    status,
    level,
    previous,
    time,
    flapping: cell.flapping,
    announced,
    ...(reason === undefined ? {} : { reason }),
  })
}

function lastChange(cell: AlertCell): number {
  return Math.max(Number.NEGATIVE_INFINITY, ...cell.changes.map((one) => one.time))
}

/**
 * When the clock next matters: the earliest `for`, the `hold` that alone keeps a level, the end of flapping. A `for`
 * that the clock could not fulfil at `after` (its key had gone silent) waits for a sample instead.
 */
function nextDue(cell: AlertCell, levels: readonly LevelSpec[], after = Number.NEGATIVE_INFINITY): number {
  let due = Number.POSITIVE_INFINITY
  if (cell.flapping) due = lastChange(cell) + FLAPPING_MS
  if (cell.status === 'unknown') return due
  for (const spec of levels) {
    const i = spec.index
    if (i > cell.beneath && cell.when[i] === 1) {
      const at = cell.since[i]! + spec.for
      if (at > after && at < due) due = at
    }
  }
  const standing = levels.find((l) => l.index === cell.beneath)
  if (standing !== undefined && clears(cell, standing)) {
    const at = cell.rose[standing.index]! + standing.hold
    if (at > after && at < due) due = at
  }
  return due
}
