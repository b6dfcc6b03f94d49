import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Repeats a check until it holds. An error counts as false.
 *
 * @returns How long that took, in milliseconds.
 * @throws Error when it does not hold within that time.
 */
export async function until(
  what: string,
  check: () => boolean | Promise<boolean>,
  { withinMs, everyMs = 20 }: { readonly withinMs: number; readonly everyMs?: number },
): Promise<number> {
  const startMs = performance.now();
  for (;;) {
    if (
      await Promise.resolve()
        .then(check)
        .catch(() => false)
    )
      return performance.now() - startMs;
    if (performance.now() - startMs > withinMs) {
      throw new Error(`not within ${withinMs} ms: ${what}`);
    }
    await sleep(everyMs);
  }
}

/** The quantile of a list of numbers: 0.99 for the 99th percentile. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
