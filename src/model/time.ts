/** Times are ms UTC as numbers; durations are ms. These are the only parsers of either. */

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `500ms 30s 10m 2h 7d`, also joined (`1h30m`), to ms; undefined where it is none. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim()
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(trimmed)) return undefined
  let total = 0
  for (const [, amount, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
    total += Number(amount) * UNITS[unit!]!
  return total
}

const ISO =
  /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*(Z|z|[+-]\d{2}:?\d{2})?$/

/**
 * ISO 8601 date and time to ms UTC. A text without a zone is taken in `offsetMs` (the zone's offset east of UTC) where
 * that is given, else refused (NaN): a clock without zone must be configured, never guessed.
 */
export function parseIsoTime(text: string, offsetMs?: number): number {
  const m = ISO.exec(text)
  if (m === null) return Number.NaN
  const [, year, month, day, hour, minute, second = '0', fraction = '', zone] = m
  if (Number(month) < 1 || Number(month) > 12 || Number(day) < 1 || Number(day) > 31) return Number.NaN
  if (Number(hour) > 24 || Number(minute) > 59 || Number(second) > 60) return Number.NaN
  const ms = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  )
  const millis = fraction === '' ? 0 : Math.floor(Number(`0.${fraction}`) * 1000 + 1e-6)
  let offset: number
  if (zone === undefined) {
    if (offsetMs === undefined) return Number.NaN
    offset = offsetMs
  } else if (zone === 'Z' || zone === 'z') offset = 0
  else {
    const digits = zone.slice(1).replace(':', '')
    offset =
      (zone[0] === '-' ? -1 : 1) * (Number(digits.slice(0, 2)) * 3_600_000 + Number(digits.slice(2)) * 60_000)
  }
  return ms + millis - offset
}

/**
 * Local calendar of one zone: hour, weekday, month and day starts of a time. The offset is looked up once per UTC
 * quarter of an hour (zones change only on those), so a hot path pays an integer division.
 */
export class ZoneClock {
  readonly zone: string
  readonly #format: Intl.DateTimeFormat
  #slot = Number.NaN
  #offset = 0

  /** Throws RangeError where `zone` is no IANA zone. */
  constructor(zone: string) {
    this.zone = zone
    this.#format = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    })
  }

  /** Offset east of UTC at `time`, ms. */
  offset(time: number): number {
    const slot = Math.floor(time / 900_000)
    if (slot !== this.#slot) {
      this.#slot = slot
      const at = slot * 900_000
      const part: Record<string, string> = {}
      for (const { type, value } of this.#format.formatToParts(at)) part[type] = value
      const { year, month, day, hour, minute, second } = part as Record<
        'year' | 'month' | 'day' | 'hour' | 'minute' | 'second',
        string
      >
      this.#offset =
        Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)) -
        at
    }
    return this.#offset
  }

  /** Local time as ms of a clock that reads UTC: for `new Date(local(t)).getUTCHours()` and for local day numbers. */
  local(time: number): number {
    return time + this.offset(time)
  }

  hour(time: number): number {
    return Math.floor(this.local(time) / 3_600_000) % 24
  }

  /** 1 = Monday … 7 = Sunday. */
  weekday(time: number): number {
    return ((Math.floor(this.local(time) / 86_400_000) + 3) % 7) + 1
  }

  /** 1 … 12. */
  month(time: number): number {
    return new Date(this.local(time)).getUTCMonth() + 1
  }

  /** ms UTC of local midnight that begins the calendar day `yyyy-mm-dd`; NaN where that is no date. */
  midnight(date: string): number {
    const m = /^(\d{4})-(\d{2})-(\d{2})$/.exec(date)
    if (m === null) return Number.NaN
    const wall = Date.UTC(Number(m[1]), Number(m[2]) - 1, Number(m[3]))
    const guess = wall - this.offset(wall)
    return wall - this.offset(guess)
  }
}
