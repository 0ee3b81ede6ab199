/**
 * A wire between the engine and its MQTT broker that listens: which message went to the engine, and when the engine's
 * PUBACK for it came back. The engine acknowledges only what its log has synced, so this is publish → judged and durable,
 * seen from outside.
 */
import net from 'node:net'
import * as mqttPacket from 'mqtt-packet'

export type Heard = (topic: string, payload: Buffer, at: number) => void

export class AckTap {
  readonly #heard: Heard
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()
  /** Delivered and not yet acknowledged, now and at most. */
  inFlight = 0
  inFlightMax = 0

  constructor(heard: Heard) {
    this.#heard = heard
    this.#server = net.createServer()
  }

  /** Listens on a free port for the engine, and connects it to the broker's. */
  async open(brokerPort: number): Promise<number> {
    this.#server.on('connection', (engine) => this.#join(engine, brokerPort))
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return (this.#server.address() as net.AddressInfo).port
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #join(engine: net.Socket, brokerPort: number): void {
    const broker = net.connect(brokerPort, '127.0.0.1')
    for (const [one, other] of [
      [engine, broker],
      [broker, engine],
    ] as const) {
      this.#sockets.add(one)
      one.setNoDelay(true)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        this.#sockets.delete(one)
        other.destroy()
      })
    }
    const delivered = new Map<number, { topic: string; payload: Buffer }>()
    const down = mqttPacket.parser({ protocolVersion: 4 })
    down.on('packet', (packet) => {
      if (packet.cmd !== 'publish' || packet.qos !== 1) return
      delivered.set(packet.messageId!, { topic: packet.topic, payload: Buffer.from(packet.payload) })
      this.inFlight = delivered.size
      this.inFlightMax = Math.max(this.inFlightMax, delivered.size)
    })
    const up = mqttPacket.parser({ protocolVersion: 4 })
    up.on('packet', (packet) => {
      if (packet.cmd !== 'puback') return
      const one = delivered.get(packet.messageId!)
      if (one === undefined) return
      delivered.delete(packet.messageId!)
      this.inFlight = delivered.size
      this.#heard(one.topic, one.payload, performance.now())
    })
    broker.on('data', (chunk) => {
      engine.write(chunk)
      down.parse(chunk)
    })
    engine.on('data', (chunk) => {
      broker.write(chunk)
      up.parse(chunk)
    })
  }
}
