import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { HaidangError } from '../model/errors.js'

/** One file of schema/: `001-samples.sql`. */
export interface Migration {
  readonly version: number
  readonly name: string
  readonly statements: readonly string[]
  /** SHA-256 of the statements, hex: an applied migration must never be edited. */
  readonly hash: string
}

/** SQL is not compiled: it is read where it was written, from src/ beside dist/. */
const SCHEMA_DIRECTORY = path.resolve(import.meta.dirname, '../../../src/store/schema')

const VERSION_TABLE = `CREATE TABLE IF NOT EXISTS schema_version
(version UInt32, name String, hash String, applied DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = MergeTree ORDER BY version`

/** Statements of a schema file: comments out, split at `;` at the end of a line. Pure. */
export function statementsOf(sql: string): string[] {
  return sql
    .replace(/^\s*--.*$/gm, '')
    .split(/;[ \t]*(?:\n|$)/)
    .map((s) => s.trim())
    .filter((s) => s !== '')
}

/** The program's migrations in order. Throws HD_STORE_SCHEMA where versions have holes. */
export async function migrations(directory = SCHEMA_DIRECTORY): Promise<Migration[]> {
  const files = (await readdir(directory)).filter((f) => /^\d{3}-[a-z0-9-]+\.sql$/.test(f)).sort()
  const list = await Promise.all(
    files.map(async (file): Promise<Migration> => {
      const statements = statementsOf(await readFile(path.join(directory, file), 'utf8'))
      return {
        version: Number(file.slice(0, 3)),
        name: file,
        statements,
        hash: createHash('sha256').update(statements.join(';\n')).digest('hex'),
      }
    }),
  )
  list.forEach((m, i) => {
    if (m.version !== i + 1)
      throw new HaidangError('HD_STORE_SCHEMA', `schema ${m.name}: expected version ${i + 1}`)
  })
  return list
}

/**
 * Brings the database to the program's schema; returns the versions applied now. A migration counts when its last
 * statement stands; each statement can be run twice, so a cut-off run is simply run again. Throws HD_STORE_SCHEMA
 * where the database is newer than the program (an old program would write rows that the new one no longer reads),
 * or where an applied migration is not the one of this program.
 */
export async function migrate(client: ClickHouseClient, list: readonly Migration[]): Promise<number[]> {
  await client.command({ query: VERSION_TABLE })
  const result = await client.query({
    query: 'SELECT version, name, hash FROM schema_version ORDER BY version',
    format: 'JSONEachRow',
  })
  const applied = new Map(
    (await result.json<{ version: number; name: string; hash: string }>()).map((row) => [
      Number(row.version),
      row,
    ]),
  )
  const newest = Math.max(0, ...applied.keys())
  if (newest > list.length)
    throw new HaidangError(
      'HD_STORE_SCHEMA',
      `the database has schema version ${newest} (${applied.get(newest)!.name}), this program knows ${list.length}: use a newer haidang`,
    )
  const done: number[] = []
  for (const migration of list) {
    const row = applied.get(migration.version)
    if (row !== undefined) {
      if (row.hash !== migration.hash)
        throw new HaidangError(
          'HD_STORE_SCHEMA',
          `schema version ${migration.version} (${row.name}) is applied in another form than this program has: not made by this program`,
        )
      continue
    }
    for (const query of migration.statements) {
      try {
        await client.command({ query })
      } catch (cause) {
        throw new HaidangError(
          'HD_STORE_SCHEMA',
          `schema ${migration.name}: ${(cause as Error).message}\n${query.slice(0, 200)}`,
          { cause },
        )
      }
    }
    await client.insert({
      table: 'schema_version',
      values: [{ version: migration.version, name: migration.name, hash: migration.hash }],
      format: 'JSONEachRow',
    })
    done.push(migration.version)
  }
  return done
}
