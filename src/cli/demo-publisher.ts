/**
 * Publishes a generated city at its own pace, over real MQTT and, for some sources, real NATS: the demo's vendors. It is
 * a client like any other and knows nothing of the engine.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import mqtt, { type MqttClient } from 'mqtt'
import { connect, type NatsConnection } from 'nats'

export interface CityMessage {
  /** ms UTC: when to publish it. */
  readonly time: number
  readonly topic: string
  readonly payload: string
  readonly source: string
}

export interface PublisherOptions {
  readonly mqtt: string
  /** null: everything goes over MQTT. */
  readonly nats: string | null
  /** Sources that go over NATS where there is one. */
  readonly overNats: ReadonlySet<string>
  readonly now: () => number
  readonly signal: AbortSignal
}

export interface Published {
  readonly mqtt: number
  readonly nats: number
}

/** Longest sleep, ms: an abort is noticed at once anyway, a clock that jumps within this. */
const NAP_MS = 250
/** Beyond so many unacknowledged the publisher waits: the engine is behind, and vendors have small memories. */
const UNACKNOWLEDGED_MAX = 5000

/** Connections of the vendors. Both reconnect by themselves for ever. */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #mqtt: MqttClient
  readonly #nats: NatsConnection | undefined
  #unacknowledged = 0
  #overMqtt = 0
  #overNats = 0

  private constructor(options: PublisherOptions, client: MqttClient, nats: NatsConnection | undefined) {
    this.#options = options
    this.#mqtt = client
    this.#nats = nats
  }

  /** Connects; rejects where the first connection fails. */
  static async open(options: PublisherOptions): Promise<Publisher> {
    const client = await mqtt.connectAsync(options.mqtt, {
      clientId: `demo-vendors-${options.now().toString(36)}`,
      reconnectPeriod: 500,
    })
    // Without a listener a lost connection would end the process; MQTT.js reconnects.
    client.on('error', () => {})
    try {
      const nats =
        options.nats === null
          ? undefined
          : await connect({ servers: options.nats, name: 'demo vendors', maxReconnectAttempts: -1 })
      return new Publisher(options, client, nats)
    } catch (error) {
      await client.endAsync(true)
      throw error
    }
  }

  /** Publishes each message when its time has come, until the signal or the end. Times must not go down. */
  async publish(messages: Iterable<CityMessage>): Promise<Published> {
    const { now, signal } = this.#options
    for (const message of messages) {
      for (;;) {
        if (signal.aborted) return this.#published()
        const wait = message.time - now()
        if (wait <= 0 && this.#unacknowledged < UNACKNOWLEDGED_MAX) break
        await sleep(wait > 0 ? Math.min(wait, NAP_MS) : 5, undefined, { signal }).catch(() => {})
      }
      this.#send(message)
    }
    return this.#published()
  }

  #send({ topic, payload, source }: CityMessage): void {
    if (this.#nats !== undefined && this.#options.overNats.has(source)) {
      this.#overNats++
      if (!this.#nats.isClosed()) this.#nats.publish(topic.replaceAll('/', '.'), payload)
      return
    }
    this.#overMqtt++
    this.#unacknowledged++
    this.#mqtt.publish(topic, payload, { qos: 1 }, () => {
      this.#unacknowledged--
    })
  }

  #published(): Published {
    return { mqtt: this.#overMqtt, nats: this.#overNats }
  }

  async close(): Promise<void> {
    await this.#nats?.close().catch(() => {})
    await this.#mqtt.endAsync(true)
  }
}
