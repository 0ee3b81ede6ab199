// Adds to package-lock.json the packages of other platforms (`@biomejs/cli-darwin-arm64` …) that npm left out: behind a
// registry mirror that lacks them, `npm install` writes a lock with which `npm ci` fails everywhere ("Missing: … from
// lock file"). They are never downloaded on a platform that is not theirs; on theirs npm fetches them by version.
//   node scripts/complete-lock.mjs [--check]     --check: writes nothing, exit code 1 where something is missing
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const file = path.resolve(import.meta.dirname, '..', 'package-lock.json')
const lock = JSON.parse(readFileSync(file, 'utf8'))
const { packages } = lock

const OS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]
const CPU = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64']

/** Platform that a package's name ends in: `…-linux-x64-musl`; undefined where it names none. */
function platform(name) {
  const words = name.split('/').pop().split('-')
  const os = OS.find((o) => words.includes(o))
  const cpu = CPU.find((c) => words.includes(c))
  if (os === undefined && cpu !== 'wasm32') return undefined
  const libc = words.some((w) => w.startsWith('musl'))
    ? ['musl']
    : words.includes('gnu')
      ? ['glibc']
      : undefined
  return { ...(cpu && { cpu: [cpu] }), ...(libc && { libc }), ...(os && { os: [os] }) }
}

/** Where npm would find `name` from `from`: nested first, then up. */
function found(from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('node_modules/') - 1))) {
    if (packages[`${at === '' ? '' : `${at}/`}node_modules/${name}`] !== undefined) return true
    if (at === '') return false
  }
}

const added = []
for (const [at, entry] of Object.entries(packages))
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const where = platform(name)
    if (found(at, name) || where === undefined) continue
    packages[`node_modules/${name}`] = {
      version: version.replace(/^[\^~]/, ''),
      ...where,
      ...(entry.dev && { dev: true }),
      license: entry.license,
      optional: true,
      ...(entry.engines && { engines: entry.engines }),
    }
    added.push(name)
  }

if (process.argv.includes('--check')) {
  for (const name of added) process.stdout.write(`package-lock.json lacks ${name}\n`)
  process.exitCode = added.length > 0 ? 1 : 0
} else if (added.length > 0) {
  lock.packages = Object.fromEntries(
    Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
  )
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
  process.stdout.write(`${added.length} packages of other platforms added\n`)
}
