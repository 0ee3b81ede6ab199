/**
 * Every error that a user can meet has a code of this list. Codes are metric labels and have a row in the README's
 * table (docs/errors.md), so the list is bounded and only grows.
 */
export const ERROR_CODES = [
  'HD_CONFIG_SYNTAX',
  'HD_CONFIG_UNKNOWN_KEY',
  'HD_CONFIG_VALUE',
  'HD_CONFIG_MISSING',
  'HD_RULE_SYNTAX',
  'HD_RULE_UNKNOWN_NAME',
  'HD_RULE_TYPE',
  'HD_RULE_ARGUMENTS',
  'HD_RULE_LIMIT',
  'HD_RULE_CYCLE',
  'HD_RULE_DUPLICATE',
  'HD_RULE_TEST_FAILED',
  'HD_DECODE_EMPTY',
  'HD_DECODE_SIZE',
  'HD_DECODE_DEPTH',
  'HD_DECODE_UTF8',
  'HD_DECODE_SYNTAX',
  'HD_DECODE_TRUNCATED',
  'HD_DECODE_SHAPE',
  'HD_DECODE_VERSION',
  'HD_DECODE_TYPE',
  'HD_DECODE_TIME',
  'HD_DECODE_VALUE',
  'HD_DECODE_IDENTITY',
  'HD_DECODE_SAMPLES_MAX',
  'HD_DECODE_PROTOTYPE',
  'HD_DECODE_NO_SAMPLES',
  'HD_DECODE_TOPIC',
  'HD_DECODE_POISON',
  'HD_INGEST_CONNECT',
  'HD_INGEST_AUTH',
  'HD_INGEST_RIGHTS',
  'HD_INGEST_SERIES_MAX',
  'HD_LOG_FULL',
  'HD_LOG_IO',
  'HD_LOG_CORRUPT',
  'HD_LOG_VERSION',
  'HD_LOG_LOCKED',
  'HD_STORE_CONNECT',
  'HD_STORE_QUERY',
  'HD_STORE_SCHEMA',
  'HD_STORE_POISON',
  'HD_SERVE_AUTH',
  'HD_SERVE_RIGHTS',
  'HD_SERVE_REQUEST',
  'HD_SERVE_NOT_FOUND',
  'HD_SERVE_CONFLICT',
  'HD_SERVE_PORT',
] as const
export type ErrorCode = (typeof ERROR_CODES)[number]
export type ErrorStage = 'config' | 'rule' | 'decode' | 'ingest' | 'log' | 'store' | 'serve'

/** The one error class. Callers match on `code`; `message` names the thing, the value, its type and the limit. */
export class HaidangError extends Error {
  readonly code: ErrorCode
  readonly retryable: boolean

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; retryable?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'HaidangError'
    this.code = code
    this.retryable = options.retryable ?? false
  }

  get stage(): ErrorStage {
    return this.code.split('_')[1]!.toLowerCase() as ErrorStage
  }
}

/** A fault in a file that a person wrote: printed as `file:line:column: message`, then the line and a caret. */
export interface Fault {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 units. */
  readonly column: number
  readonly code: ErrorCode
  readonly message: string
  /** The faulty line of text. */
  readonly text?: string
  readonly severity: 'error' | 'warning'
}

/** `file:line:column: error: message [CODE]`, then the text and a caret under the column. */
export function formatFault(fault: Fault): string {
  const head = `${fault.file}:${fault.line}:${fault.column}: ${fault.severity}: ${fault.message} [${fault.code}]`
  if (fault.text === undefined) return head
  // Of a long line the part around the fault.
  const from = fault.column > 160 ? fault.column - 100 : 0
  const cut = fault.text.slice(from, from + 200)
  const caret = `${cut.slice(0, Math.max(0, fault.column - 1 - from)).replace(/[^\t]/g, ' ')}^`
  return `${head}\n  ${cut}\n  ${caret}`
}
