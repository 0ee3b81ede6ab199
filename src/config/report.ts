import type { ErrorCode, Fault } from '../model/errors.js'
import type { ConfigText, Path } from './config-text.js'
import type { SchemaFault } from './validate.js'

/**
 * Collects what is wrong with the settings, each where a person can mend it: in the variable, if one has overridden the
 * file, else at its line and column of the file.
 */
export class Report {
  readonly #file: ConfigText
  readonly #variables: Fault[] = []
  /** `http`, `mqtt.url` → the variable that has overridden it and all below. */
  readonly #overridden = new Map<string, { readonly variable: string; readonly text: string }>()

  constructor(file: ConfigText) {
    this.#file = file
  }

  /** Variables first, then the file in order of position. */
  get faults(): readonly Fault[] {
    return [...this.#variables, ...this.#file.faults]
  }

  /** From here on, faults of `key` belong to the variable. */
  override(key: string, variable: string, text: string): void {
    this.#overridden.set(key, { variable, text })
  }

  /** The variable that has overridden `key`, if one has. */
  variableOf(key: string): string | undefined {
    return this.#overridden.get(key)?.variable
  }

  fault(
    path: Path,
    code: ErrorCode,
    message: string,
    place: SchemaFault['place'] = 'value',
    severity: Fault['severity'] = 'error',
  ): void {
    const over = this.#overridden.get(String(path[0])) ?? this.#overridden.get(path.slice(0, 2).join('.'))
    if (over !== undefined) this.variable(over.variable, over.text, code, message, severity)
    else this.#file.fault(code, offsetOf(this.#file, path, place), message, severity)
  }

  warn(path: Path, code: ErrorCode, message: string, place: SchemaFault['place'] = 'value'): void {
    this.fault(path, code, message, place, 'warning')
  }

  /** A variable has one line. `text` '' where it is a secret. */
  variable(
    name: string,
    text: string,
    code: ErrorCode,
    message: string,
    severity: Fault['severity'] = 'error',
  ): void {
    this.#variables.push({
      file: name,
      line: 1,
      column: 1,
      code,
      message,
      severity,
      ...(text === '' ? {} : { text }),
    })
  }

  /** Line of the file that `path` stands on. */
  line(path: Path): number {
    return this.#file.line(this.#file.at(path))
  }
}

export function offsetOf(text: ConfigText, path: Path, place: SchemaFault['place']): number {
  if (place === 'key') return text.keyAt(path)
  return place === 'start' ? text.startOf(path) : text.at(path)
}
