import type { MetricRegistry } from '../../src/model/metrics.js'
import type { Expression, ValueType } from './ast.js'
import { type Checked, type Checker, isMetric, RESERVED, type Scope } from './check.js'
import type { RuleDocument } from './envelope.js'
import type { ExpressionFault } from './lexer.js'
import { parseExpression } from './parser.js'
import type { LocatedText } from './yaml-reader.js'

/** A place in the file where a rule uses something by name. */
export interface Use {
  readonly name: string
  readonly offset: number
}

/**
 * Parses and checks the expressions of one rule: faults go to their place in the file, `let`s are checked where they are
 * first used, whatever their order, and what the rule uses by name is kept for the checks that need the whole set.
 */
export class RuleNames {
  readonly alerts: Use[] = []
  readonly limits: Use[] = []
  /** Attributes that no device of the registry has. */
  readonly attributes: Use[] = []
  readonly #document: RuleDocument
  readonly #checker: Checker
  readonly #metrics: MetricRegistry
  /** `null`: has a fault, or is being checked right now. */
  readonly #lets = new Map<string, Checked | null>()
  readonly #open = new Set<string>()

  constructor(document: RuleDocument, checker: Checker, metrics: MetricRegistry) {
    this.#document = document
    this.#checker = checker
    this.#metrics = metrics
  }

  /** All `let`s in the order of the file; those with faults are left out. */
  lets(): ReadonlyMap<string, Expression> {
    const lets = new Map<string, Expression>()
    for (const [name, { at }] of this.#document.lets) {
      if (RESERVED.has(name) || name === 'device')
        this.#document.file.fault(
          'HD_CONFIG_VALUE',
          at,
          `'${name}' has a meaning of its own: call the let otherwise`,
        )
      const checked = this.#let(name)
      if (checked !== null && checked !== undefined) lets.set(name, checked.expression)
    }
    return lets
  }

  /** The expression of a text, or null where it has faults. `matched`: whether that name has a meaning here. */
  expression(
    text: LocatedText,
    wanted: ValueType | null,
    steps: ReadonlySet<string>,
    matched: boolean,
  ): Expression | null {
    return this.#checked(text, 0, text.text, wanted, steps, matched)?.expression ?? null
  }

  /** An expression that is a part of `text`, from its character `from` on (a title's placeholder). */
  part(
    text: LocatedText,
    from: number,
    expression: string,
    steps: ReadonlySet<string>,
    matched: boolean,
  ): Expression | null {
    return this.#checked(text, from, expression, null, steps, matched)?.expression ?? null
  }

  #checked(
    text: LocatedText,
    from: number,
    expression: string,
    wanted: ValueType | null,
    steps: ReadonlySet<string>,
    matched: boolean,
  ): Checked | null {
    const fault = ({ code, at, message }: ExpressionFault) =>
      this.#document.file.fault(code, text.locate(from + at), message)
    const parsed = parseExpression(expression)
    if (parsed.tree === null) {
      fault(parsed.fault)
      return null
    }
    const scope: Scope = {
      let: (name) => this.#let(name),
      letNames: this.#document.lets.keys(),
      steps,
      matched,
      fault,
      uses: (what, name, at) => {
        const use = { name, offset: text.locate(from + at) }
        if (what === 'alert') this.alerts.push(use)
        else if (what === 'limit') this.limits.push(use)
        else this.attributes.push(use)
      },
    }
    return this.#checker.check(parsed.tree, scope, wanted)
  }

  #let(name: string): Checked | null | undefined {
    const known = this.#lets.get(name)
    if (known !== undefined) return known
    const source = this.#document.lets.get(name)
    if (source === undefined) return undefined
    if (this.#open.has(name)) {
      // `level_m: level_m * 100` means the metric; anything else that comes back to itself means nothing.
      if (isMetric(this.#metrics, name)) return undefined
      this.#document.file.fault('HD_RULE_CYCLE', source.at, `the let '${name}' is made of itself`)
      return null
    }
    if (this.#open.size >= LET_CHAIN_MAX) {
      this.#document.file.fault(
        'HD_RULE_LIMIT',
        source.at,
        `more than ${LET_CHAIN_MAX} lets use each other in a chain`,
      )
      return null
    }
    this.#open.add(name)
    const checked =
      source.text === null
        ? null
        : this.#checked(source.text, 0, source.text.text, null, new Set(), this.#document.sequenced)
    this.#open.delete(name)
    this.#lets.set(name, checked)
    return checked
  }
}

/** Each let of a chain is checked inside the other: as deep as this, the stack holds. */
const LET_CHAIN_MAX = 64
