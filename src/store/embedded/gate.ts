import { LexerFault, type Token } from './lexer.js'
import { isWord, parseStatement, type Statement } from './statement.js'

/**
 * The door's first gate: one reading statement, none of the names that reach outside the database. It is a list of
 * what is refused, and so the weakest of the three gates of DESIGN.md 8 (allow-lists over EXPLAIN AST and QUERY TREE
 * follow); behind it stands a session with readonly=1, which refuses every writing statement and table function, but
 * would still run the scalar file() and INTO OUTFILE. Pure.
 */
export type Verdict = { readonly statement: Statement } | { readonly refused: string }

/** Refused wherever the name stands, quoted or not, in any case: a function can hide as `arrayMap(file, …)`. */
const REFUSED_NAMES = new Set(
  `file filecluster url urlcluster input remote remotesecure cluster clusterallreplicas executable executablepool
   mysql postgresql sqlite mongodb redis jdbc odbc hdfs hdfscluster gcs oss cosn hive ytsaurus kafka nats rabbitmq
   arrowflight prometheusquery python merge loop view viewifpermitted viewexplain dictionary joinget joingetornull
   mergetreeindex mergetreeanalyzeindexes mergetreeprojection mergetreetextindex filesystem filesystemavailable
   filesystemcapacity filesystemunreserved sleep sleepeachrow catboostevaluate evalmlmethod naivebayesclassifier
   addresstoline addresstolinewithinlines addresstosymbol demangle showcertificate getserversetting getmacro
   getclienthttpheader serveruuid hostname fqdn tcpport
   generaterandom fuzzquery fuzzjson infile outfile into settings apply format_schema isolation grants processlist`
    .split(/\s+/)
    .filter((n) => n !== ''),
)
const REFUSED_PREFIXES = [
  's3',
  'azure',
  'iceberg',
  'delta',
  'hudi',
  'paimon',
  'dictget',
  'dicthas',
  'dictis',
  'ai',
  'remote',
  'timeseries',
]
/** Names that begin like a refused one and are harmless. */
const HARMLESS = new Set(['air', 'airport', 'aim', 'delta', 'deltasum', 'deltasumtimestamp', 'timeseries'])

const SYSTEM_TABLES = new Set([
  'columns',
  'tables',
  'functions',
  'numbers',
  'numbers_mt',
  'one',
  'databases',
  'data_type_families',
  'formats',
])
const SHOWN = new Set([
  'TABLES',
  'DATABASES',
  'COLUMNS',
  'CREATE',
  'FIELDS',
  'INDEX',
  'INDEXES',
  'FUNCTIONS',
  'FULL',
  'TABLE',
])
const EXPLAINED = new Set([
  'SELECT',
  'WITH',
  'AST',
  'SYNTAX',
  'PLAN',
  'PIPELINE',
  'ESTIMATE',
  'QUERY',
  '(',
  'INDEXES',
  'ACTIONS',
  'HEADER',
  'DESCRIPTION',
])
/** Raw bytes may hold faces and plates, the audit the questions of others: for admins. */
const ADMIN_TABLES = new Set(['dead_letters', 'audit', 'configurations'])
/** Formats that only describe a result; the rest (Template, Prometheus, CapnProto…) read schema files or mean nothing here. */
const FORMATS = new Set(
  `JSON JSONCompact JSONStrings JSONCompactStrings JSONColumns JSONColumnsWithMetadata JSONCompactColumns JSONEachRow
   JSONStringsEachRow JSONCompactEachRow JSONCompactStringsEachRow JSONCompactEachRowWithNames JSONCompactEachRowWithNamesAndTypes
   JSONCompactStringsEachRowWithNames JSONCompactStringsEachRowWithNamesAndTypes JSONObjectEachRow JSONEachRowWithProgress
   NDJSON JSONLines CSV CSVWithNames CSVWithNamesAndTypes TSV TSVWithNames TSVWithNamesAndTypes TSVRaw TabSeparated TabSeparatedRaw
   TabSeparatedWithNames TabSeparatedWithNamesAndTypes Arrow ArrowStream Parquet Pretty PrettyCompact PrettyCompactMonoBlock
   PrettyNoEscapes PrettyCompactNoEscapes PrettySpace Vertical Values Native RowBinary RowBinaryWithNames
   RowBinaryWithNamesAndTypes Markdown XML Null`
    .split(/\s+/)
    .filter((f) => f !== ''),
)

/** Judges one text of an analyst. `role` is `analyst` or `admin`. O(length). */
export function judge(text: string, role: string): Verdict {
  let statement: Statement
  try {
    statement = parseStatement(text)
  } catch (fault) {
    if (fault instanceof LexerFault) return { refused: fault.message }
    throw fault
  }
  const all = statement.tokens
  if (all.length === 0) return { refused: 'the query is empty' }
  if (statement.kind !== 'read')
    return {
      refused: `only reading statements (SELECT, WITH, SHOW, DESCRIBE, EXPLAIN, EXISTS), not ${all[0]!.text}`,
    }
  if (statement.format !== undefined && !FORMATS.has(statement.format))
    return { refused: `FORMAT ${statement.format}` }
  if (isWord(all[0], 'SHOW') && !SHOWN.has((all[1]?.text ?? '').toUpperCase()))
    return { refused: `SHOW ${all[1]?.text ?? ''}` }
  if (isWord(all[0], 'EXPLAIN') && !EXPLAINED.has((all[1]?.text ?? '').toUpperCase()))
    return { refused: `EXPLAIN ${all[1]?.text ?? ''}` }
  for (let i = 0; i < all.length; i++) {
    const reason = refusedToken(all, i, role)
    if (reason !== undefined) return { refused: reason }
  }
  return { statement }
}

function refusedToken(all: readonly Token[], i: number, role: string): string | undefined {
  const token = all[i]!
  if (token.text === ';') return 'more than one statement'
  if (token.kind === 'quoted' && token.text.includes('\\')) return 'a backslash in a quoted name'
  if (token.kind !== 'word' && token.kind !== 'quoted') return undefined
  const name = token.name.toLowerCase()
  if (token.kind === 'word' && name === 'format' && all[i + 1]?.kind === 'word')
    return 'FORMAT anywhere but last'
  if (REFUSED_NAMES.has(name)) return token.kind === 'word' ? name : `the name ${token.text}`
  if (all[i + 1]?.text === '(' && !HARMLESS.has(name) && REFUSED_PREFIXES.some((p) => name.startsWith(p)))
    return `function ${token.name}`
  if (name.startsWith('dictget') || name.startsWith('aigenerate')) return `function ${token.name}`
  if (role !== 'admin' && ADMIN_TABLES.has(name)) return `table ${token.name} without the role admin`
  if (name === 'system' && (all[i + 1]?.text === '.' || all[i - 1]?.text === '.')) {
    const table = all[i + 2]?.name.toLowerCase()
    if (all[i - 1]?.text !== '.' && table !== undefined && !SYSTEM_TABLES.has(table))
      return `table system.${table}`
  }
  // `USE system` by FROM system is no table; `IN system.x` and `FROM system.x` are met above.
  if (/[/\\]/.test(token.name) && token.kind === 'quoted' && all[i - 1]?.text === '.')
    return 'a path for a table'
  return undefined
}
