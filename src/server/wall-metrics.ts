/** Counters of the wall's socket, for /metrics. Names: haidang_<area>_<noun>_<unit>_total. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

export class WallMetrics {
  readonly clients: Gauge
  readonly alerts: Counter
  readonly frames: Counter
  readonly framesDropped: Counter
  readonly cut: Counter<'reason'>
  readonly resumed: Counter<'how'>
  /** Arrival of the message at the engine → pixels of its alert, seconds, as the pages report it. */
  readonly alertPaint: Histogram
  /** Frame's arrival in the page → drawn, seconds. */
  readonly frameDraw: Histogram

  constructor(registry: Registry) {
    const registers = [registry]
    this.clients = new Gauge({ name: 'haidang_wall_clients', help: 'Walls connected', registers })
    this.alerts = new Counter({
      name: 'haidang_wall_alerts_sent_total',
      help: 'Transitions sent, once a wall',
      registers,
    })
    this.frames = new Counter({
      name: 'haidang_wall_series_frames_total',
      help: 'Series frames sent',
      registers,
    })
    this.framesDropped = new Counter({
      name: 'haidang_wall_series_frames_dropped_total',
      help: 'Series frames not sent because the wall had not confirmed the last',
      registers,
    })
    this.cut = new Counter({
      name: 'haidang_wall_cut_total',
      help: 'Walls disconnected by the server',
      labelNames: ['reason'],
      registers,
    })
    this.resumed = new Counter({
      name: 'haidang_wall_hello_total',
      help: 'Greetings answered with a snapshot or with what was missed',
      labelNames: ['how'],
      registers,
    })
    this.alertPaint = new Histogram({
      name: 'haidang_wall_alert_paint_seconds',
      help: 'From the arrival of the message to the pixels of its alert, as the walls report it',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    })
    this.frameDraw = new Histogram({
      name: 'haidang_wall_frame_draw_seconds',
      help: 'From the arrival of a series frame in the page to its drawing',
      buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5],
      registers,
    })
  }
}
