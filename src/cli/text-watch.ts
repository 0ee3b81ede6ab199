/**
 * Rules, registry, zones and metrics while the engine runs: looked at once a second, and when they have changed, checked
 * whole. All of it loads or none does; what is wrong is said with its place and the running set stays.
 */
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { readTexts, type TextPaths, type Texts } from '../config/texts.js'
import type { Fault } from '../model/errors.js'

export interface TextWatchOptions {
  readonly paths: TextPaths
  /** Every error in the texts. */
  readonly check: (texts: Texts) => readonly Fault[]
  readonly apply: (texts: Texts) => void
  readonly refused: (faults: readonly Fault[]) => void
  readonly failed: (reason: string) => void
}

const EVERY_MS = 1000

export class TextWatch {
  readonly #options: TextWatchOptions
  #seen = ''
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: TextWatchOptions) {
    this.#options = options
  }

  async open(): Promise<void> {
    this.#seen = await this.#stamp()
    this.#next()
  }

  /** Looks now: for SIGHUP, and for tests. */
  async look(): Promise<void> {
    const stamp = await this.#stamp()
    if (stamp === this.#seen) return
    this.#seen = stamp
    try {
      const texts = await readTexts(this.#options.paths)
      const faults = this.#options.check(texts)
      if (faults.length > 0) this.#options.refused(faults)
      else this.#options.apply(texts)
    } catch (error) {
      this.#options.failed((error as Error).message)
    }
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #next(): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.look().then(
        () => this.#next(),
        (error: unknown) => {
          this.#options.failed((error as Error).message)
          this.#next()
        },
      )
    }, EVERY_MS)
    this.#timer.unref()
  }

  /** Names, sizes and times of all that is watched. A few stats a second. */
  async #stamp(): Promise<string> {
    const { rules, devices, zones, metrics } = this.#options.paths
    const beside =
      devices === undefined
        ? []
        : ['zones.geojson', 'metrics.yaml'].map((name) => path.join(path.dirname(devices), name))
    const files = [devices, zones, metrics, ...beside].filter((file) => file !== undefined)
    for (const given of rules) {
      const entries = await readdir(given, { recursive: true, withFileTypes: true }).catch(() => null)
      if (entries === null) files.push(given)
      else
        for (const entry of entries)
          if (entry.isFile() && /\.ya?ml$/.test(entry.name))
            files.push(path.join(entry.parentPath, entry.name))
    }
    const stamps = await Promise.all(
      [...new Set(files)].sort().map(async (file) => {
        const found = await stat(file).catch(() => null)
        return found === null ? `${file} -` : `${file} ${found.size} ${found.mtimeMs} ${found.ino}`
      }),
    )
    return stamps.join('\n')
  }
}
