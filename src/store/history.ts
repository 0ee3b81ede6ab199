import type { ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { ClickHouseSettings } from '@clickhouse/client'
import { HaidangError } from '../model/errors.js'
import type { Store, StoreQuery } from './store.js'

/** What `/api/v1/series` asks: one series over a span, for a chart of a width. */
export interface SeriesQuestion {
  readonly device: string
  readonly metric: string
  /** '' takes every label. */
  readonly label: string
  /** ms UTC, [from, to). */
  readonly from: number
  readonly to: number
  /** Pixels; at most that many points come back. */
  readonly width: number
  /** `auto` by span and width. */
  readonly resolution: 'auto' | 'raw' | '1m' | '1h'
  readonly format: 'json' | 'arrow'
}

/** A wall of 8K has 7 680 columns. */
const WIDTH_MAX = 8192
const WIDTH_DEFAULT = 1000
const SPAN_DEFAULT_MS = 3_600_000
const SPAN_MAX_MS = 20 * 366 * 86_400_000

/**
 * Reads the parameters of a request: `device`, `metric`, `label`, `from`, `to` (ms UTC or ISO 8601 with zone; default
 * the hour before `now`), `width`, `resolution`, `format`. Throws HD_SERVE_REQUEST, naming the parameter.
 */
export function seriesQuestion(
  query: Readonly<Record<string, string | undefined>>,
  now: number,
): SeriesQuestion {
  const device = query['device'] ?? ''
  const metric = query['metric'] ?? ''
  if (device === '') throw refused('device', query['device'], 'the id of a device')
  if (!/^[a-z][a-z0-9_]*$/.test(metric)) throw refused('metric', query['metric'], 'the name of a metric')
  const to = time(query['to'], 'to') ?? now
  const from = time(query['from'], 'from') ?? to - SPAN_DEFAULT_MS
  if (!(from < to)) throw refused('from', query['from'], 'a time before `to`')
  if (to - from > SPAN_MAX_MS) throw refused('from', query['from'], 'at most 20 years before `to`')
  const width = query['width'] === undefined ? WIDTH_DEFAULT : Number(query['width'])
  if (!Number.isInteger(width) || width < 1 || width > WIDTH_MAX)
    throw refused('width', query['width'], `a whole number from 1 to ${WIDTH_MAX}`)
  const resolution = query['resolution'] ?? 'auto'
  if (resolution !== 'auto' && resolution !== 'raw' && resolution !== '1m' && resolution !== '1h')
    throw refused('resolution', resolution, 'auto, raw, 1m or 1h')
  const format = query['format'] ?? 'json'
  if (format !== 'json' && format !== 'arrow') throw refused('format', format, 'json or arrow')
  return { device, metric, label: query['label'] ?? '', from, to, width, resolution, format }
}

/**
 * The query for it: columns `time` (start of the bucket, ms UTC), `min`, `max`, `avg`, `last`, `count`, in order of
 * time, one row for each bucket that has samples. A bucket is the time of one pixel, in whole minutes or hours where
 * rollups answer; since min and max are kept, a spike of one sample is in the picture at any width. Marked samples that
 * the rollups leave out (duplicate, test, calibrating, bad) are left out of raw buckets too. Pure.
 */
export function seriesQuery(question: SeriesQuestion): StoreQuery {
  const { device, metric, label, from, to, width, format } = question
  const pixel = Math.max(1, Math.ceil((to - from) / width))
  const resolution =
    question.resolution !== 'auto'
      ? question.resolution
      : pixel >= 3_600_000
        ? '1h'
        : pixel >= 60_000
          ? '1m'
          : 'raw'
  const unit = resolution === '1h' ? 3_600_000 : resolution === '1m' ? 60_000 : 1
  const bucket = Math.ceil(pixel / unit) * unit
  const source =
    resolution === 'raw'
      ? `SELECT toUnixTimestamp64Milli(s.time) AS at, min(s.value) AS low, max(s.value) AS high, sum(s.value) AS total,
                argMax(s.value, s.seq) AS newest, count() AS n
         FROM samples AS s
         WHERE s.metric = {metric:String} AND s.device = {device:String} AND bitAnd(s.quality, 1856) = 0
           AND s.time >= fromUnixTimestamp64Milli({from:Int64}) AND s.time < fromUnixTimestamp64Milli({to:Int64})
           ${label === '' ? '' : 'AND s.label = {label:String}'}
         GROUP BY at`
      : `SELECT toUnixTimestamp64Milli(r.time) AS at, minMerge(r.min) AS low, maxMerge(r.max) AS high, sumMerge(r.sum) AS total,
                argMaxMerge(r.last) AS newest, countMerge(r.count) AS n
         FROM samples_${resolution} AS r
         WHERE r.metric = {metric:String} AND r.device = {device:String}
           AND r.time >= fromUnixTimestamp64Milli({from:Int64}) AND r.time < fromUnixTimestamp64Milli({to:Int64})
           ${label === '' ? '' : 'AND r.label = {label:String}'}
         GROUP BY at`
  const sql = `SELECT at - positiveModulo(at, {bucket:Int64}) AS time, min(low) AS min, max(high) AS max,
       sum(total) / sum(n) AS avg, argMax(newest, at) AS last, sum(n) AS count
FROM (${source})
GROUP BY time
ORDER BY time`
  const settings: ClickHouseSettings = {
    output_format_json_quote_64bit_integers: 0,
    output_format_json_pretty_print: 0,
    output_format_arrow_compression_method: 'none' as never,
    max_threads: 1,
    max_execution_time: 10,
  }
  return {
    sql,
    format: format === 'json' ? 'JSONColumns' : 'ArrowStream',
    // Rollup rows stand at the start of their minute or hour: the one that `from` falls into is in the picture.
    parameters: { device, metric, label, from: from - positiveModulo(from, unit), to, bucket },
    settings,
  }
}

/** History for the REST interface: made by the store, piped through as bytes with back-pressure. */
export class SeriesHistory {
  readonly #store: Pick<Store, 'query'>
  readonly #now: () => number

  constructor(store: Pick<Store, 'query'>, now: () => number) {
    this.#store = store
    this.#now = now
  }

  /**
   * Answers `query` on `reply` in whole. Throws before the first byte: HD_SERVE_REQUEST, HD_STORE_QUERY,
   * HD_STORE_CONNECT; after it, the connection is broken off.
   */
  async pipe(query: Readonly<Record<string, string>>, reply: ServerResponse): Promise<void> {
    const question = seriesQuestion(query, this.#now())
    const gone = new AbortController()
    reply.once('close', () => gone.abort())
    const stream = await this.#store.query({ ...seriesQuery(question), signal: gone.signal })
    reply.writeHead(200, {
      'Content-Type':
        question.format === 'json'
          ? 'application/json; charset=utf-8'
          : 'application/vnd.apache.arrow.stream',
      'Cache-Control': 'no-store',
    })
    await pipeline(stream, reply)
  }
}

function time(value: string | undefined, name: string): number | undefined {
  if (value === undefined) return undefined
  const ms = /^-?\d+$/.test(value)
    ? Number(value)
    : /(?:Z|[+-]\d{2}:?\d{2})$/.test(value)
      ? Date.parse(value)
      : Number.NaN
  if (!Number.isFinite(ms) || Math.abs(ms) > 8.64e15)
    throw refused(name, value, 'ms UTC, or ISO 8601 with a zone')
  return ms
}

function positiveModulo(x: number, y: number): number {
  return ((x % y) + y) % y
}

function refused(name: string, value: string | undefined, expected: string): HaidangError {
  return new HaidangError(
    'HD_SERVE_REQUEST',
    `${name}: expected ${expected}, not ${value === undefined ? 'nothing' : `'${value.slice(0, 100)}'`}`,
  )
}
