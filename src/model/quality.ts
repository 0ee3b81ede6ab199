/**
 * Quality marks of one sample: a UInt16 mask, the same bits in the log, in ClickHouse and in NDJSON (there a list of
 * names, the mask accepted too). Bit 0 first, in this order for ever: stored rows depend on it.
 */
export const QUALITY_NAMES = [
  'no_time',
  'late',
  'future',
  'out_of_range',
  'stuck',
  'spike',
  'duplicate',
  'historical',
  'test',
  'calibrating',
  'bad',
] as const
export type QualityName = (typeof QUALITY_NAMES)[number]

export const QUALITY = {
  no_time: 1,
  late: 2,
  future: 4,
  out_of_range: 8,
  stuck: 16,
  spike: 32,
  duplicate: 64,
  historical: 128,
  test: 256,
  calibrating: 512,
  bad: 1024,
} as const satisfies Record<QualityName, number>

/** Marks that keep a sample out of judgement: stored, never able to raise a live alert. */
export const QUALITY_UNJUDGED =
  QUALITY.late | QUALITY.historical | QUALITY.duplicate | QUALITY.test | QUALITY.calibrating | QUALITY.bad

/** Names of the marks in `mask`, lowest bit first: `qualityNames(5)` is `['no_time', 'future']`. */
export function qualityNames(mask: number): QualityName[] {
  return QUALITY_NAMES.filter((_, bit) => (mask & (1 << bit)) !== 0)
}

/** Mask of a list of names or of an integer mask; `undefined` where a name is unknown or the mask has unknown bits. */
export function qualityMask(value: unknown): number | undefined {
  if (value === undefined) return 0
  if (typeof value === 'number')
    return Number.isInteger(value) && value >= 0 && value < 1 << QUALITY_NAMES.length ? value : undefined
  if (!Array.isArray(value)) return undefined
  let mask = 0
  for (const name of value) {
    const bit = QUALITY_NAMES.indexOf(name as QualityName)
    if (bit < 0) return undefined
    mask |= 1 << bit
  }
  return mask
}
