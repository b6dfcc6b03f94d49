import { monitorEventLoopDelay } from 'node:perf_hooks';
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';

const resolutionMs = 10;
const stats = { p50: 50, p99: 99, max: 100 } as const;

/** The metrics of the process: its build, the delay of its event loop, and what prom-client reads from Node. */
export function processMetrics(registry: Registry, options: { readonly version: string }) {
  const registers = [registry];
  const build = new Gauge({
    name: 'gateway_build_info',
    help: 'Always 1; the labels are the versions of the gateway and of Node.',
    labelNames: ['version', 'node'],
    registers,
  });
  build.set({ version: options.version, node: process.version }, 1);
  const monitor = monitorEventLoopDelay({ resolution: resolutionMs });
  monitor.enable();
  const delay: Gauge<'stat'> = new Gauge({
    name: 'gateway_event_loop_delay_seconds',
    help: 'How late the event loop ran its timers since the last scrape.',
    labelNames: ['stat'],
    registers,
    collect: () => {
      for (const [stat, percent] of Object.entries(stats)) {
        const seenMs = percent === 100 ? monitor.max / 1e6 : monitor.percentile(percent) / 1e6;
        // The monitor reports the time between two of its timers, which is the resolution when nothing is late.
        const lateMs = monitor.count === 0 ? 0 : Math.max(0, seenMs - resolutionMs);
        delay.set({ stat }, lateMs / 1000);
      }
      monitor.reset();
    },
  });
  collectDefaultMetrics({ register: registry });
  return { stop: () => monitor.disable() };
}
