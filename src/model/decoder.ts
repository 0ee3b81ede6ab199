/**
 * What a decoder is given and what it writes to. A transport hands on bytes and knows no formats; a decoder is pure:
 * no I/O, no clock, no randomness, its own state only (saved in the checkpoint).
 */
export interface RawMessage {
  /** MQTT topic (`/`) or NATS subject (`.`), or the path of a polled or watched file. */
  readonly topic: string
  readonly separator: '/' | '.'
  readonly bytes: Uint8Array
  /** Arrival, ms UTC. */
  readonly received: number
  /** The broker's stored copy, sent at subscription: state, not news. */
  readonly retained: boolean
  /** NATS headers or MQTT 5 user properties; null where there are none. */
  readonly headers: ReadonlyMap<string, string> | null
}

/** How one source reads its messages: from configuration, never guessed from the payload. */
export interface SourceProfile {
  /** Sample column `source`. The native form takes it from the topic instead. */
  readonly source: string
  readonly stream: string
  /** `{topic.3}`, `{topic.1+}`, `{payload.devEui}`; undefined: the format's own way. */
  readonly device?: string
  /** Payload field → metric name. */
  readonly rename?: Readonly<Record<string, string>>
  /** Metric (after rename) → factor to the registry's unit. */
  readonly factor?: Readonly<Record<string, number>>
  /** IANA zone of clocks that name none; undefined: such a time is no time (`no_time`). */
  readonly zone?: string
}

/**
 * Where samples go. One message has one stream and one source: set both before the first sample. Names are interned
 * here; a decoder with a hot path keeps the ids that it was given.
 */
export interface SampleWriter {
  /** Stream and source of this message, when the topic or payload decides (native form); else the profile's. */
  from(stream: string, source: string): void
  /**
   * One sample. `time` NaN: the device gave none (`received` is taken, marked `no_time`). `value` must be finite: a
   * missing value is no sample. lat/lon NaN: none. `quality`: marks that the format itself tells (`historical test
   * calibrating bad`); the core adds the rest. `attrs`: JSON text or ''.
   */
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
  ): void
  /** Counts a part that could not be used while its neighbours could: one bad metric never costs the message. */
  refuse(code: import('./errors.js').ErrorCode, what: string): void
  /** The device says by itself that it is there or gone (Last Will, availability, DDEATH). */
  liveness(device: string, state: 'online' | 'offline'): void
}

export interface Decoder<State = unknown> {
  /** As in configuration: `native senml chirpstack ttn …`. */
  readonly id: string
  readonly vendor: string
  readonly models: readonly string[]
  /** Document, version and address this follows. */
  readonly reference: string
  /** Fresh state: plain JSON-safe data, saved in the checkpoint. */
  createState(): State
  /**
   * Appends the message's samples to `out`. Throws HaidangError with an HD_DECODE_ code where the message as a whole
   * cannot be used (it becomes a dead letter); samples written before the throw are taken back by the caller.
   * A message that is none of its samples' business (a join, an ack) writes nothing and does not throw.
   */
  decode(message: RawMessage, profile: SourceProfile, out: SampleWriter, state: State): void
}
