/**
 * Three gateways on one Redis behind one load balancer, one of which is killed
 * every few seconds: a create on one, its poll on another, its image from a third.
 *
 *     npm run test:fleet -- [--seconds N] [--kill-every N]
 */
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRedisServer } from '../store/redis-server.ts';
import { Ledger } from './ledger.ts';
import { GatewayProcess } from './gateway-process.ts';
import { inParallel } from '../support/in-parallel.ts';
import { startLoadBalancer } from './load-balancer.ts';
import { ask, fetchImage, persist } from './persistent-caller.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    'kill-every': { type: 'string', default: '5' },
  },
});
const runMs = Number(values.seconds) * 1000;
const killEveryMs = Number(values['kill-every']) * 1000;
const callers = 12;
const fleetSize = 3;
const deadlineMs = performance.now() + runMs + 180_000;

const ledger = await Ledger.open({ latencyMs: 1_000 });
const redis = await startRedisServer();
const fleet: (GatewayProcess | undefined)[] = [];
const balancer = await startLoadBalancer(() =>
  fleet.flatMap((gateway) => (gateway === undefined ? [] : [gateway.origin])),
);
const start = () =>
  GatewayProcess.start('dist/main.js', {
    UPSTREAM_ADDRESS: ledger.emulator.address,
    STORE_URL: redis.url,
    GATEWAY_SECRET: 'a-secret-that-only-this-run-uses-1234567890',
    PUBLIC_URL: balancer.origin,
  });
fleet.push(...(await Promise.all(Array.from({ length: fleetSize }, start))));

const origin = () => balancer.origin;
const options = { ledger, origin, deadlineMs };
let kills = 0;
let isRunning = true;

async function killInTurn(): Promise<void> {
  const endMs = performance.now() + runMs;
  while (performance.now() + killEveryMs < endMs) {
    await sleep(killEveryMs);
    const index = kills % fleetSize;
    const victim = fleet[index];
    kills += 1;
    await victim?.kill();
    fleet[index] = undefined;
    fleet[index] = await start();
  }
  await sleep(Math.max(0, endMs - performance.now()));
  isRunning = false;
}

function* keys(): Generator<string> {
  for (let number = 1; isRunning; number += 1) yield `key-${number}`;
}

/** Create, wait, fetch: the load balancer chooses a gateway for each request. */
let images = 0;
const lost: string[] = [];
async function wholeLife(key: string): Promise<void> {
  await persist(key, options);
  const id = ledger.ids().get(key);
  if (id === undefined) return;
  if (await fetchImage(id, options)) images += 1;
  else lost.push(key);
}

await Promise.all([killInTurn(), inParallel(keys(), callers, wholeLife)]);
await inParallel(ledger.keys(), callers, async (key) =>
  ledger.record(key, await ask(key, options)),
);

const seconds = Math.round((performance.now() - deadlineMs + runMs + 180_000) / 1000);
for (const gateway of fleet) await gateway?.stop();
await balancer.close();
await redis.stop();
const { ledger: spent } = ledger.emulator;
await ledger.emulator.close();

const violations = [
  ...ledger.violations(),
  ...lost.map((key) => `${key}: the image cannot be fetched`),
];
const served = [...balancer.served.values()];
if (served.length < fleetSize + kills) violations.push('not every gateway responded');
if (images < kills) violations.push('hardly any image was made: the run shows nothing');
if (spent.getsOverQuota > 0)
  violations.push(`${spent.getsOverQuota} reads over the upstream's quota`);
const figures = {
  gateways: fleetSize,
  kills,
  seconds,
  ...ledger.figures(),
  'images fetched': `${images} of ${ledger.ids().size}`,
  'result reads': spent.gets,
  'result reads over quota': spent.getsOverQuota,
  'requests by gateway': served.join(', '),
  violations: violations.length,
};
process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`);
for (const fault of violations.slice(0, 20)) process.stderr.write(`${fault}\n`);
process.exitCode = violations.length === 0 ? 0 : 1;
