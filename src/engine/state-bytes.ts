/** Bytes of one operator's state: 8-byte floats, with lengths before arrays and texts. Growing writer, matching reader. */
import type { StateReader, StateWriter } from '../../rules/operators/operator.js'

export class StateBytes implements StateWriter {
  #bytes = new Float64Array(256)
  #length = 0

  number(value: number): void {
    this.#room(1)
    this.#bytes[this.#length++] = value
  }

  numbers(values: Float64Array, from: number, to: number): void {
    this.#room(to - from + 1)
    this.#bytes[this.#length++] = to - from
    this.#bytes.set(values.subarray(from, to), this.#length)
    this.#length += to - from
  }

  text(value: string): void {
    this.number(value.length)
    this.#room(value.length)
    for (let i = 0; i < value.length; i++) this.#bytes[this.#length++] = value.charCodeAt(i)
  }

  /** What was written; the writer begins again. */
  take(): Float64Array {
    const taken = this.#bytes.slice(0, this.#length)
    this.#length = 0
    return taken
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const next = new Float64Array(Math.max(this.#bytes.length * 2, this.#length + more))
    next.set(this.#bytes)
    this.#bytes = next
  }
}

export class StateSource implements StateReader {
  readonly #bytes: Float64Array
  #at = 0

  constructor(bytes: Float64Array) {
    this.#bytes = bytes
  }

  number(): number {
    return this.#bytes[this.#at++] ?? Number.NaN
  }

  numbers(): Float64Array {
    const length = this.number()
    const values = this.#bytes.slice(this.#at, this.#at + length)
    this.#at += length
    return values
  }

  text(): string {
    const length = this.number()
    let text = ''
    for (let i = 0; i < length; i++) text += String.fromCharCode(this.number())
    return text
  }
}
