/** Configured sinks: each section against the schema of its kind, its secret read, and the settings made of it. */

import { didYouMean } from '../../rules/language/suggest.js'
import { SINKS, type SinkKind } from '../alerts/sinks/index.js'
import { HaidangError } from '../model/errors.js'
import type { Path } from './config-text.js'
import { type Reading, readSecret } from './connection.js'
import type { SinkDocument } from './document.js'
import { SINK_SCHEMA } from './schema.js'
import type { SinkSettings } from './shape.js'
import { schemaFaults } from './validate.js'

/** Every sink that can be made; faults are in the report. `index`: where it stands in the list. */
export async function readSinks(
  sinks: readonly { readonly index: number; readonly document: SinkDocument }[],
  reading: Reading,
): Promise<SinkSettings[]> {
  const { report } = reading
  const found: SinkSettings[] = []
  const names = new Map<string, number>()
  const schemas = new Map<string, object>()
  for (const { index, document } of sinks) {
    const at: Path = ['sinks', index]
    const first = names.get(document.name)
    if (first !== undefined)
      report.fault(
        [...at, 'name'],
        'HD_CONFIG_VALUE',
        `there is a sink '${document.name}' already, in line ${report.line(['sinks', first, 'name'])}`,
      )
    else names.set(document.name, index)
    const kind = SINKS.get(document.kind)
    if (kind === undefined) {
      const known = [...SINKS.keys()]
      report.fault(
        [...at, 'kind'],
        'HD_CONFIG_VALUE',
        `there is no sink of kind '${document.kind}'${didYouMean(document.kind, known) || ` (known: ${known.join(' ')})`}`,
      )
      continue
    }
    const schema = schemas.get(kind.kind) ?? sectionSchema(kind)
    schemas.set(kind.kind, schema)
    const faults = schemaFaults(schema, document, at)
    for (const { path, place, code, message } of faults) report.fault(path, code, message, place)
    const { name, kind: _kind, secret_file, secret_env, ...options } = document
    const secret = await readSecret('secret', { file: secret_file, variable: secret_env }, at, reading)
    if (faults.length > 0) continue
    const settings: SinkSettings = { name, kind: kind.kind, options, secret: secret ?? '' }
    try {
      // Made for what its schema cannot see; a sink connects when it is opened, not before.
      kind.create(options, { name, now: () => 0, secret: settings.secret })
      found.push(settings)
    } catch (error) {
      if (!(error instanceof HaidangError)) throw error
      report.fault(at, error.code, error.message, 'start')
    }
  }
  return found
}

/** The common keys and those of the kind, and no others. */
function sectionSchema({ schema }: SinkKind): object {
  const own = schema as { readonly required?: readonly string[]; readonly properties?: object }
  return {
    type: 'object',
    additionalProperties: false,
    required: [...SINK_SCHEMA.required, ...(own.required ?? [])],
    properties: { ...SINK_SCHEMA.properties, ...own.properties },
  }
}
