/** Most of the moments that lie within any span of that length, its end not counted. */
export function mostInWindow(momentsMs: readonly number[], lengthMs: number): number {
  const sorted = momentsMs.toSorted((a, b) => a - b);
  let most = 0;
  let first = 0;
  for (const [last, atMs] of sorted.entries()) {
    while (atMs - sorted[first]! >= lengthMs) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

/** Spans of that length, each beginning with one of the moments, that hold more than `max`. */
export function windowsOver(momentsMs: readonly number[], lengthMs: number, max: number): number {
  const sorted = momentsMs.toSorted((a, b) => a - b);
  let over = 0;
  let first = 0;
  for (const [last, atMs] of sorted.entries()) {
    while (atMs - sorted[first]! >= lengthMs) first += 1;
    if (last - first + 1 > max) over += 1;
  }
  return over;
}

/** The value below which that share of sorted values lies; 1 is the greatest. */
export function quantileOf(sorted: readonly number[], share: number): number {
  return sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
}
