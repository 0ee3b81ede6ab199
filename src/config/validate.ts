/** A plain value against a JSON Schema: every fault in a sentence, at the place in the text where it stands. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { didYouMean } from '../../rules/language/suggest.js'
import type { ErrorCode } from '../model/errors.js'
import type { Path } from './config-text.js'
import { FORMATS, timeZones } from './formats.js'

/** One thing wrong with a value. `place`: at the value, at its key, or (for what is missing) where its map begins. */
export interface SchemaFault {
  readonly path: Path
  readonly place: 'value' | 'key' | 'start'
  readonly code: ErrorCode
  readonly message: string
}

const compiled = new WeakMap<object, ValidateFunction>()

/**
 * Every fault of `value` at once, in the order of the schema. Fills defaults in. Compiling costs some 10 ms, once.
 * `at`: where `value` stands in what the person wrote.
 */
export function schemaFaults(schema: object, value: unknown, at: Path = []): SchemaFault[] {
  let validate = compiled.get(schema)
  if (validate === undefined) {
    const ajv = new Ajv({
      allErrors: true,
      strict: true,
      // .inf is a number of YAML; where it makes no sense the schema has a minimum or maximum.
      strictNumbers: false,
      verbose: true,
      useDefaults: true,
      allowUnionTypes: true,
      ownProperties: true,
      // Our own schemas: a test holds them to the meta-schema, which takes three times as long to compile.
      validateSchema: false,
      meta: false,
    })
    for (const [name, { is }] of Object.entries(FORMATS))
      ajv.addFormat(name, { type: 'string', validate: is })
    validate = ajv.compile(schema)
    compiled.set(schema, validate)
  }
  if (validate(value)) return []
  return (validate.errors ?? []).flatMap((error) => explained(error, at) ?? [])
}

/**
 * `value` without its faulty parts (taken out of it), so that what is left satisfies the schema and more can be said of
 * it; undefined where nothing is left.
 */
export function soundPart(schema: object, value: unknown): unknown {
  // Each round takes at least one part away and may leave a map that lacks what it must have: at most as deep as the schema.
  for (let round = 0; round < 10; round++) {
    const faults = schemaFaults(schema, value)
    if (faults.length === 0) return value
    if (faults.some(({ path }) => path.length === 0)) return undefined
    // From the back, so that the indexes in front stay.
    for (const { path } of faults.reverse()) remove(value, path)
  }
  return undefined
}

function remove(value: unknown, path: Path): void {
  let parent: unknown = value
  for (const step of path.slice(0, -1)) {
    if (typeof parent !== 'object' || parent === null) return
    parent = (parent as Record<string | number, unknown>)[step]
  }
  const last = path.at(-1)!
  if (Array.isArray(parent)) parent.splice(Number(last), 1)
  else if (typeof parent === 'object' && parent !== null)
    delete (parent as Record<string | number, unknown>)[last]
}

function explained(error: ErrorObject, at: Path): SchemaFault | undefined {
  const path = [...at, ...pathOf(error.instancePath)]
  if (error.propertyName !== undefined) {
    const message = `'${shown(error.propertyName)}' in ${nameOf(path)} is no name for it: ${says(error)}`
    return { path: [...path, error.propertyName], place: 'key', code: 'HD_CONFIG_VALUE', message }
  }
  const parent = (error.parentSchema ?? {}) as {
    properties?: Record<string, unknown>
    format?: string
  }
  const value = (sentence: string): SchemaFault => ({
    path,
    place: 'value',
    code: 'HD_CONFIG_VALUE',
    message: `${nameOf(path)} ${sentence}`,
  })
  switch (error.keyword) {
    case 'propertyNames':
      return undefined
    case 'additionalProperties': {
      const key = String(error.params['additionalProperty'])
      return {
        path: [...path, key],
        place: 'key',
        code: 'HD_CONFIG_UNKNOWN_KEY',
        message: unknownKey(key, path, Object.keys(parent.properties ?? {})),
      }
    }
    case 'required': {
      const key = String(error.params['missingProperty'])
      return { path, place: 'start', code: 'HD_CONFIG_MISSING', message: `${nameOf(path)} lacks '${key}'` }
    }
    case 'type':
      if (error.data === null)
        return { path, place: 'key', code: 'HD_CONFIG_MISSING', message: `${nameOf(path)} has no value` }
      return value(
        `is ${FORMATS[String(parent.format)]?.says ?? typeNames(error.params['type'])}, not ${described(error.data)}`,
      )
    case 'enum': {
      const allowed = (error.params['allowedValues'] as unknown[]).map(String)
      if (error.data === null)
        return { path, place: 'key', code: 'HD_CONFIG_MISSING', message: `${nameOf(path)} has no value` }
      return value(
        `is one of ${allowed.join(' ')}, not ${described(error.data)}${typeof error.data === 'string' ? didYouMean(error.data, allowed) : ''}`,
      )
    }
    case 'format': {
      const hint = error.params['format'] === 'time_zone' ? didYouMean(String(error.data), timeZones()) : ''
      return value(`is ${says(error)}, not ${described(error.data)}${hint}`)
    }
    case 'minimum':
    case 'exclusiveMinimum':
      return value(`is at least ${String(error.params['limit'])}, not ${described(error.data)}`)
    case 'maximum':
      return value(`is at most ${String(error.params['limit'])}, not ${described(error.data)}`)
    case 'minItems':
    case 'minProperties':
      return value('is empty')
    case 'uniqueItems': {
      const second = Math.max(Number(error.params['i']), Number(error.params['j']))
      return {
        path: [...path, second],
        place: 'value',
        code: 'HD_CONFIG_VALUE',
        message: `${nameOf(path)} has the same twice`,
      }
    }
    case 'not':
      return value(`may not be ${described(error.data)}`)
    default:
      return value(`${error.message ?? error.keyword}, not ${described(error.data)}`)
  }
}

function unknownKey(key: string, path: Path, known: readonly string[]): string {
  if (/^(pass|password|passwd|token|secret|key)$/i.test(key) && known.includes('secret_file'))
    return `secrets do not stand in this file: write 'secret_file' or 'secret_env' instead of '${key}'`
  if (/^(pass|password|passwd|token|secret)$/i.test(key) && known.includes('password_file'))
    return `secrets do not stand in this file: write '${key === 'token' && known.includes('token_file') ? 'token_file' : 'password_file'}' or 'password_env' instead of '${key}'`
  const hint = didYouMean(key, known)
  return `${path.length === 0 ? 'there is' : `${nameOf(path)} has`} no '${shown(key)}'${hint === '' ? ` (known: ${known.join(' ')})` : hint}`
}

function says(error: ErrorObject): string {
  return FORMATS[String(error.params['format'])]?.says ?? String(error.message)
}

function typeNames(type: unknown): string {
  const names: Readonly<Record<string, string>> = {
    string: 'a text',
    number: 'a number',
    integer: 'a whole number',
    boolean: 'true or false',
    object: 'a map',
    array: 'a list',
  }
  return (Array.isArray(type) ? type : String(type).split(','))
    .map((one) => names[String(one)] ?? String(one))
    .join(' or ')
}

function described(value: unknown): string {
  if (typeof value === 'string') return `'${shown(value.replace(/\/\/[^/@]*@/, '//…@'))}'`
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'a map'
  return String(value)
}

function shown(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/** `the file`, `'late'`, `'sources[2].late'`. */
export function nameOf(path: Path): string {
  if (path.length === 0) return 'the file'
  return `'${shown(path.map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${step}`)).join(''))}'`
}

/** JSON pointer to path; a step of digits is an index: no map of ours has such keys. */
function pathOf(pointer: string): Path {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step))
}
