/** An error as ClickHouse words it: code, name, text. */
export class DbException extends Error {
  readonly code: number
  /** `UNKNOWN_TABLE`. */
  readonly codeName: string

  constructor(code: number, codeName: string, message: string) {
    super(message)
    this.name = 'DbException'
    this.code = code
    this.codeName = codeName
  }

  /** The body that ClickHouse's HTTP interface answers; clients parse it. */
  body(version: string): string {
    return `Code: ${this.code}. DB::Exception: ${this.message} (${this.codeName}) (version ${version} (embedded build))\n`
  }

  /** The status that ClickHouse's server would answer. */
  get status(): number {
    return STATUS[this.code] ?? 500
  }
}

const STATUS: Readonly<Record<number, number>> = {
  27: 400, // CANNOT_PARSE_INPUT_ASSERTION_FAILED
  36: 400, // BAD_ARGUMENTS
  42: 400, // NUMBER_OF_ARGUMENTS_DOESNT_MATCH
  43: 400, // ILLEGAL_TYPE_OF_ARGUMENT
  46: 404, // UNKNOWN_FUNCTION
  47: 404, // UNKNOWN_IDENTIFIER
  50: 404, // UNKNOWN_TYPE
  60: 404, // UNKNOWN_TABLE
  62: 400, // SYNTAX_ERROR
  73: 404, // UNKNOWN_FORMAT
  81: 404, // UNKNOWN_DATABASE
  115: 404, // UNKNOWN_SETTING
  159: 408, // TIMEOUT_EXCEEDED
  202: 503, // TOO_MANY_SIMULTANEOUS_QUERIES
  456: 400, // UNKNOWN_QUERY_PARAMETER
  497: 403, // ACCESS_DENIED
  516: 401, // AUTHENTICATION_FAILED
}

/** chDB's message (`Code: 60. DB::Exception: Code: 60. DB::Exception: … (version …). (UNKNOWN_TABLE)`) as an exception. */
export function exceptionOf(error: unknown): DbException {
  if (error instanceof DbException) return error
  const text = error instanceof Error ? error.message : String(error)
  const code = /Code: (\d+)/.exec(text)
  if (code === null) return new DbException(1001, 'STD_EXCEPTION', text)
  const name = /\(([A-Z][A-Z0-9_]+)\)\s*$/.exec(text)?.[1] ?? 'UNKNOWN_EXCEPTION'
  const message = text
    .replace(/^(\s*Code: \d+\. DB::Exception: )+/, '')
    .replace(/\s*\([A-Z][A-Z0-9_]+\)\s*$/, '')
    .replace(/\s*\(version [^)]*\)\.?\s*$/, '')
    .replace(/\s*\([A-Z][A-Z0-9_]+\)\s*$/, '')
  return new DbException(Number(code[1]), name, message.trim())
}
