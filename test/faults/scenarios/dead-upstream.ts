import { statusOf } from '../../support/responses.ts';
import type { Gateway } from '../../support/gateway.ts';
import type { Scenario } from '../harness.ts';
import { quantile, until } from '../until.ts';

const refusalMsMax = 50;
const healMsMax = 5_000;
const knownAfterMs = 500;
/** What a busy machine may add before the suite fails; the figure itself is strict. */
const patience = 4;
/** Far below every timeout: what CI holds refusals to. */
const sureRefusalMsMax = 1_000;

/** Nobody listens at the upstream's address; then somebody does again. */
export const deadUpstream: Scenario = {
  name: 'dead-upstream',
  fact: 'a dead upstream is told at once, and its return is noticed within seconds',
  secondsMax: [90, 400],
  async run(stage) {
    const rounds = stage.isLong ? 10 : 2;
    const refusals = 50;
    const upstream = await stage.upstream({ workMs: 0 });
    const gateway = await stage.gateway({
      UPSTREAM_ADDRESS: upstream.address,
      UPSTREAM_POLL_INTERVAL_MS: '100',
    });
    const audience = stage.audience(gateway, upstream, { createMsMax: 15_000 });
    const refusalsMs: number[] = [];
    const controlsMs: number[] = [];
    const discoveriesMs: number[] = [];
    const healsMs: number[] = [];
    const readsMs: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await until('a create', async () => (await audience.create()).spend === 'accepted', {
        withinMs: 30_000,
      });
      await upstream.stop();
      const diedMs = performance.now();
      // The first attempt to connect anew has to fail before the loss is known: 0.2 s later.
      while (performance.now() - diedMs < knownAfterMs) {
        discoveriesMs.push((await audience.create()).tookMs);
      }
      // Down for different times, so that the return meets the backoff at every length.
      const downUntilMs = performance.now() + (round % 5) * 1_000;
      const refused = async () => {
        const { spend, httpStatus, tookMs } = await audience.create();
        stage.demand(spend === 'not_started', `dead, and a create is told ${httpStatus} ${spend}`);
        refusalsMs.push(tookMs);
        controlsMs.push(await controlMs(gateway));
      };
      for (let count = 0; count < refusals; count += 1) await refused();
      while (performance.now() < downUntilMs) await refused();
      await upstream.restart();
      healsMs.push(
        await until('back', async () => (await audience.create()).spend === 'accepted', {
          withinMs: healMsMax * patience,
        }),
      );
      const id = await audience.created();
      readsMs.push(await audience.finished(id, { withinMs: healMsMax * patience }));
    }
    const p99Ms = quantile(refusalsMs, 0.99);
    const slowestMs = Math.max(...healsMs);
    const readMs = Math.max(...readsMs);
    stage.demand(p99Ms < sureRefusalMsMax, `refusals p99 ${p99Ms.toFixed(1)} ms`);
    const seen = `${rounds} outages, ${refusalsMs.length.toLocaleString('en')} refusals: p99 ${p99Ms.toFixed(1)} ms (a liveness check beside each: ${quantile(controlsMs, 0.99).toFixed(1)} ms), slowest ${Math.max(...refusalsMs).toFixed(0)} ms (while the loss was found, its first ${knownAfterMs} ms: ${Math.max(...discoveriesMs).toFixed(0)} ms); creates back after ${quantile(healsMs, 0.5).toFixed(0)} ms (median), ${slowestMs.toFixed(0)} ms (slowest); the first image read ${readMs.toFixed(0)} ms after that at most`;
    stage.figure({
      promise: 'P17',
      part: 'dead',
      says: 'Fast failure, quick healing: nobody listens at the upstream',
      goal: `refusal < ${refusalMsMax} ms (p99), back ≤ ${healMsMax / 1000} s after healing`,
      seen,
      isMet: p99Ms < refusalMsMax && slowestMs <= healMsMax && readMs <= healMsMax,
      by: 'npm run test:faults -- --long',
    });
    return seen;
  },
};

/** How long an answer takes that has nothing to do with the upstream: what the machine adds. */
async function controlMs(gateway: Gateway): Promise<number> {
  const startMs = performance.now();
  await statusOf(gateway.fetch('/livez'));
  return performance.now() - startMs;
}
