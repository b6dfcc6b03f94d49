/**
 * The load scenarios, each with fresh processes on loopback:
 *
 *     npm run load -- SCENARIO… [--short] [--minutes N]
 *
 * Without a name it runs all but the soak in their long form; with --short all
 * of them, judged only by checks that hold on any machine.
 */
import { parseArgs } from 'node:util';
import { recordFigure } from '../support/figure.ts';
import { showNeighbours } from './neighbours.ts';
import { showOverload } from './overload.ts';
import { showImages } from './images.ts';
import { showSoak } from './soak.ts';
import { showWaiters } from './waiters.ts';
import type { Report, RunOptions } from './report.ts';

const scenarios: Readonly<Record<string, (options: RunOptions) => Promise<Report>>> = {
  overload: showOverload,
  waiters: showWaiters,
  images: showImages,
  neighbours: showNeighbours,
  soak: showSoak,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '60' },
  },
});
const isShort = values.short;
const all = Object.keys(scenarios).filter((name) => isShort || name !== 'soak');
let missed = 0;

for (const name of positionals.length === 0 ? all : positionals) {
  const scenario = scenarios[name];
  if (scenario === undefined) {
    throw new Error(`there is no ${name}; there are ${Object.keys(scenarios).join(', ')}`);
  }
  const startMs = performance.now();
  process.stdout.write(`\n${name}\n`);
  const { checks, figures } = await scenario({ isShort, minutes: Number(values.minutes) });
  for (const { says, seen, isMet, isFact } of checks) {
    // The times of a short run on a busy machine mean nothing.
    const isJudged = isFact || !isShort;
    const result = isMet ? 'pass' : isJudged ? 'FAIL' : 'not judged';
    if (isJudged && !isMet) missed += 1;
    process.stdout.write(`  ${result} · ${says}: ${seen}\n`);
  }
  if (!isShort) for (const figure of figures) recordFigure(figure);
  process.stdout.write(`  ${((performance.now() - startMs) / 1_000).toFixed(0)} s\n`);
}
process.stdout.write(missed === 0 ? '\npass\n' : `\nFAIL: ${missed} missed\n`);
process.exitCode = missed === 0 ? 0 : 1;
