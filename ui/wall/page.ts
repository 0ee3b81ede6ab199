/**
 * The wall as one page: takes what the socket brings, and paints. An alert is painted in the next frame; everything else
 * (charts, clock, ages, the sign of life) in one batch a second, so that a frozen page shows a frozen clock.
 */
import type { AlertState, Chart, Heartbeat, Hello, ServerMessage, Severity } from '../../src/server/wire.js'
import { byUrgency } from '../../src/server/wire.js'
import { AlertList } from './alert-list.js'
import { Bar } from './bar.js'
import { type ChartSeries, takeCharts } from './chart-data.js'
import { ChartTile } from './chart-tile.js'
import { element, setText } from './dom.js'
import { EnrolScreen } from './enrol.js'
import { type Format, format } from './format.js'
import { type Translate, translator } from './i18n.js'
import { WallModel } from './model.js'
import { type Params, textScale } from './params.js'
import { severityOf } from './rows.js'
import { WallConnection } from './socket.js'
import { judge, type Verdict } from './state.js'

/** How often state is judged, ms: a lost connection must show within a quarter of a second of its limit. */
const CHECK_MS = 250
/** Smallest span of an x axis, ms: a wall just started shows one minute, not an empty half hour. */
const SPAN_MS_MIN = 60_000
/** Fewer rows than this cannot show a bad night. */
const ROWS_MIN = 5
/** Announced to a screen reader at most so often, ms. */
const ANNOUNCE_MS = 10_000
/** Paint times waiting to be sent; a hidden page paints nothing for hours. */
const PAINTS_MAX = 1000
const CHARTS_MAX = 24

export class WallPage {
  readonly #params: Params
  readonly #translate: Translate
  readonly #format: Format
  readonly #model = new WallModel()
  readonly #connection: WallConnection
  readonly #body: HTMLElement
  readonly #wall = element('main', 'wall')
  readonly #bar: Bar
  readonly #list: AlertList
  readonly #charts = element('section', 'charts')
  readonly #strip = element('section', 'strip')
  readonly #noCharts: HTMLElement
  readonly #live = element('p', 'announce')
  readonly #enrol: EnrolScreen
  #tiles: ChartTile[] = []
  #series: ChartSeries[] = []
  #textPx = 12
  #columns = 1

  #heartbeat: Heartbeat | null = null
  #heartbeatAt = 0
  #closedAt: number | null = null
  #greeted = false
  #build: string | null = null
  readonly #startedAt = performance.now()
  #verdict: Verdict
  #second = Number.NaN
  #drawnAt = Number.NEGATIVE_INFINITY
  #readAt = Number.NEGATIVE_INFINITY
  #announcedAt = Number.NEGATIVE_INFINITY

  /** Transitions not yet painted, and a series frame not yet drawn, by arrival (monotonic ms). */
  #unpainted: { seq: number; at: number }[] = []
  #undrawn: { frame: number; at: number } | null = null
  #drawnFrame: { frame: number; at: number } | null = null
  #frameAsked = false
  #drawWanted = false
  #bannerShown = false

  constructor(params: Params, body: HTMLElement) {
    this.#params = params
    this.#body = body
    this.#translate = translator(params.lang)
    this.#format = format(params.lang, params.tz, this.#translate)
    this.#bar = new Bar(this.#translate, this.#format)
    this.#list = new AlertList(params, this.#translate, this.#format)
    this.#noCharts = element('p', 'empty', this.#translate('no_charts'))
    this.#connection = new WallConnection({
      hello: () => this.#hello(),
      opened: () => {
        this.#greeted = false
      },
      message: (message) => {
        this.#take(message, performance.now())
      },
      closed: (refused) => {
        this.#closedAt ??= performance.now()
        if (refused) void this.#askWhoWeAre()
      },
    })
    this.#enrol = new EnrolScreen(this.#translate, () => {
      this.#wall.hidden = false
      this.#connection.resume()
    })
    this.#closedAt = this.#startedAt
    this.#verdict = this.#judge(this.#startedAt)
  }

  /** Puts the wall into the page and connects. */
  start(): void {
    document.documentElement.lang = this.#params.lang
    document.documentElement.style.setProperty('--k', String(textScale(this.#params)))
    this.#live.setAttribute('aria-live', 'polite')
    this.#wall.classList.add(`layout-${this.#params.layout}`)
    this.#wall.append(
      this.#bar.root,
      this.#bar.banner,
      this.#charts,
      this.#list.root,
      this.#strip,
      this.#live,
    )
    this.#body.append(this.#wall, this.#enrol.root)
    this.#fit()
    addEventListener('resize', () => {
      const before = this.#tiles.length
      this.#fit()
      // More room for charts than was asked for: ask again.
      if (this.#tiles.length > before) this.#connection.restart()
    })
    document.addEventListener('visibilitychange', () => {
      this.#second = Number.NaN
    })
    setInterval(() => {
      this.#check(performance.now())
    }, CHECK_MS)
    this.#check(performance.now())
  }

  // -- what comes in

  #hello(): Hello {
    const { epoch, since } = this.#model
    return {
      type: 'hello',
      epoch,
      since: epoch === null ? null : Math.max(0, since),
      slots: Math.min(CHARTS_MAX, Math.max(1, this.#tiles.length)),
    }
  }

  #take(message: ServerMessage, at: number): void {
    switch (message.type) {
      case 'snapshot':
        this.#model.replace(message)
        this.#askFrame()
        break
      case 'names':
        this.#list.sites = message.sites
        this.#askFrame()
        break
      case 'alert':
        if (this.#model.take(message)) {
          if (this.#unpainted.length < PAINTS_MAX) this.#unpainted.push({ seq: message.seq, at })
          if (message.level === 'critical' && message.status === 'firing') this.#announce(message.short, at)
          this.#askFrame()
        }
        break
      case 'charts':
        // Comes last in the greeting: alerts, heartbeat and charts are those of this connection now.
        this.#greeted = true
        this.#closedAt = null
        this.#showCharts(message.charts)
        break
      case 'series':
        for (const { id, time, value, interval_ms } of message.charts)
          this.#series.find(({ chart }) => chart.id === id)?.append(time, value, interval_ms)
        this.#undrawn = { frame: message.frame, at }
        break
      case 'heartbeat':
        this.#heartbeat = message
        this.#heartbeatAt = at
        if (this.#build !== null && message.build !== this.#build) location.reload()
        this.#build = message.build
        break
    }
  }

  /** The socket was refused before it opened: no server, or no right to come in. */
  async #askWhoWeAre(): Promise<void> {
    try {
      const answer = await fetch('/api/v1/session', { credentials: 'same-origin' })
      if (answer.status !== 401) return
    } catch {
      return // no server: the connection tries again by itself
    }
    this.#connection.pause()
    this.#wall.hidden = true
    this.#enrol.open()
  }

  #announce(short: { readonly vi: string; readonly en: string }, at: number): void {
    if (at - this.#announcedAt < ANNOUNCE_MS) return
    this.#announcedAt = at
    setText(this.#live, `${this.#translate('critical')}: ${short[this.#params.lang]}`)
  }

  #showCharts(charts: readonly Chart[]): void {
    this.#series = takeCharts(this.#series, charts)
    this.#fillTiles()
  }

  #fillTiles(): void {
    for (const [i, tile] of this.#tiles.entries()) {
      tile.show(this.#series[i] ?? null)
      tile.fit(this.#textPx)
    }
    this.#noCharts.hidden = this.#series.length > 0
    this.#second = Number.NaN
    this.#drawnAt = this.#readAt = Number.NEGATIVE_INFINITY
  }

  // -- what goes out to the eye

  #judge(now: number): Verdict {
    return judge(
      {
        startedAt: this.#startedAt,
        heartbeat: this.#heartbeat,
        heartbeatAt: this.#heartbeatAt,
        closedAt: this.#closedAt,
        greeted: this.#greeted,
      },
      now,
      Date.now(),
    )
  }

  #check(now: number): void {
    this.#connection.check(now)
    this.#enrol.check(now)
    const before = this.#verdict.state
    this.#verdict = this.#judge(now)
    const second = Math.floor((Number.isNaN(this.#verdict.serverNow) ? now : this.#verdict.serverNow) / 1000)
    if (second === this.#second && this.#verdict.state === before) return
    this.#second = second
    this.#drawWanted = true
    this.#askFrame()
  }

  #askFrame(): void {
    if (this.#frameAsked) return
    this.#frameAsked = true
    requestAnimationFrame((at) => {
      this.#frameAsked = false
      this.#paint(at)
    })
  }

  #paint(now: number): void {
    const { serverNow, modelNow, state } = this.#verdict
    const alerts = this.#model.alerts()
    this.#list.render(alerts, serverNow, modelNow, now)
    if (this.#drawWanted) {
      this.#drawWanted = false
      this.#wall.dataset['state'] = state
      if (this.#params.blink && !matchMedia('(prefers-reduced-motion: reduce)').matches)
        this.#list.blink(new Map(alerts.map((a) => [a.id, a])), serverNow, this.#second % 2 === 1)
      this.#drawCharts(alerts, modelNow, now)
    }
    this.#bar.render({
      verdict: this.#verdict,
      rows: this.#list.shown,
      backlog: this.#heartbeat?.backlog ?? 0,
      feedsDown: this.#heartbeat?.feeds_down ?? [],
      retryIn: this.#connection.retryIn(now),
    })
    if (this.#bannerShown === this.#bar.banner.hidden) this.#makeRoom()
    this.#confirmAfterPaint()
  }

  /** The banner came or went: it takes its space from the rows and plots, and covers none. */
  #makeRoom(): void {
    this.#bannerShown = !this.#bar.banner.hidden
    this.#list.fit(this.#columns)
    for (const tile of this.#tiles) tile.fit(this.#textPx)
    this.#drawnAt = Number.NEGATIVE_INFINITY
    this.#drawWanted = true
    this.#askFrame()
  }

  #drawCharts(alerts: readonly AlertState[], modelNow: number, now: number): void {
    if (Number.isNaN(modelNow)) return
    const worst = worstByDevice(alerts)
    const oldest = Math.min(...this.#series.map(({ data }) => data.time[0] ?? modelNow))
    const span = Math.min(this.#params.window_ms, Math.max(SPAN_MS_MIN, modelNow - oldest))
    const plotWidth = this.#tiles[0]?.plotWidth ?? 1
    const isReadTime = now - this.#readAt >= 1900
    if (isReadTime) this.#readAt = now
    for (const tile of this.#tiles) {
      tile.mark(worst.get(tile.device) ?? null)
      // Numbers change at most every two seconds, or they cannot be read.
      if (isReadTime) tile.read(modelNow)
    }
    this.#drawnFrame = this.#undrawn
    this.#undrawn = null
    // A line moves by less than a pixel in less than this.
    if (now - this.#drawnAt < Math.max(900, Math.min(10_000, span / Math.max(1, plotWidth)))) return
    this.#drawnAt = now
    for (const tile of this.#tiles) tile.draw(modelNow - span, modelNow)
  }

  /** Tells the server what was painted and when, once the pixels are out (a message after a frame runs after it). */
  #confirmAfterPaint(): void {
    const painted = this.#unpainted
    const drawn = this.#drawnFrame
    if (painted.length === 0 && drawn === null) return
    this.#unpainted = []
    this.#drawnFrame = null
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      const now = performance.now()
      port1.close()
      this.#connection.send({
        type: 'confirm',
        frame: drawn?.frame ?? null,
        painted: painted.map(({ seq, at }) => [seq, now - at] as const),
        ...(drawn === null ? {} : { held_ms: now - drawn.at }),
      })
    }
    port2.postMessage(0)
  }

  // -- layout

  #fit(): void {
    this.#textPx = textHeight(this.#wall)
    this.#columns = this.#params.layout === 'alerts' ? 2 : 1
    this.#wall.style.setProperty('--columns', String(this.#columns))
    this.#rebuildTiles()
    this.#fillTiles()
    const rows = this.#list.fit(this.#columns)
    this.#wall.dataset['rows'] = String(rows)
    if (rows < ROWS_MIN && this.#params.layout !== 'trends')
      this.#wall.dataset['warning'] = this.#translate('small_rows', { n: rows })
    this.#second = Number.NaN
    this.#askFrame()
  }

  /** As many tiles as fit their smallest readable size. */
  #rebuildTiles(): void {
    const plots = grid(this.#charts, this.#textPx * 13, this.#textPx * 7.2)
    const figures = grid(this.#strip, this.#textPx * 9.5, Number.POSITIVE_INFINITY)
    this.#charts.replaceChildren()
    this.#strip.replaceChildren()
    this.#tiles = []
    const add = (parent: HTMLElement, kind: 'plot' | 'figure', count: number): void => {
      for (let i = 0; i < count && this.#tiles.length < CHARTS_MAX; i++) {
        const tile = new ChartTile(kind, this.#params, this.#translate, this.#format)
        this.#tiles.push(tile)
        parent.append(tile.root)
      }
    }
    add(this.#charts, 'plot', plots)
    add(this.#strip, 'figure', figures)
    this.#charts.append(this.#noCharts)
  }
}

/** Columns and rows of `parent` for tiles of at least that size, px; sets its grid and returns the number of tiles. */
function grid(parent: HTMLElement, widthMin: number, heightMin: number): number {
  const { clientWidth, clientHeight } = parent
  if (clientWidth === 0 || clientHeight === 0) return 0
  const columns = Math.max(1, Math.min(6, Math.floor(clientWidth / widthMin)))
  const rows = Math.max(1, Math.min(4, Math.floor(clientHeight / heightMin)))
  parent.style.setProperty('--tile-columns', String(columns))
  parent.style.setProperty('--tile-rows', String(rows))
  return columns * rows
}

/** Height of the smallest text, px, as the style gives it. */
function textHeight(parent: HTMLElement): number {
  const probe = element('span', 'probe')
  parent.append(probe)
  const px = Number.parseFloat(getComputedStyle(probe).fontSize)
  probe.remove()
  return px
}

/** The most urgent open alert of each device, as its severity. */
function worstByDevice(alerts: readonly AlertState[]): Map<string, Severity> {
  const worst = new Map<string, Severity>()
  for (const alert of [...alerts].sort(byUrgency)) {
    if (alert.condition === 'resolved' || alert.status === 'shelved' || alert.device === '') continue
    const known = worst.get(alert.device)
    const severity = severityOf(alert)
    if (known === undefined || rank(severity) > rank(known)) worst.set(alert.device, severity)
  }
  return worst
}

function rank(severity: Severity): number {
  return ['low', 'medium', 'high', 'critical'].indexOf(severity)
}
