/** A bounded number at once, a bounded number waiting in order; the one too many is refused by the caller. */
export class Slots {
  readonly #atOnce: number
  readonly #waitingMax: number
  #running = 0
  readonly #queue: (() => void)[] = []

  constructor(atOnce: number, waitingMax: number) {
    this.#atOnce = atOnce
    this.#waitingMax = waitingMax
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#queue.length
  }

  /** Resolves true when a slot is ours, false at once where too many wait. Give it back with `release`. */
  async acquire(): Promise<boolean> {
    if (this.#running < this.#atOnce) {
      this.#running++
      return true
    }
    if (this.#queue.length >= this.#waitingMax) return false
    await new Promise<void>((resolve) => this.#queue.push(resolve))
    return true
  }

  release(): void {
    const next = this.#queue.shift()
    if (next === undefined) this.#running--
    else next()
  }
}
