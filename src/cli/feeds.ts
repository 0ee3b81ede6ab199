/** Every feed of the settings, with its transport: the built-in native ones, and those configured. */
import { createHash } from 'node:crypto'
import os from 'node:os'
import { EmbeddedBroker } from '../../ingest/broker.js'
import { DECODERS } from '../../ingest/decoders/index.js'
import { MqttTransport } from '../../ingest/mqtt.js'
import { NatsTransport } from '../../ingest/nats.js'
import type { BrokerConnection, Settings, SourceSettings } from '../config/settings.js'
import type { DeliveryMode } from '../engine/deliveries.js'
import type { FeedSetup, Route } from '../engine/loop.js'
import { HaidangError } from '../model/errors.js'
import type { Clock, Transport } from '../model/ports.js'

const BUILT_IN = 'haidang'
const NATIVE_TOPICS = ['haidang/v1/#']
const NATIVE_SUBJECTS = ['haidang.v1.>']

export interface FeedPlan {
  readonly setup: FeedSetup
  readonly delivery: DeliveryMode
  readonly late: number
  readonly transport: Transport
  readonly kind: string
  readonly address: string
}

export function feedPlans(settings: Settings, clock: Clock, say: (line: string) => void): FeedPlan[] {
  const plans: FeedPlan[] = []
  const random = Math.random
  // The same at every start on this data, and no other engine's: brokers keep our session under it.
  const identity = createHash('sha256').update(`${os.hostname()}\n${settings.data}`).digest('hex').slice(0, 8)
  const decoder = (id: string) => {
    const found = DECODERS.get(id)
    if (found === undefined) throw new HaidangError('HD_CONFIG_VALUE', `there is no decoder '${id}'`)
    return found
  }
  const builtIn = (name: string): FeedSetup => ({
    name,
    decoder: decoder('native'),
    profile: { source: BUILT_IN, stream: 'sensor' },
    clock: settings.clock,
  })
  if (settings.broker !== null) {
    const transport = new EmbeddedBroker({ name: 'broker', ...settings.broker, clock })
    // Sources without a broker of their own read what vendors publish to ours.
    const routes = settings.sources
      .filter(
        (source) => source.transport === 'mqtt' && source.connection === undefined && settings.mqtt === null,
      )
      .map(routeOf)
    plans.push({
      setup: { ...builtIn('broker'), routes },
      delivery: 'flag',
      late: settings.late,
      transport,
      kind: 'mqtt',
      address: `mqtt://${settings.broker.host}:${settings.broker.port}`,
    })
  }
  if (settings.mqtt !== null)
    plans.push(mqttPlan(builtIn('mqtt'), settings.mqtt, NATIVE_TOPICS, 1, settings.late))
  if (settings.nats !== null)
    plans.push(natsPlan(builtIn('nats'), settings.nats, NATIVE_SUBJECTS, settings.jetstream, settings.late))
  for (const source of settings.sources) {
    const setup: FeedSetup = {
      name: source.name,
      decoder: decoder(source.decoder),
      profile: source.profile,
      clock: source.clock,
    }
    const plan = sourcePlan(source, setup)
    if (plan !== null) plans.push(plan)
    else if (source.transport !== 'mqtt' || settings.broker === null)
      say(`source '${source.name}' has no ${source.transport} connection: it is not read`)
  }
  return plans

  function routeOf({ name, topics, decoder: id, profile }: SourceSettings): Route {
    return { name, topics, decoder: decoder(id), profile }
  }

  function sourcePlan(source: SourceSettings, setup: FeedSetup): FeedPlan | null {
    if (source.transport === 'mqtt') {
      const connection = source.connection ?? settings.mqtt
      return connection === null ? null : mqttPlan(setup, connection, source.topics, source.qos, source.late)
    }
    if (source.transport === 'nats' || source.transport === 'jetstream') {
      const connection = source.connection ?? settings.nats
      if (connection === null) return null
      const jetstream =
        source.transport === 'jetstream'
          ? {
              durable: source.durable ?? `haidang-${source.name}`,
              ...(source.stream === undefined ? {} : { stream: source.stream }),
            }
          : null
      return natsPlan(setup, connection, source.topics, jetstream, source.late)
    }
    return null
  }

  function mqttPlan(
    setup: FeedSetup,
    connection: BrokerConnection,
    topics: readonly string[],
    qos: 0 | 1,
    late: number,
  ): FeedPlan {
    const { url, username, password, tls } = connection
    const transport = new MqttTransport({
      name: setup.name,
      url,
      topics,
      client_id: `haidang-${setup.name}-${identity}`,
      qos,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(tls === undefined ? {} : { tls }),
      clock,
      random,
    })
    return { setup, delivery: qos === 0 ? 'none' : 'run', late, transport, kind: 'mqtt', address: url }
  }

  function natsPlan(
    setup: FeedSetup,
    connection: BrokerConnection,
    subjects: readonly string[],
    jetstream: { readonly stream?: string; readonly durable: string } | null,
    late: number,
  ): FeedPlan {
    const transport = new NatsTransport({
      name: setup.name,
      ...connection,
      subjects,
      ...(jetstream === null ? {} : { jetstream }),
      clock,
      random,
    })
    return {
      setup,
      delivery: jetstream === null ? 'none' : 'sequence',
      late,
      transport,
      kind: jetstream === null ? 'nats' : 'jetstream',
      address: connection.url,
    }
  }
}
