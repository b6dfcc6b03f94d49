import { statusOf } from '../../support/responses.ts';
import type { Gateway } from '../../support/gateway.ts';
import type { Scenario } from '../harness.ts';
import { quantile, until } from '../until.ts';

const refusalMsMax = 50;
const healMsMax = 5_000;
const knownAfterMs = 500;
/** Factor that a busy machine may need before the suite fails; the figure itself is strict. */
const patience = 4;
/** Limit of refusals in CI: far below every timeout. */
const sureRefusalMsMax = 1_000;

/** The upstream stops listening at its address, and listens again later. */
export const deadUpstream: Scenario = {
  name: 'dead-upstream',
  fact: 'creates are refused at once while the upstream is dead, and accepted within seconds after its return',
  secondsMax: [90, 400],
  async run(harness) {
    const rounds = harness.isLong ? 10 : 2;
    const refusals = 50;
    const upstream = await harness.upstream({ workMs: 0 });
    const gateway = await harness.gateway({
      UPSTREAM_ADDRESS: upstream.address,
      UPSTREAM_POLL_INTERVAL_MS: '100',
    });
    const callers = harness.callers(gateway, upstream, { createMsMax: 15_000 });
    const refusalsMs: number[] = [];
    const controlsMs: number[] = [];
    const discoveriesMs: number[] = [];
    const healsMs: number[] = [];
    const readsMs: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await until('a create', async () => (await callers.create()).reported === 'accepted', {
        withinMs: 30_000,
      });
      await upstream.stop();
      const diedMs = performance.now();
      // The loss is known once the first attempt to reconnect has failed, 0.2 s later.
      while (performance.now() - diedMs < knownAfterMs) {
        discoveriesMs.push((await callers.create()).tookMs);
      }
      // Down for different times, so that the return meets every length of the backoff.
      const downUntilMs = performance.now() + (round % 5) * 1_000;
      const refused = async () => {
        const { reported, httpStatus, tookMs } = await callers.create();
        harness.check(
          reported === 'not_started',
          `a create during the outage got ${httpStatus} ${reported}`,
        );
        refusalsMs.push(tookMs);
        controlsMs.push(await controlMs(gateway));
      };
      for (let count = 0; count < refusals; count += 1) await refused();
      while (performance.now() < downUntilMs) await refused();
      await upstream.restart();
      healsMs.push(
        await until('back', async () => (await callers.create()).reported === 'accepted', {
          withinMs: healMsMax * patience,
        }),
      );
      const id = await callers.created();
      readsMs.push(await callers.finished(id, { withinMs: healMsMax * patience }));
    }
    const p99Ms = quantile(refusalsMs, 0.99);
    const slowestMs = Math.max(...healsMs);
    const readMs = Math.max(...readsMs);
    harness.check(p99Ms < sureRefusalMsMax, `refusals p99 ${p99Ms.toFixed(1)} ms`);
    const seen = `${rounds} outages, ${refusalsMs.length.toLocaleString('en')} refusals: p99 ${p99Ms.toFixed(1)} ms (a liveness check beside each: ${quantile(controlsMs, 0.99).toFixed(1)} ms), slowest ${Math.max(...refusalsMs).toFixed(0)} ms (while the loss was found, its first ${knownAfterMs} ms: ${Math.max(...discoveriesMs).toFixed(0)} ms); creates back after ${quantile(healsMs, 0.5).toFixed(0)} ms (median), ${slowestMs.toFixed(0)} ms (slowest); the first image read ${readMs.toFixed(0)} ms after that at most`;
    harness.figure({
      promise: 'P17',
      part: 'dead',
      says: 'Fast failure, quick healing: nothing listens at the upstream’s address',
      goal: `refusal < ${refusalMsMax} ms (p99), back ≤ ${healMsMax / 1000} s after healing`,
      seen,
      isMet: p99Ms < refusalMsMax && slowestMs <= healMsMax && readMs <= healMsMax,
      by: 'npm run test:faults -- --long',
    });
    return seen;
  },
};

/** The time of a response without the upstream: what the machine itself takes. */
async function controlMs(gateway: Gateway): Promise<number> {
  const startMs = performance.now();
  await statusOf(gateway.fetch('/livez'));
  return performance.now() - startMs;
}
