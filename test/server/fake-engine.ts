/**
 * What stands behind the server in these tests: an engine small enough to see through, driving the real Wall, board,
 * sockets and REST. Commands become transitions as the engine's would.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Registry } from 'prom-client'
import { WebSocket } from 'ws'
import type { Level, Transition, TransitionStatus } from '../../src/model/alert.js'
import { SampleBatch } from '../../src/model/columns.js'
import { metricRegistry } from '../../src/model/metrics.js'
import type { Clock } from '../../src/model/ports.js'
import { deviceRegistry } from '../../src/model/registry.js'
import { SeriesIndex } from '../../src/model/series.js'
import type { AccessMode } from '../../src/server/access.js'
import type { DeviceStatus, History } from '../../src/server/ports.js'
import { createServer, type HaidangServer } from '../../src/server/server.js'
import { Wall } from '../../src/server/wall.js'
import { WallMetrics } from '../../src/server/wall-metrics.js'
import { type ServerMessage, WALL_PROTOCOL } from '../../src/server/wire.js'

const ROOT = path.resolve(import.meta.dirname, '../../..')
export const PAGES = path.join(ROOT, 'dist/ui')
export const REAL_CLOCK: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

const METRICS = metricRegistry([
  `level_m: { unit: m, min: -20, max: 100, decimals: 2, en: Water level, vi: Mực nước }
pm25_ugm3: { unit: µg/m3, min: 0, max: 1500, decimals: 1, en: PM2.5, vi: Bụi PM2.5 }
temp_c: { unit: °C, min: -60, max: 1200, decimals: 1, en: Temperature, vi: Nhiệt độ }
speed_kmh: { unit: km/h, min: 0, max: 250, decimals: 0, en: Speed, vi: Tốc độ }
rain_mm: { unit: mm, min: 0, max: 500, decimals: 1, en: Rain, vi: Lượng mưa }
people_count: { unit: '', min: 0, max: 1000000, decimals: 0, en: People, vi: Số người }
secret_x: { unit: '', decimals: 0 }`,
])
const DEVICES = deviceRegistry(`
sites: [{ site: kien-an, name: "Cầu Kiến An", ward: "Kiến An", lat: 20.8, lon: 106.6 }]
devices:
  - { device: fl-kienan, kind: river_gauge, site: kien-an, limit: { alarm1: 2.0, alarm2: 2.5, alarm3: 3.0, other: 9 }, expected_interval: 10s }
  - { device: air-1, kind: air_station, ward: "Hồng Bàng", expected_interval: 1s }
`)

export interface FakeOptions {
  readonly access?: AccessMode
  readonly epoch?: string
  readonly port?: number
  readonly clock?: Clock
  readonly clockMode?: 'arrival' | 'event'
  readonly origins?: readonly string[]
  readonly history?: History | null
  readonly build?: string
}

export class FakeEngine {
  readonly index = new SeriesIndex()
  readonly batch = new SampleBatch(64)
  readonly metrics = new Registry()
  readonly clock: Clock
  readonly wall: Wall
  readonly errors: unknown[] = []
  readonly submitted: { name: string; who: string; target: string; body: unknown }[] = []
  reasons: string[] = []
  backlog = 0
  seq = 0
  server: HaidangServer | null = null
  readonly #options: FakeOptions

  constructor(options: FakeOptions = {}) {
    this.#options = options
    this.clock = options.clock ?? REAL_CLOCK
    const rules = [
      { rule: 'flood', metrics: ['level_m', 'rain_mm'], limits: ['alarm1', 'alarm2', 'alarm3'] },
      {
        rule: 'city',
        metrics: ['pm25_ugm3', 'temp_c', 'speed_kmh', 'people_count'],
        limits: [],
      },
    ]
    this.wall = new Wall({
      epoch: options.epoch ?? randomUUID(),
      clock: this.clock,
      build: options.build ?? 'test',
      clockMode: options.clockMode ?? 'arrival',
      metrics: new WallMetrics(this.metrics),
      metricRegistry: () => METRICS,
      registry: () => DEVICES,
      rules: () => rules,
      progress: () => ({ seq: this.seq, backlog: this.backlog }),
    })
  }

  async listen(): Promise<string> {
    this.server = await createServer({
      host: '127.0.0.1',
      port: this.#options.port ?? 0,
      wall: this.wall,
      access: this.#options.access ?? { kind: 'open' },
      origins: this.#options.origins ?? [],
      commands: {
        submit: async (name, who, target, body) => {
          this.submitted.push({ name, who, target, body })
          return { seq: target === '' ? ++this.seq : this.act(name, who, target, body) }
        },
        retryDeadLetters: async (selection, who) => {
          this.submitted.push({ name: 'dead_letters', who, target: '', body: selection })
          return { retried: 0, refused: {}, cut: 0, next: null }
        },
      },
      city: {
        devices: ({ after, limit, search }) => {
          const all = [...DEVICES.devices.values()].map(
            (d): DeviceStatus => ({
              device: d.device,
              kind: d.kind ?? null,
              site: d.site ?? null,
              ward: d.ward ?? null,
              agency: d.agency ?? null,
              lat: null,
              lon: null,
              limit: d.limit,
              expected_interval_ms: d.expected_interval ?? null,
              registered: true,
              last_time: null,
            }),
          )
          const found = all.filter((d) => d.device > after && d.device.includes(search))
          return { devices: found.slice(0, limit), total: all.length }
        },
        sources: () => [],
        rules: () => [],
        deadLetters: async () => [],
      },
      history: this.#options.history ?? null,
      ready: () => this.reasons,
      metrics: this.metrics,
      clock: this.clock,
      version: { version: '0.0.0-test', build: 'test' },
      pages: PAGES,
      onError: (error) => {
        this.errors.push(error)
      },
    })
    return this.server.url
  }

  async close(): Promise<void> {
    await this.server?.close()
    this.server = null
  }

  /** One message with one sample. */
  sample(device: string, metric: string, time: number, value: number, stream = 'sensor', quality = 0): void {
    const { index, batch } = this
    const series = index.series(index.devices.id(device), index.metrics.id(metric))
    batch.clear()
    batch.append(series, time, value, 0, Number.NaN, Number.NaN, quality, '')
    this.seq++
    this.wall.samples(batch, 0, 1, index, index.streams.id(stream))
  }

  /** A transition as the engine's loop would hand it over. */
  alert(id: string, level: Level, more: Partial<Transition> = {}): Transition {
    this.seq++
    const t = transition(id, level, { seq: this.seq, ...more }, this.clock.now())
    this.wall.alert(t)
    return t
  }

  act(name: string, who: string, target: string, body: Readonly<Record<string, unknown>>): number {
    const status: Record<string, TransitionStatus> = {
      acknowledge: 'acknowledged',
      confirm: 'confirmed',
      assign: 'assigned',
      shelve: 'shelved',
      unshelve: 'unshelved',
      note: 'note',
    }
    const state = this.wall.board.get(target)!
    const note = body['result'] ?? body['note']
    this.alert(target, state.level, {
      status: status[name]!,
      by: who,
      ...(typeof note === 'string' ? { note } : {}),
      ...(typeof body['until'] === 'number' ? { until: body['until'] } : {}),
      ...(typeof body['to'] === 'string' ? { agency: body['to'] } : {}),
    })
    return this.seq
  }
}

export function transition(id: string, level: Level, more: Partial<Transition>, now: number): Transition {
  return {
    type: 'alert',
    seq: 1,
    id,
    rule: 'flood.gauge.alarm',
    key: { device: 'fl-kienan' },
    category: 'flood',
    status: level === 'none' ? 'resolved' : 'firing',
    level,
    previous: 'none',
    time: now,
    received: now,
    raised: now,
    opened: now,
    title: {
      en: 'Kien An bridge: 2.31 m, alarm III in 44 min',
      vi: 'Cầu Kiến An: 2,31 m, báo động III sau 44 phút',
    },
    short: { en: 'Alarm III in 44 min', vi: 'Báo động III sau 44 phút' },
    device: 'fl-kienan',
    site: 'kien-an',
    ward: 'Kiến An',
    agency: 'hydromet',
    lat: 20.8,
    lon: 106.6,
    values: { level_m: 2.31 },
    eta_ms: 2_640_000,
    unconfirmed: false,
    announced: level === 'none' ? null : level,
    flapping: false,
    shadow: false,
    ...more,
  }
}

/** A wall that writes down what it is sent. */
export class TestWall {
  readonly socket: WebSocket
  readonly messages: ServerMessage[] = []
  closed: { code: number; reason: string } | null = null

  constructor(url: string, headers: Record<string, string> = {}, protocol: string | null = WALL_PROTOCOL) {
    const address = `${url.replace('http', 'ws')}/ws/wall`
    this.socket =
      protocol === null ? new WebSocket(address, { headers }) : new WebSocket(address, protocol, { headers })
    this.socket.on('message', (data) => this.messages.push(JSON.parse(String(data)) as ServerMessage))
    this.socket.on('close', (code, reason) => {
      this.closed = { code, reason: String(reason) }
    })
    this.socket.on('error', () => {})
  }

  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.once('open', () => {
        resolve()
      })
      this.socket.once('unexpected-response', (_request, response) => {
        let body = ''
        response.on('data', (chunk) => {
          body += String(chunk)
        })
        response.on('end', () => {
          reject(Object.assign(new Error(body), { status: response.statusCode }))
        })
      })
      this.socket.once('error', reject)
    })
  }

  send(message: object): void {
    this.socket.send(JSON.stringify(message))
  }

  of<T extends ServerMessage['type']>(type: T): Extract<ServerMessage, { type: T }>[] {
    return this.messages.filter((m): m is Extract<ServerMessage, { type: T }> => m.type === type)
  }
}

/** Polls until `condition` holds; fails after `ms`. */
export async function until(condition: () => boolean, what: string, ms = 5000): Promise<void> {
  const deadline = performance.now() + ms
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export function temporaryFolder(t: { teardown(run: () => void): void }): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'haidang-server-'))
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}
