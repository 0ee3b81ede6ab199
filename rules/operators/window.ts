/** Replaced by the operators' author: the sliding window shared by operators. */
export interface SampleWindow {
  readonly ms: number
}
