import { setTimeout as sleep } from 'node:timers/promises';
import { ObservedCallers } from '../observed-callers.ts';
import type { Scenario, Harness } from '../harness.ts';
import { until } from '../until.ts';

const backMsMax = 75_000;

/**
 * Open connections lose every packet and neither end is notified, as when a load
 * balancer forgets them; a new connection would work.
 */
export const blackHole: Scenario = {
  name: 'black-hole',
  fact: 'a connection that drops all packets is noticed, and every response meanwhile is true',
  secondsMax: [90, 500],
  async run(harness) {
    // Short: with short timeouts. Long: with the defaults.
    const timeouts = { GENERATE_TIMEOUT_MS: '1000', GET_TIMEOUT_MS: '1000' };
    const rounds = harness.isLong ? 3 : 1;
    const backs: { creates: number; reads: number }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      backs.push(await outage(harness, harness.isLong ? {} : timeouts));
    }
    const creates = Math.max(...backs.map((back) => back.creates)) / 1000;
    const reads = Math.max(...backs.map((back) => back.reads)) / 1000;
    const seen = `${rounds} × all packets dropped: creates back after ${creates.toFixed(1)} s, reads after ${reads.toFixed(1)} s at most`;
    harness.figure({
      promise: 'P17',
      part: 'black-hole',
      says: '… and packets that vanish',
      goal: `back ≤ ${backMsMax / 1000} s`,
      seen,
      isMet: Math.max(creates, reads) * 1000 <= backMsMax,
      by: 'npm run test:faults -- --long',
    });
    return seen;
  },
};

async function outage(harness: Harness, timeouts: Record<string, string>) {
  const upstream = await harness.upstream();
  const gate = await harness.gate(upstream.port);
  const gateway = await harness.gateway({
    UPSTREAM_ADDRESS: gate.address,
    // Reads are due more often than by default.
    UPSTREAM_POLL_INTERVAL_MS: '500',
    ...timeouts,
  });
  const callers = harness.callers(gateway, upstream, { createMsMax: 15_000, slackMs: 15_000 });
  await until('a create', async () => (await callers.create()).reported === 'accepted', {
    withinMs: 30_000,
  });
  const id = await callers.created();
  const waiting = callers.finished(id, { withinMs: backMsMax + 60_000 });
  // After a first read its connection is open.
  await until('a read', () => upstream.calls('Get') > 0, { withinMs: 30_000 });
  const startMs = performance.now();
  gate.swallow();
  upstream.finishAll();
  const creating = createsBack(callers, startMs);
  const [reads, creates] = await Promise.all([
    waiting.then(() => performance.now() - startMs),
    creating,
  ]);
  return { creates, reads };
}

async function createsBack(callers: ObservedCallers, startMs: number): Promise<number> {
  while (performance.now() - startMs < backMsMax + 60_000) {
    if ((await callers.create()).reported === 'accepted') return performance.now() - startMs;
    await sleep(250);
  }
  return Infinity;
}
