/**
 * Runs the whole suite with every gateway of it at trace level and with its
 * metrics on, and counts where secrets and prompts were looked for and found.
 *
 *     npm run test:leaks
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { recordFigure } from '../support/figure.ts';
import type { LeakCount } from '../support/leak-check.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const vitest = join(root, 'node_modules/vitest/vitest.mjs');
const folder = await mkdtemp(join(tmpdir(), 'gateway-leaks-'));
const file = join(folder, 'counts');
// The figures of the tests themselves are theirs to record.
const { RECORD_FIGURES: _, ...environment } = process.env;
const suite = spawn(process.execPath, [vitest, 'run'], {
  cwd: root,
  env: { ...environment, LEAK_COUNTS_FILE: file },
  stdio: 'inherit',
});
const [status] = (await once(suite, 'exit')) as [number | null];
const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n').filter(Boolean);
await rm(folder, { recursive: true, force: true });

const counts = lines.map((line) => JSON.parse(line) as LeakCount);
const sum = (name: keyof LeakCount) => counts.reduce((total, count) => total + count[name], 0);
const number = (value: number) => value.toLocaleString('en');
const places = [sum('logLines'), sum('responses'), sum('metricsLines')];
const hits = sum('hits');
// A place that was not searched shows nothing.
const isMet = hits === 0 && sum('secrets') > 0 && places.every((count) => count > 0);
const [logLines = 0, responses = 0, metricsLines = 0] = places;
// A suite that failed for another reason may have left gateways out.
if (status === 0 || hits > 0) {
  recordFigure({
    promise: 'P18',
    says: 'Secrets and prompts don’t leak',
    goal: 'the whole suite at trace level: 0 hits in logs, responses, metrics',
    seen:
      `${number(sum('secrets'))} credentials, tokens, secrets and prompts of ${number(counts.length)} gateways looked for in ` +
      `${number(logLines)} log lines, ${number(responses)} responses and ${number(metricsLines)} lines of metrics: ${hits} hits`,
    isMet,
    by: 'npm run test:leaks',
  });
}
process.exitCode = status === 0 && isMet ? 0 : 1;
