import type { Bilingual } from '../../src/model/alert.js'
import type { MetricRegistry } from '../../src/model/metrics.js'
import type { Expression, TitlePart, ValueType } from './ast.js'
import type { ExpressionFault } from './lexer.js'

/** The wall's line, in characters as rendered (WALL.md: a title line holds about 36). */
export const SHORT_CHARS = 36

/** A piece of a title's text: what stands as it is, or the text between `{` and `}` and where it begins. */
export type TitlePiece = string | { readonly text: string; readonly at: number }

/**
 * Cuts a title at its placeholders: `{site.name}: {level_m} m`. A placeholder holds any expression; `{{` and `}}` are
 * braces. Texts inside a placeholder may hold braces of their own.
 */
export function titlePieces(title: string): {
  readonly pieces: readonly TitlePiece[]
  readonly fault: ExpressionFault | null
} {
  const pieces: TitlePiece[] = []
  const fault = (at: number, message: string) => ({
    pieces: [],
    fault: { code: 'HD_RULE_SYNTAX', at, message } as const,
  })
  let text = ''
  let i = 0
  while (i < title.length) {
    const character = title[i]!
    if ((character === '{' || character === '}') && title[i + 1] === character) {
      text += character
      i += 2
    } else if (character === '{') {
      const end = placeholderEnd(title, i + 1)
      if (end < 0) return fault(i, `this '{' is never closed (a brace itself is written '{{')`)
      if (title.slice(i + 1, end).trim() === '')
        return fault(i, `a placeholder names a value, as in {level_m}`)
      if (text !== '') pieces.push(text)
      text = ''
      pieces.push({ text: title.slice(i + 1, end), at: i + 1 })
      i = end + 1
    } else if (character === '}') return fault(i, `this '}' closes nothing (a brace itself is written '}}')`)
    else {
      text += character
      i++
    }
  }
  if (text !== '') pieces.push(text)
  return { pieces, fault: null }
}

/** Offset of the `}` that ends a placeholder, over texts in quotes; -1 where there is none. */
function placeholderEnd(title: string, from: number): number {
  let quoted = false
  for (let i = from; i < title.length; i++) {
    if (title[i] === "'") quoted = !quoted
    else if (!quoted && title[i] === '}') return i
    else if (!quoted && title[i] === '{') return -1
  }
  return -1
}

/** Functions whose result is in the unit of the metric they read, and so prints with its decimals. */
const OF_THE_METRIC: ReadonlySet<string> = new Set([
  ...['sum', 'avg', 'min', 'max', 'first', 'last', 'delta', 'range', 'stddev', 'median', 'quantile', 'mad'],
  ...['slope', 'forecast', 'ewma', 'ewmsd', 'lag', 'nowcast'],
])

/** The metric whose decimals print an expression, '' for none. */
export function decimalsMetric(expression: Expression): string {
  switch (expression.kind) {
    case 'name': {
      const { name } = expression
      if (name.of === 'metric') return name.metric
      if (name.of === 'step') return name.field
      return name.of === 'message' && name.field === 'confidence' ? 'confidence' : ''
    }
    case 'call': {
      const { call } = expression
      if (call.name === 'across') return call.constants['f'] === 'count' ? '' : call.metric
      return OF_THE_METRIC.has(call.name) ? call.metric : ''
    }
    case 'unary':
      return expression.type === 'number' ? decimalsMetric(expression.operand) : ''
    case 'scalar':
      if (expression.name === 'hypot' || expression.name === 'round') return ''
      return expression.args.map(decimalsMetric).find((metric) => metric !== '') ?? ''
    default:
      return ''
  }
}

const YES_NO: Readonly<Record<keyof Bilingual, readonly [string, string]>> = {
  en: ['no', 'yes'],
  vi: ['không', 'có'],
}

/**
 * A title with its values: metrics with the decimals of metrics.yaml, other numbers with two at most, durations as
 * "1 h 20 min", missing as "–", infinite as "∞". The decimal point is a point in both languages: a title is also read by
 * machines (CAP, syslog); the wall writes its own numbers with a comma.
 *
 * @param evaluate value of an expression at the transition, undefined or NaN where missing; durations in ms, booleans
 *   also as 1 and 0
 */
export function renderTitle(
  parts: readonly TitlePart[],
  evaluate: (expression: Expression) => number | string | boolean | undefined,
  metrics: MetricRegistry,
  lang: keyof Bilingual,
): string {
  let out = ''
  for (const part of parts) {
    if (typeof part === 'string') out += part
    else
      out += printValue(
        evaluate(part.expression),
        part.expression.type,
        decimalsOf(part.metric, metrics),
        lang,
      )
  }
  return out
}

/** `renderTitle` for the wall's line: cut to SHORT_CHARS characters, the last then being "…". */
export function renderShort(
  parts: readonly TitlePart[],
  evaluate: (expression: Expression) => number | string | boolean | undefined,
  metrics: MetricRegistry,
  lang: keyof Bilingual,
): string {
  const characters = [...renderTitle(parts, evaluate, metrics, lang).normalize('NFC')]
  if (characters.length <= SHORT_CHARS) return characters.join('')
  return `${characters
    .slice(0, SHORT_CHARS - 1)
    .join('')
    .trimEnd()}…`
}

function decimalsOf(metric: string, metrics: MetricRegistry): number | null {
  return metric === '' ? null : (metrics.get(metric)?.decimals ?? null)
}

/** One value for people; `decimals` null: two at most, trailing zeros left out. */
export function printValue(
  value: number | string | boolean | undefined,
  type: ValueType,
  decimals: number | null,
  lang: keyof Bilingual,
): string {
  if (value === undefined) return '–'
  if (typeof value === 'string') return value === '' ? '–' : value
  if (Number.isNaN(value)) return '–'
  if (type === 'boolean' || typeof value === 'boolean') return YES_NO[lang][value ? 1 : 0]
  if (!Number.isFinite(value)) return value < 0 ? '-∞' : '∞'
  if (type === 'duration') return printSpan(value)
  const text =
    decimals === null
      ? String(Math.round(value * 100) / 100)
      : value.toFixed(Math.min(20, Math.max(0, decimals)))
  // -0.00 says nothing that 0.00 does not.
  return /^-0(\.0*)?$/.test(text) ? text.slice(1) : text
}

/**
 * A duration for people, to about a percent: `2 d 3 h`, `1 h 20 min`, `45 min`, `5 min 30 s`, `12 s`. A second unit that
 * is zero is left out; from ten minutes on seconds say nothing.
 */
export function printSpan(ms: number): string {
  if (ms < 0) return `-${printSpan(-ms)}`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 600) return joined(Math.floor(seconds / 60), 'min', seconds % 60, 's')
  const minutes = Math.round(ms / 60_000)
  if (minutes < 60) return `${minutes} min`
  if (minutes < 1440) return joined(Math.floor(minutes / 60), 'h', minutes % 60, 'min')
  const hours = Math.round(ms / 3_600_000)
  return joined(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

function joined(most: number, unit: string, rest: number, restUnit: string): string {
  return rest === 0 ? `${most} ${unit}` : `${most} ${unit} ${rest} ${restUnit}`
}
