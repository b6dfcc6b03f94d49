/**
 * Runs upstream failures against whole gateways and compares what callers saw
 * with the upstream's ledger.
 *
 *     npm run test:faults -- [--long] [--only NAME[,NAME]] [--at-once N]
 */
import { parseArgs } from 'node:util';
import { recordFigure } from '../support/figure.ts';
import { inParallel } from '../support/in-parallel.ts';
import { scenarios } from './scenarios.ts';
import { Harness, type Scenario, type Tally } from './harness.ts';

const { values } = parseArgs({
  options: {
    long: { type: 'boolean', default: false },
    only: { type: 'string' },
    'at-once': { type: 'string' },
  },
});
const isLong = values.long;
const only = values.only?.split(',');
const selected = scenarios.filter(({ name }) => only?.includes(name) ?? true);
if (selected.length === 0) {
  throw new Error(`there is only ${scenarios.map(({ name }) => name).join(', ')}`);
}
const tally: Tally = { creates: 0, reads: 0, byReport: {}, findings: 0 };
const escaped: string[] = [];
// A gateway in its own process would have ended with such an error.
process.on('uncaughtException', (error) => escaped.push(`uncaught: ${error.stack}`));
process.on('unhandledRejection', (error) => escaped.push(`unhandled: ${String(error)}`));

let failures = 0;
// Short scenarios mostly wait and run together; a long one has the machine for its figures.
const atOnce = Number(values['at-once'] ?? (isLong ? 1 : 3));
await inParallel(selected, atOnce, async (scenario) => {
  failures += (await runScenario(scenario)) ? 0 : 1;
});

const { creates, reads, byReport, findings } = tally;
const reports = Object.entries(byReport).map(([reported, count]) => `${number(count)} ${reported}`);
if (only === undefined) {
  recordFigure({
    promise: 'P3',
    says: 'What a failed create says about the money is true',
    goal: '0 violations over all fault runs',
    seen: `${selected.length} kinds of upstream failure, ${number(creates)} creates (${reports.join(', ')}), ${number(reads)} reads of operations: ${findings} violations`,
    isMet: findings === 0 && failures === 0,
    by: isLong ? 'npm run test:faults -- --long' : 'npm run test:faults',
  });
}
// A handle that is still open is a mistake of this suite, not of the gateway.
process.exit(failures === 0 ? 0 : 1);

async function runScenario({ name, fact, secondsMax, run }: Scenario): Promise<boolean> {
  const harness = new Harness({ isLong, tally });
  const startMs = performance.now();
  const limitS = secondsMax[isLong ? 1 : 0];
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not over after ${limitS} s`)), limitS * 1000);
  });
  let seen = '';
  try {
    seen = await Promise.race([run(harness), late]);
  } catch (error) {
    harness.findings.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  clearTimeout(timer);
  harness.audit();
  await harness.close();
  const found = [...harness.findings, ...escaped.splice(0)];
  const tookS = ((performance.now() - startMs) / 1000).toFixed(1);
  process.stdout.write(
    `${found.length === 0 ? 'ok' : 'FAILED'} ${name} (${tookS} s): ${fact}\n   ${seen}\n`,
  );
  for (const finding of found.slice(0, 20)) process.stdout.write(`   - ${finding}\n`);
  if (found.length > 20) process.stdout.write(`   … and ${found.length - 20} more\n`);
  return found.length === 0;
}

function number(count: number): string {
  return count.toLocaleString('en');
}
