import { createHash } from 'node:crypto'
import type { TextRecord } from '../model/record.js'

/** The texts the core works by, as records in the order that lets each find what it names: metrics, registry, zones, rules. */
export function textRecords(
  texts: { metrics: string; registry: string; zones: string; rules: string },
  received: number,
): TextRecord[] {
  return (['metrics', 'registry', 'zones', 'rules'] as const).map((kind) => ({
    kind,
    seq: 0,
    received,
    hash: createHash('sha256').update(texts[kind]).digest('hex'),
    text: texts[kind],
  }))
}
