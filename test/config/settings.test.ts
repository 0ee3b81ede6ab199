import { readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { type Environment, readSettings, type Settings } from '../../src/config/settings.js'
import type { ErrorCode, Fault } from '../../src/model/errors.js'
import { formatFault } from '../../src/model/errors.js'

const ROOT = path.resolve(import.meta.dirname, '../../..')
const FIXTURES = path.join(ROOT, 'fixtures/config')

const folder = await mkdtemp(path.join(tmpdir(), 'haidang-config-'))
t.teardown(() => rm(folder, { recursive: true }))

let folders = 0
/** Settings of a `haidang.yaml` in a folder of its own. */
async function read(
  text: string | undefined,
  env: Environment = {},
  files: Readonly<Record<string, string>> = {},
) {
  const cwd = path.join(folder, String(++folders))
  await mkdir(cwd)
  if (text !== undefined) await writeFile(path.join(cwd, 'haidang.yaml'), text)
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(cwd, name)), { recursive: true })
    await writeFile(path.join(cwd, name), content)
  }
  return { ...(await readSettings(env, cwd)), cwd }
}

const shown = (faults: readonly Fault[]): string[] =>
  faults.map((fault) => formatFault(fault).split('\n', 1)[0]!)

t.test('with neither file nor variable everything runs embedded in ./data', async (t) => {
  const { settings, faults, cwd } = await read(undefined)
  t.strictSame(faults, [])
  const { rules, ...texts } = settings.texts
  t.strictSame({ ...settings, texts }, {
    timezone: 'Asia/Ho_Chi_Minh',
    clock: 'arrival',
    data: path.join(cwd, 'data'),
    http: { host: '127.0.0.1', port: 8080 },
    sql: { host: '127.0.0.1', port: 8123 },
    broker: { host: '127.0.0.1', port: 1883 },
    mqtt: null,
    nats: null,
    clickhouse: null,
    texts: { devices: undefined, zones: undefined, metrics: undefined },
    token: null,
    sources: [],
    sinks: [],
    log_bytes: 10 * 1024 ** 3,
    late: 3_600_000,
    jetstream: null,
  } satisfies Omit<Settings, 'texts'> & { texts: object })
  t.strictSame(rules, [path.join(ROOT, 'rules/catalogue')])
  t.ok(readdirSync(rules[0]!).length > 0, 'the watch list is there')
})

t.test('every variable of the contract', async (t) => {
  const cwd = path.join(folder, 'variables')
  await mkdir(path.join(cwd, 'city/rules'), { recursive: true })
  for (const name of ['devices.yaml', 'zones.geojson', 'metrics.yaml'])
    await writeFile(path.join(cwd, 'city', name), '')
  const { settings, faults } = await readSettings(
    {
      HAIDANG_HTTP: '0.0.0.0:0',
      HAIDANG_MQTT: '[::1]:2883',
      HAIDANG_SQL: 'localhost:9123',
      HAIDANG_MQTT_URL: 'mqtts://ops:p%40ss%3A@broker.example:8883',
      HAIDANG_NATS_URL: 'nats://s3cret-token@nats.example:4222',
      HAIDANG_NATS_STREAM: 'CITY',
      HAIDANG_CLICKHOUSE_URL: 'http://u:p@ch.example:8123/haidang',
      HAIDANG_DATA: 'var/data',
      HAIDANG_RULES: 'city/rules',
      HAIDANG_ZONES: 'city/zones.geojson',
      HAIDANG_DEVICES: path.join(cwd, 'city/devices.yaml'),
      HAIDANG_METRICS: 'city/metrics.yaml',
      HAIDANG_TOKEN: 'sixteen-letters-',
      HAIDANG_CONFIG: '',
    },
    cwd,
  )
  t.strictSame(faults, [])
  t.strictSame(settings.http, { host: '0.0.0.0', port: 0 })
  t.strictSame(settings.broker, { host: '::1', port: 2883 })
  t.strictSame(settings.sql, { host: 'localhost', port: 9123 })
  t.strictSame(settings.mqtt, { url: 'mqtts://broker.example:8883', username: 'ops', password: 'p@ss:' })
  t.strictSame(settings.nats, { url: 'nats://nats.example:4222', token: 's3cret-token' })
  t.strictSame(settings.jetstream, { stream: 'CITY', durable: 'haidang' })
  t.equal(settings.clickhouse, 'http://u:p@ch.example:8123/haidang')
  t.equal(settings.data, path.join(cwd, 'var/data'))
  t.strictSame(settings.texts, {
    rules: [path.join(cwd, 'city/rules')],
    devices: path.join(cwd, 'city/devices.yaml'),
    zones: path.join(cwd, 'city/zones.geojson'),
    metrics: path.join(cwd, 'city/metrics.yaml'),
  })
  t.equal(settings.token, 'sixteen-letters-')
})

t.test('the embedded broker is off on request, and where another is named', async (t) => {
  const broker = async (env: Environment, text?: string) => (await read(text, env)).settings.broker
  const own = { host: '127.0.0.1', port: 1883 }
  t.equal(await broker({ HAIDANG_MQTT: 'off' }), null)
  t.equal(await broker({ HAIDANG_MQTT_URL: 'mqtt://other:1883' }), null)
  t.strictSame(await broker({ HAIDANG_MQTT_URL: 'mqtt://other:1884', HAIDANG_MQTT: '127.0.0.1:1883' }), own)
  t.strictSame(await broker({ HAIDANG_NATS_URL: 'nats://other:4222' }), own)
  t.equal(await broker({}, "broker: 'off'\n"), null)
  t.equal(await broker({}, 'broker: off\n'), null, 'in YAML 1.2 off is a word')
  t.equal(await broker({}, 'mqtt: { url: mqtt://other }\n'), null)
  t.strictSame(await broker({}, 'mqtt: { url: mqtt://other }\nbroker: 127.0.0.1:1883\n'), own)
  t.strictSame(await broker({ HAIDANG_MQTT: '127.0.0.1:1883' }, "broker: 'off'\n"), own)
})

t.test('a variable overrides the file, key by key', async (t) => {
  const text = `
http: 127.0.0.1:1111
sql: 127.0.0.1:2222
data: d
clickhouse: { url: 'http://file:8123' }
mqtt:
  url: mqtts://file:8883
  username: file
  password_file: password
  tls: { ca_file: ca.pem, servername: broker }
nats: { url: 'nats://file:4222', token_file: token }
`
  const pem = '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n'
  const files = { password: 'from a file\n', 'ca.pem': pem, token: 'tttt\n' }
  const file = await read(text, {}, files)
  t.strictSame(file.faults, [])
  const tls = { ca: pem, servername: 'broker' }
  t.strictSame(file.settings.mqtt, {
    url: 'mqtts://file:8883',
    username: 'file',
    password: 'from a file',
    tls,
  })
  t.strictSame(file.settings.nats, { url: 'nats://file:4222', token: 'tttt' })
  t.equal(file.settings.data, path.join(file.cwd, 'd'))

  const both = await read(
    text,
    {
      HAIDANG_HTTP: '127.0.0.1:3333',
      HAIDANG_DATA: 'e',
      HAIDANG_MQTT_URL: 'mqtts://variable:8883',
      HAIDANG_NATS_URL: 'nats://user:pw@variable:4222',
      HAIDANG_CLICKHOUSE_URL: 'https://variable:8443',
      HAIDANG_TIMEZONE: 'Europe/Paris',
      HAIDANG_CLOCK: 'event',
    },
    files,
  )
  t.strictSame(both.faults, [])
  t.equal(both.settings.http.port, 3333)
  t.equal(both.settings.sql.port, 2222)
  t.equal(both.settings.data, path.join(both.cwd, 'e'))
  t.equal(both.settings.clickhouse, 'https://variable:8443')
  t.equal(both.settings.timezone, 'Europe/Paris')
  t.equal(both.settings.clock, 'event')
  t.strictSame(
    both.settings.mqtt,
    { url: 'mqtts://variable:8883', username: 'file', password: 'from a file', tls },
    'a URL without user leaves ours',
  )
  t.strictSame(both.settings.nats, { url: 'nats://variable:4222', username: 'user', password: 'pw' })
})

t.test(
  'relative paths of the file start from its folder, those of variables from where we are',
  async (t) => {
    const cwd = path.join(folder, 'relative')
    await mkdir(path.join(cwd, 'etc/rules'), { recursive: true })
    await writeFile(path.join(cwd, 'etc/city.yaml'), 'data: var\nrules: [rules]\ndevices: devices.yaml\n')
    await writeFile(path.join(cwd, 'etc/devices.yaml'), '')
    await writeFile(path.join(cwd, 'zones.geojson'), '')
    const { settings, faults } = await readSettings(
      { HAIDANG_CONFIG: 'etc/city.yaml', HAIDANG_ZONES: 'zones.geojson' },
      cwd,
    )
    t.strictSame(faults, [])
    t.equal(settings.data, path.join(cwd, 'etc/var'))
    t.strictSame(settings.texts.rules, [path.join(cwd, 'etc/rules')])
    t.equal(settings.texts.devices, path.join(cwd, 'etc/devices.yaml'))
    t.equal(settings.texts.zones, path.join(cwd, 'zones.geojson'))
    await writeFile(path.join(cwd, 'etc/city.yaml'), 'late: 2h\n')
    const { settings: without } = await readSettings({ HAIDANG_CONFIG: 'etc/city.yaml' }, cwd)
    t.equal(without.data, path.join(cwd, 'data'), 'the default is where we are')
  },
)

t.test('a source takes late and clock from the file unless it has its own', async (t) => {
  const { settings, faults } = await read(`
late: 30m
clock: event
nats: { url: 'nats://server' }
sources:
  - { name: one, transport: mqtt, topics: [a/+/up], decoder: senml, stream: air, device: 'x-{topic.1}', zone: Asia/Ho_Chi_Minh, rename: { t: temp_c }, factor: { temp_c: 0.1 } }
  - { name: two, transport: jetstream, subjects: [a.>], decoder: ttn, stream: flood, late: 2h, clock: arrival }
  - { name: three, transport: nats, subjects: ['*.b'], decoder: native, stream: gps, connection: { url: 'tls://other:4222' } }
`)
  t.strictSame(faults, [])
  t.strictSame(settings.sources, [
    {
      name: 'one',
      transport: 'mqtt',
      decoder: 'senml',
      topics: ['a/+/up'],
      profile: {
        source: 'one',
        stream: 'air',
        device: 'x-{topic.1}',
        rename: { t: 'temp_c' },
        factor: { temp_c: 0.1 },
        zone: 'Asia/Ho_Chi_Minh',
      },
      late: 1_800_000,
      clock: 'event',
      qos: 1,
    },
    {
      name: 'two',
      transport: 'jetstream',
      decoder: 'ttn',
      topics: ['a.>'],
      profile: { source: 'two', stream: 'flood' },
      late: 7_200_000,
      clock: 'arrival',
      qos: 1,
      durable: 'haidang-two',
    },
    {
      name: 'three',
      transport: 'nats',
      decoder: 'native',
      topics: ['*.b'],
      profile: { source: 'three', stream: 'gps' },
      late: 1_800_000,
      clock: 'event',
      qos: 1,
      connection: { url: 'tls://other:4222' },
    },
  ])
})

t.test('secrets come from files and variables, and are shown nowhere', async (t) => {
  const { settings, faults } = await read(
    `
nats: { url: 'nats://server:4222', creds_file: my.creds }
clickhouse: { url: 'http://ch:8123/city', username: haidang, password_env: CH }
sources:
  - name: air
    transport: mqtt
    connection: { url: 'mqtts://vendor:8883', username: hp, password_file: pw, tls: { ca_file: ca, cert_file: cert, key_file: key } }
    topics: [a]
    decoder: senml
    stream: air
`,
    { CH: 'a/b#c' },
    {
      'my.creds': '-----BEGIN NATS USER JWT-----\nj\n',
      pw: '  with spaces \r\nnot this\n',
      ca: '-----BEGIN CERTIFICATE-----\na',
      cert: '-----BEGIN CERTIFICATE-----\nb',
      key: '-----BEGIN PRIVATE KEY-----\nc',
    },
  )
  t.strictSame(faults, [])
  t.equal(settings.nats?.creds, '-----BEGIN NATS USER JWT-----\nj\n')
  const url = new URL(settings.clickhouse!)
  t.strictSame([url.username, decodeURIComponent(url.password), url.pathname], ['haidang', 'a/b#c', '/city'])
  t.strictSame(settings.sources[0]?.connection, {
    url: 'mqtts://vendor:8883',
    username: 'hp',
    password: '  with spaces ',
    tls: {
      ca: '-----BEGIN CERTIFICATE-----\na',
      cert: '-----BEGIN CERTIFICATE-----\nb',
      key: '-----BEGIN PRIVATE KEY-----\nc',
    },
  })

  const leaking = await read(
    `mqtt: { url: 'mqtt://me:Hunter2@b', password: Hunter2, "token": 'Hunter2', foo: 1 }\nnats:\n  url: nats://Hunter2@n\n`,
    {
      HAIDANG_TOKEN: 'Hunter2',
      HAIDANG_CLICKHOUSE_URL: 'ftp://me:Hunter2@c',
      HAIDANG_NATS_URL: 'x://me:Hunter2@c',
      HAIDANG_MQTT_URL: 'Hunter2',
    },
  )
  t.ok(leaking.faults.length >= 8)
  t.notMatch(leaking.faults.map(formatFault).join('\n'), /Hunter2/)
})

t.test('what is wrong with a variable is said of the variable', async (t) => {
  const cases: readonly (readonly [Environment, ErrorCode, RegExp])[] = [
    [
      { HAIDANG_HTTP: '8080' },
      'HD_CONFIG_VALUE',
      /^HAIDANG_HTTP:1:1: error: HAIDANG_HTTP is host:port .*not '8080'/,
    ],
    [{ HAIDANG_MQTT: 'no' }, 'HD_CONFIG_VALUE', /^HAIDANG_MQTT:1:1: .*or 'off', not 'no'/],
    [{ HAIDANG_SQL: '10.0.0.1:8123' }, 'HD_CONFIG_VALUE', /^HAIDANG_SQL:1:1: .*loopback only/],
    [
      { HAIDANG_HTTP: '127.0.0.1:8123' },
      'HD_CONFIG_VALUE',
      /^HAIDANG_HTTP:1:1: .*port 8123, and so has 'sql'/,
    ],
    [
      { HAIDANG_HTTP: '0.0.0.0:1883' },
      'HD_CONFIG_VALUE',
      /^HAIDANG_HTTP:1:1: .*port 1883, and so has 'broker'/,
    ],
    [{ HAIDANG_MQTT_URL: 'http://b' }, 'HD_CONFIG_VALUE', /^HAIDANG_MQTT_URL:1:1: .*mqtt:\/\//],
    [{ HAIDANG_NATS_URL: 'nats:' }, 'HD_CONFIG_VALUE', /^HAIDANG_NATS_URL:1:1: /],
    [{ HAIDANG_NATS_STREAM: 'CITY' }, 'HD_CONFIG_MISSING', /^HAIDANG_NATS_STREAM:1:1: .*HAIDANG_NATS_URL/],
    [{ HAIDANG_CLICKHOUSE_URL: 'ch:8123' }, 'HD_CONFIG_VALUE', /^HAIDANG_CLICKHOUSE_URL:1:1: /],
    [{ HAIDANG_TOKEN: 'short' }, 'HD_CONFIG_VALUE', /^HAIDANG_TOKEN:1:1: .*16 characters/],
    [{ HAIDANG_DEVICES: 'no.yaml' }, 'HD_CONFIG_MISSING', /^HAIDANG_DEVICES:1:1: .*no\.yaml/],
    [{ HAIDANG_RULES: 'no' }, 'HD_CONFIG_MISSING', /^HAIDANG_RULES:1:1: /],
    [{ HAIDANG_DATA: path.join(FIXTURES, 'SOURCE.md') }, 'HD_CONFIG_VALUE', /^HAIDANG_DATA:1:1: .*no folder/],
    [
      { HAIDANG_CONFIG: 'no.yaml' },
      'HD_CONFIG_MISSING',
      /^HAIDANG_CONFIG:1:1: .*no\.yaml cannot be read: ENOENT/,
    ],
    [{ HAIDANG_CLOCK: 'never' }, 'HD_CONFIG_VALUE', /^HAIDANG_CLOCK:1:1: .*'arrival' or 'event'/],
    [{ HAIDANG_TIMEZONE: 'Hanoi' }, 'HD_CONFIG_VALUE', /^HAIDANG_TIMEZONE:1:1: /],
    [
      { HAIDANG_MQQT: 'x' },
      'HD_CONFIG_UNKNOWN_KEY',
      /^HAIDANG_MQQT:1:1: warning: .*did you mean 'HAIDANG_MQTT'/,
    ],
  ]
  for (const [env, code, pattern] of cases) {
    const { faults } = await read(undefined, env)
    t.match(shown(faults), [pattern], JSON.stringify(env))
    t.strictSame(
      faults.map((fault) => fault.code),
      [code],
    )
  }
  t.strictSame(
    (await read(undefined, { HAIDANG_E2E_SEED: '7' })).faults,
    [],
    'a name that is no slip is left alone',
  )
})

/** `line:column severity CODE words`, one a fixture. */
const EXPECTED: Readonly<Record<string, readonly [place: string, code: ErrorCode, words: RegExp]>> = {
  'address-number': ['1:7', 'HD_CONFIG_VALUE', /'http' is host:port .*, not 8080$/],
  address: ['2:7', 'HD_CONFIG_VALUE', /port of 0 to 65535, .*not '127\.0\.0\.1:80800'$/],
  aliases: ['1:1', 'HD_CONFIG_SYNTAX', /alias/],
  'broker-url': ['1:14', 'HD_CONFIG_VALUE', /'mqtt\.url' is a URL \(mqtt:\/\/ .*not 'http:\/\/broker:1883'$/],
  certificate: ['4:14', 'HD_CONFIG_VALUE', /certificate\.bad\.yaml has no '-----BEGIN'$/],
  clock: ['1:8', 'HD_CONFIG_VALUE', /one of arrival event, not 'evnt': did you mean 'event'\?$/],
  'connection-scheme': ['4:24', 'HD_CONFIG_VALUE', /'mqtt' goes over mqtt:\/\//],
  decoder: ['5:14', 'HD_CONFIG_VALUE', /no decoder 'chirpstak': did you mean 'chirpstack'\?$/],
  'device-segment': [
    '7:13',
    'HD_CONFIG_VALUE',
    /^\{topic\.3\}: topics of 'air\/\+\/up' have the segments 0 to 2$/,
  ],
  'device-template': ['7:13', 'HD_CONFIG_VALUE', /'sources\[0\]\.device' is made of .*not '\{topic\.3'$/],
  'devices-missing': ['2:10', 'HD_CONFIG_MISSING', /there is no file .*nowhere\/devices\.yaml$/],
  'durable-twice': ['14:40', 'HD_CONFIG_VALUE', /source in line 3 has the durable 'bus' too/],
  'duration-number': ['1:7', 'HD_CONFIG_VALUE', /'late' is a duration .*not 3600$/],
  duration: ['1:7', 'HD_CONFIG_VALUE', /'late' is a duration .*not '5 minutes'$/],
  'factor-name': ['8:7', 'HD_CONFIG_VALUE', /'Temp' .*snake_case/],
  'factor-text': ['7:23', 'HD_CONFIG_VALUE', /'sources\[0\]\.factor\.temp_c' is a number, not '0\.1'$/],
  'factor-zero': ['7:23', 'HD_CONFIG_VALUE', /may not be 0$/],
  'jetstream-over-mqtt': ['7:5', 'HD_CONFIG_VALUE', /belongs to the transport jetstream, not 'mqtt'$/],
  'jetstream-without-nats': ['1:1', 'HD_CONFIG_MISSING', /needs 'nats'/],
  'key-twice': ['3:1', 'HD_CONFIG_UNKNOWN_KEY', /^'late' stands twice$/],
  'native-twice': ['4:14', 'HD_CONFIG_VALUE', /built-in source reads 'haidang\/v1\/…' already/],
  'no-value': ['2:1', 'HD_CONFIG_MISSING', /^'http' has no value$/],
  'not-a-map': ['1:1', 'HD_CONFIG_VALUE', /^the file is a map, not a list$/],
  'password-file-missing': ['4:18', 'HD_CONFIG_MISSING', /nowhere\/password cannot be read: ENOENT$/],
  'password-in-clear': [
    '4:3',
    'HD_CONFIG_UNKNOWN_KEY',
    /write 'password_file' or 'password_env' instead of 'password'$/,
  ],
  'password-in-url': ['2:8', 'HD_CONFIG_VALUE', /without user and password/],
  'password-variable-missing': ['4:17', 'HD_CONFIG_MISSING', /HAIDANG_TEST_NO_SUCH_PASSWORD is not set$/],
  'password-without-user': ['2:3', 'HD_CONFIG_MISSING', /needs a 'username'$/],
  'port-twice': ['2:6', 'HD_CONFIG_VALUE', /'sql' has port 9000, and so has 'http'$/],
  qos: ['7:10', 'HD_CONFIG_VALUE', /'sources\[0\]\.qos' is one of 0 1, not 2$/],
  rename: [
    '8:10',
    'HD_CONFIG_VALUE',
    /'sources\[0\]\.rename\.t' is a metric in snake_case .*not 'Temperature C'$/,
  ],
  'rules-missing': ['3:5', 'HD_CONFIG_MISSING', /there is no file or folder .*nowhere$/],
  'second-document': ['2:1', 'HD_CONFIG_SYNTAX', /one document only/],
  'sink-kind': ['3:11', 'HD_CONFIG_VALUE', /no sink of kind 'webhok': did you mean 'webhook'\?$/],
  'sink-lacks-url': ['2:5', 'HD_CONFIG_MISSING', /^'sinks\[0\]' lacks 'url'$/],
  'sink-out-of-reach': ['2:5', 'HD_CONFIG_VALUE', /sink 'duty': 127\.0\.0\.1 is not within reach 'public'$/],
  'sink-secret-in-clear': [
    '5:5',
    'HD_CONFIG_UNKNOWN_KEY',
    /write 'secret_file' or 'secret_env' instead of 'secret'$/,
  ],
  'sink-secret-in-url': [
    '4:15',
    'HD_CONFIG_VALUE',
    /'sinks\[0\]\.servers\[0\]' is a URL .*without user and password, not 'nats:\/\/…@nats/,
  ],
  'sink-secret-missing': ['5:17', 'HD_CONFIG_MISSING', /HAIDANG_TEST_NO_SUCH_SECRET is not set$/],
  'sink-timeout': ['5:17', 'HD_CONFIG_VALUE', /'sinks\[0\]\.timeout_ms' is at least 100, not 5$/],
  'sink-twice': ['6:11', 'HD_CONFIG_VALUE', /there is a sink 'duty' already, in line 2$/],
  'sink-unknown-key': ['5:5', 'HD_CONFIG_UNKNOWN_KEY', /no 'delivry': did you mean 'delivery'\?$/],
  'size-small': ['1:12', 'HD_CONFIG_VALUE', /'log_bytes' is at least 1048576, not 1000$/],
  size: ['1:12', 'HD_CONFIG_VALUE', /'log_bytes' is a size .*not '10 gigabytes'$/],
  'source-lacks-decoder': ['2:5', 'HD_CONFIG_MISSING', /^'sources\[0\]' lacks 'decoder'$/],
  'source-name': ['2:13', 'HD_CONFIG_VALUE', /'sources\[0\]\.name' is a name .*not 'air\/north'$/],
  'source-name-taken': ['2:11', 'HD_CONFIG_VALUE', /'mqtt' is a feed of the engine's own/],
  'source-not-a-map': ['2:5', 'HD_CONFIG_VALUE', /^'sources\[0\]' is a map, not 'air'$/],
  'source-twice': ['8:11', 'HD_CONFIG_VALUE', /there is a source 'air' already, in line 2$/],
  'source-without-broker': ['4:16', 'HD_CONFIG_MISSING', /embedded broker is off$/],
  'source-without-server': ['3:16', 'HD_CONFIG_MISSING', /there is no 'nats'$/],
  'sql-open': ['1:6', 'HD_CONFIG_VALUE', /loopback only .*not '0\.0\.0\.0'$/],
  stream: ['6:13', 'HD_CONFIG_VALUE', /one of sensor camera air flood gps, not 'water'$/],
  subject: ['5:16', 'HD_CONFIG_VALUE', /'city\.\.bus': a token is empty$/],
  'subjects-over-mqtt': ['4:5', 'HD_CONFIG_UNKNOWN_KEY', /has 'topics', not 'subjects'$/],
  syntax: ['3:1', 'HD_CONFIG_SYNTAX', /^no YAML: Flow sequence/],
  tab: ['2:1', 'HD_CONFIG_SYNTAX', /^tabs cannot indent/],
  timezone: ['1:11', 'HD_CONFIG_VALUE', /did you mean 'Asia\/Ho_Chi_Minh'\?$/],
  'tls-without-tls': ['3:3', 'HD_CONFIG_VALUE', /no effect over mqtt:\/\/$/],
  'topic-filter': ['6:9', 'HD_CONFIG_VALUE', /^'air\/#\/up': # stands alone, as the last level$/],
  'topic-twice': ['4:21', 'HD_CONFIG_VALUE', /has the same twice$/],
  'topics-missing': ['2:5', 'HD_CONFIG_MISSING', /lacks 'topics'$/],
  'transport-not-built': [
    '3:16',
    'HD_CONFIG_VALUE',
    /'folder' is not built yet \(there are: mqtt nats jetstream\)$/,
  ],
  transport: ['3:16', 'HD_CONFIG_VALUE', /one of mqtt nats jetstream .*not 'amqp'$/],
  'unknown-key-in-source': ['6:5', 'HD_CONFIG_UNKNOWN_KEY', /no 'streams': did you mean 'stream'\?$/],
  'unknown-key': ['2:1', 'HD_CONFIG_UNKNOWN_KEY', /^there is no 'timezon': did you mean 'timezone'\?$/],
  zone: ['7:11', 'HD_CONFIG_VALUE', /'sources\[0\]\.zone' is an IANA time zone .*not 'GMT\+7'$/],
}

t.test('each bad file has its one fault, at its place', async (t) => {
  const names = readdirSync(FIXTURES).flatMap((name) => /^(.*)\.bad\.yaml$/.exec(name)?.[1] ?? [])
  t.strictSame(names.sort(), Object.keys(EXPECTED).sort())
  for (const [name, [place, code, words]] of Object.entries(EXPECTED)) {
    const file = `fixtures/config/${name}.bad.yaml`
    const { settings, faults } = await readSettings({ HAIDANG_CONFIG: file, PATH: '/bin' }, ROOT)
    t.equal(faults.length, 1, `${name}: ${shown(faults).join(' | ')}`)
    const fault = faults[0]!
    t.equal(`${fault.file}:${fault.line}:${fault.column}`, `${file}:${place}`)
    t.equal(fault.code, code, name)
    t.match(fault.message, words, name)
    t.equal(fault.severity, name === 'native-twice' ? 'warning' : 'error', name)
    t.ok(settings.timezone !== '' && settings.late > 0, 'there are settings to look at all the same')
  }
})

t.test('all faults of a file at once, in the order of its lines', async (t) => {
  const { faults } = await read(`timezon: x
http: nowhere
late: 5
sources:
  - { name: a, transport: mqtt, topics: [x], decoder: nope, stream: air }
  - { name: a, transport: mqtt, topics: ['x#'], decoder: senml, stream: air, zone: Nowhere }
  - { transport: mqtt, topic: [x], decoder: senml, stream: air }
mqtt: { url: 'mqtt://b', tls: { ca_file: none.pem } }
`)
  t.strictSame(
    faults.map(({ line, column, code }) => `${line}:${column} ${code}`),
    [
      '1:1 HD_CONFIG_UNKNOWN_KEY',
      '2:7 HD_CONFIG_VALUE',
      '3:7 HD_CONFIG_VALUE',
      '5:55 HD_CONFIG_VALUE',
      '6:13 HD_CONFIG_VALUE',
      '6:42 HD_CONFIG_VALUE',
      '6:84 HD_CONFIG_VALUE',
      '7:7 HD_CONFIG_MISSING',
      '7:24 HD_CONFIG_UNKNOWN_KEY',
      '8:26 HD_CONFIG_VALUE',
      '8:42 HD_CONFIG_MISSING',
    ],
  )
})

t.test('settings are frozen to the bottom', async (t) => {
  const { settings } = await read(
    'sources:\n  - { name: a, transport: mqtt, topics: [x], decoder: senml, stream: air, rename: { t: temp_c } }\n',
  )
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    t.ok(Object.isFrozen(value))
    for (const part of Object.values(value)) visit(part)
  }
  visit(settings)
  t.equal(settings.sources.length, 1)
})

t.test('what is no configuration at all is a fault and not a crash', async (t) => {
  const texts = [
    '[]', '7', '{', '[', ': : :', '\0', '\uFEFFlate: 1h', '__proto__: { polluted: 1 }', 'constructor: x', '? [a, b]\n: c', '!!js/function x',
    '&a [*a]', '"\\ud800": x', `late: ${'9'.repeat(400)}d`, '['.repeat(50_000), `a: ${'x'.repeat(1024 * 1024)}`, 'sources: { name: x }',
    'sources: [null, 7, [], {}]', 'mqtt: &m { url: *m }', 'http: !!binary aGVsbG8=', 'late: 2001-12-14', '<<: { late: 1h }',
  ] // biome-ignore format: a list
  for (const text of texts) {
    const began = performance.now()
    const { settings, faults } = await read(text)
    t.ok(performance.now() - began < 2000, `${JSON.stringify(text.slice(0, 30))} is answered in time`)
    if (text.startsWith('\uFEFF')) t.equal(settings.late, 3_600_000)
    else
      t.ok(
        faults.some(({ severity }) => severity === 'error'),
        `${JSON.stringify(text.slice(0, 30))} is refused`,
      )
    t.equal(settings.http.port, 8080)
  }
  t.equal(({} as Record<string, unknown>)['polluted'], undefined)
})

t.test('an empty file and one of comments are as none', async (t) => {
  for (const text of ['', '\n', '# nothing\n', '---\n', '{}\n'])
    t.strictSame((await read(text)).faults, [], JSON.stringify(text))
})

t.test(
  'a broker whose windows are too small is warned of, at the line of its own configuration',
  async (t) => {
    const conf = path.join(FIXTURES, 'mosquitto.bad.conf')
    const { faults } = await read(`mqtt: { url: 'mqtt://b', server_config: ${conf} }\n`)
    t.match(shown(faults), [
      /mosquitto\.bad\.conf:4:1: warning: autosave_interval 1800/,
      /mosquitto\.bad\.conf:5:1: warning: max_inflight_messages 1: .*at most 125 msg\/s/,
      /mosquitto\.bad\.conf:6:1: warning: max_queued_messages 100: /,
    ])
    const bare = await read(
      `mqtt: { url: 'mqtt://b', server_config: m.conf }\n`,
      {},
      { 'm.conf': 'listener 1883\n' },
    )
    t.match(shown(bare.faults), [
      /m\.conf:1:1: warning: max_queued_messages is not set/,
      /m\.conf:1:1: warning: persistence is not set/,
    ])
    const ours = await read(
      `mqtt: { url: 'mqtt://b', server_config: ${path.join(ROOT, 'deploy/mosquitto.conf')} }\n`,
    )
    t.strictSame(ours.faults, [])
    const none = await read(`mqtt: { url: 'mqtt://b', server_config: none.conf }\n`)
    t.match(shown(none.faults), [/haidang\.yaml:1:41: error: .*none\.conf cannot be read/])
  },
)

t.test('the example is right, and shows every key there is', async (t) => {
  const secrets = {
    MQTT_PASSWORD: 'a',
    NATS_PASSWORD: 'b',
    CLICKHOUSE_PASSWORD: 'c',
    AIR_NORTH_PASSWORD: 'd',
    DUTY_SECRET: 'e',
    CITY_BUS_SECRET: 'f',
  }
  const { settings, faults } = await readSettings(
    { HAIDANG_CONFIG: 'haidang.example.yaml', ...secrets },
    ROOT,
  )
  t.strictSame(faults.map(formatFault), [])
  t.equal(settings.sources.length, 4)
  t.strictSame(settings.sinks, [
    {
      name: 'duty',
      kind: 'webhook',
      options: { url: 'https://hooks.ioc.example.vn/alerts', reach: 'private', timeout_ms: 10_000 },
      secret: 'e',
    },
    {
      name: 'city-bus',
      kind: 'nats',
      options: {
        servers: ['nats://nats.ioc.example.vn:4222'],
        user: 'haidang',
        delivery: 'jetstream',
        timeout_ms: 5000,
      },
      secret: 'f',
    },
  ])
  const { readFile } = await import('node:fs/promises')
  const { SETTINGS_SCHEMA } = await import('../../src/config/schema.js')
  const text = await readFile(path.join(ROOT, 'haidang.example.yaml'), 'utf8')
  const keys = new Set<string>()
  const gather = (schema: object): void => {
    const { properties, items } = schema as { properties?: Record<string, object>; items?: object }
    for (const [key, below] of Object.entries(properties ?? {})) {
      keys.add(key)
      gather(below)
    }
    if (items !== undefined) gather(items)
  }
  gather(SETTINGS_SCHEMA)
  t.ok(keys.size > 40)
  for (const key of keys) t.match(text, new RegExp(`\\b${key}:`), key)
})
