import { AckPolicy, type ConsumerConfig, DeliverPolicy } from '@nats-io/jetstream'

/** A durable that begins with what comes after it: the floor must not read the engine's half of a pair. */
export function consumerOptsFor(name: string): Partial<ConsumerConfig> {
  return {
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.New,
    max_ack_pending: 10_000,
  }
}
