import { anomaly } from './anomaly.js'
import { change } from './change.js'
import { distinct } from './distinct.js'
import { delta, first, last } from './ends.js'
import { ENGINE_WIDE } from './engine-wide.js'
import { ewma, ewmsd } from './ewma.js'
import { max, min, range } from './extremes.js'
import { avg, count, countIf, share, stddev, sum, variance } from './moments.js'
import type { OperatorKind, PlaceKind, Signature } from './operator.js'
import { distanceToZone, dwell, entered, GAP_TO_NEXT, inZoneNow, left, moved, offRoute } from './place.js'
import { mad, median, quantile } from './ranks.js'
import { rate } from './rate.js'
import { seasonalZ } from './seasonal.js'
import { spike, stuck } from './sensor-faults.js'
import { changed, held, lag, since } from './succession.js'
import { forecast, slope, timeTo } from './trend.js'
import { nowcast, vnAqi } from './vn-aqi.js'
import { robustZscore, zscore } from './zscore.js'

/** A new function is one file and one line here. */
const KINDS: readonly OperatorKind[] = [
  count,
  sum,
  avg,
  min,
  max,
  first,
  last,
  delta,
  range,
  stddev,
  variance,
  median,
  quantile,
  mad,
  share,
  countIf,
  distinct,
  rate,
  slope,
  forecast,
  timeTo,
  ewma,
  ewmsd,
  zscore,
  robustZscore,
  seasonalZ,
  change,
  anomaly,
  spike,
  stuck,
  lag,
  changed,
  since,
  held,
  nowcast,
  vnAqi,
]

const PLACE_KINDS: readonly PlaceKind[] = [inZoneNow, entered, left, dwell, distanceToZone, moved, offRoute]

/**
 * The state machines by function name. Functions whose state is engine-wide (`disagrees agree across count_devices
 * near_alert alert gap_to_next`) have a signature and no entry here: the engine computes them.
 */
export const OPERATORS: ReadonlyMap<string, OperatorKind> = new Map(
  KINDS.map((kind) => [kind.signature.name, kind]),
)

/** The same for functions of a device's positions: fed by `place`, not by samples. */
export const PLACE_OPERATORS: ReadonlyMap<string, PlaceKind> = new Map(
  PLACE_KINDS.map((kind) => [kind.signature.name, kind]),
)

/** Signatures by function name: what the type checker, `check --cost` and the documentation read. */
export const SIGNATURES: ReadonlyMap<string, Signature> = new Map(
  [...KINDS, ...PLACE_KINDS]
    .map((kind) => kind.signature)
    .concat(GAP_TO_NEXT, ENGINE_WIDE)
    .map((one) => [one.name, one]),
)
