/** The largest number of moments in any window of that length, without its end. */
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

/** The number of windows of that length, each starting at one of the moments, with more than `max`. */
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

/** The value below which that share of the sorted values lies; 1 gives the greatest. */
export function quantileOf(sorted: readonly number[], share: number): number {
  return sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
}
