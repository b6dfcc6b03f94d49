import { setTimeout as sleep } from 'node:timers/promises';
import { inParallel } from '../../support/in-parallel.ts';
import * as raw from '../../support/raw-responses.ts';
import { ObservedCallers } from '../observed-callers.ts';
import type { ImageUpstream } from '../image-upstream.ts';
import type { Scenario, Harness } from '../harness.ts';
import { until } from '../until.ts';

const waitersPerOperation = 20;
const createsPerSecond = 5;
const amplificationMax = 1.1;
const notifiedMsMax = 60_000;

/**
 * The same waiters and creates with a healthy upstream and with one that fails
 * every call. The calls to the healthy one are the demand.
 */
export const failingUpstream: Scenario = {
  name: 'failing-upstream',
  fact: 'an upstream that fails gets no more calls than a healthy one, and every waiter sees the end afterwards',
  secondsMax: [150, 500],
  async run(harness) {
    const waiters = harness.isLong ? 10_000 : 1_000;
    const spanMs = harness.isLong ? 60_000 : 6_000;
    const healthy = await callsDuring(harness, { waiters, spanMs, isFailing: false });
    const failing = await callsDuring(harness, { waiters, spanMs, isFailing: true });
    const ratio = failing.gets / healthy.gets;
    const sent = failing.creates - failing.unsent;
    const areEqual = failing.generates === sent;
    harness.check(ratio <= amplificationMax, `${failing.gets} Gets, ${healthy.gets} demanded`);
    harness.check(areEqual, `${failing.generates} Generates for ${sent} creates that were sent`);
    const seen = `${waiters.toLocaleString('en')} waiters on ${waiters / waitersPerOperation} operations, ${spanMs / 1000} s of UNAVAILABLE: ${failing.gets.toLocaleString('en')} Gets with probes, a healthy upstream got ${healthy.gets.toLocaleString('en')} (${ratio.toFixed(2)}×); ${failing.creates} creates, ${failing.unsent} of them refused unsent, made ${failing.generates} Generates, none repeated; the last waiter saw the end ${(failing.notifiedMs / 1000).toFixed(1)} s after healing`;
    harness.figure({
      promise: 'P7',
      says: 'Retries never amplify; the demand is what the same waiters and creates send to a healthy upstream in the same time',
      goal: `Gets ≤ ${amplificationMax} × demanded, Generates = demanded`,
      seen,
      isMet: ratio <= amplificationMax && areEqual,
      by: 'npm run test:faults -- --long',
    });
    return seen;
  },
};

interface Situation {
  readonly waiters: number;
  readonly spanMs: number;
  readonly isFailing: boolean;
}

async function callsDuring(harness: Harness, { waiters, spanMs, isFailing }: Situation) {
  const upstream = await harness.upstream();
  const gateway = await harness.gatewayProcess({ UPSTREAM_ADDRESS: upstream.address });
  const callers = harness.callers(gateway, upstream, { createMsMax: 15_000, slackMs: 20_000 });
  const ids: string[] = [];
  await until(
    'the gateway is ready',
    async () => (await callers.create()).reported === 'accepted',
    {
      withinMs: 30_000,
    },
  );
  await inParallel(Array.from({ length: waiters / waitersPerOperation }), 20, async () => {
    ids.push(await callers.created());
  });
  const withinMs = spanMs + notifiedMsMax + 60_000;
  const waiting: Promise<number>[] = [];
  while (waiting.length < waiters) {
    // A listener accepts only so many new connections at once.
    const id = ids[waiting.length % ids.length] ?? '';
    waiting.push(callers.finished(id, { withinMs }));
    if (waiting.length % 100 === 0) await sleep(100);
  }
  const before = countsOf(upstream, callers);
  if (isFailing) {
    for (const method of ['Generate', 'Get', 'Cancel'] as const) {
      upstream.raw.on(method, raw.status(14, 'injected failure'));
    }
  }
  const endMs = performance.now() + spanMs;
  const creating: Promise<unknown>[] = [];
  while (performance.now() < endMs) {
    creating.push(callers.create());
    await sleep(1_000 / createsPerSecond);
  }
  const after = countsOf(upstream, callers);
  await Promise.all(creating);
  const created = callers.observations.creates.slice(before.creates);
  upstream.recover();
  upstream.finishAll();
  const healedMs = performance.now();
  await Promise.all(waiting);
  const notifiedMs = performance.now() - healedMs;
  harness.check(
    notifiedMs <= notifiedMsMax,
    `the last waiter saw the end ${notifiedMs.toFixed(0)} ms after recovery`,
  );
  return {
    gets: after.gets - before.gets,
    generates: upstream.calls('Generate') - before.generates,
    creates: created.length,
    unsent: created.filter(({ reported }) => reported === 'not_started').length,
    notifiedMs,
  };
}

function countsOf(upstream: ImageUpstream, { observations }: ObservedCallers) {
  return {
    gets: upstream.calls('Get'),
    generates: upstream.calls('Generate'),
    creates: observations.creates.length,
  };
}
