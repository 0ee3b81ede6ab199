/**
 * The engine looks at itself and says, as samples of its own, what is wrong: a source that is down, a sink that cannot
 * tell anybody, a log that fills.
 * Only what changes and matters becomes a sample, so that a healthy engine adds nothing to the city's data.
 */
import type { SinkStatus } from '../alerts/sinks/runner.js'
import type { Loop } from '../engine/loop.js'
import type { Log } from '../log/log.js'
import type { Transport } from '../model/ports.js'

/** From here on the log's share is said, and once more when it is below again. */
const LOG_SAID_PCT = 75

export class SelfWatch {
  readonly #loop: Loop
  readonly #log: Log
  readonly #transports: readonly Transport[]
  readonly #sinks: () => readonly SinkStatus[]
  readonly #down = new Set<string>()
  #logSaid = 0

  constructor(loop: Loop, log: Log, transports: readonly Transport[], sinks: () => readonly SinkStatus[]) {
    this.#loop = loop
    this.#log = log
    this.#transports = transports
    this.#sinks = sinks
  }

  /** Call it about once a second. */
  look(): void {
    for (const { name, status } of this.#transports)
      this.#sayUp(`haidang.source.${name}`, 'source_up', status.state)
    for (const { name, state } of this.#sinks())
      this.#sayUp(`haidang.sink.${name}`, 'sink_up', state === 'retrying' ? 'down' : state)
    const { state, share } = this.#log.status()
    const used = state === 'full' ? 100 : Math.min(100, Math.floor(share * 100))
    const said = used >= LOG_SAID_PCT ? used : 0
    if (said === this.#logSaid) return
    this.#logSaid = said
    this.#loop.observe('haidang.log', { log_used_pct: used })
  }

  /** Only `up` and `down` are said, each when it comes after the other; all begin as up. */
  #sayUp(device: string, metric: string, state: string): void {
    const down = state === 'down'
    if (down === this.#down.has(device)) return
    if (down) this.#down.add(device)
    else if (state === 'up') this.#down.delete(device)
    else return
    this.#loop.observe(device, { [metric]: down ? 0 : 1 })
  }
}
