/**
 * `haidang replay`: NDJSON (or Arrow) samples in, NDJSON transitions out, as fast as it can: the same core as the live
 * engine, fed from a file instead of a broker.
 */
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { decodeNative } from '../../ingest/decoders/native.js'
import { MessageWriter, TIME_MAX } from '../../ingest/decoders/writer.js'
import { readTexts } from '../config/texts.js'
import { textRecords } from '../engine/configure.js'
import { Core } from '../engine/core.js'
import type { Transition } from '../model/alert.js'
import { SampleBatch } from '../model/columns.js'
import type { SourceProfile } from '../model/decoder.js'
import { formatFault, HaidangError } from '../model/errors.js'
import type { MessageRecord } from '../model/record.js'
import { parseIsoTime } from '../model/time.js'
import { parseArguments } from './arguments.js'
import { type Command, EXIT_FAULTS, EXIT_FINE, type Io, wrongUsage } from './command.js'
import { settingsBeside } from './settings-beside.js'

export const replay: Command = {
  name: 'replay',
  summary: 'judge a file of samples and print every transition',
  usage: 'haidang replay --rules DIR [--clock event] [--until TIME] FILE|-',
  async run(args, io) {
    const parsed = parseArguments(args, {
      rules: { type: 'string', multiple: true },
      clock: { type: 'string' },
      until: { type: 'string' },
    })
    if (typeof parsed === 'string') return wrongUsage(replay, parsed, io)
    const { values, positionals } = parsed
    const rules =
      (values['rules'] as string[] | undefined) ??
      (io.env['HAIDANG_RULES'] === undefined ? undefined : [io.env['HAIDANG_RULES']])
    if (rules === undefined) return wrongUsage(replay, '--rules DIR is missing', io)
    if (positionals.length !== 1) return wrongUsage(replay, 'one FILE is needed, or - for standard input', io)
    const clock = values['clock'] ?? 'arrival'
    if (clock !== 'event' && clock !== 'arrival')
      return wrongUsage(replay, `--clock is 'event' or 'arrival', not '${String(clock)}'`, io)
    const until = values['until'] === undefined ? undefined : timeArgument(String(values['until']))
    if (until !== undefined && Number.isNaN(until))
      return wrongUsage(
        replay,
        `--until takes ms or ISO 8601 with a zone, not '${String(values['until'])}'`,
        io,
      )

    const settings = await settingsBeside(io)
    if (settings === null) return EXIT_FAULTS
    const core = new Core({ timezone: settings.timezone })
    const out: Transition[] = []
    try {
      const texts = await readTexts({ ...settings.texts, rules })
      for (const record of textRecords(texts, Number.NEGATIVE_INFINITY)) core.apply(record, out)
    } catch (error) {
      if (!(error instanceof HaidangError)) throw error
      io.stderr.write(`haidang replay: ${error.message} [${error.code}]\n`)
      return EXIT_FAULTS
    }
    const faults = core.faults.filter((fault) => fault.severity === 'error')
    for (const fault of faults) io.stderr.write(`${formatFault(fault)}\n`)
    if (faults.length > 0) return EXIT_FAULTS
    return await play(core, positionals[0]!, { event: clock === 'event', until }, io)
  },
}

async function play(
  core: Core,
  file: string,
  options: { event: boolean; until: number | undefined },
  io: Io,
): Promise<number> {
  const samples = new SampleLines(core, options.event)
  const out: Transition[] = []
  const print = async (): Promise<void> => {
    if (out.length === 0) return
    const text = out.map((line) => `${JSON.stringify(line)}\n`).join('')
    out.length = 0
    if (!io.stdout.write(text)) await new Promise<void>((resolve) => io.stdout.once('drain', resolve))
  }
  try {
    if (file.endsWith('.arrow')) {
      const { arrowRecords } = await import('./replay-arrow.js')
      for await (const record of arrowRecords(input(file, io), core, options.event)) {
        core.apply(record, out)
        await print()
      }
    } else
      for await (const line of lines(input(file, io))) {
        const record = samples.record(line)
        if (record !== undefined) core.apply(record, out)
        if (out.length > 0) await print()
      }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined && !(error instanceof HaidangError)) throw error
    io.stderr.write(`haidang replay: ${file}: ${(error as Error).message}\n`)
    return EXIT_FAULTS
  }
  const received = Math.max(samples.clock, options.until ?? Number.NEGATIVE_INFINITY)
  if (received > Number.NEGATIVE_INFINITY) core.apply({ kind: 'tick', seq: core.seq, received }, out)
  await print()
  for (const { line, reason } of samples.refused.slice(0, 20)) io.stderr.write(`${file}:${line}: ${reason}\n`)
  if (samples.refusedCount > 0)
    io.stderr.write(`haidang replay: ${samples.refusedCount} lines or values could not be used\n`)
  return EXIT_FINE
}

function input(file: string, io: Io): Readable {
  const raw = file === '-' ? io.stdin : createReadStream(file)
  if (!file.endsWith('.gz')) return raw
  const unzipped = createGunzip()
  raw.on('error', (error: Error) => unzipped.destroy(error))
  return raw.pipe(unzipped)
}

/** Lines of a stream of bytes, without their ends; a last line without an end counts. */
async function* lines(stream: Readable): AsyncIterable<string> {
  let rest = ''
  stream.setEncoding('utf8')
  for await (const chunk of stream as AsyncIterable<string>) {
    rest += chunk
    let from = 0
    for (let end = rest.indexOf('\n', from); end >= 0; end = rest.indexOf('\n', from)) {
      yield rest.slice(from, end)
      from = end + 1
    }
    rest = rest.slice(from)
  }
  if (rest !== '') yield rest
}

const PROFILE: SourceProfile = { source: 'replay', stream: 'sensor' }

/** NDJSON lines as message records: the native form plus `stream`, `device`, and optionally `source`, `received`, `quality`. */
export class SampleLines {
  /** Greatest `received` so far. */
  clock = Number.NEGATIVE_INFINITY
  readonly refused: { line: number; reason: string }[] = []
  refusedCount = 0
  #line = 0
  #seq: number
  readonly #event: boolean
  readonly #batch = new SampleBatch(64)
  readonly #writer: MessageWriter
  readonly #feed: number

  constructor(core: Core, event: boolean) {
    this.#event = event
    this.#seq = 0
    this.#writer = new MessageWriter(core.index)
    this.#feed = core.index.sources.id('replay')
  }

  /** Record of one line; undefined where it is empty or cannot be used (then counted). `seq` is the message's position. */
  record(line: string): MessageRecord | undefined {
    this.#line++
    if (line.trim() === '') return undefined
    const seq = ++this.#seq
    let parsed: unknown
    try {
      // A byte order mark is how some tools begin a text file.
      parsed = JSON.parse(this.#line === 1 ? line.replace(/^\uFEFF/, '') : line)
    } catch (error) {
      return this.#refuse((error as Error).message)
    }
    const entries = this.#entries(parsed)
    if (entries.length === 0) return undefined
    const received = this.#received(entries)
    if (received === Number.NEGATIVE_INFINITY)
      return this.#refuse('`time` and `received` are both missing: the sample cannot be placed')
    this.clock = received
    const batch = this.#batch
    batch.clear()
    const raw = { topic: '', separator: '/' as const, bytes: EMPTY, received, retained: false, headers: null }
    const { stream, source } = entries[0]!
    this.#writer.begin(batch, PROFILE, raw)
    try {
      this.#writer.from(stream, source)
      for (const { object, device } of entries) decodeNative(object, device, PROFILE, this.#writer)
    } catch (error) {
      this.#writer.takeBack()
      return this.#refuse((error as Error).message)
    }
    for (const refusal of this.#writer.refusals) this.#refuse(refusal.what)
    if (batch.length === 0) return undefined
    return {
      kind: 'message',
      seq,
      received,
      feed: this.#feed,
      source: this.#writer.source,
      stream: this.#writer.stream,
      identity: 0,
      batch,
      from: 0,
      to: batch.length,
    }
  }

  /** The objects of a line: one, or those of a batch. A message is of one stream and source; what differs is refused. */
  #entries(parsed: unknown): Entry[] {
    const entries: Entry[] = []
    if (Array.isArray(parsed) && parsed.length === 0) this.#refuse('the batch is empty')
    for (const one of Array.isArray(parsed) ? (parsed as unknown[]) : [parsed]) {
      if (one === null || typeof one !== 'object' || Array.isArray(one)) {
        this.#refuse('expected an object or an array of objects')
        continue
      }
      const object = one as Record<string, unknown>
      const { device, stream = 'sensor', source = 'replay' } = object
      if (typeof device !== 'string' || device === '') this.#refuse('`device` is missing')
      else if (typeof stream !== 'string' || typeof source !== 'string')
        this.#refuse('`stream` and `source` are texts')
      else if (entries.length > 0 && (entries[0]!.stream !== stream || entries[0]!.source !== source))
        this.#refuse('a batch is of one stream and one source')
      else entries.push({ object, device, stream, source })
    }
    return entries
  }

  /** Arrival of a message: as given, else its time; by event clock always the newest event time. Never below the last. */
  #received(entries: readonly Entry[]): number {
    let received = this.clock
    for (const { object } of entries) {
      const given = this.#event ? Number.NaN : timeOf(object['received'])
      const time = Number.isNaN(given) ? timeOf(object['time']) : given
      if (time > received) received = time
    }
    return received
  }

  #refuse(reason: string): undefined {
    this.refusedCount++
    if (this.refused.length < 20) this.refused.push({ line: this.#line, reason })
    return undefined
  }
}
const EMPTY = new Uint8Array(0)

interface Entry {
  readonly object: Record<string, unknown>
  readonly device: string
  readonly stream: string
  readonly source: string
}

/** ms of a `time` or `received`; NaN where there is none or it cannot be one. */
function timeOf(value: unknown): number {
  if (typeof value === 'string') return parseIsoTime(value)
  return typeof value === 'number' && value >= 0 && value <= TIME_MAX ? value : Number.NaN
}

/** ms or ISO 8601 with a zone; NaN where it is neither. */
export function timeArgument(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : parseIsoTime(text)
}
