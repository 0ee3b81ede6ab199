/** The city as REST shows it, read off the running parts. */
import type { Core } from '../engine/core.js'
import type { FeedSetup } from '../engine/loop.js'
import type { Transport } from '../model/ports.js'
import type { City, DeadLetterStatus, DeviceStatus, RuleStatus, SourceStatus } from '../server/ports.js'
import type { Wall } from '../server/wall.js'
import type { Store } from '../store/store.js'

export interface CityParts {
  readonly core: Core
  readonly wall: Wall
  readonly plans: () => readonly {
    readonly setup: FeedSetup
    readonly transport: Transport
    readonly kind: string
    readonly address: string
  }[]
  readonly clock: () => number
  readonly store: () => Store | null
}

export class EngineCity implements City {
  readonly #parts: CityParts
  readonly #since = new Map<string, { state: SourceStatus['state']; since: number }>()

  constructor(parts: CityParts) {
    this.#parts = parts
  }

  devices({ after, limit, search }: { after: string; limit: number; search: string }): {
    devices: readonly DeviceStatus[]
    total: number
  } {
    const { core } = this.#parts
    const names = new Set(core.registry.devices.keys())
    for (const name of core.index.devices.texts()) if (name !== '') names.add(name)
    const wanted = search.toLowerCase()
    const found = [...names].filter((name) => wanted === '' || name.toLowerCase().includes(wanted)).sort()
    return {
      devices: found
        .filter((name) => name > after)
        .slice(0, limit)
        .map((name) => this.#device(name)),
      total: found.length,
    }
  }

  #device(name: string): DeviceStatus {
    const { core } = this.#parts
    const entry = core.registry.devices.get(name)
    const id = core.index.devices.find(name)
    const last = id < 0 ? Number.NEGATIVE_INFINITY : core.deviceNewest(id)
    return {
      device: name,
      kind: entry?.kind ?? null,
      site: entry?.site ?? null,
      ward: entry?.ward ?? null,
      agency: entry?.agency ?? null,
      lat: entry === undefined || Number.isNaN(entry.lat) ? null : entry.lat,
      lon: entry === undefined || Number.isNaN(entry.lon) ? null : entry.lon,
      limit: entry?.limit ?? {},
      expected_interval_ms: entry?.expected_interval ?? null,
      registered: entry !== undefined,
      last_time: Number.isFinite(last) ? last : null,
    }
  }

  sources(): readonly SourceStatus[] {
    return this.#parts.plans().map(({ setup, transport, kind, address }) => {
      const { status } = transport
      const state = status.state !== 'up' ? 'down' : status.caught_up ? 'caught_up' : 'up'
      let known = this.#since.get(setup.name)
      if (known === undefined || known.state !== state) {
        known = { state, since: this.#parts.clock() }
        this.#since.set(setup.name, known)
      }
      return {
        name: setup.name,
        transport: kind,
        address,
        state,
        since: known.since,
        messages: status.messages_total,
        dead_letters: 0,
        unacknowledged: status.in_flight,
        last_message: null,
        error: status.last_error === '' ? null : status.last_error,
      }
    })
  }

  rules(): readonly RuleStatus[] {
    return this.#parts.core.rules.rules.map(({ rule }) => ({
      rule: rule.id,
      title: { en: plain(rule.title.en), vi: plain(rule.title.vi) },
      category: rule.category,
      mode: rule.mode,
      streams: rule.streams,
      key: rule.key,
      metrics: rule.metrics,
      file: rule.file,
      line: rule.line,
    }))
  }

  async deadLetters({
    limit,
    before,
  }: {
    limit: number
    before: number | null
  }): Promise<readonly DeadLetterStatus[]> {
    const store = this.#parts.store()
    if (store === null) return []
    const stream = await store.query({
      sql: `SELECT seq, toUnixTimestamp64Milli(received) AS received, source AS feed, topic, code, reason, length(bytes) AS size, base64Encode(bytes) AS bytes FROM dead_letters WHERE seq < {before:UInt64} ORDER BY seq DESC LIMIT {limit:UInt32}`,
      format: 'JSONEachRow',
      parameters: { before: before ?? Number.MAX_SAFE_INTEGER, limit },
    })
    let text = ''
    for await (const chunk of stream) text += String(chunk)
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const row = JSON.parse(line) as Record<keyof DeadLetterStatus, string | number>
        return {
          ...row,
          seq: Number(row.seq),
          received: Number(row.received),
          size: Number(row.size),
        } as DeadLetterStatus
      })
  }
}

/** A title with its placeholders left open. */
function plain(parts: readonly (string | { readonly metric: string })[]): string {
  return parts.map((part) => (typeof part === 'string' ? part : '…')).join('')
}
