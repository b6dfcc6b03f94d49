// Tests of the alerts with Prometheus's own tool: their syntax, which of them fire on
// the series of alerts.test.yml, and whether the metrics follow its conventions.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../deploy/prometheus/', import.meta.url));
const { openMetrics } = await import(
  new URL('../dist/observability/metrics.js', import.meta.url).href
);
const { openServiceMetrics } = await import(
  new URL('../dist/observability/service-metrics.js', import.meta.url).href
);
const metrics = openMetrics({ version: '0', elapsedMs: () => 0 });
// The names of Node and prom-client are not ours to change.
const lines = (await metrics.text()).split('\n');
const service = openServiceMetrics({ backend: 'local', isPaid: false, startedAtS: 0 });
const own = [
  ...lines.filter((line) => /^(?:# (?:HELP|TYPE) )?gateway_/.test(line)),
  ...(await service.text()).trimEnd().split('\n'),
];
metrics.stop();

const checks = [
  ['rules', ['check', 'rules', `${folder}alerts.yml`]],
  ['configuration', ['check', 'config', `${folder}prometheus.yml`]],
  ['which alerts fire', ['test', 'rules', `${folder}alerts.test.yml`]],
  ['names of metrics', ['check', 'metrics'], `${own.join('\n')}\n`],
];

const failed = [];
for (const [name, args, input = ''] of checks) {
  const { status, error } = spawnSync('promtool', args, {
    input,
    stdio: ['pipe', 'inherit', 'inherit'],
    timeout: 60_000,
  });
  if (error?.code === 'ENOENT') {
    process.stderr.write('promtool is missing: it comes with the package "prometheus"\n');
    process.exit(1);
  }
  if (status !== 0) failed.push(name);
}
process.stdout.write(
  `alerts: ${checks.length - failed.length} checks passed, ${failed.length} failed\n`,
);
if (failed.length > 0) {
  process.stderr.write(`failed: ${failed.join(', ')}\n`);
  process.exitCode = 1;
}
