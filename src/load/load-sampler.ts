import { getHeapStatistics } from 'node:v8';

/** What this process tells of itself, over the time since the last sample. */
export interface ProcessLoad {
  /** How late a timer fired on average, in milliseconds. */
  readonly loopDelayMs: number;
  /** Of the heap that the engine may use, 0 … 1. */
  readonly heapShare: number;
}

const tickMs = 20;
const ticksPerSample = 5;

/**
 * Samples every 100 ms until it is stopped; does not keep the process alive.
 *
 * By timers of its own: the histogram of perf_hooks starts anew at each reset,
 * and so misses the very stall that made the reset late.
 */
export function startLoadSampler(take: (load: ProcessLoad) => void): () => void {
  let lateMs = 0;
  let ticks = 0;
  let dueMs = performance.now() + tickMs;
  let timer: NodeJS.Timeout;
  const tick = () => {
    const nowMs = performance.now();
    lateMs += Math.max(0, nowMs - dueMs);
    ticks += 1;
    if (ticks === ticksPerSample) {
      const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
      take({ loopDelayMs: lateMs / ticks, heapShare: used / limit });
      lateMs = 0;
      ticks = 0;
    }
    dueMs = nowMs + tickMs;
    timer = setTimeout(tick, tickMs).unref();
  };
  timer = setTimeout(tick, tickMs).unref();
  return () => clearTimeout(timer);
}
