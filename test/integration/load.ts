/**
 * An open-loop load of native messages, and the links that carry it: each message is unlike every other (device, n), has
 * a device time, and is sent until its broker has acknowledged it, as a real client does: after a reconnect what was not
 * acknowledged goes out again, unchanged and in order, before what is new.
 *
 *   Load ──(2 000 msg/s by the clock, whatever the other side does)──► Link ──► broker
 *        ◄───────────────────── acknowledged(index) ──────────────────
 *
 * Each message carries two samples: `message_count` = n, which tells what is missing or doubled, and `level_m`, which
 * goes above 3 and below 1 in turns, so that a threshold rule raises and clears.
 */
import net from 'node:net'
import { type JetStreamClient, jetstream } from '@nats-io/jetstream'
import * as mqttPacket from 'mqtt-packet'
import { connect, type NatsConnection } from 'nats'

export const SOURCE = 'load'
export const RULES = `
rule: test.level
title: { en: "{level_m} m", vi: "{level_m} m" }
category: flood
stream: flood
levels: { medium: { when: level_m >= 2.0, clear: level_m < 1.0 } }
`

export interface Link {
  /** Hands a message to the client; it holds it until it is acknowledged. */
  publish(index: number, device: string, payload: string): void
  /** Resolves once the first connection stands. */
  readonly up: Promise<void>
  readonly reconnects: number
  close(): Promise<void>
}

export type Acknowledged = (index: number) => void

export interface LoadOptions {
  readonly rate: number
  readonly devices?: number
  /** Messages of a device between two crossings of the rule's level. */
  readonly period?: number
  readonly link: (acknowledged: Acknowledged) => Link
}

/** How often the open loop looks at the clock. */
const BEAT_MS = 5
/** A device's clock is a little behind: a time ahead of its arrival would be judged at its arrival, which no rerun has. */
const BEHIND_MS = 100

export class Load {
  readonly link: Link
  readonly devices: number
  sent = 0
  acknowledged = 0
  /** performance.now() by index. */
  readonly sentAt: number[] = []
  readonly time: number[] = []
  readonly #acknowledged: Uint8Array = new Uint8Array(4_000_000)
  readonly #rate: number
  readonly #period: number
  #timer: NodeJS.Timeout | undefined

  constructor({ rate, devices = 40, period = 300, link }: LoadOptions) {
    this.#rate = rate
    this.devices = devices
    this.#period = period
    this.link = link((index) => {
      if (this.#acknowledged[index] === 1) return
      this.#acknowledged[index] = 1
      this.acknowledged++
    })
  }

  get inFlight(): number {
    return this.sent - this.acknowledged
  }

  isAcknowledged(index: number): boolean {
    return this.#acknowledged[index] === 1
  }

  /** Goes on where it was stopped. */
  start(): void {
    const begun = performance.now()
    const from = this.sent
    this.#timer = setInterval(() => {
      const due = from + Math.floor(((performance.now() - begun) / 1000) * this.#rate)
      while (this.sent < due) this.#publish(this.sent)
    }, BEAT_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  deviceOf(index: number): string {
    return `load-${index % this.devices}`
  }

  /** The n-th message of its device. */
  nOf(index: number): number {
    return Math.floor(index / this.devices)
  }

  levelOf(index: number): number {
    const phase = this.nOf(index) + (index % this.devices) * 37
    return Math.floor(phase / this.#period) % 2 === 1 ? 3.2 : 0.8
  }

  /** A message as a line for `haidang replay`. */
  line(index: number): string {
    return JSON.stringify({ stream: 'flood', device: this.deviceOf(index), ...this.#body(index) })
  }

  #body(index: number): { time: number; metrics: Record<string, number> } {
    return {
      time: this.time[index]!,
      metrics: { message_count: this.nOf(index), level_m: this.levelOf(index) },
    }
  }

  #publish(index: number): void {
    const before = index < this.devices ? 0 : this.time[index - this.devices]!
    this.time.push(Math.max(Date.now() - BEHIND_MS, before + 1))
    this.sentAt.push(performance.now())
    this.sent++
    this.link.publish(index, this.deviceOf(index), JSON.stringify(this.#body(index)))
  }
}

const RETRY_MS = 100
/** Packet ids are 16 bits; so many may wait for their acknowledgement on the wire. */
const WIRE_MAX = 60_000

interface Unacknowledged {
  readonly index: number
  readonly device: string
  readonly payload: string
  sent: boolean
}

/**
 * MQTT 3.1.1, QoS 1, no wait between messages. Not MQTT.js: that sends what it had in flight again one at a time, which
 * after an outage of seconds takes minutes, and without DUP [MQTT-4.4.0-1].
 */
export class MqttLink implements Link {
  readonly up: Promise<void>
  reconnects = -1
  readonly #port: () => number
  readonly #acknowledged: Acknowledged
  /** In the order of their publishing, by index. */
  readonly #waiting = new Map<number, Unacknowledged>()
  #socket: net.Socket | undefined
  #connected = false
  #closed = false
  #firstUp: () => void = () => {}

  constructor(port: () => number, acknowledged: Acknowledged) {
    this.#port = port
    this.#acknowledged = acknowledged
    this.up = new Promise((resolve) => {
      this.#firstUp = resolve
    })
    this.#connect()
  }

  publish(index: number, device: string, payload: string): void {
    const one: Unacknowledged = { index, device, payload, sent: false }
    this.#waiting.set(index, one)
    if (this.#connected && this.#waiting.size <= WIRE_MAX) this.#send(one)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#socket?.destroy()
  }

  #connect(): void {
    const socket = net.connect(this.#port(), '127.0.0.1')
    this.#socket = socket
    socket.setNoDelay(true)
    const parser = mqttPacket.parser({ protocolVersion: 4 })
    parser.on('packet', (packet) => {
      if (packet.cmd === 'connack') this.#reconnected()
      else if (packet.cmd === 'puback') this.#done(packet.messageId! - 1)
    })
    socket.on('connect', () => {
      socket.write(
        mqttPacket.generate({
          cmd: 'connect',
          protocolId: 'MQTT',
          protocolVersion: 4,
          clean: true,
          clientId: `load-${process.pid}`,
          keepalive: 0,
        }),
      )
    })
    socket.on('data', (chunk) => parser.parse(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#connected = false
      if (!this.#closed) setTimeout(() => this.#connect(), RETRY_MS)
    })
  }

  #reconnected(): void {
    this.#connected = true
    this.reconnects++
    this.#firstUp()
    let onWire = 0
    for (const one of this.#waiting.values()) if (onWire++ < WIRE_MAX) this.#send(one)
  }

  #send(one: Unacknowledged): void {
    const { index, device, payload } = one
    this.#socket!.write(
      mqttPacket.generate({
        cmd: 'publish',
        topic: `haidang/v1/flood/${SOURCE}/${device}`,
        payload,
        qos: 1,
        messageId: (index % 65_535) + 1,
        dup: one.sent,
        retain: false,
      }),
    )
    one.sent = true
  }

  #done(id: number): void {
    // At most 60 000 are on the wire, so the oldest waiting index with this id is the one.
    const oldest = this.#waiting.keys().next().value
    if (oldest === undefined) return
    const index = oldest + ((((id - oldest) % 65_535) + 65_535) % 65_535)
    const one = this.#waiting.get(index)
    if (one === undefined || !one.sent) return
    this.#waiting.delete(index)
    this.#acknowledged(index)
    if (this.#waiting.size >= WIRE_MAX)
      for (const next of this.#waiting.values())
        if (!next.sent) {
          this.#send(next)
          break
        }
  }
}

/** JetStream, asynchronous publishing with message ids: what is sent again after a reconnect is recognised by the server. */
export class JetStreamLink implements Link {
  readonly up: Promise<void>
  reconnects = -1
  readonly #url: string
  readonly #acknowledged: Acknowledged
  readonly #waiting = new Map<number, Unacknowledged>()
  #connection: NatsConnection | undefined
  #client: JetStreamClient | undefined
  #closed = false
  #firstUp: () => void = () => {}

  constructor(url: string, acknowledged: Acknowledged) {
    this.#url = url
    this.#acknowledged = acknowledged
    this.up = new Promise((resolve) => {
      this.#firstUp = resolve
    })
    this.#connect()
  }

  publish(index: number, device: string, payload: string): void {
    const one: Unacknowledged = { index, device, payload, sent: false }
    this.#waiting.set(index, one)
    if (this.#client !== undefined) this.#send(this.#client, one)
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#connection?.close()
  }

  #connect(): void {
    const again = (): void => {
      if (!this.#closed) setTimeout(() => this.#connect(), RETRY_MS)
    }
    connect({ servers: [this.#url], reconnect: false, timeout: 2000 }).then((connection) => {
      this.#connection = connection
      const client = jetstream(connection, { timeout: 5000 })
      this.#client = client
      this.reconnects++
      this.#firstUp()
      for (const one of this.#waiting.values()) this.#send(client, one)
      const closed = (): void => {
        this.#client = undefined
        again()
      }
      connection.closed().then(closed, closed)
    }, again)
  }

  #send(client: JetStreamClient, one: Unacknowledged): void {
    one.sent = true
    client
      .publish(`haidang.v1.flood.${SOURCE}.${one.device}`, one.payload, { msgID: `load.${one.index}` })
      .then(
        () => {
          this.#waiting.delete(one.index)
          this.#acknowledged(one.index)
        },
        () => {
          // No answer: from this one on everything goes again, over a connection of its own.
          if (client === this.#client) {
            this.#client = undefined
            this.#connection?.close().catch(() => {})
          }
        },
      )
  }
}
