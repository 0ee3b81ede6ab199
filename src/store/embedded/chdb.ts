import { createRequire } from 'node:module'
import { HaidangError } from '../../model/errors.js'

/** The part of chdb-node that the store uses (its own types need more than `skipLibCheck` forgives). */
export interface Session {
  queryAsync(
    sql: string,
    options?: { format?: string },
  ): Promise<{
    text(): string
    readonly elapsed: number
    readonly rowsRead: number
    readonly bytesRead: number
  }>
  close(): void
}

export interface Chdb {
  readonly Session: new (path: string, options?: { connectionArgs?: string[] }) => Session
}

/** Loads the optional dependency (546 MB, glibc): 0.5 s from a warm cache, 2 s from a cold one. */
export function loadChdb(): Chdb {
  try {
    return createRequire(import.meta.url)('chdb') as Chdb
  } catch (cause) {
    throw new HaidangError(
      'HD_STORE_CONNECT',
      `the embedded store needs the optional package chdb (Linux or macOS, glibc): ${(cause as Error).message.split('\n')[0]}; or set HAIDANG_CLICKHOUSE_URL`,
      { cause },
    )
  }
}
