/** A receiver of webhooks for the tests: checks each signature, notes each delivery, can be away. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { Transition } from '../../src/model/alert.js'
import { freePort } from './servers.js'

export interface Delivered {
  readonly key: string
  readonly transition: Transition
}

export class Receiver {
  readonly port: number
  /** In the order of their arrival, repeats included. */
  readonly delivered: Delivered[] = []
  /** Deliveries with a wrong or no signature. */
  forged = 0
  readonly #secret: string
  #server: Server | undefined

  private constructor(port: number, secret: string) {
    this.port = port
    this.#secret = secret
  }

  /** Listens on loopback. */
  static async open(secret: string): Promise<Receiver> {
    const receiver = new Receiver(await freePort(), secret)
    await receiver.start()
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/alerts`
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const body = Buffer.concat(chunks)
        const signed = createHmac('sha256', this.#secret)
          .update(`${String(request.headers['x-haidang-timestamp'])}.`)
          .update(body)
          .digest('hex')
        const given = String(request.headers['x-haidang-signature'])
        const wanted = `sha256=${signed}`
        if (given.length !== wanted.length || !timingSafeEqual(Buffer.from(given), Buffer.from(wanted)))
          this.forged++
        this.delivered.push({
          key: String(request.headers['idempotency-key']),
          transition: JSON.parse(body.toString()) as Transition,
        })
        response.writeHead(204).end()
      })
    })
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.port, '127.0.0.1', resolve)
    })
  }

  /** Nothing listens any more. */
  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
}
