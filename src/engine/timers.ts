/**
 * Timers of the core: a binary heap ordered by (due, rule, key, kind), the order in which due timers fire. The core
 * decides at firing whether a timer still means anything, so moving one is pushing another and forgetting the old.
 */
export interface Timer {
  /** ms UTC. */
  readonly due: number
  /** Index of the rule in its rule set; rules are sorted by id. */
  rule: number
  /** The key's text, for the order of lines. */
  readonly key: string
  readonly keyId: number
  readonly kind: TimerKind
}

/** In firing order at equal (due, rule, key). */
export type TimerKind = 'sequence' | 'level' | 'absent' | 'legal'
const KIND_ORDER: Readonly<Record<TimerKind, number>> = { sequence: 0, level: 1, absent: 2, legal: 3 }

function before(a: Timer, b: Timer): boolean {
  if (a.due !== b.due) return a.due < b.due
  if (a.rule !== b.rule) return a.rule < b.rule
  if (a.key !== b.key) return a.key < b.key
  return KIND_ORDER[a.kind] < KIND_ORDER[b.kind]
}

export class Timers {
  #heap: Timer[] = []

  get size(): number {
    return this.#heap.length
  }

  /** When the first is due; Infinity where there is none. */
  get next(): number {
    return this.#heap[0]?.due ?? Number.POSITIVE_INFINITY
  }

  /** O(log n). */
  push(timer: Timer): void {
    const heap = this.#heap
    let i = heap.push(timer) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!before(timer, heap[parent]!)) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = timer
  }

  /** The first timer due before `clock` (strictly: a sample stamped with the due time itself is looked at first). */
  popBefore(clock: number): Timer | undefined {
    const heap = this.#heap
    const first = heap[0]
    if (first === undefined || !(first.due < clock)) return undefined
    const last = heap.pop()!
    if (heap.length > 0) {
      let i = 0
      for (;;) {
        let child = 2 * i + 1
        if (child >= heap.length) break
        if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
        if (!before(heap[child]!, last)) break
        heap[i] = heap[child]!
        i = child
      }
      heap[i] = last
    }
    return first
  }

  /** All timers, in no order: for checkpoints and reloads. */
  all(): readonly Timer[] {
    return this.#heap
  }

  clear(): void {
    this.#heap = []
  }
}
