/**
 * A real engine under an open-loop load while real processes are killed with -9, and what must hold afterwards: every
 * sample acknowledged to its publisher is in ClickHouse exactly once, in the rollups exactly once, and the alerts are
 * those of an undisturbed run (the same messages through `haidang replay`).
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from 'nats'
import { EngineProcess } from './engine-process.js'
import { JetStreamLink, type Link, Load, type LoadOptions, MqttLink, RULES, SOURCE } from './load.js'
import { freePort, mosquitto, natsServer, type Server, until } from './servers.js'

export type Via = 'embedded' | 'mosquitto' | 'jetstream'
export type Victim = 'engine' | 'store' | 'broker'

export const STREAM = 'samples'
export const DURABLE = 'haidang'
const PROGRAM = path.resolve(import.meta.dirname, '../../../bin/haidang.js')

export interface City {
  readonly engine: EngineProcess
  /** null: the engine's own. */
  readonly broker: Server | null
  readonly rules: string
  link(acknowledged: (index: number) => void): Link
  close(): Promise<void>
}

export interface CityOptions {
  /** Variables of the engine. */
  readonly env?: Record<string, string>
  /** Lines of mosquitto.conf; those of DESIGN.md 13 unless these say otherwise. */
  readonly mosquitto?: readonly string[]
  /** The engine connects to the port that this answers instead of to the broker's. */
  readonly through?: (brokerPort: number) => Promise<number>
}

/** Broker and engine, running. */
export async function city(via: Via, options: CityOptions = {}): Promise<City> {
  const folder = mkdtempSync(path.join(tmpdir(), 'haidang-city-'))
  const rules = path.join(folder, 'rules.yaml')
  writeFileSync(rules, RULES)
  const broker =
    via === 'mosquitto' ? await mosquitto(options.mosquitto) : via === 'jetstream' ? await natsServer() : null
  await broker?.start()
  const brokerPort = broker === null ? 0 : ((await options.through?.(broker.port)) ?? broker.port)
  const url = `${via === 'mosquitto' ? 'mqtt' : 'nats'}://127.0.0.1:${brokerPort}`
  if (via === 'jetstream') await makeStream(url)
  const port = await freePort()
  const engine = await EngineProcess.create({
    HAIDANG_RULES: rules,
    ...(via === 'embedded' ? { HAIDANG_MQTT: `127.0.0.1:${port}` } : {}),
    ...(via === 'mosquitto' ? { HAIDANG_MQTT_URL: url } : {}),
    ...(via === 'jetstream' ? { HAIDANG_NATS_URL: url, HAIDANG_NATS_STREAM: STREAM } : {}),
    ...options.env,
  })
  await engine.start()
  return {
    engine,
    broker,
    rules,
    link: (acknowledged) =>
      via === 'jetstream'
        ? new JetStreamLink(url, acknowledged)
        : new MqttLink(() => broker?.port ?? port, acknowledged),
    close: async () => {
      await engine.close()
      await broker?.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The stream that the engine's durable consumer reads. */
export async function makeStream(url: string): Promise<void> {
  const connection = await connect({ servers: url })
  const manager = await jetstreamManager(connection)
  await manager.streams.add({ name: STREAM, subjects: ['haidang.v1.>'] })
  await connection.close()
}

/** One kill, and what was under way at that moment. */
export interface Kill {
  readonly victim: Victim
  readonly pid: number
  /** What /proc said the pid was. */
  readonly command: string
  readonly at_ms: number
  /** Messages (store: records) that somebody was still waiting for. */
  in_flight: number
  readonly in_flight_of: string
  /** From the kill until messages were acknowledged again (store: until it shipped again). */
  back_ms: number
}

export interface Outcome {
  readonly via: Via
  readonly rate: number
  readonly seconds: number
  readonly kills: readonly Kill[]
  readonly sent: number
  readonly acknowledged: number
  readonly publisher_reconnects: number
  /** Rows of `message_count` without, and with, the mark of a duplicate. */
  readonly rows: number
  readonly rows_marked_duplicate: number
  /** Acknowledged to the publisher and not stored. */
  readonly missing: number
  /** Stored more than once without the mark. */
  readonly doubled: number
  readonly rollup_1m: number
  readonly rollup_1h: number
  readonly rollup_sums_equal: boolean
  readonly transitions: number
  readonly transitions_expected: number
  readonly transitions_equal: boolean
  readonly first_difference: string
  readonly redelivered: number
  readonly drained_ms: number
}

export interface Disturbance {
  readonly via: Via
  readonly rate: number
  /** Under load, the kills spread evenly over them. */
  readonly seconds: number
  readonly kills: readonly Victim[]
  readonly load?: Partial<LoadOptions>
  readonly say?: (line: string) => void
}

export async function disturbed({
  via,
  rate,
  seconds,
  kills,
  load: options,
  say = () => {},
}: Disturbance): Promise<Outcome> {
  const town = await city(via)
  const { engine, broker } = town
  const load = new Load({ rate, link: (acknowledged) => town.link(acknowledged), ...options })
  try {
    await load.link.up
    const done: Kill[] = []
    let redelivered = 0
    const begun = performance.now()
    load.start()
    for (const [i, victim] of kills.entries()) {
      const at = begun + (seconds * 1000 * (i + 0.7)) / (kills.length + 0.4)
      await until('the moment', () => performance.now() >= at, 600_000)
      if (victim === 'engine') redelivered += await countRedelivered(engine)
      const kill = await killing(victim, via, town, load, begun)
      done.push(kill)
      say(`${JSON.stringify(kill)}`)
    }
    await until('the end of the load', () => performance.now() >= begun + seconds * 1000, 600_000)
    load.stop()
    await until('everything is acknowledged to the publisher', () => load.inFlight === 0, 60_000)
    const settled = performance.now()
    await allTaken(engine, load)
    await engine.shipped()
    const drained = performance.now() - settled
    redelivered += await countRedelivered(engine)
    for (const kill of done)
      if (kill.in_flight < 0) kill.in_flight = await inFlightAcross(engine, load, kill, begun)
    const outcome = await verify({
      engine,
      load,
      rules: town.rules,
      lossy: via === 'mosquitto' && kills.includes('broker'),
    })
    return {
      via,
      rate,
      seconds,
      kills: done,
      ...outcome,
      publisher_reconnects: load.link.reconnects,
      redelivered,
      drained_ms: Math.round(drained),
    }
  } catch (error) {
    say(engine.output.slice(-4000))
    throw error
  } finally {
    load.stop()
    await load.link.close()
    await town.close()
    void broker
  }
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
}

async function killing(
  victim: Victim,
  via: Via,
  { engine, broker }: City,
  load: Load,
  begun: number,
): Promise<Kill> {
  const acknowledgedByEngine = (): Promise<number> =>
    engine.metric('haidang_source_acknowledged_total').catch(() => 0)
  if (victim === 'store') {
    const pid = await engine.storePid()
    const command = commandOf(pid)
    const restarts = await engine.metric('haidang_store_restarts_total')
    // While a shipment is under way or due.
    let behind = 0
    await until('records on their way to the store', async () => {
      behind =
        (await engine.metric('haidang_log_synced_seq')) - (await engine.metric('haidang_store_shipped_seq'))
      return behind > 0
    })
    const killed = performance.now()
    process.kill(pid, 'SIGKILL')
    const shipped = await engine.metric('haidang_store_shipped_seq')
    await until(
      'the store ships again',
      async () =>
        (await engine.metric('haidang_store_restarts_total')) > restarts &&
        (await engine.metric('haidang_store_shipped_seq')) > shipped,
      60_000,
    )
    return {
      victim,
      pid,
      command,
      at_ms: Math.round(killed - begun),
      in_flight: behind,
      in_flight_of: 'records synced and not shipped',
      back_ms: Math.round(performance.now() - killed),
    }
  }
  const pid = victim === 'engine' ? engine.pid : broker!.pid!
  const command = commandOf(pid)
  // The publisher's own window is known to the message; what is in flight between broker and engine is asked afterwards.
  const own = victim === 'broker' || via === 'embedded'
  let inFlight = -1
  if (own) {
    await until('messages in flight', () => load.inFlight > 0)
    inFlight = load.inFlight
  }
  const killed = performance.now()
  if (victim === 'broker') {
    const before = load.acknowledged
    await broker!.kill()
    const gone = await acknowledgedByEngine()
    await broker!.start()
    await until(
      'messages are acknowledged again',
      async () => load.acknowledged > before + inFlight && (await acknowledgedByEngine()) > gone,
      60_000,
    )
  } else {
    const dead = engine.kill()
    process.kill(pid, 0)
    await dead
    if (via === 'jetstream') inFlight = await pendingAcknowledgements(broker!)
    const before = load.acknowledged
    const ready = engine.start()
    if (own) await until('messages are acknowledged again', () => load.acknowledged > before, 60_000)
    else
      await until('messages are acknowledged again', async () => (await acknowledgedByEngine()) > 0, 60_000)
    const back = performance.now() - killed
    await ready
    return {
      victim,
      pid,
      command,
      at_ms: Math.round(killed - begun),
      in_flight: inFlight,
      in_flight_of: own ? 'published, not acknowledged' : 'delivered to the engine, not acknowledged by it',
      back_ms: Math.round(back),
    }
  }
  return {
    victim,
    pid,
    command,
    at_ms: Math.round(killed - begun),
    in_flight: inFlight,
    in_flight_of: 'published, not acknowledged',
    back_ms: Math.round(performance.now() - killed),
  }
}

async function pendingAcknowledgements(broker: Server): Promise<number> {
  const connection = await connect({ servers: `nats://127.0.0.1:${broker.port}` })
  const manager = await jetstreamManager(connection)
  const { num_ack_pending } = await manager.consumers.info(STREAM, DURABLE)
  await connection.close()
  return num_ack_pending
}

async function countRedelivered(engine: EngineProcess): Promise<number> {
  const count = await engine.metric('haidang_ingest_redelivered_total')
  return Number.isNaN(count) ? 0 : count
}

/** Messages that were sent before the kill and taken by the log after it. */
async function inFlightAcross(engine: EngineProcess, load: Load, kill: Kill, begun: number): Promise<number> {
  const at = Math.round(performance.timeOrigin + begun + kill.at_ms)
  void load
  const [row] = await engine.sql(
    `SELECT count() AS n FROM samples WHERE source = '${SOURCE}' AND metric = 'message_count' AND time <= fromUnixTimestamp64Milli(toInt64(${at})) AND received > fromUnixTimestamp64Milli(toInt64(${at}))`,
  )
  return Number(row!['n'])
}

/** The engine has logged what the broker had kept for it: nothing came for a second, and nothing waits. */
async function allTaken(engine: EngineProcess, load: Load): Promise<void> {
  void load
  let last = -1
  let since = performance.now()
  await until(
    'the engine has taken everything',
    async () => {
      const synced = await engine.metric('haidang_source_messages_total').catch(() => -1)
      const waiting = await engine.metric('haidang_source_unacknowledged').catch(() => 1)
      if (synced !== last || waiting > 0) since = performance.now()
      last = synced
      await new Promise((resolve) => setTimeout(resolve, 50))
      return performance.now() - since > 1000
    },
    60_000,
  )
}

export interface Verification {
  readonly engine: EngineProcess
  readonly load: Load
  readonly rules: string
  /** The broker may have lost some: the undisturbed run is then one of what it delivered. */
  readonly lossy?: boolean
}

type Verified = Omit<
  Outcome,
  'via' | 'rate' | 'seconds' | 'kills' | 'publisher_reconnects' | 'redelivered' | 'drained_ms'
>

/** Compares what was acknowledged with what ClickHouse has. */
export async function verify({ engine, load, rules, lossy = false }: Verification): Promise<Verified> {
  const where = `source = '${SOURCE}' AND metric = 'message_count'`
  const fresh = 'bitAnd(quality, 64) = 0'
  const [counts] = await engine.sql(
    `SELECT countIf(${fresh}) AS rows, countIf(NOT (${fresh})) AS marked, sumIf(value, ${fresh}) AS total FROM samples WHERE ${where}`,
  )
  const stored = await engine.sql(
    `SELECT device, groupArray(toUInt32(value)) AS n FROM samples WHERE ${where} AND ${fresh} GROUP BY device`,
  )
  const times = new Uint8Array(load.sent)
  for (const { device, n } of stored as { device: string; n: number[] }[]) {
    const d = Number(device.slice('load-'.length))
    for (const one of n) {
      const index = Number(one) * load.devices + d
      times[index] = times[index]! + 1
    }
  }
  let missing = 0
  let doubled = 0
  for (let i = 0; i < load.sent; i++) {
    if (times[i] === 0 && load.isAcknowledged(i)) missing++
    if (times[i]! > 1) doubled++
  }
  const rollup = async (table: string): Promise<{ count: number; sum: number }> => {
    const [row] = await engine.sql(
      `SELECT countMerge(count) AS c, sumMerge(sum) AS s FROM ${table} WHERE metric = 'message_count'`,
    )
    return { count: Number(row!['c']), sum: Number(row!['s']) }
  }
  const minutes = await rollup('samples_1m')
  const hours = await rollup('samples_1h')
  const total = Number(counts!['total'])

  const live = byAlert(
    await engine.sql(
      "SELECT id, rule, toJSONString(key) AS key, status, level, previous, toUnixTimestamp64Milli(time) AS time FROM transitions WHERE rule = 'test.level' ORDER BY seq, n",
    ),
  )
  const expected = byAlert(
    undisturbed(load, rules, (index) => (lossy ? times[index]! > 0 : load.isAcknowledged(index))),
  )
  let difference = ''
  for (const key of new Set([...live.keys(), ...expected.keys()])) {
    const [a, b] = [live.get(key) ?? [], expected.get(key) ?? []]
    for (let i = 0; i < Math.max(a.length, b.length) && difference === ''; i++)
      if (a[i] !== b[i])
        difference = `${key} transition ${i}: live ${a[i]}, undisturbed ${b[i]} (${a.length} and ${b.length})`
  }
  const length = (alerts: ReadonlyMap<string, readonly string[]>): number =>
    [...alerts.values()].reduce((sum, lines) => sum + lines.length, 0)
  return {
    sent: load.sent,
    acknowledged: load.acknowledged,
    rows: Number(counts!['rows']),
    rows_marked_duplicate: Number(counts!['marked']),
    missing,
    doubled,
    rollup_1m: minutes.count,
    rollup_1h: hours.count,
    rollup_sums_equal: minutes.sum === total && hours.sum === total,
    transitions: length(live),
    transitions_expected: length(expected),
    transitions_equal: difference === '',
    first_difference: difference,
  }
}

/** Transitions of the messages that were acknowledged, by `haidang replay` in the order in which they were sent. */
function undisturbed(
  load: Load,
  rules: string,
  taken: (index: number) => boolean,
): Record<string, unknown>[] {
  const lines: string[] = []
  for (let i = 0; i < load.sent; i++) if (taken(i)) lines.push(load.line(i))
  const { stdout, status, stderr } = spawnSync(
    process.execPath,
    [PROGRAM, 'replay', '--rules', rules, '--clock', 'event', '-'],
    {
      input: `${lines.join('\n')}\n`,
      maxBuffer: 1 << 30,
    },
  )
  if (status !== 0) throw new Error(`replay: ${stderr.toString()}`)
  return stdout
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** Canonical transitions (DESIGN.md 6: without seq, received, raised) by alert key, in order, with the alert's id. */
function byAlert(rows: readonly Record<string, unknown>[]): Map<string, string[]> {
  const alerts = new Map<string, string[]>()
  for (const { id, rule, key, status, level, previous, time } of rows) {
    const name = `${rule} ${typeof key === 'string' ? key : JSON.stringify(key)}`
    const lines = alerts.get(name)
    const line = `${id} ${status} ${previous}>${level} ${Number(time)}`
    if (lines === undefined) alerts.set(name, [line])
    else lines.push(line)
  }
  return alerts
}
