/**
 * Alerts at a wall while the store is up and while it is stopped (SIGSTOP: it holds its connections and answers
 * nothing), in turns, in one run, under an open-loop load.
 */
import { readFileSync } from 'node:fs'
import { city, type Via, verify } from './disturbance.js'
import { Load } from './load.js'
import { until } from './servers.js'
import { WallListener } from './wall-listener.js'

export interface Latency {
  readonly count: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly max_ms: number
}

export interface StoreStopped {
  readonly via: Via
  readonly rate: number
  readonly rounds: number
  readonly up_s: number
  readonly stopped_s: number
  readonly store_command: string
  /** Publish (the load's own clock) → transition at the WebSocket client. */
  readonly up: Latency
  readonly stopped: Latency
  readonly alerts_expected: number
  /** Records synced and not in the store, most at the end of a stop. */
  readonly backlog_max: number
  readonly log_grew_bytes: number
  /** From SIGCONT until the store had all that was logged while it was stopped, the load going on; the longest. */
  readonly drained_ms: number
  readonly verified: Awaited<ReturnType<typeof verify>>
}

export interface StoreStop {
  readonly via: Via
  readonly rate: number
  readonly rounds: number
  readonly up_s: number
  readonly stopped_s: number
  readonly say?: (line: string) => void
}

const seconds = (s: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, s * 1000))

export async function storeStopped({
  via,
  rate,
  rounds,
  up_s,
  stopped_s,
  say = () => {},
}: StoreStop): Promise<StoreStopped> {
  const town = await city(via)
  const { engine } = town
  // A device crosses its level every 40 s (more would be flapping): 25 transitions a second.
  const load = new Load({
    rate,
    devices: 1000,
    period: Math.round(rate / 25),
    link: (acknowledged) => town.link(acknowledged),
  })
  let pid = 0
  try {
    await load.link.up
    const wall = await WallListener.join(engine.addresses.http)
    pid = await engine.storePid()
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
    const phases: { stopped: boolean; from: number; to: number }[] = []
    let backlog = 0
    let grew = 0
    let drained = 0
    load.start()
    // What a fresh process compiles and opens is neither phase's.
    await seconds(2)
    for (let round = 0; round < rounds; round++) {
      for (const stopped of [false, true]) {
        const bytes = await engine.metric('haidang_log_bytes')
        if (stopped) process.kill(pid, 'SIGSTOP')
        const from = performance.now()
        await seconds(stopped ? stopped_s : up_s)
        phases.push({ stopped, from, to: performance.now() })
        if (!stopped) continue
        backlog = Math.max(
          backlog,
          (await engine.metric('haidang_log_synced_seq')) -
            (await engine.metric('haidang_store_shipped_seq')),
        )
        grew = Math.max(grew, (await engine.metric('haidang_log_bytes')) - bytes)
        process.kill(pid, 'SIGCONT')
        const resumed = performance.now()
        const behind = await engine.metric('haidang_log_synced_seq')
        await until(
          'the store has what was logged while it was stopped',
          async () => (await engine.metric('haidang_store_shipped_seq')) >= behind,
          120_000,
        )
        drained = Math.max(drained, performance.now() - resumed)
        say(`round ${round + 1}: backlog ${backlog} records`)
      }
    }
    const from = performance.now()
    await seconds(up_s)
    phases.push({ stopped: false, from, to: performance.now() })
    load.stop()
    await until('everything is acknowledged', () => load.inFlight === 0, 60_000)
    await engine.shipped(120_000)
    const verified = await verify({ engine, load, rules: town.rules })
    await until('every alert at the wall', () => wall.heard.length >= verified.transitions)
    wall.close()

    const sentAt = new Map<string, number>()
    for (let i = 0; i < load.sent; i++) sentAt.set(`${load.deviceOf(i)} ${load.time[i]}`, load.sentAt[i]!)
    const latencies = (stopped: boolean): number[] => {
      const found: number[] = []
      for (const { transition, at } of wall.heard) {
        const sent = sentAt.get(`${transition.device} ${transition.time}`)
        if (
          sent !== undefined &&
          phases.some((phase) => phase.stopped === stopped && sent >= phase.from && sent < phase.to)
        )
          found.push(at - sent)
      }
      return found
    }
    return {
      via,
      rate,
      rounds,
      up_s,
      stopped_s,
      store_command: command,
      up: latency(latencies(false)),
      stopped: latency(latencies(true)),
      alerts_expected: verified.transitions_expected,
      backlog_max: backlog,
      log_grew_bytes: grew,
      drained_ms: Math.round(drained),
      verified,
    }
  } finally {
    load.stop()
    // A stopped process would outlive its engine.
    if (pid > 0) {
      try {
        process.kill(pid, 'SIGCONT')
      } catch {
        // It has ended.
      }
    }
    await load.link.close()
    await town.close()
  }
}

export function latency(found: readonly number[]): Latency {
  const sorted = [...found].sort((a, b) => a - b)
  const at = (share: number): number =>
    Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(2))
  return { count: sorted.length, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1) }
}
