/**
 * Sends SIGTERM to gateways under load, with callers of every kind, and counts
 * what is lost.
 *
 *     npm run test:drain -- [--terms N] [--at-once N]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { GatewayProcess } from '../fleet/gateway-process.ts';
import { recordFigure } from '../support/figure.ts';
import { send } from '../support/http-client.ts';
import { inParallel } from '../support/in-parallel.ts';
import { IdleCrowd, load, prepare, type Target } from './callers.ts';
import { DrainRecord } from './drain-record.ts';
import { startDrainUpstream } from './drain-upstream.ts';

const { values } = parseArgs({
  options: {
    terms: { type: 'string', default: '200' },
    'at-once': { type: 'string', default: '20' },
  },
});
const terms = Number(values.terms);
const exitMsMax = 31_000;
/** When a gateway that does not exit is killed, and counted as failed. */
const killAfterMs = 45_000;

const upstream = await startDrainUpstream();
const dataDirectory = await mkdtemp(join(tmpdir(), 'gateway-drain-'));
const environment = {
  UPSTREAM_ADDRESS: upstream.address,
  GATEWAY_SECRET: 'a-secret-that-only-this-run-uses-1234567890',
  RESULT_READS_PER_SECOND_MAX: '100000',
  DRAIN_DELAY_MS: '5000',
};
const start = (name: string, onLine?: (line: string) => void) =>
  GatewayProcess.start(
    'dist/main.js',
    { ...environment, DATA_DIR: join(dataDirectory, name) },
    onLine,
  );
/** A gateway that knows operations only by the ids that callers hold. */
const witness = await start('witness');

const losses: string[] = [];
const violations: string[] = [];
const totals = new Map<string, number>();
const exitMs: number[] = [];
let fetched = 0;

async function drain(number: number): Promise<void> {
  const name = `d${number}`;
  const record = new DrainRecord();
  const gateway = await start(name, (line) => record.logged(line));
  try {
    await drainUnderLoad({ name, origin: gateway.origin, record }, gateway);
  } finally {
    await gateway.kill();
  }
}

async function drainUnderLoad(target: Target, gateway: GatewayProcess): Promise<void> {
  const { name, record } = target;
  const operations = await prepare(target);
  const crowd = new IdleCrowd(target);
  const loaded = load(target, operations);
  // SIGTERM comes at a random moment of the load.
  await sleep(1_000 + Math.random() * 1_000);
  // Every second gateway has a stalled reader, which delays it as long as it is allowed to.
  const isHeldUp = /[02468]$/.test(name);
  crowd.gather(isHeldUp ? [`/operations/${operations.large}/image?wait=30`] : []);
  await sleep(500);

  record.terminated();
  const startMs = performance.now();
  gateway.terminate();
  const force = setTimeout(() => void gateway.kill(), killAfterMs);
  await gateway.exited;
  clearTimeout(force);
  exitMs.push(performance.now() - startMs);
  await gateway.logRead;
  await loaded;
  crowd.leave();

  const named = (violation: string) => `${name}: ${violation}`;
  losses.push(...record.losses().map(named));
  violations.push(...record.violations(upstream.billed).map(named));
  if (gateway.exitCode !== 0)
    violations.push(named(`exited with ${gateway.exitCode ?? 'a signal'}`));
  for (const [what, count] of Object.entries(record.figures())) {
    totals.set(what, (totals.get(what) ?? 0) + count);
  }
  await inParallel(record.ids(), 4, async (id) => {
    let status = 503;
    // A late upstream on a busy machine is no loss.
    for (let left = 20; left > 0 && status >= 500; left -= 1) {
      ({ status } = await send(`${witness.origin}/operations/${id}`));
      if (status >= 500) await sleep(500);
    }
    if (status === 200) fetched += 1;
    else losses.push(named(`another gateway returns ${status} for an accepted operation`));
  });
}

const startMs = performance.now();
const numbers = Array.from({ length: terms }, (_, index) => index + 1);
await inParallel(numbers, Number(values['at-once']), (number) =>
  drain(number).catch((error: unknown) => void violations.push(`d${number}: ${String(error)}`)),
);
await witness.stop();
await upstream.close();
await rm(dataDirectory, { recursive: true, force: true });

const sorted = exitMs.toSorted((a, b) => a - b);
const longestMs = sorted.at(-1) ?? Infinity;
const inSeconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
if (exitMs.length < terms) violations.push(`${terms - exitMs.length} gateways were not drained`);
if (longestMs > exitMsMax) violations.push(`the longest drain took ${inSeconds(longestMs)}`);
const figures = {
  drains: exitMs.length,
  ...Object.fromEntries(totals),
  'accepted operations fetched elsewhere': fetched,
  'requests lost': losses.length,
  'shortest drain': inSeconds(sorted[0] ?? Infinity),
  'longest drain': inSeconds(longestMs),
  took: inSeconds(performance.now() - startMs),
};
process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`);
for (const violation of [...losses, ...violations].slice(0, 40))
  process.stderr.write(`${violation}\n`);
const isMet = losses.length === 0 && violations.length === 0;
recordFigure({
  promise: 'P16',
  says: 'a gateway that is stopped loses nothing it has accepted',
  goal: '200 SIGTERMs under load with event streams, stalled readers and silent sockets: 0 accepted requests lost, exit in ≤ 31 s',
  seen: `${exitMs.length} SIGTERMs, ${totals.get('responses after SIGTERM') ?? 0} responses after them: ${losses.length} lost; ${fetched} accepted operations fetched elsewhere; longest exit ${inSeconds(longestMs)}`,
  isMet,
  by: `npm run test:drain -- --terms ${terms}`,
});
process.exitCode = isMet ? 0 : 1;
