/** Configured sources: what of two values has to fit together, and the settings made of them. */
import { DECODERS } from '../../ingest/decoders/index.js'
import { didYouMean } from '../../rules/language/suggest.js'
import type { SourceProfile } from '../model/decoder.js'
import { parseDuration } from '../model/time.js'
import type { Path } from './config-text.js'
import { type Reading, readConnection } from './connection.js'
import type { SettingsDocument, SourceDocument } from './document.js'
import { HTTP_SCHEMES, MQTT_SCHEMES, NATS_SCHEMES } from './formats.js'
import type { Report } from './report.js'
import type { SourceSettings } from './shape.js'

/** What each transport's list is called, parted by and reached over. */
const TRANSPORTS: Readonly<
  Record<
    SourceDocument['transport'],
    { list: 'topics' | 'subjects'; schemes: readonly string[]; built: boolean }
  >
> = {
  mqtt: { list: 'topics', schemes: MQTT_SCHEMES, built: true },
  nats: { list: 'subjects', schemes: NATS_SCHEMES, built: true },
  jetstream: { list: 'subjects', schemes: NATS_SCHEMES, built: true },
  http_poll: { list: 'topics', schemes: HTTP_SCHEMES, built: false },
  http_post: { list: 'topics', schemes: [], built: false },
  folder: { list: 'topics', schemes: [], built: false },
}

/** Subscribed by the built-in native source. */
const NATIVE_PREFIX: Readonly<Record<'topics' | 'subjects', string>> = {
  topics: 'haidang/v1/',
  subjects: 'haidang.v1.',
}

/** Names of the engine's own feeds: client ids, counters and clocks go by them. */
const RESERVED: readonly string[] = ['broker', 'haidang', 'mqtt', 'nats']

/** Every source that can be made; faults are in the report. `at(i)`: where the i-th stands in the file. */
export async function readSources(
  sources: readonly { readonly index: number; readonly document: SourceDocument }[],
  all: SettingsDocument,
  hasBroker: boolean,
  reading: Reading,
): Promise<SourceSettings[]> {
  const { report } = reading
  const found: SourceSettings[] = []
  const names = new Map<string, number>()
  const consumers = new Map<string, number>()
  for (const { index, document } of sources) {
    const at: Path = ['sources', index]
    const first = names.get(document.name)
    if (first !== undefined)
      report.fault(
        [...at, 'name'],
        'HD_CONFIG_VALUE',
        `there is a source '${document.name}' already, in line ${report.line(['sources', first, 'name'])}`,
      )
    else names.set(document.name, index)
    if (RESERVED.includes(document.name))
      report.fault(
        [...at, 'name'],
        'HD_CONFIG_VALUE',
        `'${document.name}' is a feed of the engine's own: take another name`,
      )
    checkDecoder(document, at, report)
    checkTransport(document, at, all, hasBroker, report)
    checkTopics(document, at, report)
    const settings = await sourceSettings(document, at, all, reading)
    if (settings.transport === 'jetstream') {
      const consumer = `${settings.stream ?? ''} ${settings.durable} ${settings.connection?.url ?? ''}`
      const other = consumers.get(consumer)
      if (other !== undefined)
        report.fault(
          [...at, 'jetstream', 'durable'],
          'HD_CONFIG_VALUE',
          `the source in line ${report.line(['sources', other])} has the durable '${settings.durable}' too: each would get a part of the messages`,
        )
      else consumers.set(consumer, index)
    }
    found.push(settings)
  }
  return found
}

function checkDecoder({ decoder }: SourceDocument, at: Path, report: Report): void {
  if (DECODERS.has(decoder)) return
  const known = [...DECODERS.keys()]
  report.fault(
    [...at, 'decoder'],
    'HD_CONFIG_VALUE',
    `there is no decoder '${decoder}'${didYouMean(decoder, known) || ` (known: ${known.join(' ')})`}`,
  )
}

function checkTransport(
  source: SourceDocument,
  at: Path,
  all: SettingsDocument,
  hasBroker: boolean,
  report: Report,
): void {
  const { transport, connection, qos } = source
  const { schemes, built } = TRANSPORTS[transport]
  if (!built) {
    const can = Object.entries(TRANSPORTS).flatMap(([name, { built }]) => (built ? [name] : []))
    report.fault(
      [...at, 'transport'],
      'HD_CONFIG_VALUE',
      `the transport '${transport}' is not built yet (there are: ${can.join(' ')})`,
    )
    return
  }
  if (connection !== undefined && !schemes.includes(connection.url.split(':', 1)[0]!))
    report.fault(
      [...at, 'connection', 'url'],
      'HD_CONFIG_VALUE',
      `the transport '${transport}' goes over ${schemes.map((scheme) => `${scheme}://`).join(' ')}`,
    )
  if (connection === undefined) {
    if (transport === 'mqtt' && all.mqtt === undefined && !hasBroker)
      report.fault(
        [...at, 'transport'],
        'HD_CONFIG_MISSING',
        "the source has no 'connection', there is no 'mqtt', and the embedded broker is off",
      )
    if (transport !== 'mqtt' && all.nats === undefined)
      report.fault(
        [...at, 'transport'],
        'HD_CONFIG_MISSING',
        "the source has no 'connection', and there is no 'nats'",
      )
  }
  if (transport !== 'mqtt' && qos === 0)
    report.fault(
      [...at, 'qos'],
      'HD_CONFIG_VALUE',
      `'qos' is of MQTT; the transport is '${transport}'`,
      'key',
    )
  if (transport !== 'jetstream' && source.jetstream !== undefined)
    report.fault(
      [...at, 'jetstream'],
      'HD_CONFIG_VALUE',
      `'jetstream' belongs to the transport jetstream, not '${transport}'`,
      'key',
    )
}

function checkTopics(source: SourceDocument, at: Path, report: Report): void {
  const { transport } = source
  if (!TRANSPORTS[transport].built) return
  const { list } = TRANSPORTS[transport]
  const other = list === 'topics' ? 'subjects' : 'topics'
  if (source[other] !== undefined)
    report.fault(
      [...at, other],
      'HD_CONFIG_UNKNOWN_KEY',
      `a source over ${transport} has '${list}', not '${other}'`,
      'key',
    )
  const filters = source[list]
  if (filters === undefined) {
    if (source[other] === undefined)
      report.fault(at, 'HD_CONFIG_MISSING', `the source lacks '${list}'`, 'start')
    return
  }
  for (const [i, filter] of filters.entries()) {
    const here: Path = [...at, list, i]
    const wrong = list === 'topics' ? filterFault(filter) : subjectFault(filter)
    if (wrong !== undefined) {
      report.fault(here, 'HD_CONFIG_VALUE', `'${filter.slice(0, 100)}': ${wrong}`)
      continue
    }
    checkTemplate(source, at, filter, list === 'topics' ? '/' : '.', report)
    if (source.connection === undefined && filter.startsWith(NATIVE_PREFIX[list]))
      report.warn(
        here,
        'HD_CONFIG_VALUE',
        `the built-in source reads '${NATIVE_PREFIX[list]}…' already: each message would be judged twice`,
      )
  }
}

/** A segment that no topic of the filter has makes a dead letter of every message. */
function checkTemplate(
  { device }: SourceDocument,
  at: Path,
  filter: string,
  separator: '/' | '.',
  report: Report,
): void {
  if (device === undefined || /[#>]$/.test(filter)) return
  const segments = filter.split(separator).length
  for (const [reference, number] of device.matchAll(/\{topic\.(\d+)\+?\}/g))
    if (Number(number) >= segments)
      report.fault(
        [...at, 'device'],
        'HD_CONFIG_VALUE',
        `${reference}: topics of '${filter}' have the segments 0 to ${segments - 1}`,
      )
}

/** [MQTT-4.7.1-2] `#` alone in the last level, [MQTT-4.7.1-3] `+` alone in its level. */
function filterFault(filter: string): string | undefined {
  if (Buffer.byteLength(filter) > 65_535) return 'longer than 65 535 bytes'
  const levels = filter.split('/')
  if (levels.some((level, i) => level.includes('#') && (level !== '#' || i !== levels.length - 1)))
    return '# stands alone, as the last level'
  if (levels.some((level) => level.includes('+') && level !== '+')) return '+ stands alone in its level'
  return undefined
}

function subjectFault(subject: string): string | undefined {
  if (/\s/.test(subject)) return 'a subject has no white space'
  if (subject.includes('/') && !subject.includes('.')) return "a subject is parted by '.', not '/'"
  const tokens = subject.split('.')
  if (tokens.includes('')) return 'a token is empty'
  if (tokens.some((token, i) => token.includes('>') && (token !== '>' || i !== tokens.length - 1)))
    return '> stands alone, as the last token'
  if (tokens.some((token) => token.includes('*') && token !== '*')) return '* stands alone in its token'
  return undefined
}

async function sourceSettings(
  source: SourceDocument,
  at: Path,
  all: SettingsDocument,
  reading: Reading,
): Promise<SourceSettings> {
  const { name, transport, decoder, stream, device, rename, factor, zone, jetstream, connection } = source
  const profile: SourceProfile = {
    source: name,
    stream,
    ...(device === undefined ? {} : { device }),
    ...(rename === undefined ? {} : { rename }),
    ...(factor === undefined ? {} : { factor }),
    ...(zone === undefined ? {} : { zone }),
  }
  return {
    name,
    transport,
    decoder,
    topics: source[TRANSPORTS[transport].list] ?? [],
    profile,
    late: parseDuration(source.late ?? all.late)!,
    clock: source.clock ?? all.clock,
    qos: source.qos,
    ...(jetstream?.stream === undefined ? {} : { stream: jetstream.stream }),
    ...(transport === 'jetstream' ? { durable: jetstream?.durable ?? `haidang-${name}` } : {}),
    ...(connection === undefined
      ? {}
      : { connection: await readConnection(connection, [...at, 'connection'], reading) }),
  }
}
