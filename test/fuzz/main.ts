/**
 * Tries the gateway with generated inputs: raw HTTP, bodies, headers, ids, responses of the upstream.
 *
 *     npm run fuzz                                  100,000 inputs, as continuous integration does
 *     npm run fuzz -- --runs 10000000               the long form, about two hours
 *     npm run fuzz -- --minutes N [--from ROUND]    so much of it as there is time for, and on from there
 *     npm run fuzz -- --target NAME                 of one door only
 *     npm run fuzz -- --target NAME --seed S --path P     one finding again
 *     npm run fuzz -- --case test/fuzz/corpus/NAME/FACT.json      one kept input again
 */
import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { recordFigure } from '../support/figure.ts';
import { collectStrayErrors, FuzzRun, roundInputs, roundSeed, type Finding } from './fuzz-run.ts';
import { stallMsMax } from './stall-watch.ts';
import { fuzzTargets } from './targets.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100000' },
    minutes: { type: 'string' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    target: { type: 'string' },
    path: { type: 'string' },
    case: { type: 'string' },
  },
});
const seed = Number(values.seed);
const ciInputs = 100_000;
const scriptInputs = 10_000_000;
/** What a run of this length is held to. */
const goal =
  values.minutes === undefined && Number(values.runs) <= ciInputs ? ciInputs : scriptInputs;
const rssBytesMax = 2 ** 30;

collectStrayErrors();
try {
  if (values.case !== undefined) await replay(values.case);
  else if (values.path !== undefined) await again(values.target ?? '', values.path);
  else await run();
} catch (error) {
  process.stderr.write(
    `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = 1;
}
// What a finding left open does not keep the process.
process.exit();

function chosenTargets(name: string | undefined) {
  const chosen = fuzzTargets.filter((target) => name === undefined || target.name === name);
  if (chosen.length === 0) {
    const names = fuzzTargets.map((target) => target.name).join(', ');
    throw new Error(`--target is one of ${names}`);
  }
  return chosen;
}

async function replay(path: string): Promise<void> {
  const [target] = chosenTargets(basename(dirname(path)));
  if (target === undefined) return;
  const opened = await FuzzRun.open(target);
  await opened.check(JSON.parse(readFileSync(path, 'utf8')));
  process.stdout.write(`${path}: every promise held\n`);
  await opened.close();
}

async function again(name: string, path: string): Promise<void> {
  const [target] = chosenTargets(name);
  if (target === undefined) return;
  const opened = await FuzzRun.open(target);
  const finding = await opened.round(seed, 1, path);
  if (finding === undefined) process.stdout.write('every promise held\n');
  else report(finding);
  await opened.close();
}

function report({ target, input, says, again: command }: Finding): void {
  process.exitCode = 1;
  process.stderr.write(
    [
      `FOUND by ${target}: ${says}`,
      `  input: ${JSON.stringify(input)}`,
      `  again: ${command}`,
      `  to be kept as test/fuzz/corpus/${target}/<the fact it shows>.json`,
      '',
    ].join('\n'),
  );
}

async function run(): Promise<void> {
  const chosen = chosenTargets(values.target);
  const untilMs =
    values.minutes === undefined ? Infinity : performance.now() + Number(values.minutes) * 60_000;
  const runs = values.minutes === undefined ? Number(values.runs) : Infinity;
  const from = Number(values.from);
  const opened = await Promise.all(chosen.map((target) => FuzzRun.open(target)));
  const startMs = performance.now();
  let inputs = 0;
  let rssMax = 0;
  let found = 0;
  let round = from;
  while (inputs < runs && performance.now() < untilMs && found === 0) {
    const share = Math.min(roundInputs, runs - inputs);
    for (const each of opened) {
      if (performance.now() >= untilMs) break;
      const part = opened.length === 1 ? share : Math.max(1, Math.round(share * each.target.share));
      const finding = await each.round(roundSeed(seed, round, each.target.name), part);
      inputs += part;
      rssMax = Math.max(rssMax, process.memoryUsage.rss());
      if (finding === undefined) continue;
      found += 1;
      report(finding);
    }
    round += 1;
  }
  for (const each of opened) await each.close();
  const seconds = (performance.now() - startMs) / 1000;
  conclude({ opened, inputs, seconds, rssMax, found, rounds: `${from} to ${round - 1}` });
}

function conclude(total: {
  readonly opened: readonly FuzzRun[];
  readonly inputs: number;
  readonly seconds: number;
  readonly rssMax: number;
  readonly found: number;
  readonly rounds: string;
}): void {
  const { opened, inputs, seconds, rssMax, found, rounds } = total;
  for (const { figures } of opened) {
    const perSecond = Math.round(figures.inputs / figures.seconds);
    process.stdout.write(
      `${figures.target.padEnd(17)}${String(figures.inputs).padStart(9)} inputs ${String(perSecond).padStart(7)}/s` +
        `  busiest ${figures.worstStallMs.toFixed(0).padStart(3)} ms\n`,
    );
  }
  const worstMs = Math.max(...opened.map(({ figures }) => figures.worstStallMs));
  const rss = Math.round(rssMax / 2 ** 20);
  const isBounded = rssMax <= rssBytesMax;
  if (!isBounded) process.exitCode = 1;
  const holds = found === 0 && worstMs < stallMsMax && isBounded;
  process.stdout.write(`rounds ${rounds} of seed ${seed}, RSS ${rss} MiB at most\n`);
  const parts = opened.map(({ figures }) => `${figures.inputs} ${figures.target}`).join(', ');
  recordFigure({
    promise: 'P14',
    says: 'Malformed input is refused',
    goal: `${goal} inputs ${goal === ciInputs ? 'a CI run' : 'by script'}: 0 crashes, 0 own 5xx, loop stall < ${stallMsMax} ms`,
    seen:
      `${inputs} inputs in ${Math.round(seconds)} s (${parts}): ${found} broken promises, ` +
      `busiest input ${worstMs.toFixed(0)} ms, RSS ${rss} MiB at most`,
    isMet: holds && inputs >= goal,
    by: `npm run fuzz -- ${values.minutes === undefined ? `--runs ${values.runs}` : `--minutes ${values.minutes}`}`,
  });
}
