// Transpiles every TypeScript file to dist/ (types are checked by `npm run typecheck`), and bundles the browser's pages.
// Fast on purpose: `npm ci` runs it, and tests run what it wrote.
import { cp, mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { build } from 'esbuild'

const root = path.resolve(import.meta.dirname, '..')
const dist = path.join(root, 'dist')

async function filesBelow(dir, accept) {
  const entries = await readdir(path.join(root, dir), { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((e) => e.isFile() && accept(e.name))
    .map((e) => path.join(e.parentPath, e.name))
    .filter((f) => !f.includes('node_modules'))
}

const server = (
  await Promise.all(
    ['src', 'ingest', 'rules', 'test', 'bench', 'fixtures'].map((d) => filesBelow(d, (n) => n.endsWith('.ts') && !n.endsWith('.d.ts'))),
  )
).flat()
await build({
  entryPoints: server,
  outbase: root,
  outdir: dist,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  logLevel: 'warning',
})

const pages = await filesBelow('ui', (n) => n === 'main.ts')
if (pages.length > 0) {
  await build({
    entryPoints: pages,
    outbase: path.join(root, 'ui'),
    outdir: path.join(dist, 'ui'),
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    loader: { '.woff2': 'file' },
    logLevel: 'warning',
  })
  for (const file of await filesBelow('ui', (n) => n.endsWith('.html') || n.endsWith('.svg'))) {
    const to = path.join(dist, 'ui', path.relative(path.join(root, 'ui'), file))
    await mkdir(path.dirname(to), { recursive: true })
    await cp(file, to)
  }
}

// Files that have gone from the source must not live on in dist (a deleted test would still run).
const wanted = new Set(server.map((f) => path.join(dist, path.relative(root, f).replace(/\.ts$/, '.js'))))
for (const dir of ['src', 'ingest', 'rules', 'test', 'bench', 'fixtures']) {
  const built = await readdir(path.join(dist, dir), { recursive: true, withFileTypes: true }).catch(() => [])
  for (const e of built) {
    const file = path.join(e.parentPath, e.name)
    if (e.isFile() && file.endsWith('.js') && !wanted.has(file)) {
      await rm(file)
      await rm(`${file}.map`, { force: true })
    }
  }
}
