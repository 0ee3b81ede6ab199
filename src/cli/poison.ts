/**
 * `poison.json` in the data folder: messages over which the engine ended. A decoder that throws costs its message alone;
 * what fails behind it leaves the state half changed, so the process ends, and the broker, which has no acknowledgement,
 * sends the message again. After the second time it is dead-lettered unread, and the city goes on without it.
 *
 * A message of a transport that never sends again (identity 0) is not kept: it cannot kill twice. A new version of the
 * program gets a new chance, and so does everything after a week, as long as dead letters are kept.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import type { Poison } from '../engine/loop.js'

interface Entry {
  readonly feed: string
  readonly identity: number
  readonly topic: string
  /** Times that the engine ended over it. */
  readonly count: number
  /** Last time, ms UTC. */
  readonly at: number
  /** Of the program that ended. */
  readonly version: string
}

/** Then it is no accident any more. */
const COUNT = 2
/** The oldest is forgotten beyond. */
const ENTRIES_MAX = 1000
const KEPT_MS = 7 * 86_400_000

export interface PoisonOptions {
  readonly file: string
  readonly version: string
  /** ms UTC. */
  readonly now: () => number
  /** One line for people. */
  readonly say: (line: string) => void
  /** Ends the process at once: nothing more may be judged on a half changed state, whoever catches what we throw. */
  readonly end: () => void
}

export class PoisonFile implements Poison {
  readonly #options: PoisonOptions
  #entries: readonly Entry[]
  readonly #known: ReadonlySet<string>

  /** Reads the file; one that is missing or damaged is as none. Synchronous, as all of it: an engine that ends cannot wait. */
  constructor(options: PoisonOptions) {
    this.#options = options
    const since = options.now() - KEPT_MS
    this.#entries = read(options).filter(({ at, version }) => at >= since && version === options.version)
    this.#known = new Set(this.#entries.filter(({ count }) => count >= COUNT).map(keyOf))
  }

  has(feed: string, identity: number, topic: string): boolean {
    return this.#known.size > 0 && this.#known.has(keyOf({ feed, identity, topic }))
  }

  add(feed: string, identity: number, topic: string, error: unknown): void {
    const { version, now, say, end } = this.#options
    const key = keyOf({ feed, identity, topic })
    const before = this.#entries.find((entry) => keyOf(entry) === key)
    say(
      `a message of '${feed}' on '${topic.slice(0, 200)}' ended the engine: ${String((error as Error).stack ?? error)}`,
    )
    if (identity !== 0) {
      const entry = { feed, identity, topic, count: (before?.count ?? 0) + 1, at: now(), version }
      this.#entries = [...this.#entries.filter((one) => one !== before), entry].slice(-ENTRIES_MAX)
      try {
        write(this.#options.file, this.#entries)
      } catch (cause) {
        say(`${this.#options.file}: ${(cause as Error).message}`)
      }
    }
    end()
  }
}

function keyOf({ feed, identity, topic }: Pick<Entry, 'feed' | 'identity' | 'topic'>): string {
  return `${feed}\n${identity}\n${topic}`
}

function read({ file, say }: PoisonOptions): readonly Entry[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') say(`${file}: ${(error as Error).message}`)
    return []
  }
  try {
    const found = JSON.parse(text) as unknown
    return Array.isArray(found) ? found.filter(isEntry) : []
  } catch {
    say(`${file} is damaged: it is as none`)
    return []
  }
}

function isEntry(value: unknown): value is Entry {
  const { feed, identity, topic, count, at, version } = (value ?? {}) as Partial<Entry>
  return (
    [feed, topic, version].every((text) => typeof text === 'string') &&
    [identity, count, at].every((number) => Number.isFinite(number))
  )
}

/** Replaced whole and synced. */
function write(file: string, entries: readonly Entry[]): void {
  const temporary = `${file}.tmp`
  const opened = openSync(temporary, 'w', 0o600)
  try {
    writeSync(opened, `${JSON.stringify(entries, null, 1)}\n`)
    fsyncSync(opened)
  } finally {
    closeSync(opened)
  }
  renameSync(temporary, file)
}
