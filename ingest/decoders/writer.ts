/**
 * From what a decoder writes to rows of a SampleBatch. This is where names are interned, checked and renamed, units
 * converted and the message's bounds kept: a decoder says what it read, the writer says what enters the engine.
 *
 *   writer.begin(batch, profile, raw)       the rows so far are the batch's own
 *   decoder.decode(raw, profile, writer, state)
 *   rows [writer.firstRow, batch.length), writer.stream, writer.source, writer.refusals, writer.presence
 *
 * One writer serves one loop; it keeps small caches of what it interned last.
 */
import { BOUNDS } from '../../src/model/bounds.js'
import type { SampleBatch } from '../../src/model/columns.js'
import type { RawMessage, SampleWriter, SourceProfile } from '../../src/model/decoder.js'
import { type ErrorCode, HaidangError } from '../../src/model/errors.js'
import { QUALITY } from '../../src/model/quality.js'
import type { SeriesIndex } from '../../src/model/series.js'
import { isName } from './names.js'

/** A part of a message that could not be used while its neighbours could. */
export interface Refusal {
  readonly code: ErrorCode
  readonly what: string
}

/** A device said by itself that it is there or gone. */
export interface Presence {
  readonly device: string
  readonly state: 'online' | 'offline'
}

/** One metric as one profile knows it: renamed, with its factor; id -1 where its name is refused, -2 where it is dropped. */
interface MetricEntry {
  readonly id: number
  readonly factor: number
}

/** Refusals of one message that are kept in words; the rest is only counted. */
const REFUSALS_KEPT = 16
/** A message with more bad parts than this is no message with a bad part: it is kept whole, as a dead letter. */
const REFUSED_MAX = 4096
/** Distinct labels, sources, streams of a city; what comes beyond is an attack or a fault (FAULTS.md 2.1, 20). */
const LABELS_MAX = 65_536
const METRICS_MAX = 65_536
const STREAMS_MAX = 256
const SOURCES_MAX = 65_536
/** Latest ms a JavaScript date can hold; beyond it a time is no time. */
export const TIME_MAX = 8.64e15

export class MessageWriter implements SampleWriter {
  readonly #index: SeriesIndex
  #batch: SampleBatch | undefined
  #received = 0
  #retained = false
  /** Metrics of each profile, by the payload's field name. */
  readonly #profiles = new WeakMap<SourceProfile, ProfileMetrics>()
  #profile: SourceProfile | undefined
  #metrics: ProfileMetrics | undefined
  #device: string | undefined
  #deviceId = -1
  #label = ''
  #labelId = 0
  #streamText = ''
  #sourceText = ''
  #from = 0
  #refused = 0
  #stream = 0
  #source = 0
  readonly #refusals: Refusal[] = []
  readonly #presence: Presence[] = []

  constructor(index: SeriesIndex) {
    this.#index = index
  }

  /** Starts a message; its stream and source are the profile's until the decoder says otherwise. */
  begin(batch: SampleBatch, profile: SourceProfile, message: RawMessage): void {
    this.#batch = batch
    this.#from = batch.length
    this.#received = message.received
    this.#retained = message.retained
    this.#refused = 0
    if (this.#refusals.length > 0) this.#refusals.length = 0
    if (this.#presence.length > 0) this.#presence.length = 0
    if (profile !== this.#profile) {
      let metrics = this.#profiles.get(profile)
      if (metrics === undefined) {
        metrics = new ProfileMetrics(profile)
        this.#profiles.set(profile, metrics)
      }
      this.#profile = profile
      this.#metrics = metrics
    }
    this.from(profile.stream, profile.source)
  }

  /** First row of this message. */
  get firstRow(): number {
    return this.#from
  }

  /** Id (SeriesIndex.streams) of this message's stream. */
  get stream(): number {
    return this.#stream
  }

  /** Id (SeriesIndex.sources) of this message's source. */
  get source(): number {
    return this.#source
  }

  /** Parts refused; `refusals` holds the first 16 in words. Both are this message's alone: read before the next `begin`. */
  get refused(): number {
    return this.#refused
  }

  get refusals(): readonly Refusal[] {
    return this.#refusals
  }

  get presence(): readonly Presence[] {
    return this.#presence
  }

  /** Forgets what this message wrote so far, after its decoder threw. */
  takeBack(): void {
    this.#batch?.truncate(this.#from)
    this.#presence.length = 0
  }

  /** Throws HD_DECODE_TOPIC where a name is none, HD_INGEST_SERIES_MAX where there are too many. */
  from(stream: string, source: string): void {
    if (stream !== this.#streamText || this.#stream === 0) {
      this.#stream = named(this.#index.streams, stream, 'stream', STREAMS_MAX)
      this.#streamText = stream
    }
    if (source !== this.#sourceText || this.#source === 0) {
      this.#source = named(this.#index.sources, source, 'source', SOURCES_MAX)
      this.#sourceText = source
    }
  }

  sample(
    device: string,
    metric: string,
    time: number,
    value: number,
    label: string,
    lat: number,
    lon: number,
    quality: number,
    attrs: string,
  ): void {
    if (!Number.isFinite(value)) {
      this.refuse('HD_DECODE_VALUE', `${metric}: ${value} is not a finite number`)
      return
    }
    const entry = this.#metrics!.get(metric)
    const metricId = entry === undefined ? this.#meet(metric) : entry.id
    if (metricId < 0) {
      if (metricId === REFUSED)
        this.refuse(
          'HD_DECODE_IDENTITY',
          'a metric name is refused (1 to 128 printable characters, 65 536 names)',
        )
      return
    }
    const factor = entry === undefined ? this.#metrics!.get(metric)!.factor : entry.factor
    const deviceId = device === this.#device ? this.#deviceId : this.#meetDevice(device)
    if (deviceId < 0) return
    const labelId = label === this.#label ? this.#labelId : this.#meetLabel(label)
    const scaled = factor === 1 ? value : value * factor
    if (!Number.isFinite(scaled)) {
      this.refuse('HD_DECODE_VALUE', `${metric}: ${value} × ${factor} is not a finite number`)
      return
    }
    let marks = quality
    let at = time
    // A time that is none (absent, negative, beyond what a date can hold) is never guessed: arrival is taken instead.
    if (!(at >= 0 && at <= TIME_MAX)) {
      at = this.#received
      marks |= this.#retained ? QUALITY.no_time | QUALITY.historical : QUALITY.no_time
    } else at = Math.floor(at)
    let y = lat
    let x = lon
    // NaN passes both comparisons as false: no position stays no position.
    if (y < -90 || y > 90 || x < -180 || x > 180) {
      this.refuse('HD_DECODE_VALUE', `position ${lat}, ${lon} is not on earth`)
      y = Number.NaN
      x = Number.NaN
    } else if (Number.isNaN(y) !== Number.isNaN(x)) {
      y = Number.NaN
      x = Number.NaN
    }
    const batch = this.#batch!
    if (batch.length - this.#from >= BOUNDS.message_samples)
      throw new HaidangError(
        'HD_DECODE_SAMPLES_MAX',
        `more than ${BOUNDS.message_samples} samples in one message`,
      )
    const series = this.#index.series(deviceId, metricId)
    batch.append(series, at, scaled, labelId, y, x, marks, attrs)
  }

  refuse(code: ErrorCode, what: string): void {
    if (++this.#refused > REFUSED_MAX)
      throw new HaidangError(
        'HD_DECODE_SHAPE',
        `more than ${REFUSED_MAX} parts were refused, the first: ${this.#refusals[0]?.what}`,
      )
    if (this.#refusals.length < REFUSALS_KEPT) this.#refusals.push({ code, what: what.slice(0, 300) })
  }

  liveness(device: string, state: 'online' | 'offline'): void {
    if (!isName(device, BOUNDS.device_chars)) {
      this.refuse('HD_DECODE_IDENTITY', deviceRefused(device))
      return
    }
    if (this.#presence.length < BOUNDS.message_samples) this.#presence.push({ device, state })
  }

  /** A field name met for the first time under this profile. */
  #meet(field: string): number {
    const metrics = this.#metrics!
    const name = metrics.renamed(field)
    if (name === '') {
      metrics.set(field, { id: DROPPED, factor: 1 })
      return DROPPED
    }
    const known = this.#index.metrics.find(name)
    const id =
      known >= 0
        ? known
        : isName(name, BOUNDS.name_chars) && this.#index.metrics.size < METRICS_MAX
          ? this.#index.metrics.id(name)
          : REFUSED
    metrics.set(field, { id, factor: metrics.factor(name) })
    return id
  }

  #meetDevice(device: string): number {
    let id = this.#index.devices.find(device)
    if (id <= 0) {
      if (!isName(device, BOUNDS.device_chars)) {
        this.refuse('HD_DECODE_IDENTITY', deviceRefused(device))
        return -1
      }
      if (this.#index.devices.size > BOUNDS.devices || this.#index.size >= BOUNDS.series) {
        this.refuse(
          'HD_INGEST_SERIES_MAX',
          `device '${device}' is one more than the ${BOUNDS.devices} devices or ${BOUNDS.series} series that are kept`,
        )
        return -1
      }
      id = this.#index.devices.id(device)
    }
    this.#device = device
    this.#deviceId = id
    return id
  }

  /** A label that is refused is left out: the sample's number is still good. */
  #meetLabel(label: string): number {
    let id = this.#index.labels.find(label)
    if (id < 0) {
      if (!isName(label, BOUNDS.name_chars) || this.#index.labels.size >= LABELS_MAX) {
        this.refuse('HD_DECODE_VALUE', 'the label is refused (1 to 128 printable characters, 65 536 labels)')
        return 0
      }
      id = this.#index.labels.id(label)
    }
    this.#label = label
    this.#labelId = id
    return id
  }
}

const REFUSED = -1
const DROPPED = -2
/** Field names remembered for one profile; beyond, each is looked up anew (a bomb of random names costs time, not memory). */
const FIELDS_MAX = 8192

/** Renames and factors of one profile, with what was interned under them. */
class ProfileMetrics {
  readonly #rename: ReadonlyMap<string, string>
  readonly #factor: ReadonlyMap<string, number>
  readonly #entries = new Map<string, MetricEntry>()
  #overflow: { field: string; entry: MetricEntry } | undefined

  constructor(profile: SourceProfile) {
    this.#rename = new Map(Object.entries(profile.rename ?? {}))
    this.#factor = new Map(Object.entries(profile.factor ?? {}))
  }

  get(field: string): MetricEntry | undefined {
    const entry = this.#entries.get(field)
    return entry === undefined && this.#overflow?.field === field ? this.#overflow.entry : entry
  }

  set(field: string, entry: MetricEntry): void {
    if (this.#entries.size < FIELDS_MAX) this.#entries.set(field, entry)
    else this.#overflow = { field, entry }
  }

  renamed(field: string): string {
    return this.#rename.get(field) ?? field
  }

  factor(metric: string): number {
    return this.#factor.get(metric) ?? 1
  }
}

function named(dictionary: SeriesIndex['streams'], text: string, what: string, namesMax: number): number {
  const known = dictionary.find(text)
  if (known > 0) return known
  if (!isName(text, BOUNDS.name_chars))
    throw new HaidangError('HD_DECODE_TOPIC', `the ${what} is refused (1 to 128 printable characters)`)
  if (dictionary.size > namesMax)
    throw new HaidangError(
      'HD_INGEST_SERIES_MAX',
      `${what} '${text}' is one more than the ${namesMax} that are kept`,
    )
  return dictionary.id(text)
}

function deviceRefused(device: string): string {
  if (device === '') return 'no device is named'
  if (device.length > BOUNDS.device_chars)
    return `a device id of ${device.length} characters; at most ${BOUNDS.device_chars}`
  return 'a device id with control, direction or invisible characters'
}
