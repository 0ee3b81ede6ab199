import type { SampleBatch } from '../model/columns.js'
import type { Device, DeviceRegistry } from '../model/registry.js'
import type { SeriesIndex } from '../model/series.js'
import type { KeyState } from './key-state.js'

/**
 * What a rule's closures read: the message at hand, the key it is judged for, the time it is judged at. One object,
 * overwritten for each judgement, so that judging allocates nothing.
 */
export class Judgement {
  readonly index: SeriesIndex
  registry: DeviceRegistry

  /** Event time of the judgement, ms UTC; windows cover (time − w, time]. */
  time = 0
  /** The message is older than what the key has already seen: its own values count, and it may only raise. */
  behind = false
  /** It is older than the rule's windows accept: every window function is missing. */
  windowless = false
  /** Ids of the message's device, stream and source. */
  device = 0
  stream = 0
  source = 0
  entry: Device | undefined = undefined
  /** Id of the key in its scope. */
  key = -1
  /** State of the rule's scope at its key, and at the message's device where the key is wider. */
  state: KeyState = null as unknown as KeyState
  deviceState: KeyState = null as unknown as KeyState
  /** The message's rows; `timer` judgements have none (from === to). */
  batch: SampleBatch | null = null
  from = 0
  to = 0
  /** Device of `count_devices` and `agree` conditions while they look at others. */
  other = 0
  /** A sequence step's captured samples, by step name. */
  captures: ReadonlyMap<string, Captured> | null = null
  /** The sample a capturing step is decided for, and the one that has just arrived. */
  hit: Captured | null = null
  liveHit: Captured | null = null

  constructor(index: SeriesIndex, registry: DeviceRegistry) {
    this.index = index
    this.registry = registry
  }

  setDevice(device: number): void {
    this.device = device
    let entry = this.#entries[device]
    if (entry === undefined) {
      entry = this.registry.devices.get(this.index.devices.text(device)) ?? null
      this.#entries[device] = entry
    }
    this.entry = entry ?? undefined
  }
  /** Registry entries by device id, null where it has none: looked up by name once. */
  #entries: (Device | null | undefined)[] = []

  setRegistry(registry: DeviceRegistry): void {
    this.registry = registry
    this.#entries = []
  }

  /** The message's own value of a metric for its device; NaN where it brings none. */
  own(metric: number): number {
    const { batch, index } = this
    if (batch === null) return Number.NaN
    let value = Number.NaN
    for (let i = this.from; i < this.to; i++) {
      const series = batch.series[i]!
      if (index.metricOf(series) === metric && index.deviceOf(series) === this.device) value = batch.value[i]!
    }
    return value
  }

  /** Row of the message's device that says most: the last with a label, else the last. -1 where there is none. */
  #row(has: (row: number) => boolean): number {
    const { batch, index } = this
    if (batch === null) return -1
    for (let i = this.to - 1; i >= this.from; i--)
      if (index.deviceOf(batch.series[i]!) === this.device && has(i)) return i
    return -1
  }

  get label(): string | undefined {
    const row = this.#row((i) => this.batch!.label[i] !== 0)
    return row < 0 ? undefined : this.index.labels.text(this.batch!.label[row]!)
  }

  /** Own position, else the registry's; NaN. */
  get lat(): number {
    const row = this.#row((i) => !Number.isNaN(this.batch!.lat[i]!))
    return row >= 0 ? this.batch!.lat[row]! : (this.entry?.lat ?? Number.NaN)
  }

  get lon(): number {
    const row = this.#row((i) => !Number.isNaN(this.batch!.lon[i]!))
    return row >= 0 ? this.batch!.lon[row]! : (this.entry?.lon ?? Number.NaN)
  }

  /** The message has a position of its own. */
  get positioned(): boolean {
    return this.#row((i) => !Number.isNaN(this.batch!.lat[i]!)) >= 0
  }

  /** All quality marks of the message's samples of its device. */
  get quality(): number {
    const { batch, index } = this
    if (batch === null) return 0
    let mask = 0
    for (let i = this.from; i < this.to; i++)
      if (index.deviceOf(batch.series[i]!) === this.device) mask |= batch.quality[i]!
    return mask
  }

  /** Value of `attrs.path`: a text, number or boolean of the message's JSON; undefined where there is none. */
  attribute(path: string): string | number | boolean | undefined {
    const row = this.#row((i) => this.batch!.attrs[i] !== '')
    if (row < 0) return undefined
    const text = this.batch!.attrs[row]!
    if (text !== this.#attrsText) {
      this.#attrsText = text
      try {
        this.#attrs = JSON.parse(text)
      } catch {
        // A decoder writes JSON; a text that is none simply has no attributes.
        this.#attrs = undefined
      }
    }
    let value: unknown = this.#attrs
    for (const part of path.split('.')) {
      if (value === null || typeof value !== 'object' || !Object.hasOwn(value, part)) return undefined
      value = (value as Record<string, unknown>)[part]
    }
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
      ? value
      : undefined
  }
  #attrsText = ''
  #attrs: unknown
}

/** What a sequence step took: the sample's own values and words. */
export interface Captured {
  readonly time: number
  readonly label: string
  readonly lat: number
  readonly lon: number
  readonly device: string
  readonly attrs: string
  readonly values: Readonly<Record<string, number>>
}
