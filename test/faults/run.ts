/**
 * Plays upstream troubles against whole gateways and compares what every caller
 * was told with the upstream's books.
 *
 *     npm run test:faults -- [--long] [--only NAME[,NAME]] [--at-once N]
 */
import { parseArgs } from 'node:util';
import { recordFigure } from '../support/figure.ts';
import { inParallel } from '../support/in-parallel.ts';
import { scenarios } from './scenarios.ts';
import { Stage, type Scenario, type Tally } from './harness.ts';

const { values } = parseArgs({
  options: {
    long: { type: 'boolean', default: false },
    only: { type: 'string' },
    'at-once': { type: 'string' },
  },
});
const isLong = values.long;
const only = values.only?.split(',');
const played = scenarios.filter(({ name }) => only?.includes(name) ?? true);
if (played.length === 0) {
  throw new Error(`there is only ${scenarios.map(({ name }) => name).join(', ')}`);
}
const tally: Tally = { creates: 0, tellings: 0, bySpend: {}, faults: 0 };
const escaped: string[] = [];
// A gateway that lets one go would have died of it.
process.on('uncaughtException', (error) => escaped.push(`uncaught: ${error.stack}`));
process.on('unhandledRejection', (error) => escaped.push(`unhandled: ${String(error)}`));

let failures = 0;
// Short, they mostly wait, and so can wait together; long, each has the machine for its figures.
const atOnce = Number(values['at-once'] ?? (isLong ? 1 : 3));
await inParallel(played, atOnce, async (scenario) => {
  failures += (await play(scenario)) ? 0 : 1;
});

const { creates, tellings, bySpend, faults } = tally;
const spends = Object.entries(bySpend).map(([spend, count]) => `${number(count)} ${spend}`);
if (only === undefined) {
  recordFigure({
    promise: 'P3',
    says: 'Honest unknowns: what a failed create says of the money is true',
    goal: '0 violations over all fault runs',
    seen: `${played.length} kinds of upstream trouble, ${number(creates)} creates (${spends.join(', ')}), ${number(tellings)} reads of operations: ${faults} violations`,
    isMet: faults === 0 && failures === 0,
    by: isLong ? 'npm run test:faults -- --long' : 'npm run test:faults',
  });
}
// What is left open by then is a mistake of the suite, not of the gateway.
process.exit(failures === 0 ? 0 : 1);

async function play({ name, fact, secondsMax, run }: Scenario): Promise<boolean> {
  const stage = new Stage({ isLong, tally });
  const startMs = performance.now();
  const limitS = secondsMax[isLong ? 1 : 0];
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not over after ${limitS} s`)), limitS * 1000);
  });
  let seen = '';
  try {
    seen = await Promise.race([run(stage), late]);
  } catch (error) {
    stage.faults.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  clearTimeout(timer);
  stage.judge();
  await stage.close();
  const found = [...stage.faults, ...escaped.splice(0)];
  const tookS = ((performance.now() - startMs) / 1000).toFixed(1);
  process.stdout.write(
    `${found.length === 0 ? 'ok' : 'FAILED'} ${name} (${tookS} s): ${fact}\n   ${seen}\n`,
  );
  for (const fault of found.slice(0, 20)) process.stdout.write(`   - ${fault}\n`);
  if (found.length > 20) process.stdout.write(`   … and ${found.length - 20} more\n`);
  return found.length === 0;
}

function number(count: number): string {
  return count.toLocaleString('en');
}
