import { writeFileSync } from 'node:fs';
import { loadavg, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { measureLives, measureStart, measureWaiters } from './other-rows.ts';
import { page, requestLine, type Line } from './report.ts';
import { measureBaseline, measureRow, requestRows, type RequestRow } from './request-rows.ts';

// npm run bench                      every row, five rounds; writes docs/benchmarks.md
// npm run bench -- --short           every row once and small: shows that each works, and writes nothing
// npm run bench -- --rows create     only the rows whose name holds the text
// npm run bench -- --waiters 10000   another number of waiters

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
const scale = isShort ? 0.05 : 0.5;
const isWanted = (name: string) => name.includes(values.rows);
const lines: Line[] = [];

function tell(line: Line): void {
  lines.push(line);
  process.stdout.write(
    `${[line.row, line.figure, line.baseline, line.ratio, line.goal, line.verdict].join(' · ')}\n`,
  );
}

/** Rounds in turn, and every other one the other way round, so that no row has the quiet minutes. */
async function requestLines(): Promise<void> {
  const wanted = requestRows.filter(({ name }) => isWanted(name));
  const results = new Map<
    RequestRow,
    { ours: Awaited<ReturnType<typeof measureRow>>; baseUs: number }[]
  >();
  for (let round = 0; round < rounds; round += 1) {
    for (const row of round % 2 === 0 ? wanted : wanted.toReversed()) {
      const oursFirst = round % 2 === 0;
      const first = oursFirst ? await measureRow(row, scale) : undefined;
      const baseUs = await measureBaseline(row, scale);
      const ours = first ?? (await measureRow(row, scale));
      results.set(row, [...(results.get(row) ?? []), { ours, baseUs }]);
      process.stderr.write(
        `round ${round + 1}: ${row.name} ${ours.cpuUs.toFixed(0)} / ${baseUs.toFixed(0)} µs\n`,
      );
    }
  }
  for (const row of wanted) tell(requestLine(row, results.get(row) ?? []));
}

async function lifeLine(): Promise<void> {
  const { ours, plain } = await measureLives(isShort ? 5 : 50);
  const cpu = ours.cpuMs / plain.cpuMs;
  const calls = ours.upstreamCalls / plain.upstreamCalls;
  tell({
    row: 'whole life: 1 creator, 10 viewers',
    figure: `${ours.cpuMs.toFixed(1)} ms, ${ours.upstreamCalls.toFixed(1)} upstream calls`,
    baseline: `plain transcoder: ${plain.cpuMs.toFixed(1)} ms, ${plain.upstreamCalls.toFixed(1)} calls`,
    ratio: `CPU ${cpu.toFixed(2)}, calls ${calls.toFixed(2)}`,
    goal: 'CPU ≤ 0.2, calls ≤ 0.1',
    verdict: cpu <= 0.2 && calls <= 0.1 ? 'met' : 'missed',
  });
}

async function waitersLine(
  waiters: number,
  name: string,
  latencyMs: readonly [number, number],
): Promise<void> {
  const result = await measureWaiters(waiters, latencyMs);
  const { kibPerWaiter, lateP50Ms, lateP99Ms, getsPerOperation } = result;
  const isMet = kibPerWaiter <= 20 && lateP50Ms <= 150 && lateP99Ms <= 500 && getsPerOperation <= 4;
  tell({
    row: `${waiters} waiters, operations of ${name}`,
    figure: `${kibPerWaiter.toFixed(1)} KiB a waiter; told ${lateP50Ms.toFixed(0)} ms (p50), ${lateP99Ms.toFixed(0)} ms (p99) late; ${getsPerOperation.toFixed(1)} Gets an operation`,
    baseline: '–',
    ratio: '–',
    goal: '≤ 20 KiB, ≤ 150 ms, ≤ 500 ms, ≤ 4 Gets',
    verdict: isMet ? 'met' : 'missed',
  });
}

async function startLine(isEmbedded: boolean): Promise<void> {
  const { readyMs, idleMib } = await measureStart(isEmbedded);
  tell({
    row: `start, ${isEmbedded ? 'embedded upstream' : 'upstream of its own'}`,
    figure: `ready after ${readyMs.toFixed(0)} ms; ${idleMib.toFixed(0)} MiB idle`,
    baseline: '–',
    ratio: '–',
    goal: '≤ 600 ms, ≤ 110 MiB',
    verdict: readyMs <= 600 && idleMib <= 110 ? 'met' : 'missed',
  });
}

await requestLines();
if (isWanted('whole life')) await lifeLine();
if (isWanted('waiters')) {
  for (const count of values.waiters === undefined
    ? isShort
      ? [100]
      : [1_000, 10_000]
    : [Number(values.waiters)]) {
    await waitersLine(count, '3 s ± 20 %', [2_400, 3_600]);
    if (!isShort) await waitersLine(count, '1 … 10 s', [1_000, 10_000]);
  }
}
if (isWanted('start')) {
  await startLine(false);
  await startLine(true);
}
if (!isShort && values.rows === '') {
  const machine = { cores: cpus().length, node: process.version, load: loadavg()[0] ?? 0, rounds };
  writeFileSync('docs/benchmarks.md', page(lines, machine));
  process.stdout.write('wrote docs/benchmarks.md\n');
}
process.stdout.write(`\n${lines.length} passed, 0 failed\n`);
