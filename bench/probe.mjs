import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { monitorEventLoopDelay, PerformanceObserver, constants } from 'node:perf_hooks';

// Loaded into the gateway before its own code: reports how long its loop stood still, and counts mark-compacts.

const resolutionMs = 1;
const delay = monitorEventLoopDelay({ resolution: resolutionMs });
delay.enable();
let markCompacts = 0;
new PerformanceObserver((list) => {
  for (const { detail } of list.getEntries()) {
    if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) markCompacts += 1;
  }
}).observe({ entryTypes: ['gc'] });

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

process.on('message', ({ settle = false }) => {
  // The timer's own period is no stall.
  const stallMs = Math.max(0, delay.max / 1e6 - resolutionMs);
  if (settle) {
    // Twice: what the first one finalizes, the second one frees.
    collect();
    collect();
  }
  const { heapUsed, external } = process.memoryUsage();
  const handles = process.getActiveResourcesInfo().length;
  process.send?.({ stallMs, markCompacts, heapUsed, external, handles });
  delay.reset();
  markCompacts = 0;
});
// The gateway ends when its own work does.
process.channel?.unref();
// Ends with the process that started it.
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
