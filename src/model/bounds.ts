/**
 * Every queue, cache and map has its bound here, with its policy: what happens to the one too many. Each has a counter
 * of the same name in /metrics. Constants, each with its reason; what can be configured says so.
 */
export const BOUNDS = {
  /** Bytes of one message; dead-lettered beyond. No sensor sends more; parsing 256 KiB stays under 5 ms. */
  message_bytes: 256 * 1024,
  /** A polled answer or watched file; dead-lettered beyond. GTFS-realtime of a large city is about 2 MiB. */
  polled_bytes: 16 * 1024 * 1024,
  /** Nesting of JSON; dead-lettered beyond. 2 MB of `[` stalls JSON.parse for 250 ms, so depth is checked first. */
  json_depth: 32,
  /** Samples of one message; dead-lettered beyond. */
  message_samples: 65_536,
  /** Kept bytes of a dead letter; cut beyond. */
  dead_letter_bytes: 64 * 1024,
  /** Object keys and names, characters; the metric is refused beyond. */
  name_chars: 128,
  /** Device ids, characters; refused beyond. */
  device_chars: 256,
  /** Text values, characters; refused beyond. */
  text_chars: 4096,
  devices: 1_000_000,
  /** Beyond: counted, stored, not judged. */
  series: 4_000_000,
  /** Messages of one feed not yet synced; the transport stops reading beyond (back-pressure to the broker). */
  unacknowledged: 65_536,
  /** Bytes of log on disk; configurable. Acknowledging stops beyond, judging goes on. */
  log_bytes: 10 * 1024 ** 3,
  /** Share of the log kept for transitions and commands. */
  log_reserve: 0.05,
  /** Share of the log at which `system.storage-full` fires. */
  log_alarm: 0.8,
  /** Bytes queued to one wall; the socket is closed beyond, never an alert dropped. */
  wall_backlog_bytes: 1024 * 1024,
  /** Walls connected at once; refused (503) beyond. A city has tens; 500 at once after a power cut must do. */
  walls: 1000,
  /** Bytes of one message from a wall; the socket is closed beyond (OWASP: at most 64 KiB). */
  wall_message_bytes: 64 * 1024,
  /** Messages a second from one wall; the socket is closed beyond. A page sends about two, and one per painted alert. */
  wall_messages_per_second: 200,
  /** Transitions kept for walls that come back; older ones mean a snapshot. About 6 MiB. */
  wall_recent: 10_000,
  /** Series that keep recent points for charts; the longest unused gives way. 20 KiB each. */
  charted_series: 512,
  /** Points of one charted series; the oldest is overwritten. 20 min at one point a second. */
  chart_points: 1200,
  /** Charts of one wall; the rest of its list is refused. 6 x 4 is what can be read. */
  wall_charts: 24,
  /** Closed alerts that REST and the wall still show; the oldest forgotten (ClickHouse has them all). */
  closed_alerts: 1000,
  /** Notes kept with an open alert; the oldest forgotten (every one is a transition in ClickHouse). */
  alert_notes: 20,
  /** Names of sites sent to a wall; further sites show their ids. About 300 KiB. */
  wall_site_names: 5000,
  /** Walls waiting for an operator to type their code; the oldest forgotten. */
  wall_enrolments: 100,
  open_alerts: 100_000,
  rules: 20_000,
  /** Minutes back in which an equal sample is a duplicate. */
  duplicate_ms: 10 * 60_000,
  /** Samples remembered for duplicates; the oldest forgotten beyond. */
  duplicate_samples: 1_048_576,
  /** Samples of one window kept exactly; panes of w/64 beyond. */
  window_samples: 4096,
  /** Live starts of one sequence and key; the oldest dropped beyond. */
  sequence_starts: 64,
} as const

/** A sample claiming to be further ahead of its arrival than this is marked `future`. */
export const FUTURE_MS = 5 * 60_000
/** Default of a feed's `late`: how far behind its key's newest a sample may be and still be judged. */
export const LATE_MS = 3_600_000
