/**
 * Kills gateways at every step of a create, under load, and compares the
 * upstream's bills with the outcomes that callers saw.
 *
 *     npm run test:kill -- [--kills N] [--store embedded|redis]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startRedisServer } from '../store/redis-server.ts';
import { recordFigure } from '../support/figure.ts';
import { Ledger } from './ledger.ts';
import { GatewayProcess } from './gateway-process.ts';
import { inParallel } from '../support/in-parallel.ts';
import { ask, fetchImage, persist } from './persistent-caller.ts';

const failpoints = [
  ...['before reserve', 'after reserve', 'before claims', 'after claims'],
  ...['before dispatch', 'after dispatch', 'before generate', 'during generate', 'after generate'],
  ...['before settle', 'after settle', 'before answer', 'after answer'],
];

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '52' },
    store: { type: 'string', default: 'embedded' },
  },
});
const kills = Number(values.kills);
const isShared = values.store === 'redis';
/** Several gateways need a shared store. */
const gateways = isShared ? 2 : 1;
const callers = 48;
const minutesMax = 5 + kills / 20;
const deadlineMs = performance.now() + minutesMax * 60_000;

const ledger = await Ledger.open({ latencyMs: 150 });
const dataDirectory = await mkdtemp(join(tmpdir(), 'gateway-kill-'));
const redis = isShared ? await startRedisServer() : undefined;
const environment = {
  UPSTREAM_ADDRESS: ledger.emulator.address,
  DATA_DIR: dataDirectory,
  CALLER_IMAGES_PER_DAY_MAX: '1000000',
  GATEWAY_SECRET: 'a-secret-that-only-this-run-uses-1234567890',
  ...(redis !== undefined && { STORE_URL: redis.url }),
};

const running = new Map<number, GatewayProcess>();
const hits = new Map<string, number>();
let killed = 0;

let turn = 0;
const origin = () => {
  const live = [...running.values()];
  turn += 1;
  return live[turn % Math.max(1, live.length)]?.origin;
};

/** Starts one gateway after the other; each is killed at the next failpoint, until all kills are done. */
async function killInTurn(index: number): Promise<void> {
  while (killed < kills && performance.now() < deadlineMs) {
    const point = failpoints[killed % failpoints.length] ?? '';
    killed += 1;
    const gateway = await GatewayProcess.start('test/fleet/failing-gateway.mjs', {
      ...environment,
      LOG_LEVEL: 'info',
      FAILPOINT: point,
      FAIL_AT: String(1 + ((killed * 7) % 30)),
    });
    running.set(index, gateway);
    await gateway.exited;
    running.delete(index);
    hits.set(point, (hits.get(point) ?? 0) + 1);
  }
}

let isLoading = true;
function* keys(): Generator<string> {
  for (let number = 1; isLoading; number += 1) yield `key-${number}`;
}

const options = { ledger, origin, deadlineMs };
const load = inParallel(keys(), callers, (key) => persist(key, options));
await Promise.all(Array.from({ length: gateways }, (_, index) => killInTurn(index)));
isLoading = false;
running.set(0, await GatewayProcess.start('dist/main.js', environment));
await load;

// A further create with the same key must have the same outcome.
const asked = ledger.keys();
await inParallel(asked, callers, async (key) => ledger.record(key, await ask(key, options)));
const ids = ledger.ids();
let images = 0;
await inParallel(ids.values(), 16, async (id) => {
  if (await fetchImage(id, options)) images += 1;
});

await running.get(0)?.stop();
await redis?.stop();
await ledger.emulator.close();
await rm(dataDirectory, { recursive: true, force: true });

const violations = [...ledger.violations()];
if (images !== ids.size) violations.push(`${ids.size - images} accepted images cannot be fetched`);
if (ids.size < kills / 4) violations.push('hardly any image was made: the run shows nothing');
const missed = failpoints.filter((point) => !hits.has(point));
if (missed.length > 0 && kills >= failpoints.length)
  violations.push(`never killed ${missed.join(', ')}`);
const figures = {
  store: values.store,
  kills: [...hits.values()].reduce((sum, count) => sum + count, 0),
  failpoints: hits.size,
  ...ledger.figures(),
  'images fetched': `${images} of ${ids.size}`,
  'dishonest outcomes': violations.length,
};
process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`);
// A shorter run does not show the promise.
if (isShared && kills >= 1_000) record();
for (const fault of violations.slice(0, 20)) process.stderr.write(`${fault}\n`);
process.exitCode = violations.length === 0 ? 0 : 1;

function record(): void {
  const { keys, responses, 'double spends': doubled = 0, ...rest } = ledger.figures();
  const number = (value = 0) => value.toLocaleString('en');
  const unknown = (rest['unknown, and paid'] ?? 0) + (rest['unknown, not paid'] ?? 0);
  recordFigure({
    promise: 'P1',
    part: 'kill',
    says: '… with real processes and a real store',
    goal: '1,000 × kill -9 over 12 steps, 0 double spends',
    seen:
      `${number(figures.kills)} × kill -9 over ${hits.size} steps, ${number(keys)} keys, ${number(responses)} responses: ` +
      `${doubled} paid twice, ${violations.length} dishonest outcomes, ${number(images)} of ${number(ids.size)} images fetched; ` +
      `${number(unknown)} keys ended as unknown, of which ${number(rest['unknown, and paid'])} were paid`,
    isMet: violations.length === 0 && figures.kills >= 1_000,
    by: `npm run test:kill -- --kills ${kills} --store redis`,
  });
}
