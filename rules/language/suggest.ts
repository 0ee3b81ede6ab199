/**
 * The candidate nearest to a mistyped name, or undefined where none is near: a third of its letters at most, or two of a
 * short name, differ (Levenshtein). O(candidates × length²), names cut at 40 characters.
 */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.slice(0, 40).toLowerCase()
  let best: string | undefined
  let least = Math.max(Math.floor(wanted.length / 3), wanted.length > 3 ? 2 : 1) + 1
  for (const candidate of candidates) {
    const near = candidate.toLowerCase()
    if (Math.abs(near.length - wanted.length) > least) continue
    const distance = near === wanted ? 0 : editDistance(wanted, near)
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** `: did you mean 'x'?`, or ''. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const near = nearest(name, candidates)
  return near === undefined ? '' : `: did you mean '${near}'?`
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]!
}
