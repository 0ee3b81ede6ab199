/**
 * Publishes each transition as JSON to `haidang.alerts.<category>.<level>`, with the idempotency key as `Nats-Msg-Id`
 * (which JetStream drops repeats by). With `delivery: jetstream` a stream has to take it; with `core` the server has
 * to have read it, and whoever listens gets it.
 */
import { type JetStreamClient, jetstream } from '@nats-io/jetstream'
import { connect, headers, type NatsConnection, type NodeConnectionOptions } from 'nats'
import type { Transition } from '../../model/alert.js'
import type { Delivery, Sink } from './sink.js'

export interface NatsSinkOptions {
  readonly name: string
  /** Servers, credentials and TLS as the client takes them. */
  readonly connection: NodeConnectionOptions
  readonly delivery: 'core' | 'jetstream'
  /** One publication, ms. */
  readonly timeout_ms?: number
}

const TIMEOUT_MS = 5000

/** Subject of a transition. What could not stand in a subject becomes `_`. */
export function alertSubject({ category, level }: Pick<Transition, 'category' | 'level'>): string {
  return `haidang.alerts.${category.replace(/[^A-Za-z0-9_-]/g, '_') || '_'}.${level}`
}

export class NatsSink implements Sink {
  readonly name: string
  readonly #options: NatsSinkOptions
  #connection: NatsConnection | null = null
  #stream: JetStreamClient | null = null

  constructor(options: NatsSinkOptions) {
    this.name = options.name
    this.#options = options
  }

  async open(): Promise<void> {
    const timeout = this.#options.timeout_ms ?? TIMEOUT_MS
    await this.close()
    // Reconnects for ever by itself; what is written meanwhile fails within its timeout and is tried again.
    const connection = await connect({ maxReconnectAttempts: -1, timeout, ...this.#options.connection })
    this.#connection = connection
    this.#stream = this.#options.delivery === 'jetstream' ? jetstream(connection, { timeout }) : null
  }

  async write(transition: Transition, key: string): Promise<Delivery> {
    const connection = this.#connection
    if (connection === null || connection.isClosed()) {
      await this.open()
      return 'retry'
    }
    const subject = alertSubject(transition)
    const payload = JSON.stringify(transition)
    const max = connection.info?.max_payload ?? Number.POSITIVE_INFINITY
    if (Buffer.byteLength(payload) > max) return 'dead'
    const timeout = this.#options.timeout_ms ?? TIMEOUT_MS
    if (this.#stream !== null) {
      await this.#stream.publish(subject, payload, { msgID: key, timeout })
      return 'ok'
    }
    const head = headers()
    head.set('Nats-Msg-Id', key)
    connection.publish(subject, payload, { headers: head })
    // A round trip: the server has read everything before it.
    await within(connection.flush(), timeout, `nats ${this.name}: no answer within ${timeout} ms`)
    return 'ok'
  }

  async close(): Promise<void> {
    const connection = this.#connection
    this.#connection = null
    this.#stream = null
    await connection?.close()
  }
}

async function within<T>(promise: Promise<T>, ms: number, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
