import { setTimeout as sleep } from 'node:timers/promises';
import { Audience } from '../audience.ts';
import type { Scenario, Stage } from '../harness.ts';
import { until } from '../until.ts';

const backMsMax = 75_000;

/**
 * The connections that stand lose every packet and neither end is told, as when
 * a load balancer forgets them; a new connection would get through.
 */
export const blackHole: Scenario = {
  name: 'black-hole',
  fact: 'a connection that swallows everything is noticed, and nobody is told a lie meanwhile',
  secondsMax: [90, 500],
  async run(stage) {
    // Short: with calls that are given up soon. Long: as shipped.
    const timeouts = { GENERATE_TIMEOUT_MS: '1000', GET_TIMEOUT_MS: '1000' };
    const rounds = stage.isLong ? 3 : 1;
    const backs: { creates: number; reads: number }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      backs.push(await fallIn(stage, stage.isLong ? {} : timeouts));
    }
    const creates = Math.max(...backs.map((back) => back.creates)) / 1000;
    const reads = Math.max(...backs.map((back) => back.reads)) / 1000;
    const seen = `${rounds} × every connection swallowed: creates back after ${creates.toFixed(1)} s, reads after ${reads.toFixed(1)} s at most`;
    stage.figure({
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

async function fallIn(stage: Stage, timeouts: Record<string, string>) {
  const upstream = await stage.upstream();
  const gate = await stage.gate(upstream.port);
  const gateway = await stage.gateway({
    UPSTREAM_ADDRESS: gate.address,
    // Each round has its own; as shipped but for how often reads are due.
    UPSTREAM_POLL_INTERVAL_MS: '500',
    ...timeouts,
  });
  const audience = stage.audience(gateway, upstream, { createMsMax: 15_000, slackMs: 15_000 });
  await until('a create', async () => (await audience.create()).spend === 'accepted', {
    withinMs: 30_000,
  });
  const id = await audience.created();
  const waiting = audience.finished(id, { withinMs: backMsMax + 60_000 });
  // A read has to be under way or to have been, so that its connection stands.
  await until('a read', () => upstream.calls('Get') > 0, { withinMs: 30_000 });
  const startMs = performance.now();
  gate.swallow();
  upstream.finishAll();
  const creating = createsBack(audience, startMs);
  const [reads, creates] = await Promise.all([
    waiting.then(() => performance.now() - startMs),
    creating,
  ]);
  return { creates, reads };
}

async function createsBack(audience: Audience, startMs: number): Promise<number> {
  while (performance.now() - startMs < backMsMax + 60_000) {
    if ((await audience.create()).spend === 'accepted') return performance.now() - startMs;
    await sleep(250);
  }
  return Infinity;
}
