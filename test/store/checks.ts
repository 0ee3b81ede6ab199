/** What the store's integration tests ask of ClickHouse. */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import type { ClickHouseClient } from '@clickhouse/client'
import type { Test } from 'tap'
import type { Store } from '../../src/store/store.js'
import { type ExpectedSample, type MemoryLog, rolledUp } from './city.js'

export const nobody = async (): Promise<null> => null

/** A fresh directory, gone after the test. */
export async function directoryOf(test: Test): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'haidang-test-store-'))
  test.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

export async function rows<T>(store: Pick<Store, 'query'>, sql: string): Promise<T[]> {
  const stream = await store.query({
    sql,
    format: 'JSONEachRow',
    settings: { output_format_json_quote_64bit_integers: 0 },
  })
  let text = ''
  for await (const chunk of stream) text += chunk
  return text
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as T)
}

interface Totals {
  n: number
  distinct: number
  sum: number
  attrs: number
}

/** Sums with whole numbers: thousandths of the values, so that no order of adding changes them. */
function totals(samples: readonly ExpectedSample[]): Totals {
  let sum = 0
  let attrs = 0
  for (const s of samples) {
    sum += Math.round(s.value * 1000)
    attrs += s.attrs.length
  }
  return { n: samples.length, distinct: new Set(samples.map((s) => s.seq)).size, sum, attrs }
}

/** Compares ClickHouse with the log: rows, sums, rollups, every table. */
export async function same(
  test: Test,
  store: Pick<Store, 'query'>,
  log: MemoryLog,
  what: string,
): Promise<void> {
  const [stored] = await rows<Totals>(
    store,
    'SELECT count() AS n, uniqExact(seq) AS distinct, sum(toInt64(round(value * 1000))) AS sum, sum(lengthUTF8(attrs)) AS attrs FROM samples',
  )
  test.same(stored, totals(log.samples), `${what}: samples`)
  const rolled = totals(rolledUp(log.samples))
  for (const table of ['samples_1m', 'samples_1h']) {
    const [r] = await rows<{ n: number; sum: number }>(
      store,
      `SELECT countMerge(count) AS n, toInt64(round(sumMerge(sum) * 1000)) AS sum FROM ${table}`,
    )
    test.same(r, { n: rolled.n, sum: rolled.sum }, `${what}: ${table}`)
  }
  for (const [table, n] of Object.entries(log.counts))
    test.same(
      (await rows<{ n: number }>(store, `SELECT count() AS n FROM ${table}`))[0],
      { n },
      `${what}: ${table}`,
    )
}

/** The query side of a Store over a bare client. */
export function readerOf(client: ClickHouseClient): Pick<Store, 'query'> {
  return {
    query: async ({ sql, format, settings }) =>
      (await client.exec({ query: `${sql} FORMAT ${format}`, clickhouse_settings: settings ?? {} }))
        .stream as Readable,
  }
}

/** Polls until it holds; throws after `ms`. */
export async function until(condition: () => boolean, ms = 30_000): Promise<void> {
  const deadline = performance.now() + ms
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('waited too long')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
