/**
 * Lives many seeded histories of gateways that crash, pause and lose messages at
 * any step, and compares the upstream's bills with what callers were told.
 *
 *     npm run simulate -- [--seeds N] [--from SEED]
 *     npm run simulate -- --seed SEED        one history, event by event
 */
import { parseArgs } from 'node:util';
import { recordFigure } from '../support/figure.ts';
import { liveHistory, type Verdict } from './history.ts';

const promisedCount = 1_000_000;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
  },
});

async function verdictOf(seed: number, traced: boolean): Promise<Verdict> {
  try {
    return await liveHistory(seed, { traced });
  } catch (error) {
    const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { seed, faults: [words], seen: new Map(), trace: [] };
  }
}

if (values.seed === undefined) await many(Number(values.from), Number(values.seeds));
else await one(Number(values.seed));

async function one(seed: number): Promise<void> {
  const { trace, faults } = await verdictOf(seed, true);
  process.stdout.write(`${trace.join('\n')}\n`);
  for (const fault of faults) process.stdout.write(`FAULT ${fault}\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

async function many(from: number, count: number): Promise<void> {
  const startMs = performance.now();
  const seen = new Map<string, number>();
  const failed: Verdict[] = [];
  for (let seed = from; seed < from + count; seed += 1) {
    const verdict = await verdictOf(seed, false);
    for (const [what, times] of verdict.seen) seen.set(what, (seen.get(what) ?? 0) + times);
    if (verdict.faults.length > 0) failed.push(verdict);
    if (failed.length >= 10) break;
  }
  const isDouble = (fault: string) => /paid|billed as well|was sent \d/.test(fault);
  const figures = {
    histories: count,
    'double spends': failed.flatMap(({ faults }) => faults.filter(isDouble)).length,
    'histories with a fault': failed.length,
    seconds: Math.round((performance.now() - startMs) / 1000),
    seen: Object.fromEntries([...seen].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  };
  process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`);
  for (const { seed, faults } of failed) {
    process.stderr.write(`${faults.join('; ')}\n  again: npm run simulate -- --seed ${seed}\n`);
  }
  // Fewer show nothing of the promise.
  if (from === 1 && count >= promisedCount)
    record(count, figures['double spends'], failed.length, seen);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

function record(
  count: number,
  doubleSpends: number,
  faulty: number,
  seen: ReadonlyMap<string, number>,
): void {
  const number = (value: number) => value.toLocaleString('en');
  const times = (test: RegExp) =>
    number([...seen].reduce((sum, [what, of]) => sum + (test.test(what) ? of : 0), 0));
  recordFigure({
    promise: 'P1',
    part: 'simulation',
    says: 'One key, at most one paid Generate, for 72 h',
    goal: '1,000,000 simulated histories, 0 double spends',
    seen:
      `${number(count)} histories (${times(/^crash/)} crashes, ${times(/^pause$/)} pauses, ` +
      `${times(/ lost$/)} lost messages, ${times(/^store crash that lost writes$/)} store crashes that lost writes): ` +
      `${doubleSpends} double spends${faulty === 0 ? '' : `, ${faulty} histories with a fault`}`,
    isMet: faulty === 0,
    by: `npm run simulate -- --seeds ${count}`,
  });
}
