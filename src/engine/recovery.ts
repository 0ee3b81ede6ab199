/**
 * Recovery: the newest checkpoint, then the log from there on. Operator state comes from the samples; alerts come from
 * the transitions that were logged, so that a new program never rewrites what was announced.
 */
import type { Transition } from '../model/alert.js'
import type { LoggedRecord } from '../model/record.js'
import type { Core } from './core.js'

/** What of a transition must be equal for this program to agree with the one that logged it. */
function canonical(line: Transition): string {
  return `${line.id} ${line.status} ${line.level} ${line.previous} ${line.time} ${line.flapping} ${line.unconfirmed}`
}

export class Recovery {
  readonly #core: Core
  readonly #own: Transition[] = []
  records = 0
  /** Records in which this program decided otherwise than what was announced (and followed the log). */
  differing = 0
  /** Greatest arrival time met. */
  received = Number.NEGATIVE_INFINITY
  /** Arrival of each feed's last message, by feed id: a backlog's arrival may lie before that of everything else. */
  readonly feeds = new Map<number, number>()

  constructor(core: Core) {
    this.#core = core
  }

  apply({ record, transitions }: LoggedRecord): void {
    if (record.seq <= this.#core.seq) return
    const own = this.#own
    own.length = 0
    this.#core.apply(record, own)
    this.records++
    if (record.received > this.received) this.received = record.received
    if (record.kind === 'message') this.feeds.set(record.feed, record.received)
    if (own.length === 0 && transitions.length === 0) return
    if (
      own.length === transitions.length &&
      own.every((line, i) => canonical(line) === canonical(transitions[i]!))
    )
      return
    this.differing++
    const alertOf = (line: Transition): string => `${line.rule}\n${Object.values(line.key).join('\u001f')}`
    for (const alert of new Set([...own, ...transitions].map(alertOf)))
      this.#core.adopt(
        own.find((line) => alertOf(line) === alert),
        transitions.filter((line) => alertOf(line) === alert),
      )
  }
}
