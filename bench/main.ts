import { writeFileSync } from 'node:fs';
import { loadavg, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { measureEmbedded } from './embedded.ts';
import { measureBaseline, measureRow } from './measure-row.ts';
import { measureLives, measureStart } from './other-rows.ts';
import { page } from './page.ts';
import {
  embeddedLine,
  lifeLine,
  requestLine,
  stallLine,
  startLine,
  waitersLine,
} from './report.ts';
import type { Line, Round } from './report.ts';
import { requestRows, type RequestRow } from './request-rows.ts';
import { measureStall } from './stall.ts';
import { measureWaiters } from './waiters.ts';

// npm run bench                                     every row, five rounds; writes docs/benchmarks.md
// npm run bench -- --short                          every row once and small: shows that each works, and judges nothing
// npm run bench -- --rows create,poll-finished      only rows whose names hold all words of one of these
// npm run bench -- --waiters 10000                  another number of waiters

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    rows: { type: 'string', default: '' },
    rounds: { type: 'string', default: '5' },
    waiters: { type: 'string' },
  },
});
const isShort = values.short;
const rounds = isShort ? 1 : Number(values.rounds);
const scale = isShort ? 0.05 : 1;
/** How long operations take in the rows with waiters. */
const latencyMs = isShort ? ([400, 600] as const) : ([2_400, 3_600] as const);
const loadAtStart = loadavg()[0] ?? 0;
const wantedWords = values.rows.split(',').map((text) => text.split('-'));
const isWanted = (name: string) =>
  wantedWords.some((words) => words.every((word) => name.includes(word)));
const lines: Line[] = [];

function report(line: Line): void {
  lines.push(line);
  const { row, figure, baseline, ratio, goal, verdict } = line;
  // A short run is too short for the compiler to warm up: its times mean nothing.
  const judged = isShort ? [row, figure] : [row, figure, baseline, ratio, goal, verdict];
  process.stdout.write(`${judged.join(' · ')}\n`);
}

/** Measures so many times, one after the other. */
async function repeated<Result>(
  times: number,
  measure: () => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (let time = 0; time < times; time += 1) results.push(await measure());
  return results;
}

/** Rounds in turn, and every other one the other way round, so that no row has the quiet minutes. */
async function measureRequests(): Promise<void> {
  const wanted = requestRows.filter(({ name }) => isWanted(name));
  const results = new Map<RequestRow, Round[]>();
  /** A short run judges nothing: it is enough that each baseline works. */
  const tried = new Set<string>();
  for (let round = 0; round < rounds; round += 1) {
    const oursFirst = round % 2 === 0;
    for (const row of oursFirst ? wanted : wanted.toReversed()) {
      const first = oursFirst ? await measureRow(row, scale) : undefined;
      const isTried = isShort && tried.has(row.baseline);
      tried.add(row.baseline);
      const baseUs = isTried ? Number.NaN : await measureBaseline(row, scale);
      const ours = first ?? (await measureRow(row, scale));
      results.set(row, [...(results.get(row) ?? []), { ours, baseUs }]);
      process.stderr.write(
        `round ${round + 1}: ${row.name} ${ours.cpuUs.toFixed(0)} / ${baseUs.toFixed(0)} µs\n`,
      );
    }
  }
  for (const row of wanted) report(requestLine(row, results.get(row) ?? []));
}

async function measureAllWaiters(): Promise<void> {
  const chosen = values.waiters === undefined ? undefined : [Number(values.waiters)];
  for (const count of chosen ?? (isShort ? [100] : [1_000, 10_000])) {
    const name = isShort ? '0.5 s ± 20 %' : '3 s ± 20 %';
    report(waitersLine(count, name, await measureWaiters(count, latencyMs)));
    if (isShort) continue;
    report(waitersLine(count, '1 … 10 s', await measureWaiters(count, [1_000, 10_000])));
  }
}

await measureRequests();
if (isWanted('base64 JSON of 16 MB, longest stall of the loop')) {
  report(stallLine((await measureStall(rounds)).stallsMs));
}
for (const [name, connections, count] of [
  ['32 at once', 32, 3_000],
  ['one after the other', 1, 1_000],
] as const) {
  if (!isWanted(`create with the embedded service, ${name}`)) continue;
  const size = Math.max(connections, Math.round(count * scale));
  report(embeddedLine(name, await repeated(rounds, () => measureEmbedded(connections, size))));
}
if (isWanted('whole life')) {
  const lives = isShort ? 4 : 100;
  report(lifeLine(await repeated(Math.min(rounds, 3), () => measureLives(lives, latencyMs))));
}
if (isWanted('waiters')) await measureAllWaiters();
if (isWanted('start')) {
  const own = await repeated(rounds, () => measureStart(false));
  report(startLine('upstream of its own', own));
  report(startLine('embedded service', await repeated(rounds, () => measureStart(true))));
}
if (!isShort && values.rows === '' && values.waiters === undefined) {
  const load = [loadAtStart, loadavg()[0] ?? 0] as const;
  const machine = { cores: cpus().length, node: process.version, load, rounds };
  writeFileSync('docs/benchmarks.md', page(lines, machine));
  process.stdout.write('wrote docs/benchmarks.md\n');
}
const missed = lines.filter(({ verdict }) => verdict === 'missed').length;
process.stdout.write(
  isShort
    ? `\n${lines.length} rows work\n`
    : `\n${lines.length} rows, ${missed} missed their goals\n`,
);
