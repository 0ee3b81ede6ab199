import type { Scalar } from 'yaml'

/**
 * Where each character of a YAML scalar's value stands in the file's text: quotes, escapes, folded lines and indentation
 * lie between. Built only when a fault has to be placed, so it may walk the whole scalar.
 *
 *   when: 'label == ''smoke'' and x'      value  label == 'smoke' and x
 *          ^at 0    ^at 10 (two quotes)
 */
export function scalarOffset(text: string, scalar: Scalar.Parsed, index: number): number {
  const [start, end] = scalar.range
  switch (scalar.type) {
    case 'QUOTE_SINGLE':
      return quotedOffset(text, start + 1, end - 1, index, singleQuoted)
    case 'QUOTE_DOUBLE':
      return quotedOffset(text, start + 1, end - 1, index, doubleQuoted)
    case 'BLOCK_FOLDED':
    case 'BLOCK_LITERAL': {
      const header = text.indexOf('\n', start)
      return alignedOffset(text, header < 0 ? end : header + 1, end, String(scalar.value), index)
    }
    default:
      return alignedOffset(text, start, end, String(scalar.value), index)
  }
}

/** Plain and block scalars: what is not white space stands there as it is, in order. */
function alignedOffset(text: string, start: number, end: number, value: string, index: number): number {
  let ahead = 0
  for (let i = 0; i < Math.min(index, value.length); i++) if (!isSpace(value, i)) ahead++
  const onSpace = index < value.length && isSpace(value, index)
  let at = start
  for (; at < end; at++) {
    if (isSpace(text, at)) {
      if (onSpace && ahead === 0 && at > start) return at
      continue
    }
    if (ahead === 0) break
    ahead--
  }
  if (index < value.length) return Math.min(at, end)
  // The end of the value: after its last character that is no white space.
  let last = end
  while (last > start && isSpace(text, last - 1)) last--
  return last
}

/** Quoted scalars: `step` gives how many characters of text make one of the value (or none, for a folded line). */
function quotedOffset(
  text: string,
  start: number,
  end: number,
  index: number,
  step: (text: string, at: number) => readonly [source: number, value: number],
): number {
  let at = start
  let made = 0
  while (at < end && made < index) {
    const [source, value] = step(text, at)
    at += source
    made += value
  }
  return Math.min(at, end)
}

function singleQuoted(text: string, at: number): readonly [number, number] {
  if (text[at] === "'") return [2, 1]
  return folded(text, at)
}

function doubleQuoted(text: string, at: number): readonly [number, number] {
  if (text[at] !== '\\') return folded(text, at)
  switch (text[at + 1]) {
    case 'x':
      return [4, 1]
    case 'u':
      return [6, 1]
    case 'U':
      return [10, Number.parseInt(text.slice(at + 2, at + 10), 16) > 0xffff ? 2 : 1]
    case '\n': {
      let source = 2
      while (text[at + source] === ' ' || text[at + source] === '\t') source++
      return [source, 0]
    }
    default:
      return [2, 1]
  }
}

/** White space around a line break is one space, or a line break for each empty line. */
function folded(text: string, at: number): readonly [number, number] {
  if (!isSpace(text, at)) return [1, 1]
  let end = at
  let breaks = 0
  while (isSpace(text, end)) if (text[end++] === '\n') breaks++
  return breaks === 0 ? [1, 1] : [end - at, Math.max(1, breaks - 1)]
}

function isSpace(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code === 32 || code === 9 || code === 10 || code === 13
}
