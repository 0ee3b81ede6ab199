/** The house in order: types, lint, dead code, and the files that only people and other programs read. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { ERROR_CODES } from '../src/model/errors.js'

const ROOT = path.resolve(import.meta.dirname, '../..')

function run(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): { status: number | null; output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 16 * 1024 * 1024,
  })
  return { status, output: error === undefined ? `${stdout}${stderr}` : String(error) }
}

/** A tool of node_modules, which must find nothing; what it found is the failure's text. */
function tool(t: Test, name: string, ...args: string[]): void {
  const { status, output } = run(path.join(ROOT, 'node_modules', '.bin', name), args)
  t.equal(status, 0, `${name} ${args.join(' ')}\n${output.slice(-6000)}`)
}

t.test('types are right under the strictest flags', async (t) => tool(t, 'tsc', '--noEmit'))
t.test('lint and format are clean', async (t) => tool(t, 'biome', 'check', '.'))
t.test('no dead code, no unlisted dependency', async (t) => tool(t, 'knip'))

t.test('package-lock.json names the packages of every platform, without which npm ci fails', async (t) => {
  const { status, output } = run(process.execPath, ['scripts/complete-lock.mjs', '--check'])
  t.equal(status, 0, `${output}to mend it: node scripts/complete-lock.mjs`)
})

t.test('docs/errors.md has a row for every error code and no other', async (t) => {
  const text = readFileSync(path.join(ROOT, 'docs/errors.md'), 'utf8')
  const rows = [...text.matchAll(/^\| `(HD_[A-Z0-9_]+)` \|/gm)].map((m) => m[1]!)
  t.strictSame([...rows].sort(), [...ERROR_CODES].sort())
  t.equal(new Set(rows).size, rows.length, 'no code twice')
})

t.test('links of the README and of docs/ lead somewhere', async (t) => {
  const pages = [
    'README.md',
    'CHANGELOG.md',
    ...readdirSync(path.join(ROOT, 'docs'))
      .filter((f) => f.endsWith('.md'))
      .map((f) => `docs/${f}`),
  ]
  for (const page of pages) {
    const text = readFileSync(path.join(ROOT, page), 'utf8')
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^(https?:|mailto:|#)/.test(target!)) continue
      const file = path.join(ROOT, path.dirname(page), target!.replace(/#.*$/, ''))
      t.ok(existsSync(file), `${page} → ${target}`)
    }
  }
})

t.test('files that docs/architecture.md names are there', async (t) => {
  const text = readFileSync(path.join(ROOT, 'docs/architecture.md'), 'utf8')
  for (const [, file] of text.matchAll(/`((?:src|ingest|rules|ui|test|fixtures)\/[\w./-]*)`/g))
    if (!existsSync(path.join(ROOT, file!))) t.fail(`${file} is not there`)
  t.pass('all there')
})

t.test('docker-compose.yml is valid, pinned, and has no password of its own', async (t) => {
  const text = readFileSync(path.join(ROOT, 'docker-compose.yml'), 'utf8')
  for (const [, image] of text.matchAll(/^\s*image:\s*(\S+)/gm))
    t.match(image, /:\d+\.\d+(\.\d+)*(-[a-z0-9.]+)?$|^haidang:/, `${image} has a version`)
  for (const [, name, rest] of text.matchAll(/\$\{([A-Z_]*(?:PASSWORD|TOKEN|SECRET)[A-Z_]*)([^}]*)\}/g))
    t.match(rest, /^:\?/, `${name} must be given: no default`)
})

const COMPOSE = run('docker-compose', ['version']).status === 0
t.test(
  'docker-compose reads docker-compose.yml, and refuses it without its secrets',
  { skip: COMPOSE ? false : 'docker-compose is not installed' },
  async (t) => {
    const secrets = {
      HAIDANG_TOKEN: 't'.repeat(43),
      CLICKHOUSE_PASSWORD: 'c1',
      NATS_PASSWORD: 'n1',
      MQTT_PASSWORD: 'm1',
    }
    const good = run('docker-compose', ['-f', 'docker-compose.yml', 'config'], secrets)
    t.equal(good.status, 0, good.output)
    for (const service of ['clickhouse', 'nats', 'mosquitto', 'haidang'])
      t.match(good.output, new RegExp(`^  ${service}:`, 'm'))
    t.equal((good.output.match(/healthcheck:/g) ?? []).length, 4, 'every service has a health check')
    for (const name of Object.keys(secrets)) {
      const refused = run('docker-compose', ['-f', 'docker-compose.yml', 'config'], {
        ...secrets,
        [name]: '',
      })
      t.not(refused.status, 0, `${name} missing is refused`)
      t.match(refused.output, name)
    }
  },
)
