/**
 * What stands beside the gateway is full, read-only or broken: the log, the data
 * folder, file descriptors. The gateway is the built one.
 *
 *     npm run test:beside -- [--rounds N] [PART OF A NAME…]
 */
import { parseArgs } from 'node:util';
import { recordFigure } from '../support/figure.ts';
import { dataScenarios } from './data-scenarios.ts';
import { logScenarios } from './log-scenarios.ts';
import { processScenarios } from './process-scenarios.ts';
import { Stage, unmet, type Scenario } from './scenario.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '3' } },
});
const all: readonly Scenario[] = [...logScenarios, ...dataScenarios, ...processScenarios];
const chosen = all.filter(
  ({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)),
);
const rounds = Number(values.rounds);
const violations: string[] = [];
const skipped: string[] = [];
let runs = 0;

for (const scenario of chosen) {
  const why = unmet(scenario.needs);
  if (why !== undefined) {
    skipped.push(scenario.name);
    process.stdout.write(`skipped  ${scenario.name}: ${why}\n`);
    continue;
  }
  for (let round = 0; round < rounds; round += 1) {
    const startMs = performance.now();
    const stage = new Stage();
    try {
      await scenario.run(stage);
    } catch (error) {
      stage.violations.push(error instanceof Error ? error.message : String(error));
    } finally {
      await stage.close();
    }
    runs += 1;
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    const isFine = stage.violations.length === 0;
    process.stdout.write(`${isFine ? 'ok     ' : 'FAILED '}  ${scenario.name} (${seconds} s)\n`);
    for (const violation of stage.violations) process.stdout.write(`           ${violation}\n`);
    violations.push(...stage.violations.map((each) => `${scenario.name}: ${each}`));
  }
}

const ran = chosen.length - skipped.length;
const isMet = violations.length === 0 && skipped.length === 0;
recordFigure({
  promise: 'P24',
  says: 'what is full, read-only or broken beside it never takes the gateway down',
  goal: 'disk of the log full, /dev/full, EIO; DATA_DIR full or read-only; file descriptors gone: reads go on, creates say why, the process lives, SIGTERM works',
  seen: `${ran} situations, ${runs} runs: ${violations.length} violations${skipped.length === 0 ? '' : `; skipped here: ${skipped.join('; ')}`}`,
  isMet,
  by: `npm run test:beside -- --rounds ${rounds}`,
});
process.exitCode = violations.length === 0 ? 0 : 1;
