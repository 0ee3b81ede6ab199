/** Numbers, times and ages as the room reads them: vi 1.234,5 and 24 h, dates dd/MM/yyyy by parts. Pure. */
import type { Translate } from './i18n.js'
import type { Lang } from './params.js'

export interface Format {
  number(value: number, decimals: number): string
  /** 21:14:07 */
  clock(ms: number): string
  /** 21:14 */
  time(ms: number): string
  /** 21/11/2026 */
  date(ms: number): string
  /** How long ago, in words: `12 ph`. */
  age(ms: number): string
  /** 00:42, 32:10, 26:03:00 */
  stopwatch(ms: number): string
  unit(text: string): string
}

export function format(lang: Lang, tz: string, translate: Translate): Format {
  const locale = lang === 'vi' ? 'vi-VN' : 'en-GB'
  const numbers = new Map<number, Intl.NumberFormat>()
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: tz,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  })
  const partsOf = (ms: number): Record<string, string> => {
    const found: Record<string, string> = {}
    for (const { type, value } of parts.formatToParts(ms)) found[type] = value
    return found
  }
  return {
    number(value, decimals) {
      let one = numbers.get(decimals)
      if (one === undefined) {
        one = new Intl.NumberFormat(locale, {
          minimumFractionDigits: decimals,
          maximumFractionDigits: decimals,
        })
        numbers.set(decimals, one)
      }
      return one.format(value)
    },
    clock(ms) {
      const { hour, minute, second } = partsOf(ms)
      return `${hour}:${minute}:${second}`
    },
    time(ms) {
      const { hour, minute } = partsOf(ms)
      return `${hour}:${minute}`
    },
    date(ms) {
      const { day, month, year } = partsOf(ms)
      return `${day}/${month}/${year}`
    },
    age(ms) {
      const seconds = Math.max(0, Math.floor(ms / 1000))
      if (seconds < 2) return translate('now')
      if (seconds < 60) return translate('seconds', { n: seconds })
      const minutes = Math.floor(seconds / 60)
      if (minutes < 60) return translate('minutes', { n: minutes })
      const hours = Math.floor(minutes / 60)
      if (hours < 24) return translate('hours', { h: hours, m: minutes % 60 })
      return translate('days', { d: Math.floor(hours / 24), h: hours % 24 })
    },
    stopwatch(ms) {
      const seconds = Math.max(0, Math.floor(ms / 1000))
      const two = (n: number): string => String(n).padStart(2, '0')
      const hours = Math.floor(seconds / 3600)
      const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
      return hours > 0 ? `${two(hours)}:${rest}` : rest
    },
    unit: (text) => text.replace(/m3\b/g, 'm³').replace(/m2\b/g, 'm²'),
  }
}
