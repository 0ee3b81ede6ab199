import type { OperatorKind, Signature } from './operator.js'
import { ALL } from './signatures.js'

/** Signatures by function name: what the type checker, `check --cost` and the documentation read. */
export const SIGNATURES: ReadonlyMap<string, Signature> = new Map(ALL.map((one) => [one.name, one]))

/**
 * The state machines by function name. Functions whose state is engine-wide (`disagrees agree across count_devices
 * near_alert alert gap_to_next`) have a signature and no entry here: the engine computes them.
 */
export const OPERATORS: ReadonlyMap<string, OperatorKind> = new Map([])
