import { BOUNDS } from '../../src/model/bounds.js'
import type { Fault } from '../../src/model/errors.js'
import type { Rule } from './ast.js'
import { yamlDocuments } from './documents.js'
import { type RuleDocument, readRule } from './envelope.js'
import { type CompiledRule, Compiler, type RuleEnvironment } from './rule-compiler.js'
import { RuleFile } from './source.js'

export type { RuleEnvironment } from './rule-compiler.js'

export interface LoadedRules {
  /**
   * In order of files and documents; rules of a file with an error are left out. A set with any error must not come
   * into force: all files load or none do.
   */
  readonly rules: readonly Rule[]
  /** By file in the order given, then line and column. */
  readonly faults: readonly Fault[]
}

/**
 * Rules of some files' texts: every fault of every file at once, each with its line and column. Pure. O(text), with a
 * bound on what one file, one document and one expression may cost.
 *
 *   const { rules, faults } = loadRules([{ file: 'flood.yaml', text }], environment)
 *   if (faults.some(({ severity }) => severity === 'error')) for (const fault of faults) print(formatFault(fault))
 */
export function loadRules(
  files: readonly { readonly file: string; readonly text: string }[],
  environment: RuleEnvironment,
): LoadedRules {
  const sources = files.map(({ file, text }) => new RuleFile(file, text))
  const documents = sources.flatMap(readDocuments)
  const unique = withoutDoubles(documents)
  // A fault in one rule must not make its name unknown to the others.
  const ids = new Set(unique.map(({ id }) => id.text))
  for (const { faults, text } of sources)
    if (faults.length > 0) for (const [, id] of text.matchAll(/^rule:[ \t]+(\S+)/gm)) ids.add(id!)

  const compiler = new Compiler(environment, ids)
  const compiled = unique.map((document) => compiler.rule(document))
  reportCycles(compiled)
  for (const { faults } of sources) faults.sort((a, b) => a.line - b.line || a.column - b.column)
  const sound = new Set(
    sources.filter(({ faults }) => faults.every(({ severity }) => severity === 'warning')),
  )
  return {
    rules: compiled.filter(({ document }) => sound.has(document.file)).map(({ rule }) => rule),
    faults: sources.flatMap(({ faults }) => faults),
  }
}

function readDocuments(source: RuleFile): RuleDocument[] {
  const documents: RuleDocument[] = []
  for (const yaml of yamlDocuments(source)) {
    const document = readRule(source, yaml)
    if (document !== null) documents.push(document)
  }
  return documents
}

/** The first document of every id, at most BOUNDS.rules. */
function withoutDoubles(documents: readonly RuleDocument[]): RuleDocument[] {
  const first = new Map<string, RuleDocument>()
  for (const document of documents) {
    const { text: id, at } = document.id
    const before = first.get(id)
    if (before !== undefined) {
      const line = before.file.line(before.id.at)
      document.file.fault(
        'HD_RULE_DUPLICATE',
        at,
        `there is a rule '${id}' already: ${before.file.file}:${line}`,
      )
    } else if (first.size >= BOUNDS.rules) {
      document.file.fault('HD_RULE_LIMIT', at, `there are more than ${BOUNDS.rules} rules`)
      break
    } else first.set(id, document)
  }
  return [...first.values()]
}

/**
 * A rule that needs its own level by way of others could never be judged. Rules on no cycle are taken away from both
 * ends until only cycles remain; iterative, since a chain of rules may be as long as the set. O(rules + uses).
 */
function reportCycles(compiled: readonly CompiledRule[]): void {
  const remaining = new Map(compiled.map((one) => [one.rule.id, one]))
  const needs = (one: CompiledRule) => one.alerts.filter(({ rule }) => remaining.has(rule))
  const needed = new Map<string, string[]>()
  for (const { rule, alerts } of compiled)
    for (const use of alerts) {
      const others = needed.get(use.rule)
      if (others === undefined) needed.set(use.rule, [rule.id])
      else others.push(rule.id)
    }
  const queue = compiled.filter((one) => needs(one).length === 0)
  for (let one = queue.pop(); one !== undefined; one = queue.pop()) {
    if (!remaining.delete(one.rule.id)) continue
    for (const id of needed.get(one.rule.id) ?? []) {
      const above = remaining.get(id)
      if (above !== undefined && needs(above).length === 0) queue.push(above)
    }
  }
  const reported = new Set<string>()
  for (const start of remaining.values()) {
    const path: string[] = []
    let at: CompiledRule | undefined = start
    while (at !== undefined && !path.includes(at.rule.id) && path.length < CYCLE_SHOWN_MAX) {
      path.push(at.rule.id)
      at = remaining.get(needs(at)[0]!.rule)
    }
    const cycle = at === undefined ? path : path.slice(Math.max(0, path.indexOf(at.rule.id)))
    const first = remaining.get(cycle[0]!)!
    if (cycle.some((id) => reported.has(id))) continue
    for (const id of cycle) reported.add(id)
    const { offset } = needs(first)[0]!
    first.document.file.fault(
      'HD_RULE_CYCLE',
      offset,
      `alert() makes a cycle: ${[...cycle, cycle[0]].join(' → ')}`,
    )
  }
}

/** Rules of one cycle named in a message. */
const CYCLE_SHOWN_MAX = 100
