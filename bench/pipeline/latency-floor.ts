/**
 * The floor: what the broker, a bare subscriber with JSON.parse and a bare WebSocket cost without any engine. A message
 * whose value is over the limit is sent to every client at once; nothing is judged, logged or acknowledged late.
 */

import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import mqtt from 'mqtt'
import { connect } from 'nats'
import { WebSocketServer } from 'ws'
import { consumerOptsFor } from './latency-jetstream.js'

const [kind, url] = process.argv.slice(2) as ['mqtt0' | 'mqtt1' | 'nats' | 'jetstream', string]
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
await new Promise((resolve) => server.once('listening', resolve))

function receive(device: string, bytes: Uint8Array): void {
  const { time, metrics } = JSON.parse(
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(),
  ) as { time: number; metrics: { level_m: number } }
  if (metrics.level_m <= 5) return
  const text = JSON.stringify({ type: 'alert', device, time })
  for (const client of server.clients) client.send(text)
}

if (kind === 'mqtt0' || kind === 'mqtt1') {
  const client = await mqtt.connectAsync(url, {
    clientId: `floor-${process.pid}`,
    clean: true,
    reconnectPeriod: 0,
  })
  client.on('message', (topic, payload) => receive(topic.split('/').slice(4).join('/'), payload))
  await client.subscribeAsync('haidang/v1/#', { qos: kind === 'mqtt1' ? 1 : 0 })
} else {
  const connection = await connect({ servers: url })
  if (kind === 'nats') {
    connection.subscribe('haidang.v1.>', {
      callback: (_error, message) => receive(message.subject.split('.').slice(4).join('.'), message.data),
    })
    await connection.flush()
  } else {
    const manager = await jetstreamManager(connection)
    await manager.consumers.add('samples', consumerOptsFor('floor'))
    const consumer = await jetstream(connection).consumers.get('samples', 'floor')
    await consumer.consume({
      max_messages: 1000,
      callback: (message) => {
        receive(message.subject.split('.').slice(4).join('.'), message.data)
        message.ack()
      },
    })
  }
}
const address = server.address() as { port: number }
process.send!({ url: `ws://127.0.0.1:${address.port}` })
