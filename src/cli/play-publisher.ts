/** Where `haidang play` publishes: MQTT, core NATS or JetStream behind one small interface. */
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstream } from '@nats-io/jetstream'
import mqtt from 'mqtt'
import { connect } from 'nats'

export interface Publisher {
  /** Resolves when the broker has acknowledged (QoS 0 and core NATS: when it is written); rejects where it never will. */
  publish(topic: string, native: boolean, payload: string): Promise<void>
  /** Waits for what is still on its way and disconnects. */
  close(): Promise<void>
}

export interface PublisherOptions {
  readonly to: URL
  readonly qos: 0 | 1
  readonly jetstream: boolean
  /** PEM text of the CA to trust, for `mqtts:` and `tls:`. */
  readonly ca: string | undefined
  /** Unlike any other player's: client id, and the head of JetStream's message ids. */
  readonly id: string
}

const CONNECT_TIMEOUT_MS = 10_000
const ACK_TIMEOUT_MS = 5000
/** JetStream forgets message ids after two minutes: within it a repetition is recognised, so we repeat no longer. */
const RETRY_MS_MAX = 100_000
const RETRY_PAUSE_MS = 200

/** Connects; rejects where the broker is not there or does not let us in. */
export async function publisher(options: PublisherOptions): Promise<Publisher> {
  const { protocol } = options.to
  if (protocol === 'mqtt:' || protocol === 'mqtts:' || protocol === 'ws:' || protocol === 'wss:')
    return await mqttPublisher(options)
  return await natsPublisher(options)
}

async function mqttPublisher(options: PublisherOptions): Promise<Publisher> {
  const client = await mqtt.connectAsync(
    options.to.href,
    {
      clientId: `haidang-play-${options.id}`,
      connectTimeout: CONNECT_TIMEOUT_MS,
      reconnectPeriod: 500,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    },
    false,
  )
  client.on('error', () => {
    // A lost connection is taken up again by itself, with what was not acknowledged.
  })
  return {
    publish: async (topic, _native, payload) => {
      await client.publishAsync(topic, payload, { qos: options.qos })
    },
    // Away from its broker it would wait for the last acknowledgements for ever.
    close: () => client.endAsync(!client.connected),
  }
}

async function natsPublisher(options: PublisherOptions): Promise<Publisher> {
  const { to } = options
  const connection = await connect({
    servers: [`${to.hostname}:${to.port || '4222'}`],
    name: `haidang play ${options.id}`,
    timeout: CONNECT_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
    ...(to.username === ''
      ? {}
      : to.password === ''
        ? { token: decodeURIComponent(to.username) }
        : { user: decodeURIComponent(to.username), pass: decodeURIComponent(to.password) }),
    ...(options.ca !== undefined ? { tls: { ca: options.ca } } : to.protocol === 'tls:' ? { tls: {} } : {}),
  })
  const js = options.jetstream ? jetstream(connection, { timeout: ACK_TIMEOUT_MS }) : undefined
  let count = 0
  let heard = false
  return {
    publish: async (topic, native, payload) => {
      const subject = subjectOf(topic, native)
      if (subject === undefined) throw new Error(`'${topic}' cannot be a NATS subject`)
      if (js === undefined) {
        connection.publish(subject, payload)
        return
      }
      const msgID = `${options.id}.${count++}`
      const deadline = performance.now() + RETRY_MS_MAX
      for (;;) {
        try {
          await js.publish(subject, payload, { msgID, timeout: ACK_TIMEOUT_MS })
          heard = true
          return
        } catch (error) {
          // Nobody answers on this subject: no stream holds it. Once one did, its server is only coming back.
          if (!heard && (error as Error).name === 'JetStreamNotEnabled')
            throw new Error(`no JetStream stream holds the subject '${subject}'`)
          if (connection.isClosed() || performance.now() > deadline) throw error
          await sleep(RETRY_PAUSE_MS)
        }
      }
    },
    close: async () => {
      await connection.flush()
      await connection.close()
    },
  }
}

/** MQTT topic as a NATS subject; in the native form the device stands as it is. Undefined where NATS cannot have it. */
export function subjectOf(topic: string, native: boolean): string | undefined {
  const segments = topic.split('/')
  const subject = native
    ? [...segments.slice(0, 4), segments.slice(4).join('/')].join('.')
    : segments.join('.')
  return /[\s*>\0]/.test(subject) || /^\.|\.\.|\.$/.test(subject) ? undefined : subject
}
