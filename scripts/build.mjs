// Transpiles every TypeScript file to dist/ (types are checked by `npm run typecheck`), and bundles the browser's pages.
// Fast on purpose: `npm ci` runs it, and tests run what it wrote.
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { build } from 'esbuild'

const root = path.resolve(import.meta.dirname, '..')
const dist = path.join(root, 'dist')

async function filesBelow(dir, accept) {
  const entries = await readdir(path.join(root, dir), { recursive: true, withFileTypes: true }).catch(
    () => [],
  )
  return entries
    .filter((e) => e.isFile() && accept(e.name))
    .map((e) => path.join(e.parentPath, e.name))
    .filter((f) => !f.includes('node_modules'))
}

const server = (
  await Promise.all(
    ['src', 'ingest', 'rules', 'test', 'bench', 'fixtures'].map((d) =>
      filesBelow(d, (n) => n.endsWith('.ts') && !n.endsWith('.d.ts')),
    ),
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

// Pages: main.ts and main.css of each are bundled for the browser; the other modules are built one by one as well, since
// their tests run in Node. Text files get a compressed twin beside them, which the server prefers.
const pages = await filesBelow('ui', (n) => n === 'main.ts' || n === 'main.css')
if (pages.length > 0) {
  await build({
    entryPoints: await filesBelow('ui', (n) => n.endsWith('.ts') && n !== 'main.ts'),
    outbase: root,
    outdir: dist,
    format: 'esm',
    target: 'es2022',
    sourcemap: true,
    logLevel: 'warning',
  })
  const { metafile } = await build({
    entryPoints: pages,
    outbase: path.join(root, 'ui'),
    outdir: path.join(dist, 'ui'),
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    loader: { '.woff2': 'file' },
    assetNames: 'fonts/[name]',
    metafile: true,
    logLevel: 'warning',
  })
  const served = Object.keys(metafile.outputs).map((file) => path.resolve(file))
  for (const file of await filesBelow('ui', (n) => n.endsWith('.html') || n.endsWith('.svg'))) {
    const to = path.join(dist, 'ui', path.relative(path.join(root, 'ui'), file))
    await mkdir(path.dirname(to), { recursive: true })
    await cp(file, to)
    served.push(to)
  }
  for (const file of served)
    if (!file.endsWith('.woff2')) await writeFile(`${file}.br`, brotliCompressSync(await readFile(file)))
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
