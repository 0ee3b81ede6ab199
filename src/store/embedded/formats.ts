/** Content-Type of ClickHouse's output formats, as its server answers them. */
const TYPES: readonly (readonly [RegExp, string])[] = [
  [
    /^(JSONEachRow|JSONLines|NDJSON|JSONStringsEachRow|JSONCompact(Strings)?EachRow.*|JSONObjectEachRow|JSONEachRowWithProgress)$/i,
    'application/x-ndjson; charset=UTF-8',
  ],
  [/^JSON/i, 'application/json; charset=UTF-8'],
  [/^CSV/i, 'text/csv; charset=UTF-8; header=absent'],
  [/^(TSV|TabSeparated)/i, 'text/tab-separated-values; charset=UTF-8'],
  [/^ArrowStream$/i, 'application/vnd.apache.arrow.stream'],
  [/^Arrow$/i, 'application/vnd.apache.arrow.file'],
  [/^Parquet$/i, 'application/vnd.apache.parquet'],
  [/^XML$/i, 'application/xml; charset=UTF-8'],
  [/^Markdown$/i, 'text/markdown; charset=UTF-8'],
  [/^(Native|RowBinary)/i, 'application/octet-stream'],
]

export function contentType(format: string): string {
  return TYPES.find(([pattern]) => pattern.test(format))?.[1] ?? 'text/plain; charset=UTF-8'
}
