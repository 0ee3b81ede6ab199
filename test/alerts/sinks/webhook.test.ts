import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { isWithinReach, WebhookSink } from '../../../src/alerts/sinks/webhook.js'
import type { Transition } from '../../../src/model/alert.js'
import { type Received, type Receiver, sampleTransition, sinkContract } from '../../contracts/sink.js'

type Answer = (response: ServerResponse) => void

class WebhookReceiver implements Receiver {
  readonly received: Received[] = []
  readonly requests: { headers: IncomingHttpHeaders; body: string }[] = []
  answer: Answer = (response) => response.end()
  timeout_ms = 2000
  #server: Server | null = null
  #port = 0
  #connections = 0

  sink(): WebhookSink {
    return new WebhookSink({
      name: 'hook',
      url: `http://127.0.0.1:${this.#port}/in`,
      secret: 'khoá bí mật',
      reach: 'loopback',
      timeout_ms: this.timeout_ms,
      now: () => 1_795_294_958_200,
    })
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString()
        this.requests.push({ headers: request.headers, body })
        this.received.push({
          key: String(request.headers['idempotency-key']),
          transition: JSON.parse(body) as Transition,
        })
        this.answer(response)
      })
    })
    server.on('connection', () => this.#connections++)
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = null
    server?.closeAllConnections()
    await new Promise((resolve) => (server === null ? resolve(null) : server.close(resolve)))
  }

  async connections(): Promise<number> {
    return this.#connections
  }

  async settled(): Promise<void> {}
}

async function started(): Promise<WebhookReceiver> {
  const receiver = new WebhookReceiver()
  await receiver.start()
  return receiver
}

void sinkContract(t, 'webhook', started)

t.test('the signature is HMAC-SHA256 over timestamp, dot and the raw body', async (t) => {
  const receiver = await started()
  await receiver.sink().write(sampleTransition(3), 'k')
  const { headers, body } = receiver.requests[0]!
  t.equal(headers['x-haidang-timestamp'], '1795294958200')
  const wanted = createHmac('sha256', 'khoá bí mật').update(`1795294958200.${body}`).digest('hex')
  t.equal(headers['x-haidang-signature'], `sha256=${wanted}`)
  t.equal(headers['content-type'], 'application/json')
  await receiver.stop()
})

t.test('what the receiver calls wrong is dead; what it may mend is tried again', async (t) => {
  const receiver = await started()
  const sink = receiver.sink()
  for (const [status, wanted] of [
    [200, 'ok'],
    [202, 'ok'],
    [204, 'ok'],
    [400, 'dead'],
    [413, 'dead'],
    [422, 'dead'],
    [301, 'throws'],
    [401, 'throws'],
    [404, 'throws'],
    [429, 'throws'],
    [500, 'throws'],
    [503, 'throws'],
  ] as const) {
    receiver.answer = (response) => response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end()
    const found = await sink.write(sampleTransition(1), 'k').catch((error: Error) => {
      t.match(error.message, new RegExp(`answers ${status}`))
      return 'throws'
    })
    t.equal(found, wanted, `status ${status}`)
  }
  await receiver.stop()
})

t.test('a receiver that never answers, or never ends its answer, costs the timeout at most', async (t) => {
  const receiver = await started()
  receiver.timeout_ms = 150
  const sink = receiver.sink()
  receiver.answer = () => {}
  await t.rejects(sink.write(sampleTransition(1), 'k'), { message: /no answer within 150 ms/ })
  receiver.answer = (response) => {
    response.writeHead(200)
    response.write('…')
  }
  t.equal(await sink.write(sampleTransition(2), 'k'), 'ok')
  await receiver.stop()
})

t.test('closing ends a request under way', async (t) => {
  const receiver = await started()
  const sink = receiver.sink()
  const asked = new Promise<void>((resolve) => {
    receiver.answer = () => resolve()
  })
  const written = sink.write(sampleTransition(1), 'k')
  written.catch(() => {})
  await asked
  await sink.close()
  await t.rejects(written, { message: /closed/ })
  await receiver.stop()
})

t.test(
  'addresses: metadata never, this machine and the own network only where that is configured',
  async (t) => {
    for (const [address, publicly, privately, loopback] of [
      ['8.8.8.8', true, true, true],
      ['2001:4860:4860::8888', true, true, true],
      ['10.1.2.3', false, true, true],
      ['192.168.1.1', false, true, true],
      ['172.31.0.1', false, true, true],
      ['fd00::1', false, true, true],
      ['127.0.0.1', false, false, true],
      ['::1', false, false, true],
      ['0.0.0.0', false, false, true],
      ['::ffff:127.0.0.1', false, false, true],
      ['::ffff:169.254.169.254', false, false, false],
      ['169.254.169.254', false, false, false],
      ['fe80::1', false, false, false],
      ['not an address', false, false, false],
    ] as const)
      t.same(
        [
          isWithinReach(address, 'public'),
          isWithinReach(address, 'private'),
          isWithinReach(address, 'loopback'),
        ],
        [publicly, privately, loopback],
        address,
      )
  },
)

t.test('a URL whose address or name leads out of reach is not connected to', async (t) => {
  const receiver = await started()
  for (const url of [
    'http://127.0.0.1:9/',
    'http://localhost:9/',
    'http://[::1]:9/',
    'http://169.254.169.254/latest',
    'http://2130706433:9/',
  ]) {
    const sink = new WebhookSink({ name: 'hook', url, secret: '', reach: 'public', now: () => 0 })
    await t.rejects(sink.write(sampleTransition(1), 'k'), { message: /not within reach/ }, url)
  }
  t.equal(await receiver.connections(), 0)
  await receiver.stop()
})

t.test(
  'a URL that is none, or carries a password, or another protocol, is refused when it is configured',
  async (t) => {
    for (const url of ['', 'no url', 'ftp://a/', 'file:///etc/passwd', 'http://u:p@h/'])
      t.throws(
        () => new WebhookSink({ name: 'hook', url, secret: '', reach: 'public', now: () => 0 }),
        { code: 'HD_CONFIG_VALUE' },
        url,
      )
  },
)
