/** /metrics: what the engine counts, and what is read off its parts when asked. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Counter, collectDefaultMetrics, Gauge, type Registry } from 'prom-client'
import type { SinkStatus } from '../alerts/sinks/runner.js'
import type { Core } from '../engine/core.js'
import type { Loop } from '../engine/loop.js'
import type { Log } from '../log/log.js'
import type { Transport } from '../model/ports.js'
import type { Wall } from '../server/wall.js'
import type { Store } from '../store/store.js'

/** Counters of the loop: name → what its label is. All under `haidang_`. */
const COUNTERS: Readonly<Record<string, readonly [help: string, label: string]>> = {
  ingest_redelivered_total: ['Messages recognised as delivered before', 'feed'],
  ingest_refused_total: ['Parts of messages that could not be used', 'code'],
  ingest_dead_letters_total: ['Messages that could not be used', 'code'],
  log_held_total: ['Records judged while the log was full', 'policy'],
  log_dropped_total: ['Records that the full log could not even hold in memory', 'policy'],
}

export class HostMetrics {
  readonly version: string
  readonly build: string
  readonly #registry: Registry
  readonly #counters = new Map<string, Counter<string>>()

  constructor(registry: Registry) {
    this.#registry = registry
    const root = path.resolve(import.meta.dirname, '../../..')
    this.version = (
      JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string }
    ).version
    this.build = this.version
    collectDefaultMetrics({ register: registry, prefix: 'haidang_' })
    for (const [name, [help, label]] of Object.entries(COUNTERS))
      this.#counters.set(
        name,
        new Counter({ name: `haidang_${name}`, help, labelNames: [label], registers: [registry] }),
      )
  }

  count(name: string, label: string, amount: number): void {
    const counter = this.#counters.get(name)
    if (counter !== undefined) counter.inc({ [COUNTERS[name]![1]]: label }, amount)
  }

  /** Gauges read at each scrape. */
  observe(parts: {
    core: Core
    log: Log
    loop: Loop
    wall: Wall
    transports: () => readonly Transport[]
    store: () => Store | null
    sinks: () => readonly SinkStatus[]
  }): void {
    const { core, log, loop } = parts
    const registers = [this.#registry]
    const gauge = (name: string, help: string, read: () => number): void => {
      new Gauge({
        name: `haidang_${name}`,
        help,
        registers,
        collect() {
          this.set(read())
        },
      })
    }
    for (const name of Object.keys(core.counters) as (keyof typeof core.counters)[])
      gauge(
        `core_${name}_total`,
        `Samples or judgements: ${name.replaceAll('_', ' ')}`,
        () => core.counters[name],
      )
    gauge('core_seq', 'Last record', () => core.seq)
    gauge('core_series', 'Series known', () => core.index.size)
    gauge('core_rules', 'Rules in force', () => core.rules.rules.length)
    gauge('core_open_alerts', 'Alerts open', () => core.openAlerts)
    gauge('log_bytes', 'Bytes of log on disk', () => log.status().bytes)
    gauge('log_share', 'Share of the log in use', () => log.status().share)
    gauge('log_pending_bytes', 'Bytes taken and not yet synced', () => log.status().pending_bytes)
    gauge('log_sync_ms', 'Last write and sync', () => log.status().sync_ms)
    gauge('log_refused_total', 'Records that the log did not take', () => log.status().refused_total)
    gauge('log_damaged_total', 'Damaged stretches met', () => log.status().damaged_total)
    gauge('log_held_records', 'Judged records that wait for room in the log', () => loop.held)
    gauge('log_synced_seq', 'Last record known synced', () => log.syncedSeq)
    gauge('store_up', 'The store answers', () => (parts.store()?.status.state === 'up' ? 1 : 0))
    gauge(
      'store_shipped_seq',
      'Last record in the store',
      () => parts.store()?.status.shipper?.shipped_seq ?? 0,
    )
    gauge('store_rows_total', 'Rows shipped', () => parts.store()?.status.shipper?.rows_total ?? 0)
    gauge(
      'store_set_aside_total',
      'Shipments set aside',
      () => parts.store()?.status.shipper?.set_aside_total ?? 0,
    )
    gauge('store_restarts_total', 'Starts of the embedded store', () => parts.store()?.status.restarts ?? 0)
    const transports = parts.transports
    const perSource = (name: string, help: string, read: (transport: Transport) => number): void => {
      new Gauge({
        name: `haidang_source_${name}`,
        help,
        labelNames: ['source'],
        registers,
        collect() {
          for (const transport of transports()) this.set({ source: transport.name }, read(transport))
        },
      })
    }
    perSource('up', 'The source is connected', ({ status }) => (status.state === 'up' ? 1 : 0))
    perSource('caught_up', 'Nothing is left of what the broker had kept', ({ status }) =>
      status.caught_up ? 1 : 0,
    )
    perSource('unacknowledged', 'Messages judged and not yet acknowledged', ({ status }) => status.in_flight)
    perSource('messages_total', 'Messages received', ({ status }) => status.messages_total)
    perSource('acknowledged_total', 'Messages acknowledged', ({ status }) => status.acknowledged_total)
    perSource('reconnects_total', 'Connections made again', ({ status }) => status.reconnects_total)
    const perSink = (name: string, help: string, read: (status: SinkStatus) => number): void => {
      new Gauge({
        name: `haidang_sink_${name}`,
        help,
        labelNames: ['sink'],
        registers,
        collect() {
          for (const status of parts.sinks()) this.set({ sink: status.name }, read(status))
        },
      })
    }
    perSink('up', 'The last delivery was taken', ({ state }) => (state === 'up' ? 1 : 0))
    perSink('seq', 'Told of all alerts up to this record', ({ seq }) => seq)
    perSink('delivered_total', 'Announcements delivered', (status) => status.delivered_total)
    perSink('retries_total', 'Deliveries tried again', (status) => status.retries_total)
    perSink('dead_total', 'Announcements set aside', (status) => status.dead_total)
    perSink('cursor_errors_total', 'Places that could not be saved', (status) => status.cursor_errors_total)
  }
}
