import { monitorEventLoopDelay } from 'node:perf_hooks';
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';

const resolutionMs = 10;
const quantiles = { '0.5': 50, '0.99': 99, '1': 100 } as const;

/** The process: which build it is, how late its event loop runs, and what Node tells of itself. */
export function processMetrics(registry: Registry, options: { readonly version: string }) {
  const registers = [registry];
  const build = new Gauge({
    name: 'gateway_build_info',
    help: 'Always 1; its labels tell the version of the gateway and of Node.',
    labelNames: ['version', 'node'],
    registers,
  });
  build.set({ version: options.version, node: process.version }, 1);
  const monitor = monitorEventLoopDelay({ resolution: resolutionMs });
  monitor.enable();
  const delay: Gauge<'quantile'> = new Gauge({
    name: 'gateway_event_loop_delay_seconds',
    help: 'How late the event loop came to its timers since the last scrape; quantile 1 is the worst.',
    labelNames: ['quantile'],
    registers,
    collect: () => {
      for (const [quantile, percent] of Object.entries(quantiles)) {
        const seenMs = percent === 100 ? monitor.max / 1e6 : monitor.percentile(percent) / 1e6;
        // The monitor tells the time between two of its timers, which are to be so far apart.
        const lateMs = monitor.count === 0 ? 0 : Math.max(0, seenMs - resolutionMs);
        delay.set({ quantile }, lateMs / 1000);
      }
      monitor.reset();
    },
  });
  collectDefaultMetrics({ register: registry });
  return { stop: () => monitor.disable() };
}
