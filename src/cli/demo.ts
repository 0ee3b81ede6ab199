/**
 * `haidang demo`: everything on this machine, fed by a generated city over real MQTT and, where a nats-server is there,
 * real NATS. Open to anyone, and therefore on loopback alone; its folder goes when it ends.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { haiphong } from '../../fixtures/cities/haiphong.js'
import { readSettings } from '../config/settings.js'
import { formatFault } from '../model/errors.js'
import { parseArguments } from './arguments.js'
import { type Command, EXIT_FAULTS, EXIT_FINE, type Io, wrongUsage } from './command.js'
import { findNatsServer, type OwnNats, startNats } from './demo-nats.js'
import { Publisher } from './demo-publisher.js'
import { freePort } from './free-port.js'
import { announce, start } from './run.js'
import { startEngine } from './start-engine.js'

/** Sources of the city that publish over NATS where there is one: two of the six, both with plenty to say. */
const OVER_NATS: ReadonlySet<string> = new Set(['quan-trac', 'xe-buyt'])
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '::1', '[::1]'])
const NATS_PORT = 4222

export const demo: Command = {
  name: 'demo',
  summary: 'broker, store, engine and wall with a generated city, on this machine',
  usage: 'haidang demo [--seed N] [--speed N] [--data DIR] [--no-nats]',
  async run(args, io) {
    const parsed = parseArguments(args, {
      seed: { type: 'string' },
      speed: { type: 'string' },
      data: { type: 'string' },
      'no-nats': { type: 'boolean' },
    })
    if (typeof parsed === 'string') return wrongUsage(demo, parsed, io)
    if (parsed.positionals.length > 0)
      return wrongUsage(demo, `'${parsed.positionals[0]}' is one too many`, io)
    const seed = Number(parsed.values['seed'] ?? 1)
    if (!Number.isSafeInteger(seed)) return wrongUsage(demo, '--seed takes a whole number', io)
    const speed = Number(parsed.values['speed'] ?? 1)
    if (!(speed > 0 && speed <= 1000)) return wrongUsage(demo, '--speed takes a number up to 1000', io)
    const given = parsed.values['data'] as string | undefined
    const wantsNats = parsed.values['no-nats'] !== true

    const closing: (() => Promise<unknown>)[] = []
    try {
      const data =
        given === undefined
          ? await mkdtemp(path.join(tmpdir(), 'haidang-demo-'))
          : path.resolve(io.cwd, given)
      if (given === undefined) closing.push(() => rm(data, { recursive: true, force: true }))
      else await mkdir(data, { recursive: true })
      const city = haiphong(seed)
      const devices = path.join(data, 'devices.yaml')
      await writeFile(devices, city.registryYaml)
      await writeFile(path.join(data, 'zones.geojson'), city.zonesGeojson)

      const addresses = {
        HAIDANG_HTTP: await ownAddress('HAIDANG_HTTP', '127.0.0.1:8080', 'the wall', io),
        HAIDANG_MQTT: await ownAddress('HAIDANG_MQTT', '127.0.0.1:1883', 'the MQTT broker', io),
        HAIDANG_SQL: await ownAddress('HAIDANG_SQL', '127.0.0.1:8123', 'SQL', io),
      }
      const nats = wantsNats ? await natsUrl(data, io, closing) : null
      // Of the environment only what is meant for the demo: it must not write into somebody's ClickHouse.
      const env = {
        ...addresses,
        HAIDANG_DATA: data,
        HAIDANG_DEVICES: devices,
        ...(nats === null ? {} : { HAIDANG_NATS_URL: nats }),
      }
      const { settings, faults } = await readSettings(env, data)
      for (const fault of faults) io.stderr.write(`${formatFault(fault)}\n`)
      if (faults.some((fault) => fault.severity === 'error')) return EXIT_FAULTS
      const engine = await start(
        () => startEngine({ settings, open: true, say: (line) => io.stderr.write(`${line}\n`) }),
        io,
      )
      if (engine === null) return EXIT_FAULTS
      closing.push(() => engine.close())
      const { http, mqtt } = engine.addresses
      if (mqtt === null) throw new Error('the embedded broker is off')
      const publisher = await Publisher.open({
        mqtt,
        nats,
        overNats: OVER_NATS,
        now: Date.now,
        signal: io.signal,
      })
      closing.push(() => publisher.close())
      io.stdout.write(
        `\nHải Đăng, a generated day in Hải Phòng (seed ${seed})\n\n` +
          `  the wall   ${http}/wall\n` +
          `  MQTT       ${mqtt}\n` +
          `  NATS       ${nats === null ? 'none: everything goes over MQTT' : withoutUser(nats)}\n` +
          `  data       ${data}${given === undefined ? ' (goes when the demo ends)' : ''}\n\n` +
          'Ctrl-C ends it.\n\n',
      )
      announce(engine, io)
      await publisher.publish(city.messages(Date.now() + 100, speed))
      return EXIT_FINE
    } catch (error) {
      io.stderr.write(`haidang demo: ${(error as Error).message}\n`)
      return EXIT_FAULTS
    } finally {
      // In reverse: vendors, engine, nats-server, folder.
      for (const close of closing.reverse())
        await close().catch((error: Error) => io.stderr.write(`haidang demo: ${error.message}\n`))
    }
  },
}

/** `host:port` to use for one listener: what was asked for, or the next free port, said aloud. */
async function ownAddress(variable: string, fallback: string, what: string, io: Io): Promise<string> {
  const wanted = io.env[variable] ?? fallback
  const m = /^(.+):(\d{1,5})$/.exec(wanted)
  if (m === null || Number(m[2]) > 65_535) throw new Error(`${variable}: '${wanted}' is not host:port`)
  const [host, port] = [m[1]!, Number(m[2])]
  if (!LOOPBACK.has(host))
    throw new Error(
      `${variable}: '${host}' is not loopback, and the demo is open to whoever reaches it: use haidang run`,
    )
  const free = await freePort(host.replace(/^\[|\]$/g, ''), port)
  if (port !== 0 && free !== port) io.stdout.write(`port ${port} is taken: ${what} is on ${free}\n`)
  return `${host}:${free}`
}

/** URL of the NATS to use: the given one, one of our own, or null. */
async function natsUrl(data: string, io: Io, closing: (() => Promise<unknown>)[]): Promise<string | null> {
  const given = io.env['HAIDANG_NATS_URL']
  if (given !== undefined && given !== '') return given
  const program = await findNatsServer(io.env['PATH'])
  if (program === undefined) return null
  let own: OwnNats
  try {
    own = await startNats(program, await freePort('127.0.0.1', NATS_PORT), data)
  } catch (error) {
    io.stderr.write(`haidang demo: ${(error as Error).message}: going on without NATS\n`)
    return null
  }
  closing.push(() => own.close())
  return own.url
}

function withoutUser(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//')
}
