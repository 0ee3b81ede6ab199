import type { ErrorCode, Fault } from '../../src/model/errors.js'

/** Faults reported of one file; what is beyond would not be read and costs time to find. */
export const FILE_FAULTS_MAX = 100

/** One rule file: finds the line and column of an offset and collects the faults. */
export class RuleFile {
  readonly file: string
  readonly text: string
  readonly faults: Fault[] = []
  readonly #lineStarts: number[] = [0]

  constructor(file: string, text: string) {
    this.file = file
    this.text = text
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#lineStarts.push(at + 1)
  }

  /** True once so many faults are known that reading on serves nobody. */
  get full(): boolean {
    return this.faults.length >= FILE_FAULTS_MAX
  }

  /** Line of an offset, from 1. O(log lines). */
  line(offset: number): number {
    let low = 0
    let high = this.#lineStarts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#lineStarts[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return low + 1
  }

  fault(code: ErrorCode, offset: number, message: string, severity: 'error' | 'warning' = 'error'): void {
    if (this.full) return
    const line = this.line(offset)
    const start = this.#lineStarts[line - 1]!
    const end = this.#lineStarts[line] ?? this.text.length + 1
    this.faults.push({
      file: this.file,
      line,
      column: offset - start + 1,
      code,
      message,
      text: this.text.slice(start, end - 1).replace(/\r$/, ''),
      severity,
    })
  }

  warn(code: ErrorCode, offset: number, message: string): void {
    this.fault(code, offset, message, 'warning')
  }
}
