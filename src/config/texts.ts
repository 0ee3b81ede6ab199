/** The texts that the engine works by, read from disk: rules, registry, zones, metrics. Read here, parsed in the core. */
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { HaidangError } from '../model/errors.js'

export interface TextFile {
  readonly file: string
  readonly text: string
}

/** metrics.yaml of the product: dist/src/config → src/model. */
const PRODUCT_METRICS = path.resolve(import.meta.dirname, '../../../src/model/metrics.yaml')
/** Rules larger than this are refused unread: 10 MB is a mistake or an attack. */
const FILE_BYTES_MAX = 10 * 1024 * 1024

/** Every `*.yaml` and `*.yml` at or below each path, in order of path. Throws HD_CONFIG_MISSING where one is not there. */
export async function ruleFiles(paths: readonly string[]): Promise<TextFile[]> {
  const files: TextFile[] = []
  for (const given of paths) {
    const found = await stat(given).catch(() => undefined)
    if (found === undefined)
      throw new HaidangError('HD_CONFIG_MISSING', `${given}: there is no such file or folder`)
    if (found.isFile()) files.push(await textFile(given))
    else {
      const entries = await readdir(given, { recursive: true, withFileTypes: true })
      const names = entries
        .filter((e) => e.isFile() && /\.ya?ml$/.test(e.name))
        .map((e) => path.join(e.parentPath, e.name))
        .sort()
      for (const name of names) files.push(await textFile(name))
    }
  }
  return files
}

async function textFile(file: string): Promise<TextFile> {
  const { size } = await stat(file)
  if (size > FILE_BYTES_MAX)
    throw new HaidangError(
      'HD_CONFIG_VALUE',
      `${file}: ${size} bytes; a rule file has at most ${FILE_BYTES_MAX}`,
    )
  return { file, text: await readFile(file, 'utf8') }
}

export interface TextPaths {
  readonly rules: readonly string[]
  readonly devices: string | undefined
  readonly zones: string | undefined
  readonly metrics: string | undefined
}

export interface Texts {
  /** JSON list of TextFile. */
  readonly rules: string
  readonly registry: string
  readonly zones: string
  /** JSON list of YAML texts, the product's first. */
  readonly metrics: string
}

/**
 * Reads all of it. Zones and metrics stand by default beside the registry (`zones.geojson`, `metrics.yaml`); what is
 * not there by default is empty, what is named and not there is an error.
 */
export async function readTexts(paths: TextPaths): Promise<Texts> {
  const beside = (name: string): string | undefined =>
    paths.devices === undefined ? undefined : path.join(path.dirname(paths.devices), name)
  const optional = async (file: string | undefined): Promise<string | undefined> =>
    file === undefined ? undefined : await readFile(file, 'utf8').catch(() => undefined)
  const named = async (file: string | undefined): Promise<string | undefined> => {
    if (file === undefined) return undefined
    return await readFile(file, 'utf8').catch((cause: unknown) => {
      throw new HaidangError('HD_CONFIG_MISSING', `${file}: ${(cause as Error).message}`, { cause })
    })
  }
  const files = await ruleFiles(paths.rules)
  const zones = paths.zones === undefined ? await optional(beside('zones.geojson')) : await named(paths.zones)
  const city =
    paths.metrics === undefined ? await optional(beside('metrics.yaml')) : await named(paths.metrics)
  return {
    rules: JSON.stringify(files),
    registry: (await named(paths.devices)) ?? '',
    zones: zones ?? '',
    metrics: JSON.stringify([await readFile(PRODUCT_METRICS, 'utf8'), ...(city === undefined ? [] : [city])]),
  }
}

/** Rules about the engine itself: dist/src/config → rules/engine. */
const ENGINE_RULES = path.resolve(import.meta.dirname, '../../../rules/engine')

/**
 * The same texts with the engine's own rules (a full log, a source that is down) beside the city's. A file of them in
 * which the city has a rule of the same name is left out: the city's stands.
 */
export async function withEngineRules(texts: Texts): Promise<Texts> {
  const city = JSON.parse(texts.rules) as TextFile[]
  const taken = new Set(city.flatMap(({ text }) => ruleIds(text)))
  const own = (await ruleFiles([ENGINE_RULES])).map(({ file, text }) => ({
    file,
    text: text
      .split(/^---$/m)
      .filter((document) => !ruleIds(document).some((id) => taken.has(id)))
      .join('---'),
  }))
  return { ...texts, rules: JSON.stringify([...city, ...own]) }
}

function ruleIds(text: string): string[] {
  return [...text.matchAll(/^rule:[ \t]+['"]?([\w.-]+)/gm)].map(([, id]) => id!)
}
