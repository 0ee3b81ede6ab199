/**
 * `haidang play`: publishes a recording as its vendor would have, at its own pace times `--speed`. What it prints at the
 * end is what the broker acknowledged: the number that must be found in ClickHouse.
 */
import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Presets, SingleBar } from 'cli-progress'
import { parseArguments } from './arguments.js'
import { type Command, EXIT_FAULTS, EXIT_FINE, type Io, wrongUsage } from './command.js'
import { linesOf } from './lines.js'
import { type Outgoing, outgoing, recordingName } from './play-lines.js'
import { type Publisher, type PublisherOptions, publisher } from './play-publisher.js'

export const play: Command = {
  name: 'play',
  summary: 'publish a recording to a broker at its own pace times a speed',
  usage:
    'haidang play FILE|- --to mqtt://HOST:PORT|nats://HOST:PORT [--speed N|max] [--qos 0|1] [--jetstream] [--shift now] [--source NAME] [--ca FILE]\n' +
    '  FILE       NDJSON or NDJSON.gz, native lines (stream, device, time, metrics, …) or raw ones (topic, time, payload)\n' +
    '  --speed    60 plays an hour in a minute; max as fast as the broker acknowledges (default 1)\n' +
    '  --qos      MQTT quality of service (default 1)\n' +
    '  --jetstream  wait for the acknowledgement of the JetStream stream that holds the subject\n' +
    '  --shift now  each native sample claims the moment it is published instead of its recorded time\n' +
    "  --source   segment <source> of the native topic (default: the recording's base name)\n" +
    '  --ca       PEM file of the CA to trust (mqtts://, tls://)',
  async run(args, io) {
    const settings = await settingsOf(args)
    if (typeof settings === 'string') return wrongUsage(play, settings, io)
    try {
      return await playFile(settings, io)
    } catch (error) {
      io.stderr.write(`haidang play: ${(error as Error).message || String(error)}\n`)
      return EXIT_FAULTS
    }
  },
}

interface Settings {
  readonly file: string
  readonly source: string
  /** Recorded ms per ms; infinite for `max`. */
  readonly speed: number
  readonly shift: boolean
  readonly publisher: PublisherOptions
}

const PROTOCOLS = ['mqtt:', 'mqtts:', 'ws:', 'wss:', 'nats:', 'tls:']
/** Published and not yet acknowledged; a larger window only moves the queue from the file to the broker. */
const WINDOW = 1000
const FAULTS_SHOWN = 5

async function settingsOf(args: readonly string[]): Promise<Settings | string> {
  const parsed = parseArguments(args, {
    to: { type: 'string' },
    speed: { type: 'string' },
    qos: { type: 'string' },
    jetstream: { type: 'boolean' },
    shift: { type: 'string' },
    source: { type: 'string' },
    ca: { type: 'string' },
  })
  if (typeof parsed === 'string') return parsed
  const { values, positionals } = parsed
  const [file, ...more] = positionals
  if (file === undefined || more.length > 0) return 'one FILE is needed, or - for standard input'
  if (typeof values['to'] !== 'string') return '--to URL is missing'
  const to = URL.canParse(values['to']) ? new URL(values['to']) : undefined
  if (to === undefined || !PROTOCOLS.includes(to.protocol))
    return `--to takes ${PROTOCOLS.map((name) => `${name}//`).join(', ')}, not '${values['to']}'`
  const speed = values['speed'] === 'max' ? Number.POSITIVE_INFINITY : Number(values['speed'] ?? 1)
  if (!(speed > 0)) return `--speed takes a number above 0 or max, not '${String(values['speed'])}'`
  const qos = Number(values['qos'] ?? 1)
  if (qos !== 0 && qos !== 1) return `--qos is 0 or 1, not '${String(values['qos'])}'`
  if (values['shift'] !== undefined && values['shift'] !== 'now')
    return `--shift is 'now', not '${String(values['shift'])}'`
  const isNats = to.protocol === 'nats:' || to.protocol === 'tls:'
  if (values['jetstream'] === true && !isNats) return '--jetstream needs a nats:// or tls:// address'
  const source = (values['source'] as string | undefined) ?? (file === '-' ? 'stdin' : recordingName(file))
  if (source === '' || /[+#/\0]/.test(source)) return `--source '${source}' cannot be a segment of a topic`
  let ca: string | undefined
  try {
    ca = values['ca'] === undefined ? undefined : await readFile(String(values['ca']), 'utf8')
  } catch (error) {
    return `--ca: ${(error as Error).message}`
  }
  return {
    file,
    source,
    speed,
    shift: values['shift'] === 'now',
    publisher: { to, qos, jetstream: values['jetstream'] === true, ca, id: randomBytes(6).toString('hex') },
  }
}

/** What has become of the lines so far. */
class Counts {
  lines = 0
  published = 0
  acknowledged = 0
  refused = 0
  lost = 0
  readonly reasons: string[] = []
  #waiting: (() => void) | undefined

  get inFlight(): number {
    return this.published - this.acknowledged - this.lost
  }

  refuse(reason: string): void {
    this.refused++
    if (this.reasons.length < FAULTS_SHOWN) this.reasons.push(`line ${this.lines}: ${reason}`)
  }

  settle(): void {
    this.#waiting?.()
    this.#waiting = undefined
  }

  /** Resolves when fewer than `limit` are in flight, or when the player is stopped. */
  async below(limit: number, signal: AbortSignal): Promise<void> {
    while (this.inFlight >= limit && !signal.aborted)
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
      })
  }
}

async function playFile(settings: Settings, io: Io): Promise<number> {
  const recording = await openRecording(settings.file, io)
  const target = await publisher(settings.publisher)
  const counts = new Counts()
  const bar = progressBar(io, recording.bytes)
  io.signal.addEventListener('abort', () => counts.settle())
  const started = performance.now()
  try {
    await publishAll(recording, target, counts, settings, io, bar)
    await counts.below(1, io.signal)
  } finally {
    bar?.stop()
    recording.stream.destroy()
    await target.close().catch((error: Error) => {
      io.stderr.write(`haidang play: ${error.message}\n`)
    })
  }
  const seconds = (performance.now() - started) / 1000
  for (const reason of counts.reasons) io.stderr.write(`haidang play: ${settings.file}: ${reason}\n`)
  if (counts.refused > counts.reasons.length)
    io.stderr.write(`haidang play: … ${counts.refused} lines were not published\n`)
  const rate = Math.round(counts.published / Math.max(seconds, 0.001))
  io.stdout.write(
    `published ${counts.published}, acknowledged ${counts.acknowledged}, not published ${counts.refused}, in ${seconds.toFixed(1)} s (${rate}/s)\n`,
  )
  return counts.refused > 0 || counts.lost > 0 ? EXIT_FAULTS : EXIT_FINE
}

async function publishAll(
  recording: Recording,
  target: Publisher,
  counts: Counts,
  settings: Settings,
  io: Io,
  bar: SingleBar | undefined,
): Promise<void> {
  const pace = new Pace(settings.speed)
  for await (const line of linesOf(recording.stream)) {
    if (io.signal.aborted) return
    counts.lines++
    const message = outgoing(line, settings.source, settings.shift)
    if (message === undefined) continue
    if ('reason' in message) {
      counts.refuse(message.reason)
      continue
    }
    await pace.wait(message.time, io.signal)
    await counts.below(WINDOW, io.signal)
    if (io.signal.aborted) return
    publishOne(target, message, counts)
    bar?.update(recording.read(), { published: counts.published })
  }
}

function publishOne(target: Publisher, message: Outgoing, counts: Counts): void {
  counts.published++
  target
    .publish(message.topic, message.native, message.payload(Date.now()))
    .then(
      () => {
        counts.acknowledged++
      },
      (error: Error) => {
        counts.lost++
        counts.refuse(error.message)
      },
    )
    .finally(() => counts.settle())
}

/** When a line is due: the recording's clock times speed, begun at its first line; it never runs backwards. */
class Pace {
  readonly #speed: number
  #first = Number.NaN
  #start = 0

  constructor(speed: number) {
    this.#speed = speed
  }

  async wait(time: number, signal: AbortSignal): Promise<void> {
    if (Number.isNaN(time) || this.#speed === Number.POSITIVE_INFINITY) return
    if (Number.isNaN(this.#first)) {
      this.#first = time
      this.#start = performance.now()
    }
    const due = this.#start + (time - this.#first) / this.#speed
    // Timers are good to a millisecond; what is due within it goes at once, so that fast playing is not slowed by them.
    for (let left = due - performance.now(); left > 1 && !signal.aborted; left = due - performance.now())
      await sleep(Math.min(left, SLEEP_MS_MAX), signal)
  }
}

/** Node's timers end at 2^31 ms; a hole of months at speed 1 must not wrap to nothing. */
const SLEEP_MS_MAX = 3_600_000

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}

interface Recording {
  readonly stream: Readable
  /** Size of the file; undefined for standard input. */
  readonly bytes: number | undefined
  /** Bytes of the file read so far. */
  read(): number
}

async function openRecording(file: string, io: Io): Promise<Recording> {
  if (file === '-') return { stream: io.stdin, bytes: undefined, read: () => 0 }
  const { size } = await stat(file)
  const raw = createReadStream(file)
  if (!file.endsWith('.gz')) return { stream: raw, bytes: size, read: () => raw.bytesRead }
  const gunzip = createGunzip()
  raw.on('error', (error) => gunzip.destroy(error))
  return { stream: raw.pipe(gunzip), bytes: size, read: () => raw.bytesRead }
}

/** A bar on a terminal, nothing elsewhere: a log file wants the last line alone. */
function progressBar(io: Io, bytes: number | undefined): SingleBar | undefined {
  const terminal = io.stderr as NodeJS.WriteStream
  if (terminal.isTTY !== true || bytes === undefined) return undefined
  const bar = new SingleBar(
    {
      stream: terminal,
      format: '{bar} {percentage}% · {published} published · {eta_formatted} left',
      hideCursor: true,
      fps: 5,
    },
    Presets.shades_classic,
  )
  bar.start(bytes, 0, { published: 0 })
  return bar
}
