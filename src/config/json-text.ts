/**
 * Where things stand in a JSON text: the runtime's own parser says what is wrong and not always where, and nothing of where
 * a value stood. Walked only when there is something to report. O(text), no recursion.
 */
import type { Path } from './config-text.js'

/** A mark, the quote that opens a text, or a word; white space before it. */
const TOKEN = /[ \t\r\n]*(?:([{}[\],:])|(")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y

/** Offset behind the text that opens at `open`; negative, -1 less the offset of what is no text, where it is none. */
function stringEnd(text: string, open: number): number {
  for (let i = open + 1; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x22) return i + 1
    if (code < 0x20) return -1 - i
    if (code === 0x5c) {
      ESCAPE.lastIndex = i
      if (!ESCAPE.test(text)) return -1 - i
      i = ESCAPE.lastIndex - 1
    }
  }
  return -1 - text.length
}

/** What may come next: a value, a value or the list's end, a key (or the map's end), and so on. */
type Expected = 'value' | 'item_or_end' | 'key' | 'key_or_end' | 'colon' | 'comma_or_end' | 'nothing'

interface Frame {
  readonly list: boolean
  step: string | number
}

/** Walks `text`; `visit` gets each value's offset and path (the same array, changed on). Offset of the first fault, or -1. */
function walk(text: string, visit: (offset: number, path: readonly (string | number)[]) => void): number {
  const frames: Frame[] = []
  const path: (string | number)[] = []
  let expected: Expected = 'value'
  TOKEN.lastIndex = 0
  for (;;) {
    const from = TOKEN.lastIndex
    const match = TOKEN.exec(text)
    if (match === null) {
      const rest = /[^ \t\r\n]/g
      rest.lastIndex = from
      const wrong = rest.exec(text)?.index ?? text.length
      return expected === 'nothing' && wrong === text.length ? -1 : wrong
    }
    const [whole, mark, quote, word] = match
    const at = from + whole.length - (mark ?? quote ?? word)!.length
    if (quote !== undefined) {
      const end = stringEnd(text, at)
      if (end < 0) return -1 - end
      TOKEN.lastIndex = end
    }
    const frame = frames.at(-1)
    const isValue = mark === '{' || mark === '[' || mark === undefined
    if (isValue && (expected === 'value' || expected === 'item_or_end')) {
      visit(at, path)
      if (mark === undefined) expected = frame === undefined ? 'nothing' : 'comma_or_end'
      else {
        frames.push({ list: mark === '[', step: 0 })
        path.push(0)
        expected = mark === '[' ? 'item_or_end' : 'key_or_end'
      }
    } else if (quote !== undefined && (expected === 'key' || expected === 'key_or_end')) {
      frame!.step = JSON.parse(text.slice(at, TOKEN.lastIndex)) as string
      path[path.length - 1] = frame!.step
      expected = 'colon'
    } else if (mark === ':' && expected === 'colon') expected = 'value'
    else if (mark === ',' && expected === 'comma_or_end') {
      if (frame!.list) {
        frame!.step = Number(frame!.step) + 1
        path[path.length - 1] = frame!.step
        expected = 'value'
      } else expected = 'key'
    } else if (closes(mark, frame, expected)) {
      frames.pop()
      path.pop()
      expected = frames.length === 0 ? 'nothing' : 'comma_or_end'
    } else return at
  }
}

function closes(mark: string | undefined, frame: Frame | undefined, expected: Expected): boolean {
  if (frame === undefined) return false
  return frame.list
    ? mark === ']' && (expected === 'item_or_end' || expected === 'comma_or_end')
    : mark === '}' && (expected === 'key_or_end' || expected === 'comma_or_end')
}

/** Offset of what makes `text` no JSON (its length where it ends too early); -1 where it is JSON. */
export function jsonFaultOffset(text: string): number {
  return walk(text, () => {})
}

/** Offsets of the values at some paths of a JSON text; of the nearest part above that is there, where one is not. */
export function jsonOffsets(text: string, paths: readonly Path[]): number[] {
  const found = paths.map(() => 0)
  const depths = paths.map(() => -1)
  walk(text, (offset, at) => {
    for (const [i, path] of paths.entries()) {
      if (at.length <= depths[i]! || at.length > path.length) continue
      if (!at.every((step, k) => String(step) === String(path[k]))) continue
      found[i] = offset
      depths[i] = at.length
    }
  })
  return found
}
