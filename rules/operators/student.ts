/** 95 % quantiles of Student's t for 1 … 10 degrees of freedom. */
const SMALL = [
  6.313752, 2.919986, 2.353363, 2.131847, 2.015048, 1.94318, 1.894579, 1.859548, 1.833113, 1.812461,
]
const Z = 1.6448536269514722

/**
 * The 95 % quantile of Student's t (5 % on either side are outside ±t): tabled up to 10 degrees of freedom, above that
 * the normal quantile expanded in 1/df (Abramowitz and Stegun 26.7.5), right to 1e-5.
 */
export function studentT95(df: number): number {
  if (df <= 10) return SMALL[Math.max(0, df - 1)]!
  const g1 = (Z ** 3 + Z) / 4
  const g2 = (5 * Z ** 5 + 16 * Z ** 3 + 3 * Z) / 96
  const g3 = (3 * Z ** 7 + 19 * Z ** 5 + 17 * Z ** 3 - 15 * Z) / 384
  return Z + g1 / df + g2 / df ** 2 + g3 / df ** 3
}
