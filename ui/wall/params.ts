/**
 * What a wall is told by its address: everything a screen without keyboard needs (WALL.md 10). A wrong value is shown
 * with what is allowed, never replaced in silence. Pure.
 */

export type Lang = 'vi' | 'en'

export interface Params {
  readonly lang: Lang
  readonly layout: 'overview' | 'alerts' | 'trends'
  /** Farthest reader, m. */
  readonly dist: number
  /** Height of the picture on the real wall, m: of the whole wall where it is one canvas. */
  readonly height: number
  /** Lowest severity that is listed. */
  readonly sev: 'low' | 'medium' | 'high' | 'critical'
  /** Critical icons blink for their first minute. */
  readonly blink: boolean
  /** IANA zone of clocks and axes. */
  readonly tz: string
  /** Span of the charts, ms. */
  readonly window_ms: number
}

export interface ParamFault {
  readonly name: string
  readonly value: string
  readonly allowed: string
}

const WINDOWS: Readonly<Record<string, number>> = {
  '10m': 600_000,
  '30m': 1_800_000,
  '1h': 3_600_000,
  '3h': 10_800_000,
  '6h': 21_600_000,
  '12h': 43_200_000,
  '24h': 86_400_000,
}

/** A 3 × 3 wall of 55" screens read from 8 m: the scale of WALL.md 5, `--k` = 1. */
const DIST_M = 8
const HEIGHT_M = 2.05

/** Parameters of a query text, or every fault of it. */
export function parseParams(query: string): { params: Params } | { faults: ParamFault[] } {
  const given = new Map<string, string>()
  const faults: ParamFault[] = []
  for (const [name, value] of new URLSearchParams(query)) {
    if (given.has(name)) faults.push({ name, value, allowed: 'once' })
    given.set(name, value)
  }
  const take = <T>(name: string, allowed: string, fallback: T, read: (text: string) => T | undefined): T => {
    const text = given.get(name)
    given.delete(name)
    if (text === undefined) return fallback
    const value = read(text)
    if (value !== undefined) return value
    faults.push({ name, value: text, allowed })
    return fallback
  }
  const choice = <T extends string>(name: string, options: readonly T[], fallback: T): T =>
    take(name, options.join(' | '), fallback, (text) => options.find((option) => option === text))
  const number = (name: string, min: number, max: number, fallback: number): number =>
    take(name, `${min} … ${max}`, fallback, (text) => {
      const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
      return value >= min && value <= max ? value : undefined
    })

  const params: Params = {
    lang: choice('lang', ['vi', 'en'], 'vi'),
    layout: choice('layout', ['overview', 'alerts', 'trends'], 'overview'),
    dist: number('dist', 0.5, 100, DIST_M),
    height: number('height', 0.1, 50, HEIGHT_M),
    sev: choice('sev', ['low', 'medium', 'high', 'critical'], 'low'),
    blink: choice('blink', ['1', '0'], '1') === '1',
    tz: take('tz', 'IANA zone, e.g. Asia/Ho_Chi_Minh', 'Asia/Ho_Chi_Minh', (text) =>
      isZone(text) ? text : undefined,
    ),
    window_ms: take('window', Object.keys(WINDOWS).join(' | '), WINDOWS['30m']!, (text) => WINDOWS[text]),
  }
  const known = 'lang layout dist height sev blink tz window'
  for (const [name, value] of given) faults.push({ name, value, allowed: `no such parameter; ${known}` })
  return faults.length > 0 ? { faults } : { params }
}

/** Factor of all text: em_vh = 0.040 × arcmin × dist / height, 1 at the scale of the table in WALL.md 5. */
export function textScale({ dist, height }: Params): number {
  return dist / height / (DIST_M / HEIGHT_M)
}

function isZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text })
    return true
  } catch {
    return false
  }
}
