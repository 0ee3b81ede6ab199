import { constant } from './on-window.js'
import type {
  Constants,
  Operator,
  OperatorContext,
  OperatorKind,
  Parameter,
  StateReader,
  StateWriter,
} from './operator.js'
import { PANE, type Panes } from './panes.js'
import { duration, METHOD, METRIC, signature, WARMUP, WINDOW } from './signatures.js'
import { studentT95 } from './student.js'
import { centred, Sum } from './sum.js'
import { HIGH, LOW, MEDIAN, TheilSen, type Which } from './theil-sen.js'
import type { Tracker } from './tracker.js'
import { CURRENT, EARLIER, GONE, PANES, type Range, type SampleWindow } from './window.js'

/**
 * slope forecast time_to: the trend line of a window and what follows from it.
 *
 *   slope(m, w)            units per hour
 *   forecast(m, h, w)      value of the line at the judgement's time + h
 *   time_to(m, limit, w)   ms until the line reaches the limit: 0 once the line is at or past it, Infinity when it does
 *                          not approach; direction='down' mirrors
 *
 * The line is Theil–Sen's (theil-sen.ts), through the median residual; `method='least_squares'` is the ordinary one,
 * through the centroid. `.low .high` are the 90 % band: the same with the slope at either end of its 90 % interval (Sen's
 * ranks; Student's t with n − 2 degrees of freedom), that line again through its own median residual or the centroid.
 * It is the uncertainty of the slope; the scatter of single samples around the line is not in it. For time_to `.low` is
 * the earliest time, `.high` the latest.
 *
 * Warm-up: four samples and a finite band (not all of one or two times). Theil–Sen is exact up to 128 samples in the
 * window; above, its points are the means of panes of w/64 anchored to the epoch (mean time, mean value; 65 at most).
 * Cost: O(n) a sample, n ≤ 128 points: 2 to 4 µs at 60 samples, least squares 0.3 µs at any number (bench/micro).
 */
const EXACT_POINTS = 128
/** More new points than this since the last judgement: looking at all pairs anew is cheaper. */
const CATCH_UP = 24
const HOUR = 3_600_000

interface Line {
  /** Finds the line of the range (time − w, time]; false while it warms up. */
  find(time: number): boolean
  /** Units per ms. */
  slope(which: Which): number
  /** Value at `time` of the line with that slope. */
  at(time: number, slope: number): number
}

/** Sums for least squares; times count from a day's start near the first sample, so that squares keep their digits. */
class Moments implements Tracker {
  readonly runs = true
  readonly sketched = false
  sketch = null
  readonly t = new Sum()
  readonly y = new Sum()
  readonly tt = new Sum()
  readonly ty = new Sum()
  readonly yy = new Sum()

  add(time: number, value: number): void {
    this.#count(time, value, 1)
  }
  evict(time: number, value: number): void {
    this.#count(time, value, -1)
  }
  clear(): void {
    for (const sum of [this.t, this.y, this.tt, this.ty, this.yy]) sum.clear()
  }
  fresh(): Moments {
    return new Moments()
  }
  addPane(panes: Panes, offset: number): void {
    const c = panes.columns
    const n = c[offset + PANE.count]!
    const time = paneTime(panes, offset)
    this.t.addProduct(n, time, 1)
    this.y.add(c[offset + PANE.sum]!)
    this.tt.addProduct(n * time, time, 1)
    this.ty.addProduct(c[offset + PANE.sum]!, time, 1)
    this.yy.add(c[offset + PANE.squares]!)
  }
  #count(time: number, value: number, sign: 1 | -1): void {
    this.t.add(sign * time)
    this.y.add(sign * value)
    this.tt.addSquare(time, sign)
    this.ty.addProduct(time, value, sign)
    this.yy.addSquare(value, sign)
  }
}

function paneTime(panes: Panes, offset: number): number {
  const c = panes.columns
  // Kept off the pane's end, which is the next one's: rounding must not move a point into it.
  const inside = Math.min(c[offset + PANE.times]! / c[offset + PANE.count]!, panes.ms * 0.999_999)
  return c[offset]! * panes.ms + inside
}

const makeMoments = (): Moments => new Moments()

class LeastSquares implements Line {
  readonly #window: SampleWindow
  readonly #moments: Moments
  #slope = Number.NaN
  #error = Number.NaN
  #time = Number.NaN
  #value = Number.NaN

  constructor(window: SampleWindow) {
    this.#window = window
    this.#moments = window.track('moments', makeMoments)
  }

  find(time: number): boolean {
    const range = this.#window.select(time)
    const n = this.#window.count
    if (range === GONE || n < 4) return false
    const { t, y, tt, ty, yy } = this.#window.content(this.#moments, range, time)
    const spreadT = centred(tt, t, t, n)
    if (!(this.#window.lastTime > this.#window.firstTime) || !(spreadT > 0)) return false
    const both = centred(ty, t, y, n)
    this.#slope = both / spreadT
    const left = Math.max(0, centred(yy, y, y, n) - this.#slope * both)
    this.#error = studentT95(n - 2) * Math.sqrt(left / (n - 2) / spreadT)
    this.#time = t.value / n
    this.#value = y.value / n
    return true
  }

  slope(which: Which): number {
    return which === MEDIAN
      ? this.#slope
      : which === LOW
        ? this.#slope - this.#error
        : this.#slope + this.#error
  }

  at(time: number, slope: number): number {
    return this.#value + slope * (time - this.#time)
  }
}

/** Keeps a run of points in step with its window, and reads the line from it. */
class Robust implements Line {
  readonly #window: SampleWindow
  /** Points are samples: read up to 128 of them. */
  readonly #samples = new TheilSen()
  #samplesSeen = -1
  #samplesDisorder = -1
  /** Points are panes: null until the window has had more. */
  #means: TheilSen | null = null
  #meansNext = 0
  #meansOf: Panes | null = null
  #meansDisorder = -1
  /** The line that `find` found. */
  #line: TheilSen
  /** The newest pane is still filling: its point is put to the line for one judgement. */
  #open = false
  // What the line was found for: several operators ask at one judgement.
  #time = Number.NaN
  #version = -1
  #found = false

  constructor(window: SampleWindow) {
    this.#window = window
    this.#line = this.#samples
    window.keepPanes(EXACT_POINTS)
  }

  find(time: number): boolean {
    const version = this.#window.appended + this.#window.disorder
    if (time !== this.#time || version !== this.#version) {
      this.#time = time
      this.#version = version
      this.#found = this.#find(time)
    }
    return this.#found
  }

  #find(time: number): boolean {
    if (this.#open) {
      this.#means?.pop()
      this.#open = false
    }
    const window = this.#window
    const range = window.select(time)
    if (range === GONE || window.count < 4) return false
    if (window.count <= EXACT_POINTS)
      this.#line = range === CURRENT ? this.#current(time) : this.#points(range, time)
    else if (range === EARLIER || window.panes === null) this.#line = this.#points(range, time)
    else this.#line = this.#meansAt(time, window.panes)
    return this.#line.finite
  }

  slope(which: Which): number {
    return this.#line.slope(which)
  }

  at(time: number, slope: number): number {
    return this.#line.at(time, slope)
  }

  #current(time: number): TheilSen {
    const window = this.#window
    const points = this.#samples
    const cut = time - window.ms
    let fresh = window.appended - this.#samplesSeen
    if (window.disorder !== this.#samplesDisorder || fresh > CATCH_UP) {
      points.clear()
      fresh = window.count
    } else {
      if (fresh > window.count) fresh = window.count
      while (points.size > 0 && points.oldest <= cut) points.shift()
    }
    for (let i = window.to - fresh; i < window.to; i++) points.push(window.timeAt(i), window.valueAt(i))
    this.#samplesSeen = window.appended
    this.#samplesDisorder = window.disorder
    return points
  }

  #meansAt(time: number, panes: Panes): TheilSen {
    const from = panes.indexOf(time - this.#window.ms)
    const to = panes.indexOf(time)
    this.#means ??= new TheilSen()
    const points = this.#means
    if (
      panes !== this.#meansOf ||
      panes.disorder !== this.#meansDisorder ||
      to - this.#meansNext > CATCH_UP
    ) {
      points.clear()
      this.#meansNext = from
      this.#meansOf = panes
      this.#meansDisorder = panes.disorder
    } else while (points.size > 0 && points.oldest < from * panes.ms) points.shift()
    for (; this.#meansNext < to; this.#meansNext++) pushPane(points, panes, this.#meansNext)
    this.#open = panes.has(to)
    if (this.#open) pushPane(points, panes, to)
    return points
  }

  /** Points of a range that is not the newest, made for it alone. */
  #points(range: Range, time: number): TheilSen {
    const window = this.#window
    const points = new TheilSen()
    if (range !== PANES && window.count <= EXACT_POINTS) {
      for (let i = window.from; i < window.to; i++) points.push(window.timeAt(i), window.valueAt(i))
      return points
    }
    const panes = window.panes
    if (range === PANES) {
      if (panes !== null) for (let i = panes.from; i <= panes.to; i++) pushPane(points, panes, i)
      return points
    }
    // The samples are there: their means by pane, the oldest pane whole.
    const ms = window.ms / 64
    let at = window.from
    const start = Math.floor((time - window.ms) / ms) * ms
    while (at > 0 && window.timeAt(at - 1) >= start) at--
    while (at < window.to) {
      const pane = Math.floor(window.timeAt(at) / ms)
      let n = 0
      let times = 0
      let values = 0
      for (; at < window.to && Math.floor(window.timeAt(at) / ms) === pane; at++) {
        n++
        times += window.timeAt(at) - pane * ms
        values += window.valueAt(at)
      }
      points.push(pane * ms + times / n, values / n)
    }
    return points
  }
}

const makeLeastSquares = (window: SampleWindow): LeastSquares => new LeastSquares(window)
const makeRobust = (window: SampleWindow): Robust => new Robust(window)

function pushPane(points: TheilSen, panes: Panes, index: number): void {
  if (!panes.has(index)) return
  const at = panes.offset(index)
  points.push(paneTime(panes, at), panes.columns[at + PANE.sum]! / panes.columns[at + PANE.count]!)
}

function whichOf(field: string): Which {
  return field === '' ? MEDIAN : field === 'low' ? LOW : HIGH
}

abstract class OnLine implements Operator {
  protected readonly line: Line
  readonly #window: SampleWindow
  readonly #warmup: number

  constructor(constants: Constants, context: OperatorContext) {
    this.#window = context.window(constant(constants, 'w', 0))
    this.#warmup = constant(constants, 'warmup', 0)
    this.line =
      constants['method'] === 'least_squares'
        ? this.#window.shared('least_squares', makeLeastSquares)
        : this.#window.shared('theil_sen', makeRobust)
  }

  read(time: number, field: string, x: number): number {
    if (!this.line.find(time)) return Number.NaN
    if (this.#warmup > 0) {
      this.#window.select(time)
      if (!this.#window.warm(this.#warmup)) return Number.NaN
    }
    return this.value(time, whichOf(field), x)
  }

  protected abstract value(time: number, which: Which, x: number): number

  /** Lines are found again from the window's samples. */
  save(_out: StateWriter): void {}
  load(_input: StateReader): void {}
}

class Slope extends OnLine {
  protected value(_time: number, which: Which): number {
    return this.line.slope(which) * HOUR
  }
}

class Forecast extends OnLine {
  readonly #horizon: number
  constructor(constants: Constants, context: OperatorContext) {
    super(constants, context)
    this.#horizon = constant(constants, 'horizon', 0)
  }
  protected value(time: number, which: Which): number {
    return this.line.at(time + this.#horizon, this.line.slope(which))
  }
}

class TimeTo extends OnLine {
  /** +1 up, −1 down. */
  readonly #side: 1 | -1
  constructor(constants: Constants, context: OperatorContext) {
    super(constants, context)
    this.#side = constants['direction'] === 'down' ? -1 : 1
  }
  protected value(time: number, which: Which, limit: number): number {
    if (Number.isNaN(limit)) return Number.NaN
    // The earliest time is the steepest line's: upwards the high slope, downwards the low one.
    const end = which === MEDIAN ? MEDIAN : (which === LOW) === (this.#side === 1) ? HIGH : LOW
    const slope = this.line.slope(end)
    const left = this.#side * (limit - this.line.at(time, slope))
    if (left <= 0) return 0
    const speed = this.#side * slope
    return speed > 0 ? left / speed : Number.POSITIVE_INFINITY
  }
}

const COST = 'O(n), n ≤ 128 points; least squares O(1)'
const MEMORY = 'the shared window and 16 B a point, n ≤ 128; panes beyond'
const BAND = { low: 'number', high: 'number' } as const
const DIRECTION: Parameter = {
  name: 'direction',
  type: 'text',
  constant: true,
  named: true,
  default: 'up',
  choices: ['up', 'down'],
}

export const slope: OperatorKind = {
  signature: signature('slope', 'succession', [METRIC, WINDOW, METHOD, WARMUP], 'number', COST, MEMORY, BAND),
  create: (constants, context) => new Slope(constants, context),
}
export const forecast: OperatorKind = {
  signature: signature(
    'forecast',
    'succession',
    [METRIC, { ...duration('horizon'), min: 0 }, WINDOW, METHOD, WARMUP],
    'number',
    COST,
    MEMORY,
    BAND,
  ),
  create: (constants, context) => new Forecast(constants, context),
}
export const timeTo: OperatorKind = {
  signature: signature(
    'time_to',
    'succession',
    [METRIC, { name: 'limit', type: 'number', constant: false }, WINDOW, DIRECTION, METHOD, WARMUP],
    'duration',
    COST,
    MEMORY,
    { low: 'duration', high: 'duration' },
  ),
  create: (constants, context) => new TimeTo(constants, context),
}
