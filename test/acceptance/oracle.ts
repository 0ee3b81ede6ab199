/**
 * The life of one alert, told a second time straight from RULES.md, slowly and without the engine: one rule over
 * `level_m`, one device. Every due time is found anew from the state after each event; nothing is armed or remembered.
 */
export interface OracleLevel {
  readonly index: number
  /** True above this. */
  readonly above: number
  /** Clears below this; null: when `when` is false. */
  readonly clear: number | null
  readonly for: number
  readonly hold: number
}

export interface OracleRule {
  readonly levels: readonly OracleLevel[]
  readonly absent: { readonly after: number; readonly level: number } | null
  /** Registered interval of the device; null: none, and gaps are not looked at. */
  readonly interval: number
}

export interface OracleSample {
  readonly time: number
  readonly received: number
  readonly value: number
}

const NAMES = ['none', 'low', 'medium', 'high', 'critical']
const TEN = 10 * 60_000

/** Lines `time previous>level status flapping`, as the text says them. */
export function told(rule: OracleRule, samples: readonly OracleSample[], until: number): string[] {
  const out: string[] = []
  const { levels } = rule
  let status = 'closed' as 'closed' | 'firing' | 'unknown'
  let shown = 0
  let beneath = 0
  let flapping = false
  /** Where it stands while flapping. */
  let stood = 0
  let clock = Number.NEGATIVE_INFINITY
  let newest = Number.NEGATIVE_INFINITY
  let value = Number.NaN
  /** Value that a level's verdict stands on. */
  const verdict = new Map<number, number>()
  const since = new Map<number, number>()
  const rose = new Map<number, number>()
  const refused = new Set<number>()
  let changes: { time: number; level: number }[] = []

  const say = (time: number, to: number, now: 'firing' | 'unknown' | 'resolved'): void => {
    out.push(`${time} ${NAMES[shown]}>${NAMES[to]} ${now}${flapping ? ' flapping' : ''}`)
    shown = to
    status = now === 'resolved' ? 'closed' : now
  }
  const level = (index: number): OracleLevel => levels.find((one) => one.index === index)!
  const isTrue = (one: OracleLevel): boolean => (verdict.get(one.index) ?? Number.NaN) > one.above
  const mayFall = (one: OracleLevel, time: number): boolean =>
    !isTrue(one) && (one.clear === null ? true : value < one.clear) && time >= rose.get(one.index)! + one.hold
  const lower = (index: number): number =>
    Math.max(0, ...levels.map((one) => one.index).filter((i) => i < index))
  const record = (time: number, from: number, to: number): void => {
    changes.push({ time, level: Math.max(from, to) })
  }
  const recent = (time: number) => changes.filter((one) => one.time > time - TEN && one.time <= time)
  const enter = (from: number, to: number, time: number): void => {
    for (const one of levels) {
      if (one.index > from && one.index <= to) rose.set(one.index, time)
      if (one.index > to && one.index <= from) since.delete(one.index)
    }
    beneath = to
  }
  const change = (to: number, time: number): void => {
    const from = beneath
    enter(from, to, time)
    record(time, from, to)
    if (flapping) {
      stood = Math.max(stood, to)
      if (to > shown) say(time, to, 'firing')
    } else if (recent(time).length >= 7) {
      flapping = true
      stood = Math.max(...recent(time).map((one) => one.level))
      say(time, stood, 'firing')
    } else say(time, to, to === 0 ? 'resolved' : 'firing')
  }
  const walk = (time: number): void => {
    while (beneath > 0 && mayFall(level(beneath), time)) change(lower(beneath), time)
  }

  const due = (): { at: number; what: 'for' | 'hold' | 'absent' | 'calm'; index: number } | null => {
    const all: { at: number; what: 'for' | 'hold' | 'absent' | 'calm'; index: number }[] = []
    if (flapping) all.push({ at: Math.max(...changes.map((one) => one.time)) + TEN, what: 'calm', index: 0 })
    if (status !== 'unknown') {
      for (const one of levels)
        if (one.index > beneath && isTrue(one) && since.has(one.index) && !refused.has(one.index))
          all.push({ at: since.get(one.index)! + one.for, what: 'for', index: one.index })
      const standing = levels.find((one) => one.index === beneath)
      if (standing !== undefined && mayFall(standing, Number.POSITIVE_INFINITY))
        all.push({ at: rose.get(beneath)! + standing.hold, what: 'hold', index: beneath })
      if (rule.absent !== null && newest > Number.NEGATIVE_INFINITY)
        all.push({ at: newest + rule.absent.after, what: 'absent', index: 0 })
    }
    const order = ['calm', 'for', 'hold', 'absent']
    all.sort((a, b) => a.at - b.at || order.indexOf(a.what) - order.indexOf(b.what) || b.index - a.index)
    return all[0] ?? null
  }
  const timers = (): void => {
    for (let next = due(); next !== null && next.at < clock; next = due()) {
      const { at, what, index } = next
      if (what === 'calm') {
        flapping = false
        changes = []
        if (status === 'firing') say(at, beneath, beneath === 0 ? 'resolved' : 'firing')
      } else if (what === 'for') {
        if (at - newest <= 1.5 * rule.interval) change(index, at)
        else refused.add(index)
      } else if (what === 'hold') walk(at)
      else {
        since.clear()
        say(at, Math.max(shown, rule.absent!.level), 'unknown')
      }
    }
  }

  for (const sample of samples) {
    if (sample.received > clock) {
      clock = sample.received
      timers()
    }
    const time = Math.min(sample.time, sample.received)
    if (time < newest) {
      // Out of order: it may raise, at once only.
      if (status === 'unknown') continue
      const highest = Math.max(
        0,
        ...levels.filter((one) => one.for === 0 && sample.value > one.above).map((one) => one.index),
      )
      if (highest <= beneath) continue
      for (const one of levels)
        if (one.index > beneath && one.for === 0 && sample.value > one.above)
          verdict.set(one.index, sample.value)
      change(highest, time)
      continue
    }
    newest = time
    value = sample.value
    refused.clear()
    let highest = 0
    for (const one of levels) {
      verdict.set(one.index, value)
      if (!isTrue(one)) {
        since.delete(one.index)
        continue
      }
      if (!since.has(one.index)) since.set(one.index, time)
      if (one.index <= beneath || time - since.get(one.index)! >= one.for) highest = one.index
    }
    if (status === 'unknown') {
      const from = beneath
      let to = from
      if (highest > from) to = highest
      else while (to > 0 && mayFall(level(to), time)) to = lower(to)
      if (to !== from) record(time, from, to)
      enter(from, to, time)
      if (!flapping && to !== from && recent(time).length >= 7) {
        flapping = true
        stood = Math.max(...recent(time).map((one) => one.level))
      }
      stood = Math.max(stood, to)
      if (flapping) say(time, stood, 'firing')
      else say(time, to, to === 0 ? 'resolved' : 'firing')
    } else if (highest > beneath) change(highest, time)
    else walk(time)
  }
  clock = Math.max(clock, until)
  timers()
  return out
}
