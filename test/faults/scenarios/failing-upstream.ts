import { setTimeout as sleep } from 'node:timers/promises';
import { inParallel } from '../../support/in-parallel.ts';
import * as raw from '../../support/raw-responses.ts';
import { Audience } from '../audience.ts';
import type { ImageUpstream } from '../image-upstream.ts';
import type { Scenario, Stage } from '../harness.ts';
import { until } from '../until.ts';

const waitersPerOperation = 20;
const createsPerSecond = 5;
const amplificationMax = 1.1;
const toldMsMax = 60_000;

/**
 * The same waiters and creates before a healthy upstream and before one that
 * fails every call: what the healthy one is asked is what is demanded.
 */
export const failingUpstream: Scenario = {
  name: 'failing-upstream',
  fact: 'an upstream that fails is asked no more than a healthy one, and then everybody is told',
  secondsMax: [150, 500],
  async run(stage) {
    const waiters = stage.isLong ? 10_000 : 1_000;
    const spanMs = stage.isLong ? 60_000 : 6_000;
    const healthy = await lastThrough(stage, { waiters, spanMs, isFailing: false });
    const failing = await lastThrough(stage, { waiters, spanMs, isFailing: true });
    const ratio = failing.gets / healthy.gets;
    const sent = failing.creates - failing.unsent;
    const areEqual = failing.generates === sent;
    stage.demand(ratio <= amplificationMax, `${failing.gets} Gets, ${healthy.gets} demanded`);
    stage.demand(areEqual, `${failing.generates} Generates for ${sent} creates that were sent`);
    const seen = `${waiters.toLocaleString('en')} waiters on ${waiters / waitersPerOperation} operations, ${spanMs / 1000} s of UNAVAILABLE: ${failing.gets.toLocaleString('en')} Gets with probes, a healthy upstream was asked ${healthy.gets.toLocaleString('en')} (${ratio.toFixed(2)}×); ${failing.creates} creates, ${failing.unsent} of them refused unsent, made ${failing.generates} Generates, none repeated; the last waiter was told ${(failing.toldMs / 1000).toFixed(1)} s after healing`;
    stage.figure({
      promise: 'P7',
      says: 'Retries never amplify; demanded is what the same waiters and creates ask of a healthy upstream in the same time',
      goal: `Gets ≤ ${amplificationMax} × demanded, Generates = demanded`,
      seen,
      isMet: ratio <= amplificationMax && areEqual,
      by: 'npm run test:faults -- --long',
    });
    return seen;
  },
};

interface Weather {
  readonly waiters: number;
  readonly spanMs: number;
  readonly isFailing: boolean;
}

async function lastThrough(stage: Stage, { waiters, spanMs, isFailing }: Weather) {
  const upstream = await stage.upstream();
  const gateway = await stage.gatewayProcess({ UPSTREAM_ADDRESS: upstream.address });
  const audience = stage.audience(gateway, upstream, { createMsMax: 15_000, slackMs: 20_000 });
  const ids: string[] = [];
  await until('the gateway is ready', async () => (await audience.create()).spend === 'accepted', {
    withinMs: 30_000,
  });
  await inParallel(Array.from({ length: waiters / waitersPerOperation }), 20, async () => {
    ids.push(await audience.created());
  });
  const withinMs = spanMs + toldMsMax + 60_000;
  const waiting: Promise<number>[] = [];
  while (waiting.length < waiters) {
    // A listener takes only so many new connections at once.
    const id = ids[waiting.length % ids.length] ?? '';
    waiting.push(audience.finished(id, { withinMs }));
    if (waiting.length % 100 === 0) await sleep(100);
  }
  const before = countsOf(upstream, audience);
  if (isFailing) {
    for (const method of ['Generate', 'Get', 'Cancel'] as const) {
      upstream.raw.on(method, raw.status(14, 'failing on order'));
    }
  }
  const endMs = performance.now() + spanMs;
  const creating: Promise<unknown>[] = [];
  while (performance.now() < endMs) {
    creating.push(audience.create());
    await sleep(1_000 / createsPerSecond);
  }
  const after = countsOf(upstream, audience);
  await Promise.all(creating);
  const told = audience.history.creates.slice(before.creates);
  upstream.behave();
  upstream.finishAll();
  const healedMs = performance.now();
  await Promise.all(waiting);
  const toldMs = performance.now() - healedMs;
  stage.demand(toldMs <= toldMsMax, `the last waiter was told ${toldMs.toFixed(0)} ms after`);
  return {
    gets: after.gets - before.gets,
    generates: upstream.calls('Generate') - before.generates,
    creates: told.length,
    unsent: told.filter(({ spend }) => spend === 'not_started').length,
    toldMs,
  };
}

function countsOf(upstream: ImageUpstream, { history }: Audience) {
  return {
    gets: upstream.calls('Get'),
    generates: upstream.calls('Generate'),
    creates: history.creates.length,
  };
}
