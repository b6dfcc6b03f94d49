import { getHeapStatistics } from 'node:v8';

/** The load of this process since the last sample. */
export interface ProcessLoad {
  /** How late a timer fired on average, in milliseconds. */
  readonly loopDelayMs: number;
  /** Used part of the heap that the engine may use, 0 … 1. */
  readonly heapShare: number;
}

const tickMs = 20;
const ticksPerSample = 5;
/**
 * Time from the start in which the delay of the loop is not counted: the engine
 * compiles what the first requests run, which is no overload.
 */
const warmUpMs = 3_000;
/** A delay from this on, of which the process had less than a tenth of a processor, is no load: it was stopped. */
const stoppedMsMin = 1_000;
const ranShareMin = 0.1;

function cpuMsOfProcess(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

export interface LoadSampler {
  /** To be called when requests may come. */
  start(): void;
  close(): void;
}

/**
 * A sampler of the load, every 100 ms while it runs. It does not keep the process
 * alive.
 *
 * It uses its own timers: the histogram of perf_hooks starts empty after each
 * reset, so it misses the very stall that made the reset late.
 */
export function openLoadSampler(take: (load: ProcessLoad) => void): LoadSampler {
  let warmAtMs = Infinity;
  let lateMs = 0;
  let ticks = 0;
  let dueMs = 0;
  let cpuMs = 0;
  let timer: NodeJS.Timeout | undefined;
  const wait = (nowMs: number) => {
    dueMs = nowMs + tickMs;
    timer = setTimeout(tick, tickMs).unref();
  };
  const tick = () => {
    const nowMs = performance.now();
    const late = Math.max(0, nowMs - dueMs);
    const ranMs = cpuMsOfProcess() - cpuMs;
    cpuMs += ranMs;
    const wasStopped = late >= stoppedMsMin && ranMs < late * ranShareMin;
    if (!wasStopped) lateMs += late;
    ticks += 1;
    if (ticks === ticksPerSample) {
      const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
      take({ loopDelayMs: nowMs < warmAtMs ? 0 : lateMs / ticks, heapShare: used / limit });
      lateMs = 0;
      ticks = 0;
    }
    wait(nowMs);
  };
  return {
    start() {
      warmAtMs = performance.now() + warmUpMs;
      cpuMs = cpuMsOfProcess();
      wait(performance.now());
    },
    close: () => clearTimeout(timer),
  };
}
