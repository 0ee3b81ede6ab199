/**
 * The engine looks at itself and says, as samples of its own, what is wrong: a source that is down, a log that fills.
 * Only what changes and matters becomes a sample, so that a healthy engine adds nothing to the city's data.
 */
import type { Loop } from '../engine/loop.js'
import type { Log } from '../log/log.js'
import type { Transport } from '../model/ports.js'

/** From here on the log's share is said, and once more when it is below again. */
const LOG_SAID_PCT = 75

export class SelfWatch {
  readonly #loop: Loop
  readonly #log: Log
  readonly #transports: readonly Transport[]
  readonly #down = new Set<string>()
  #logSaid = 0

  constructor(loop: Loop, log: Log, transports: readonly Transport[]) {
    this.#loop = loop
    this.#log = log
    this.#transports = transports
  }

  /** Call it about once a second. */
  look(): void {
    for (const { name, status } of this.#transports) {
      const down = status.state === 'down'
      if (down === this.#down.has(name)) continue
      if (down) this.#down.add(name)
      else if (status.state === 'up') this.#down.delete(name)
      else continue
      this.#loop.observe(`haidang.source.${name}`, { source_up: down ? 0 : 1 })
    }
    const { state, share } = this.#log.status()
    const used = state === 'full' ? 100 : Math.min(100, Math.floor(share * 100))
    const said = used >= LOG_SAID_PCT ? used : 0
    if (said === this.#logSaid) return
    this.#logSaid = said
    this.#loop.observe('haidang.log', { log_used_pct: used })
  }
}
