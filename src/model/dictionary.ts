/**
 * Strings as small integers. Every name that the hot path meets (device, metric, label, stream, source) is interned
 * once, where it enters, and is an index from there on. Id 0 is always the empty string.
 */
export class Dictionary {
  readonly #ids = new Map<string, number>([['', 0]])
  readonly #texts: string[] = ['']

  get size(): number {
    return this.#texts.length
  }

  /** Id of `text`, making one where it is new. */
  id(text: string): number {
    let id = this.#ids.get(text)
    if (id === undefined) {
      id = this.#texts.length
      this.#ids.set(text, id)
      this.#texts.push(text)
    }
    return id
  }

  /** Id of `text`, or -1 where it was never met. */
  find(text: string): number {
    return this.#ids.get(text) ?? -1
  }

  /** All texts by id: for checkpoints. */
  texts(): readonly string[] {
    return [...this.#texts]
  }

  text(id: number): string {
    return this.#texts[id] ?? ''
  }
}
