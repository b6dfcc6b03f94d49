/**
 * Lives many seeded histories of gateways that crash, pause and lose messages at
 * any step, and compares the upstream's ledger with what callers observed.
 *
 *     npm run simulate -- [--seeds N] [--from SEED]
 *     npm run simulate -- --seed SEED        one history, event by event
 *     npm run simulate -- --service …        in front of the service, which settles
 */
import { parseArgs } from 'node:util';
import { recordFigure } from '../support/figure.ts';
import { liveHistory, type Report } from './history.ts';

const promisedCount = 1_000_000;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    service: { type: 'boolean', default: false },
  },
});

async function reportOf(seed: number, traced: boolean): Promise<Report> {
  try {
    return await liveHistory(seed, { traced, isService: values.service });
  } catch (error) {
    const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { seed, violations: [words], seen: new Map(), trace: [] };
  }
}

if (values.seed === undefined) await many(Number(values.from), Number(values.seeds));
else await one(Number(values.seed));

async function one(seed: number): Promise<void> {
  const { trace, violations } = await reportOf(seed, true);
  process.stdout.write(`${trace.join('\n')}\n`);
  for (const violation of violations) process.stdout.write(`VIOLATION ${violation}\n`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}

async function many(from: number, count: number): Promise<void> {
  const startMs = performance.now();
  const seen = new Map<string, number>();
  const failed: Report[] = [];
  for (let seed = from; seed < from + count; seed += 1) {
    const report = await reportOf(seed, false);
    for (const [what, times] of report.seen) seen.set(what, (seen.get(what) ?? 0) + times);
    if (report.violations.length > 0) failed.push(report);
    if (failed.length >= 10) break;
  }
  const isDouble = (violation: string) => /paid|billed as well|was sent \d/.test(violation);
  const figures = {
    histories: count,
    'double spends': failed.flatMap(({ violations }) => violations.filter(isDouble)).length,
    'histories with a violation': failed.length,
    seconds: Math.round((performance.now() - startMs) / 1000),
    seen: Object.fromEntries([...seen].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  };
  process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`);
  for (const { seed, violations } of failed) {
    process.stderr.write(`${violations.join('; ')}\n  again: npm run simulate -- --seed ${seed}\n`);
  }
  if (values.service && from === 1) recordSettled(count, failed.length, seen);
  // Fewer show nothing of the promise.
  else if (from === 1 && count >= promisedCount)
    record(count, figures['double spends'], failed.length, seen);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

function recordSettled(count: number, violated: number, seen: ReadonlyMap<string, number>): void {
  const times = (what: string) => (seen.get(what) ?? 0).toLocaleString('en');
  recordFigure({
    promise: 'P23',
    part: 'simulation',
    says: 'Between gateway and service nothing stays unknown',
    goal: 'both crash at every step, messages are lost, another store behind the name: 0 unknown once both are back, 0 doubles',
    seen:
      `${count.toLocaleString('en')} histories: ${times('settled accepted')} times settled as accepted, ` +
      `${times('settled never')} as never, ${times('settled key refused')} late Generates and ` +
      `${times('other store refused')} calls for another store refused; ` +
      `${violated} histories with something unknown or paid twice`,
    isMet: violated === 0,
    by: `npm run simulate -- --service --seeds ${count}`,
  });
}

function record(
  count: number,
  doubleSpends: number,
  violated: number,
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
      `${doubleSpends} double spends${violated === 0 ? '' : `, ${violated} histories with a violation`}`,
    isMet: violated === 0,
    by: `npm run simulate -- --seeds ${count}`,
  });
}
