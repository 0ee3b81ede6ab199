/**
 * The house plan of DESIGN.md 2, held by a test: which room may import which, the pure rooms without the outside world,
 * and no cycles. Imports are read from the source text, so that an unused or type-only import counts as well.
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'

const ROOT = path.resolve(import.meta.dirname, '../..')

/** Rooms, the most particular path first. A file belongs to the first that is a prefix of its path. */
const ROOMS: readonly (readonly [prefix: string, room: string])[] = [
  ['src/model/', 'model'],
  ['src/engine/', 'engine'],
  ['src/alerts/sinks/', 'sinks'],
  ['src/alerts/', 'alerts'],
  ['src/log/', 'log'],
  ['src/store/', 'store'],
  ['src/server/wire.ts', 'wire'],
  ['src/server/', 'server'],
  ['src/config/', 'config'],
  ['src/cli/', 'cli'],
  ['src/main.ts', 'main'],
  ['ingest/decoders/', 'decoders'],
  ['ingest/', 'ingest'],
  ['rules/', 'rules'],
  ['ui/', 'ui'],
  ['fixtures/', 'fixtures'],
  ['bench/', 'bench'],
  ['test/', 'test'],
]

const PURE = ['model', 'rules', 'decoders', 'engine', 'alerts', 'wire']
const EDGES = ['ingest', 'log', 'store', 'server', 'sinks', 'config']
/** Room → rooms it may import from, besides itself. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  model: [],
  // The fold over transitions (src/alerts/board.ts) reaches the pages through wire.ts: one answer on both sides.
  wire: ['model', 'alerts'],
  rules: ['model'],
  decoders: ['model'],
  alerts: ['model', 'rules'],
  engine: ['model', 'rules', 'alerts', 'decoders'],
  // A sink's schema stands beside its code, as a decoder's id does; the configuration checks sections by it.
  config: [...PURE, 'sinks'],
  log: PURE,
  store: PURE,
  server: PURE,
  sinks: PURE,
  ingest: PURE,
  ui: ['wire'],
  // Fixtures: the demo's city alone, see below.
  cli: [...PURE, ...EDGES, 'fixtures'],
  main: [...PURE, ...EDGES, 'cli'],
  fixtures: ['model'],
  // Benches measure against the real servers that the tests start.
  bench: [...PURE, ...EDGES, 'cli', 'fixtures', 'test'],
  test: [...PURE, ...EDGES, 'cli', 'fixtures', 'ui', 'bench'],
}

function roomOf(file: string): string {
  return ROOMS.find(([prefix]) => file.startsWith(prefix))?.[1] ?? ''
}

const sources = ['src', 'ingest', 'rules', 'ui', 'fixtures', 'bench', 'test']
  .flatMap((dir) =>
    readdirSync(path.join(ROOT, dir), { recursive: true, withFileTypes: true })
      .filter((e) => e.isFile() && /\.ts$/.test(e.name))
      .map((e) => path.relative(ROOT, path.join(e.parentPath, e.name)).split(path.sep).join('/')),
  )
  .sort()

/** What a file imports: specifiers as written. `runtime`: without those that exist for types alone. */
function importsOf(text: string, which: 'all' | 'runtime' = 'all'): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const found: string[] = []
  for (const m of code.matchAll(/^\s*(?:import|export)\s([^'"`;]*?)from\s*['"]([^'"]+)['"]/gm))
    if (which === 'all' || !/^type\b/.test(m[1]!)) found.push(m[2]!)
  for (const m of code.matchAll(/^\s*import\s*['"]([^'"]+)['"]/gm)) found.push(m[1]!)
  for (const m of code.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)(\.[A-Z])?/g))
    if (which === 'all' || m[2] === undefined) found.push(m[1]!)
  return found
}

interface Import {
  readonly from: string
  readonly to: string
  readonly specifier: string
  readonly runtime: boolean
}
const imports: Import[] = sources.flatMap((from) => {
  const text = readFileSync(path.join(ROOT, from), 'utf8')
  const runtime = new Set(importsOf(text, 'runtime'))
  return importsOf(text).map((specifier) => ({
    from,
    specifier,
    runtime: runtime.has(specifier),
    to: specifier.startsWith('.')
      ? path.posix.normalize(path.posix.join(path.posix.dirname(from), specifier)).replace(/\.js$/, '.ts')
      : '',
  }))
})

t.test('the reader of imports sees every form', async (t) => {
  // `$` stands for the keyword, so that this file's own imports are not taken from here.
  const text = [
    "$ a from './a.js'",
    "$ type { B } from '../b.js'",
    '$ {\n  c,\n  d,\n} from "./c.js"',
    "$ './side.js'",
    "export { e } from './e.js'",
    "const f = await $('./f.js')",
    "// $ g from './g.js'",
    "/* $ h from './h.js' */",
    "let x: $('./typed.js').T",
  ]
    .join('\n')
    .replaceAll('$', 'import')
  t.strictSame(importsOf(text, 'runtime').sort(), ['./a.js', './c.js', './e.js', './f.js', './side.js'])
  t.strictSame(importsOf(text).sort(), [
    '../b.js',
    './a.js',
    './c.js',
    './e.js',
    './f.js',
    './side.js',
    './typed.js',
  ])
})

t.test('every source file has a room, and every import of our own leads to a file', async (t) => {
  t.ok(sources.length > 20)
  for (const file of sources) if (roomOf(file) === '') t.fail(`${file} stands in no room of DESIGN.md 2`)
  for (const i of imports)
    if (i.to !== '' && !sources.includes(i.to) && !i.to.endsWith('.css'))
      t.fail(`${i.from} imports ${i.specifier}: no such file`)
})

t.test('imports point the way of the house plan', async (t) => {
  for (const { from, to } of imports) {
    if (to === '') continue
    const [room, target] = [roomOf(from), roomOf(to)]
    if (room !== target && !(MAY[room] ?? []).includes(target))
      t.fail(`${from} (${room}) may not import ${to} (${target})`)
  }
  t.pass(`${imports.length} imports`)
})

t.test('a generated city is for the demo and for tests alone; nothing imports main', async (t) => {
  for (const { from, to } of imports) {
    if (
      to.startsWith('fixtures/cities/') &&
      from !== 'src/cli/demo.ts' &&
      !/^(test|fixtures|bench)\//.test(from)
    )
      t.fail(`${from} imports ${to}`)
    if (to === 'src/main.ts') t.fail(`${from} imports main`)
  }
})

/** Modules through which the outside comes in; what a pure file may still use of Node touches neither disk nor net. */
const OUTSIDE =
  /^(node:)?(fs|net|http|https|http2|tls|dgram|dns|child_process|cluster|worker_threads|os|timers|readline|inspector)(\/|$)/
const IMPURE: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\s*\(/, 'the time'],
  [/\bnew Date\(\s*\)/, 'the time'],
  [/\bperformance\.now\s*\(/, 'the time'],
  [/\bMath\.random\s*\(/, 'a random number'],
  [/\bset(Timeout|Interval|Immediate)\s*\(/, 'a timer'],
  [/\bprocess\.(env|argv|std|on|exit|hrtime)\b/, 'the process'],
  [/\bconsole\./, 'the console'],
]
/** Files of pure rooms that stand on the edge, with the reason. Keep it short. */
const EXCEPTIONS: Readonly<Record<string, string>> = {}

t.test('the pure side reads no time, file, socket, environment or random number', async (t) => {
  for (const file of sources.filter((f) => PURE.includes(roomOf(f)))) {
    if (file in EXCEPTIONS) continue
    const text = readFileSync(path.join(ROOT, file), 'utf8')
    for (const specifier of importsOf(text))
      if (OUTSIDE.test(specifier)) t.fail(`${file} imports ${specifier}`)
    const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '')
    for (const [pattern, what] of IMPURE)
      if (pattern.test(code)) t.fail(`${file} reads ${what}: ${pattern.exec(code)?.[0]}`)
  }
  t.pass('pure')
})

t.test('only main reads the environment, only the command line prints', async (t) => {
  for (const file of sources.filter((f) => EDGES.includes(roomOf(f)) || roomOf(f) === 'cli')) {
    const code = readFileSync(path.join(ROOT, file), 'utf8')
      .replace(/\/\*[\s\S]*?\*\//g, '')
      .replace(/\/\/.*$/gm, '')
    if (/\bprocess\.(env|argv)\b/.test(code)) t.fail(`${file} reads the environment or the arguments`)
    if (roomOf(file) !== 'cli' && /\bconsole\./.test(code)) t.fail(`${file} prints`)
  }
  t.pass('quiet')
})

// A type may refer to the file that refers to it (a contract and its part); such imports are gone when the program runs.
t.test('no cycles', async (t) => {
  const graph = new Map<string, string[]>(sources.map((f) => [f, []]))
  for (const { from, to, runtime } of imports) if (runtime && graph.has(to)) graph.get(from)!.push(to)
  const state = new Map<string, 'open' | 'done'>()
  const trail: string[] = []
  const visit = (file: string): void => {
    state.set(file, 'open')
    trail.push(file)
    for (const next of graph.get(file) ?? []) {
      if (state.get(next) === 'open')
        t.fail(`cycle: ${[...trail.slice(trail.indexOf(next)), next].join(' → ')}`)
      else if (!state.has(next)) visit(next)
    }
    trail.pop()
    state.set(file, 'done')
  }
  for (const file of sources) if (!state.has(file)) visit(file)
  t.equal(state.size, sources.length)
})
