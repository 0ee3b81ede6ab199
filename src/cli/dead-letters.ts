/**
 * Sends dead letters again: read from the store, decoded by the loop as messages of their feeds, written down as one
 * command so that none is sent twice. One at a time; a few letters a query, so that nothing of it holds up the loop.
 */
import type { Loop } from '../engine/loop.js'
import { BOUNDS } from '../model/bounds.js'
import { HaidangError } from '../model/errors.js'
import type { DeadLetterSelection, DeadLettersRetried } from '../server/ports.js'
import type { Store } from '../store/store.js'

/** Of 64 KiB each at most: parsing a page's JSON stays under 5 ms. */
const PAGE = 16
/** The command's name in the audit. */
const COMMAND = 'dead_letters'

export interface DeadLetterParts {
  readonly loop: Loop
  readonly store: () => Store | null
  /** Resolves when all that is synced now is in the store; HD_STORE_CONNECT where that takes too long. */
  readonly drained: (store: Store) => Promise<void>
  /** What parts the topics of a feed: `/` of MQTT, `.` of NATS. */
  readonly separatorOf: (feed: string) => '/' | '.'
}

interface Letter {
  readonly seq: string
  readonly received: string
  readonly feed: string
  readonly topic: string
  readonly bytes: string
}

export class DeadLetters {
  readonly #parts: DeadLetterParts
  #busy = false

  constructor(parts: DeadLetterParts) {
    this.#parts = parts
  }

  /** As Commands.retryDeadLetters. */
  async retry(selection: DeadLetterSelection, who: string): Promise<DeadLettersRetried> {
    const store = this.#parts.store()
    if (store === null) throw new HaidangError('HD_STORE_CONNECT', 'the store is not up', { retryable: true })
    if (this.#busy) throw new HaidangError('HD_SERVE_CONFLICT', 'dead letters are being sent again already')
    this.#busy = true
    try {
      return await this.#retry(store, selection, who)
    } finally {
      this.#busy = false
    }
  }

  async #retry(store: Store, selection: DeadLetterSelection, who: string): Promise<DeadLettersRetried> {
    const { loop, drained, separatorOf } = this.#parts
    const taken: number[] = []
    const refused: Record<string, number> = {}
    let cut = 0
    let from = selection.from ?? 0
    let left = selection.limit
    // What a crash or an earlier call has put into the log stands in the store before we look.
    await drained(store)
    try {
      while (left > 0) {
        const letters = await page(store, { ...selection, from }, Math.min(left, PAGE))
        for (const { seq, received, feed, topic, bytes } of letters) {
          from = Number(seq) + 1
          const content = Buffer.from(bytes, 'base64')
          if (content.length >= BOUNDS.dead_letter_bytes) {
            cut++
            continue
          }
          const code = loop.retry(feed, {
            topic,
            separator: separatorOf(feed),
            bytes: content,
            received: Number(received),
            retained: false,
            headers: null,
          })
          if (code === null) taken.push(Number(seq))
          else refused[code] = (refused[code] ?? 0) + 1
        }
        left -= letters.length
        if (letters.length < PAGE && left > 0) return { retried: taken.length, refused, cut, next: null }
      }
      return { retried: taken.length, refused, cut, next: from }
    } finally {
      if (taken.length > 0) {
        await new Promise<void>((resolve) => {
          loop.command(COMMAND, who, '', { action: 'retry', seqs: taken }, resolve)
        })
        await drained(store)
      }
    }
  }
}

/** Those selected and not sent again yet, oldest first. A letter that ended the engine only where its code is named. */
async function page(
  store: Store,
  { code, source, from = 0, to }: Omit<DeadLetterSelection, 'limit'>,
  limit: number,
): Promise<readonly Letter[]> {
  const stream = await store.query({
    sql: `SELECT seq, toUnixTimestamp64Milli(received) AS received, source AS feed, topic, base64Encode(bytes) AS bytes
FROM dead_letters
WHERE seq BETWEEN {from:UInt64} AND {to:UInt64}
  AND if({code:String} = '', code != 'HD_DECODE_POISON', code = {code:String})
  AND ({source:String} = '' OR source = {source:String})
  AND seq NOT IN (
    SELECT arrayJoin(JSONExtract(body, 'seqs', 'Array(UInt64)')) FROM audit WHERE name = '${COMMAND}'
  )
ORDER BY seq LIMIT {limit:UInt32}`,
    format: 'JSONEachRow',
    parameters: { from, to: to ?? Number.MAX_SAFE_INTEGER, code: code ?? '', source: source ?? '', limit },
  })
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Letter)
}
