/**
 * What this engine is set to: `haidang.yaml` and the variables of DESIGN.md 10, checked, frozen, handed down as
 * arguments. Nothing else reads either.
 *
 *   haidang.yaml ──► plain value ──► schema ──► its sound part ─┐
 *                    (positions)     faults                     ├─► what fits together? ──► Settings
 *   variables ─────────────────────► formats ──► override ──────┘   faults
 */
import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { didYouMean, nearest } from '../../rules/language/suggest.js'
import type { Fault } from '../model/errors.js'
import { parseDuration } from '../model/time.js'
import { ConfigText } from './config-text.js'
import { type Reading, readConnection, readPassword, withoutUser } from './connection.js'
import type { ConnectionDocument, SettingsDocument, SinkDocument, SourceDocument } from './document.js'
import {
  FORMATS,
  HTTP_SCHEMES,
  isLoopback,
  MQTT_SCHEMES,
  NATS_SCHEMES,
  parseAddress,
  parseSize,
  parseUrl,
} from './formats.js'
import { mosquittoFaults } from './mosquitto.js'
import { offsetOf, Report } from './report.js'
import { SETTINGS_SCHEMA, SINK_SCHEMA, SOURCE_SCHEMA } from './schema.js'
import type { Address, BrokerConnection, Settings, SinkSettings } from './shape.js'
import { readSources } from './sources.js'

export type { Address, BrokerConnection, Settings, SinkSettings, SourceSettings } from './shape.js'

export type Environment = Readonly<Record<string, string | undefined>>

const FILE_DEFAULT = 'haidang.yaml'
const DATA_DEFAULT = 'data'
const BROKER_DEFAULT = '127.0.0.1:1883'
/** The product's own watch list: dist/src/config → rules/catalogue. */
const PRODUCT_RULES = path.resolve(import.meta.dirname, '../../../rules/catalogue')
/** Thousands of sources; more is a mistake or an attack. */
const FILE_CHARS_MAX = 1024 * 1024
/** As Tokens.adopt. */
const TOKEN_CHARS_MIN = 16
/** Two checkpoints' worth of log and some room (a checkpoint comes every 64 MiB). */
const LOG_BYTES_LEAST = 256 * 1024 ** 2

/**
 * Settings and everything wrong with them, warnings too. Never throws for what a person wrote: where a fault is an
 * error, the default stands in its place and the engine must not start with it. An empty variable is none.
 *
 *   const { settings, faults } = await readSettings(io.env, io.cwd)
 *   if (faults.some(({ severity }) => severity === 'error')) { for (const fault of faults) print(formatFault(fault)); return 1 }
 */
export async function readSettings(
  environment: Environment,
  cwd: string,
): Promise<{ settings: Settings; faults: readonly Fault[] }> {
  const env = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  )
  const named = env['HAIDANG_CONFIG']
  const name = named ?? FILE_DEFAULT
  const full = path.resolve(cwd, name)
  let text = ''
  let missing = ''
  try {
    text = await readFile(full, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (named !== undefined || code !== 'ENOENT') missing = `${full} cannot be read: ${code}`
  }
  const file = new ConfigText(name, text.length > FILE_CHARS_MAX ? '' : text)
  const report = new Report(file)
  if (missing !== '') {
    if (named === undefined) file.fault('HD_CONFIG_MISSING', 0, missing)
    else report.variable('HAIDANG_CONFIG', named, 'HD_CONFIG_MISSING', missing)
  }
  if (text.length > FILE_CHARS_MAX)
    file.fault(
      'HD_CONFIG_VALUE',
      0,
      `the file has ${text.length} characters, at most ${FILE_CHARS_MAX} are read`,
    )

  const { document, sources, sinks } = await soundDocument(file)
  const users = override(document, env, report, cwd)
  const reading: Reading = { report, env, base: path.dirname(full) }
  const settings = await settingsOf(document, { sources, sinks }, users, reading, cwd)
  const others = await brokerFaults(document, reading)
  return { settings: frozen(settings), faults: [...report.faults, ...others] }
}

/** Keys that no rule has: a file with one of them at the left margin is a configuration. */
const OWN_KEYS = Object.keys(SETTINGS_SCHEMA.properties).filter((key) => key !== 'late')

/** Whether a file is meant as `haidang.yaml`, whatever it is called: `check` takes either. False where it cannot be read. */
export async function isSettingsFile(file: string): Promise<boolean> {
  if (!/\.ya?ml$/.test(file)) return false
  if (path.basename(file) === FILE_DEFAULT) return true
  const text = await readFile(file, 'utf8').catch(() => '')
  const keys = new Set(Array.from(text.slice(0, FILE_CHARS_MAX).matchAll(/^(\w+)\s*:/gm), ([, key]) => key!))
  return !keys.has('rule') && OWN_KEYS.some((key) => keys.has(key))
}

/** An entry of a list that stands for itself, and where. */
interface Sound<T> {
  readonly index: number
  readonly document: T
}

interface SoundLists {
  readonly sources: readonly Sound<SourceDocument>[]
  readonly sinks: readonly Sound<SinkDocument>[]
}

/**
 * Reports what the schema says against the file; what is left satisfies it. Ajv is loaded only where there is something
 * to check: 0.2 s that `replay` without a file need not wait.
 */
async function soundDocument(
  file: ConfigText,
): Promise<SoundLists & { readonly document: Editable<SettingsDocument> }> {
  const { value } = file
  if (value === undefined) return { document: defaults(), sources: [], sinks: [] }
  const { schemaFaults, soundPart } = await import('./validate.js')
  for (const { path, place, code, message } of schemaFaults(SETTINGS_SCHEMA, value))
    file.fault(code, offsetOf(file, path, place), message)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { document: defaults(), sources: [], sinks: [] }
  const { sources, sinks, ...rest } = value as Record<string, unknown>
  const document = (soundPart(SETTINGS_SCHEMA, rest) as SettingsDocument | undefined) ?? defaults()
  const sound = <T>(list: unknown, schema: object): Sound<T>[] =>
    (Array.isArray(list) ? list : []).flatMap((one: unknown, index) => {
      const document = soundPart(schema, one) as T | undefined
      return document === undefined ? [] : [{ index, document }]
    })
  return { document, sources: sound(sources, SOURCE_SCHEMA), sinks: sound(sinks, SINK_SCHEMA) }
}

/** What the schema gives where nothing is said. */
function defaults(): Editable<SettingsDocument> {
  const found: Record<string, unknown> = {}
  for (const [key, schema] of Object.entries<object>(SETTINGS_SCHEMA.properties))
    if ('default' in schema) found[key] = schema.default
  return found as unknown as Editable<SettingsDocument>
}

type Editable<T> = { -readonly [K in keyof T]: T[K] }

/** User and password that a variable's URL brought. */
interface User {
  readonly username: string
  readonly password: string
}

interface Users {
  mqtt?: User
  nats?: User
  /** As it stands: the client takes user and password from it. */
  clickhouse?: string
  token?: string
}

/** What a variable is checked by, and the key that it stands for. */
interface Variable {
  readonly key: string
  /** undefined, or what it should be. */
  readonly wrong: (text: string) => string | undefined
  readonly secret?: true
}

const format = (name: string) => (text: string) => (FORMATS[name]!.is(text) ? undefined : FORMATS[name]!.says)
const url = (schemes: readonly string[]) => (text: string) =>
  parseUrl(text, schemes) === undefined
    ? `a URL (${schemes.map((scheme) => `${scheme}://`).join(' ')})`
    : undefined
const any = () => undefined

/** Every variable that is read. A variable overrides the file. */
const VARIABLES: Readonly<Record<string, Variable>> = {
  HAIDANG_CONFIG: { key: '', wrong: any },
  HAIDANG_TIMEZONE: { key: 'timezone', wrong: format('time_zone') },
  HAIDANG_CLOCK: {
    key: 'clock',
    wrong: (text) => (text === 'arrival' || text === 'event' ? undefined : "'arrival' or 'event'"),
  },
  HAIDANG_DATA: { key: 'data', wrong: any },
  HAIDANG_HTTP: { key: 'http', wrong: format('address') },
  HAIDANG_SQL: { key: 'sql', wrong: format('address') },
  HAIDANG_MQTT: { key: 'broker', wrong: format('address_or_off') },
  HAIDANG_MQTT_URL: { key: 'mqtt', wrong: url(MQTT_SCHEMES), secret: true },
  HAIDANG_NATS_URL: { key: 'nats', wrong: url(NATS_SCHEMES), secret: true },
  HAIDANG_NATS_STREAM: { key: 'jetstream', wrong: format('name') },
  HAIDANG_CLICKHOUSE_URL: { key: 'clickhouse', wrong: url(HTTP_SCHEMES), secret: true },
  HAIDANG_RULES: { key: 'rules', wrong: any },
  HAIDANG_DEVICES: { key: 'devices', wrong: any },
  HAIDANG_ZONES: { key: 'zones', wrong: any },
  HAIDANG_METRICS: { key: 'metrics', wrong: any },
  HAIDANG_TOKEN: {
    key: 'token',
    wrong: (text) => (text.length < TOKEN_CHARS_MIN ? `at least ${TOKEN_CHARS_MIN} characters` : undefined),
    secret: true,
  },
}

/** Puts each variable that is well-formed in its place in the document. */
function override(
  document: Editable<SettingsDocument>,
  env: Environment,
  report: Report,
  cwd: string,
): Users {
  const users: Users = {}
  for (const name in env) {
    if (!name.startsWith('HAIDANG_') || Object.hasOwn(VARIABLES, name)) continue
    // Others may have variables of their own under our name; only what looks like a slip is worth a word.
    if (nearest(name, Object.keys(VARIABLES)) !== undefined)
      report.variable(
        name,
        '',
        'HD_CONFIG_UNKNOWN_KEY',
        `nothing reads ${name}${didYouMean(name, Object.keys(VARIABLES))}`,
        'warning',
      )
  }
  for (const [name, { key, wrong, secret }] of Object.entries(VARIABLES)) {
    const text = env[name]
    if (text === undefined || key === '') continue
    const shown = secret === true ? '' : text
    const should = wrong(text)
    if (should !== undefined) {
      const found = secret === true ? '' : `, not '${text.slice(0, 60)}'`
      report.variable(name, shown, 'HD_CONFIG_VALUE', `${name} is ${should}${found}`)
      continue
    }
    report.override(key === 'mqtt' || key === 'nats' ? `${key}.url` : key, name, shown)
    const place = path.resolve(cwd, text)
    switch (key) {
      case 'timezone':
      case 'http':
      case 'sql':
      case 'broker':
        document[key] = text
        break
      case 'clock':
        document.clock = text as 'arrival' | 'event'
        break
      case 'data':
      case 'rules':
      case 'devices':
      case 'zones':
      case 'metrics':
        document[key] = place
        break
      case 'mqtt':
      case 'nats': {
        const { url, username, password } = withoutUser(text)
        document[key] = { ...document[key], url }
        if (username !== '') users[key] = { username, password }
        break
      }
      case 'jetstream':
        document.jetstream = { durable: document.jetstream?.durable ?? 'haidang', stream: text }
        break
      case 'clickhouse':
        users.clickhouse = text
        break
      case 'token':
        users.token = text
    }
  }
  return users
}

async function settingsOf(
  document: SettingsDocument,
  lists: SoundLists,
  users: Users,
  reading: Reading,
  cwd: string,
): Promise<Settings> {
  const { report, base } = reading
  const http = parseAddress(document.http)!
  const sql = parseAddress(document.sql)!
  const broker = brokerOf(document)
  checkAddresses({ http, sql, broker }, report)
  if (document.jetstream !== undefined && document.nats === undefined)
    report.fault(['jetstream'], 'HD_CONFIG_MISSING', "'jetstream' needs 'nats' (or HAIDANG_NATS_URL)", 'key')
  const bytes = typeof document.log_bytes === 'number' ? document.log_bytes : parseSize(document.log_bytes)!
  if (bytes < LOG_BYTES_LEAST)
    report.warn(
      ['log_bytes'],
      'HD_CONFIG_VALUE',
      `under 256MiB the log is full before a checkpoint can free any of it`,
    )

  const place = (key: 'devices' | 'zones' | 'metrics'): string | undefined =>
    document[key] === undefined ? undefined : path.resolve(base, document[key])
  const rules = typeof document.rules === 'string' ? [document.rules] : document.rules
  const texts = {
    rules: rules === undefined ? [PRODUCT_RULES] : rules.map((one) => path.resolve(base, one)),
    devices: place('devices'),
    zones: place('zones'),
    metrics: place('metrics'),
  }
  for (const key of ['devices', 'zones', 'metrics'] as const)
    await checkThere(texts[key], [key], 'file', report)
  if (rules !== undefined)
    for (const [i, one] of texts.rules.entries())
      await checkThere(one, typeof document.rules === 'string' ? ['rules'] : ['rules', i], 'any', report)
  // In the file it starts from the file's folder; without either it is beside where we were started.
  const data = document.data === undefined ? path.join(cwd, DATA_DEFAULT) : path.resolve(base, document.data)
  await checkFolder(data, report)

  return {
    timezone: document.timezone,
    clock: document.clock,
    data,
    http,
    sql,
    broker,
    mqtt: await ownConnection('mqtt', document.mqtt, users.mqtt, reading),
    nats: await ownConnection('nats', document.nats, users.nats, reading),
    clickhouse: users.clickhouse ?? (await clickhouseUrl(document.clickhouse, reading)),
    texts,
    token: users.token ?? null,
    sources: await readSources(lists.sources, document, broker !== null, reading),
    sinks: await sinkSettings(lists.sinks, reading),
    log_bytes: bytes,
    late: parseDuration(document.late)!,
    jetstream: document.jetstream ?? null,
  }
}

/** The sinks' room (and with it NATS) is loaded only where there is a sink. */
async function sinkSettings(
  sinks: readonly Sound<SinkDocument>[],
  reading: Reading,
): Promise<readonly SinkSettings[]> {
  if (sinks.length === 0) return []
  const { readSinks } = await import('./sinks.js')
  return await readSinks(sinks, reading)
}

/** The embedded broker steps back where another one is named. */
function brokerOf({ broker, mqtt }: SettingsDocument): Address | null {
  if (broker === 'off') return null
  if (broker !== undefined) return parseAddress(broker)!
  return mqtt === undefined ? parseAddress(BROKER_DEFAULT)! : null
}

/** One port for two doors, and the one door that is not to be open to others. */
function checkAddresses(doors: Readonly<Record<string, Address | null>>, report: Report): void {
  const taken = new Map<number, { key: string; host: string }[]>()
  for (const [key, address] of Object.entries(doors)) {
    if (address === null || address.port === 0) continue
    const others = taken.get(address.port) ?? []
    const same = others.find(
      ({ host }) => host === address.host || isWildcard(host) || isWildcard(address.host),
    )
    if (same !== undefined) {
      // Said of the one that somebody set.
      const [told, other] =
        report.variableOf(key) === undefined && report.variableOf(same.key) !== undefined
          ? [same.key, key]
          : [key, same.key]
      report.fault([told], 'HD_CONFIG_VALUE', `'${told}' has port ${address.port}, and so has '${other}'`)
    }
    taken.set(address.port, [...others, { key, host: address.host }])
  }
  const { sql } = doors
  if (sql != null && !isLoopback(sql.host))
    report.fault(
      ['sql'],
      'HD_CONFIG_VALUE',
      `'sql' listens on loopback only (127.0.0.1, [::1], localhost), not '${sql.host}'`,
    )
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** `mqtt` or `nats`; user and password of a variable's URL stand in for the file's. */
async function ownConnection(
  key: 'mqtt' | 'nats',
  document: ConnectionDocument | undefined,
  user: User | undefined,
  reading: Reading,
): Promise<BrokerConnection | null> {
  if (document === undefined) return null
  if (user === undefined) return await readConnection(document, [key], reading)
  const {
    username: _u,
    password_file: _f,
    password_env: _e,
    token_file: _t,
    creds_file: _c,
    ...rest
  } = document
  const connection = await readConnection(rest, [key], reading)
  const { username, password } = user
  // `nats://secret@host` is a token [nats.go, URL forms]; `mqtt://name@host` is a user without password.
  if (key === 'nats' && password === '') return { ...connection, token: username }
  return { ...connection, username, ...(password === '' ? {} : { password }) }
}

async function clickhouseUrl(
  document: ConnectionDocument | undefined,
  reading: Reading,
): Promise<string | null> {
  if (document === undefined) return null
  const url = new URL(document.url)
  const password = await readPassword(document, ['clickhouse'], reading)
  if (document.username !== undefined) url.username = encodeURIComponent(document.username)
  if (password !== undefined) url.password = encodeURIComponent(password)
  return url.href
}

async function checkThere(
  file: string | undefined,
  at: readonly (string | number)[],
  kind: 'file' | 'any',
  report: Report,
): Promise<void> {
  if (file === undefined) return
  const found = await stat(file).catch(() => undefined)
  if (found === undefined)
    report.fault(
      at,
      'HD_CONFIG_MISSING',
      `there is no ${kind === 'file' ? 'file' : 'file or folder'} ${file}`,
    )
  else if (kind === 'file' && !found.isFile()) report.fault(at, 'HD_CONFIG_VALUE', `${file} is no file`)
}

async function checkFolder(folder: string, report: Report): Promise<void> {
  const found = await stat(folder).catch(() => undefined)
  if (found !== undefined && !found.isDirectory())
    report.fault(['data'], 'HD_CONFIG_VALUE', `${folder} is no folder`)
}

/** Warnings of the broker's own configuration, where we are told of it. */
async function brokerFaults(
  { mqtt }: SettingsDocument,
  { report, base }: Reading,
): Promise<readonly Fault[]> {
  if (mqtt?.server_config === undefined) return []
  const file = path.resolve(base, mqtt.server_config)
  try {
    return mosquittoFaults(file, await readFile(file, 'utf8'))
  } catch (error) {
    report.fault(
      ['mqtt', 'server_config'],
      'HD_CONFIG_MISSING',
      `${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`,
    )
    return []
  }
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const part of Object.values(value)) frozen(part)
  }
  return value
}
