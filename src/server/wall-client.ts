/**
 * One wall's connection: its greeting, its credit, its charts, its bounds. What it owes the others is memory: a wall
 * that does not read gets fewer series frames, never fewer alerts, and is cut off at 1 MiB (it comes back by itself and
 * gets a snapshot).
 */
import type { AlertState } from '../alerts/board.js'
import { BOUNDS } from '../model/bounds.js'
import type { LiveSeries, Ring } from './live-series.js'
import { choosePanels } from './panels.js'
import type { WallMetrics } from './wall-metrics.js'
import type { Chart, ClientMessage, Confirm, Hello, PanelRequest, SeriesFrame } from './wire.js'

/** What a connection gives: `ws` in production. */
export interface WallLine {
  /** Bytes accepted and not yet handed to the kernel. */
  readonly bufferedAmount: number
  /** One text message; `flushed` once it has gone to the kernel. */
  send(bytes: Buffer, flushed?: () => void): void
  ping(): void
  close(code: number, reason: string): void
  terminate(): void
}

/** What a client asks of its wall. */
export interface WallServices {
  readonly epoch: string
  readonly live: LiveSeries
  readonly metrics: WallMetrics
  /** Monotonic, ms. */
  monotonic(): number
  /** The message `snapshot`, the same bytes for everybody until the next alert. */
  snapshot(): Buffer
  /** Messages from `since` on, inclusive; null where they are no longer known. */
  missed(epoch: string, since: number): readonly Buffer[] | null
  heartbeat(dropped: number): Buffer
  /** The message `names`, the same bytes for everybody while the registry stands. */
  names(): Buffer
  openAlerts(): readonly AlertState[]
  /** Meta data and columns of a chart. */
  chart(ring: Ring, from: number, continues: boolean): Chart
  /** Arrival → sent, ms, of the newest transition of `seq`; null where it is no longer known. */
  lagOf(seq: number): number | null
  gone(client: WallClient): void
}

/** Policy violation of RFC 6455 7.4.1: bad message, no rights, too slow. */
export const CLOSE_POLICY = 1008
const CLOSE_TRY_LATER = 1013
/** A greeting must come within, ms; a connection that says nothing is no wall. */
const HELLO_MS = 10_000
/** No message and no pong for so long, ms: gone (half-open connections last for hours otherwise). */
const SILENT_MS = 30_000
const PING_MS = 5000
/** How often the server may choose other charts, ms. */
const CHOOSE_MS = 5000
const SLOTS_DEFAULT = 12

export class WallClient {
  readonly name: string
  readonly address: string
  readonly #line: WallLine
  readonly #wall: WallServices
  readonly #permitted: () => boolean
  readonly #opened: number
  #greeted = false
  #closed = false
  #heard: number
  #heardThisSecond = 0
  #pinged = 0
  #roundTrip = 0
  /** Bytes of greeting (snapshot, chart history) not yet flushed: they do not count as backlog. */
  #greeting = 0
  #panels: readonly PanelRequest[] | null = null
  #slots = SLOTS_DEFAULT
  #charts: Ring[] = []
  #readUpTo = new Map<Ring, number>()
  #chosen = Number.NEGATIVE_INFINITY
  #frame = 0
  #awaiting: number | null = null
  dropped = 0
  /** Monotonic ms of the last confirmation; null before the first. */
  painted: number | null = null

  /** `permitted` is asked every second: a token that was taken away takes its walls along. */
  constructor(
    line: WallLine,
    who: { readonly name: string; readonly address: string },
    wall: WallServices,
    permitted: () => boolean,
  ) {
    this.#line = line
    this.name = who.name
    this.address = who.address
    this.#wall = wall
    this.#permitted = permitted
    this.#opened = this.#heard = wall.monotonic()
  }

  get charts(): number {
    return this.#charts.length
  }

  get backlog(): number {
    return Math.max(0, this.#line.bufferedAmount - this.#greeting)
  }

  /** An alert, at once; the bytes are shared by all walls. */
  alert(bytes: Buffer): void {
    if (!this.#greeted || this.#closed) return
    this.#line.send(bytes)
    this.#wall.metrics.alerts.inc()
    if (this.backlog > BOUNDS.wall_backlog_bytes) this.#cut('backlog')
  }

  /** One text message of the client. Anything but a good `hello` or `confirm` ends the connection. */
  receive(text: string): void {
    if (this.#closed) return
    this.#alive()
    if (this.#closed) return
    const message = parseMessage(text)
    if (message === null) this.#refuse('message')
    else if (message.type === 'hello' && !this.#greeted) this.#hello(message)
    else if (message.type === 'hello') this.#refuse('second_hello')
    else if (this.#greeted) this.#confirm(message)
    else this.#refuse('no_hello')
  }

  /** A ping of the client: counted like any message, so that a flood of them ends the connection. */
  pinged(): void {
    this.#alive()
  }

  pong(): void {
    this.#heard = this.#wall.monotonic()
    if (this.#pinged > 0) this.#roundTrip = this.#heard - this.#pinged
  }

  /** Once a second: heartbeat, then a series frame if the last was confirmed. */
  tick(): void {
    if (this.#closed) return
    const now = this.#wall.monotonic()
    this.#heardThisSecond = 0
    if (!this.#permitted()) {
      this.#refuse('rights')
      return
    }
    if (!this.#greeted) {
      if (now - this.#opened > HELLO_MS) this.#refuse('no_hello')
      return
    }
    if (now - this.#heard > SILENT_MS) {
      this.#cut('silent')
      return
    }
    if (now - this.#pinged >= PING_MS) {
      this.#pinged = now
      this.#line.ping()
    }
    this.#line.send(this.#wall.heartbeat(this.dropped))
    if (this.backlog > BOUNDS.wall_backlog_bytes) {
      this.#cut('backlog')
      return
    }
    if (this.#awaiting !== null) {
      this.dropped++
      this.#wall.metrics.framesDropped.inc()
      return
    }
    if (!this.#rechart(now)) this.#series()
  }

  /** The server goes away: 1001 tells the page to come back. */
  goAway(): void {
    this.#closed = true
    this.#line.close(1001, 'server stops')
  }

  gone(): void {
    this.#closed = true
    this.#readUpTo.clear()
    this.#wall.gone(this)
  }

  #alive(): void {
    this.#heard = this.#wall.monotonic()
    this.#heardThisSecond++
    if (this.#heardThisSecond > BOUNDS.wall_messages_per_second) this.#refuse('rate')
  }

  #hello(hello: Hello): void {
    this.#greeted = true
    this.#panels = hello.panels?.map(panelOf) ?? null
    this.#slots = hello.slots ?? SLOTS_DEFAULT
    this.#charts = []
    this.#readUpTo.clear()
    this.#awaiting = null
    const { epoch, since } = hello
    const missed =
      typeof epoch === 'string' && typeof since === 'number' ? this.#wall.missed(epoch, since) : null
    this.#wall.metrics.resumed.inc({ how: missed === null ? 'snapshot' : 'missed' })
    if (missed === null) this.#greet(this.#wall.snapshot())
    else for (const bytes of missed) this.#greet(bytes)
    this.#line.send(this.#wall.heartbeat(this.dropped))
    this.#greet(this.#wall.names())
    this.#chosen = Number.NEGATIVE_INFINITY
    this.#wall.live.flush()
    if (!this.#rechart(this.#wall.monotonic())) this.#greet(json({ type: 'charts', charts: [] }))
  }

  #confirm(message: Confirm): void {
    if (message.frame !== null && message.frame === this.#awaiting) {
      this.#awaiting = null
      if (message.held_ms !== undefined) this.#wall.metrics.frameDraw.observe(message.held_ms / 1000)
    }
    this.painted = this.#wall.monotonic()
    for (const [seq, held] of message.painted ?? []) {
      const lag = this.#wall.lagOf(seq)
      if (lag !== null) this.#wall.metrics.alertPaint.observe((lag + this.#roundTrip / 2 + held) / 1000)
    }
  }

  /** Chooses the charts anew where it is time to; true if they changed and were sent. */
  #rechart(now: number): boolean {
    if (now - this.#chosen < CHOOSE_MS) return false
    this.#chosen = now
    const { live } = this.#wall
    const next =
      this.#panels === null
        ? choosePanels(this.#charts, this.#slots, this.#wall.openAlerts(), live)
        : this.#panels.flatMap(({ device, metric }) => live.want(device, metric) ?? [])
    if (next.length === this.#charts.length && next.every((ring, i) => ring === this.#charts[i])) return false
    const known = this.#readUpTo
    this.#readUpTo = new Map()
    const charts = next.map((ring) => {
      const from = known.get(ring)
      this.#readUpTo.set(ring, ring.written)
      return this.#wall.chart(ring, from ?? 0, from !== undefined)
    })
    this.#charts = next
    this.#greet(json({ type: 'charts', charts }))
    return true
  }

  #series(): void {
    const charts: SeriesFrame['charts'][number][] = []
    for (const ring of this.#charts) {
      const from = this.#readUpTo.get(ring)!
      if (ring.written === from) continue
      charts.push({ id: ring.id, interval_ms: ring.interval(), ...ring.columns(from) })
      this.#readUpTo.set(ring, ring.written)
    }
    if (charts.length === 0) return
    const frame: SeriesFrame = { type: 'series', frame: ++this.#frame, charts }
    this.#awaiting = frame.frame
    this.#line.send(json(frame))
    this.#wall.metrics.frames.inc()
  }

  #greet(bytes: Buffer): void {
    this.#greeting += bytes.length
    this.#line.send(bytes, () => {
      this.#greeting -= bytes.length
    })
  }

  #refuse(reason: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#wall.metrics.cut.inc({ reason })
    this.#line.close(reason === 'rate' ? CLOSE_TRY_LATER : CLOSE_POLICY, reason)
  }

  /** It does not read, so a closing handshake would only queue behind the rest. */
  #cut(reason: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#wall.metrics.cut.inc({ reason })
    this.#line.terminate()
  }
}

function json(message: unknown): Buffer {
  return Buffer.from(JSON.stringify(message))
}

/** A client's message, or null where it is none. Everything is checked: the other end may be anybody. */
export function parseMessage(text: string): ClientMessage | null {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch {
    return null
  }
  if (raw === null || typeof raw !== 'object') return null
  const { type, ...message } = raw as Record<string, unknown>
  if (type === 'hello') {
    const { epoch, since, panels, slots } = message
    if (!isOptional(epoch, (v) => typeof v === 'number' || isShort(v, BOUNDS.name_chars))) return null
    if (!isOptional(since, (v) => Number.isSafeInteger(v) && (v as number) >= 0)) return null
    if (!isOptional(slots, (v) => Number.isInteger(v) && (v as number) >= 1)) return null
    if (!isOptional(panels, (v) => Array.isArray(v) && v.length <= BOUNDS.wall_charts && v.every(isPanel)))
      return null
    return {
      type: 'hello',
      epoch: typeof epoch === 'string' ? epoch : null,
      since: (since as number | null | undefined) ?? null,
      panels: (panels as Hello['panels']) ?? null,
      slots: Math.min((slots as number | null | undefined) ?? SLOTS_DEFAULT, BOUNDS.wall_charts),
    }
  }
  if (type === 'confirm') {
    const { frame, painted, held_ms } = message
    if (!isOptional(frame, (v) => Number.isSafeInteger(v))) return null
    if (!isOptional(held_ms, isDuration)) return null
    if (!isOptional(painted, (v) => Array.isArray(v) && v.every(isPaint))) return null
    return {
      type: 'confirm',
      frame: (frame as number | null | undefined) ?? null,
      painted: (painted as Confirm['painted'] | null) ?? [],
      ...(typeof held_ms === 'number' ? { held_ms } : {}),
    }
  }
  return null
}

function isOptional(value: unknown, is: (value: unknown) => boolean): boolean {
  return value === undefined || value === null || is(value)
}

function isPanel(value: unknown): boolean {
  if (typeof value === 'string')
    return value.includes('/') && isShort(value, BOUNDS.device_chars + BOUNDS.name_chars)
  if (value === null || typeof value !== 'object') return false
  const { device, metric } = value as Record<string, unknown>
  return isShort(device, BOUNDS.device_chars) && isShort(metric, BOUNDS.name_chars)
}

/** `device/metric`: a device may hold slashes, a metric does not. */
function panelOf(panel: PanelRequest | string): PanelRequest {
  if (typeof panel !== 'string') return panel
  const at = panel.lastIndexOf('/')
  return { device: panel.slice(0, at), metric: panel.slice(at + 1) }
}

function isShort(value: unknown, characters: number): boolean {
  return typeof value === 'string' && value.length <= characters
}

/** Up to a day: a page that was asleep says so, and one that lies cannot spoil the sum. */
function isDuration(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= 86_400_000
}

function isPaint(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && Number.isSafeInteger(value[0]) && isDuration(value[1])
}
