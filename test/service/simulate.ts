/**
 * Plays many seeded histories of services that crash, stop, stand still and take
 * over from each other, in front of a backend that counts what it bills.
 *
 *     npm run simulate:service -- [--seeds N] [--from SEED] [--spend free|findable|once]
 *     npm run simulate:service -- --seeds 1000000 --minutes 9 --progress FILE    goes on where the last run ended
 *     npm run simulate:service -- --seed SEED [--spend …]                        one history
 */
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { SpendClass } from '../../src/renderers/renderer.ts';
import { recordFigure } from '../support/figure.ts';
import { playHistory } from './history.ts';

const promisedCount = 1_000_000;
const failuresMax = 10;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    spend: { type: 'string' },
    minutes: { type: 'string', default: 'Infinity' },
    progress: { type: 'string' },
  },
});
const spend = values.spend as SpendClass | undefined;
const untilMs = performance.now() + Number(values.minutes) * 60_000;

interface Progress {
  readonly next: number;
  readonly seen: Record<string, number>;
  readonly violations: readonly string[];
}

async function violationsOf(
  seed: number,
  count: (name: string, times: number) => void,
): Promise<readonly string[]> {
  try {
    const { violations, counts } = await playHistory(seed, spend);
    for (const [name, times] of counts) count(name, times);
    return violations;
  } catch (error) {
    return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  }
}

async function begun(from: number): Promise<Progress> {
  const fresh = { next: from, seen: {}, violations: [] };
  if (values.progress === undefined) return fresh;
  const text = await readFile(values.progress, 'utf8').catch(() => undefined);
  return text === undefined ? fresh : (JSON.parse(text) as Progress);
}

async function many(from: number, count: number): Promise<void> {
  const before = await begun(from);
  const seen = new Map(Object.entries(before.seen));
  const violations = [...before.violations];
  let seed = before.next;
  for (; seed < from + count && performance.now() < untilMs; seed += 1) {
    const add = (name: string, times: number) => seen.set(name, (seen.get(name) ?? 0) + times);
    const broken = await violationsOf(seed, add);
    if (broken.length > 0) violations.push(`${broken.join('; ')}\n  again: ${commandOf(seed)}`);
    if (violations.length >= failuresMax) break;
  }
  const total = Object.fromEntries([...seen].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const progress: Progress = { next: seed, seen: total, violations };
  if (values.progress !== undefined) await writeFile(values.progress, JSON.stringify(progress));
  process.stdout.write(
    `${JSON.stringify({ histories: seed - from, seen: total }, undefined, 2)}\n`,
  );
  for (const violation of violations) process.stderr.write(`${violation}\n`);
  // Fewer show little of the promise.
  if (from === 1 && (count >= promisedCount || seed - from >= promisedCount / 10)) {
    record(seed - from, seen, violations);
  }
  process.exitCode = violations.length === 0 ? 0 : 1;
}

function record(
  histories: number,
  seen: ReadonlyMap<string, number>,
  violations: readonly string[],
): void {
  const number = (name: string) => (seen.get(name) ?? 0).toLocaleString('en');
  const doubles = violations.filter((violation) => violation.includes('paid')).length;
  recordFigure({
    promise: 'P22',
    part: 'simulation',
    says: 'A paid backend is asked at most once an operation',
    goal: '1,000,000 simulated histories: at most one request an operation that did not end in a sure refusal, every loss reported as such',
    seen:
      `${histories.toLocaleString('en')} histories (${number('kill')} kills, ${number('crash at a write')} crashes at a write, ` +
      `${number('pause')} pauses, ${number('full disk')} full disks, ${number('clock step')} clock steps): ` +
      `${number('accepted')} operations, ${number('request')} requests, ${number('end: OUTCOME_UNKNOWN')} reported as lost, ` +
      `${doubles} paid twice, ${violations.length} histories with a violation`,
    isMet: violations.length === 0 && histories >= promisedCount,
    by: `npm run simulate:service -- --seeds ${histories}`,
  });
}

function commandOf(seed: number): string {
  return `npm run simulate:service -- --seed ${seed}${spend === undefined ? '' : ` --spend ${spend}`}`;
}

async function one(seed: number): Promise<void> {
  const { violations, counts } = await playHistory(seed, spend);
  for (const [name, times] of counts) process.stdout.write(`${times} × ${name}\n`);
  for (const violation of violations) process.stdout.write(`VIOLATION ${violation}\n`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}

if (values.seed === undefined) await many(Number(values.from), Number(values.seeds));
else await one(Number(values.seed));
