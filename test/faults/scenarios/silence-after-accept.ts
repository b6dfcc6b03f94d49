import type { Scenario } from '../harness.ts';
import { quantile, until } from '../until.ts';

/** Soon, and yet longer than a connection takes on a busy machine. */
const connectTimeoutMs = 1_000;
const healedMsMax = 30_000;

/** TCP is accepted and not a byte is answered, at the start and after a lost connection. */
export const silenceAfterAccept: Scenario = {
  name: 'silence-after-accept',
  fact: 'a peer that accepts and stays silent costs nothing, and is found when it speaks',
  secondsMax: [60, 120],
  async run(stage) {
    const upstream = await stage.upstream({ workMs: 0 });
    const gate = await stage.gate(upstream.port, 'silent');
    const gateway = await stage.gateway({
      UPSTREAM_ADDRESS: gate.address,
      CONNECT_TIMEOUT_MS: String(connectTimeoutMs),
      UPSTREAM_POLL_INTERVAL_MS: '20',
    });
    const audience = stage.audience(gateway, upstream, { createMsMax: connectTimeoutMs });
    const refusalsMs: number[] = [];
    const healsMs: number[] = [];
    const rounds = stage.isLong ? 6 : 2;
    for (let round = 0; round < rounds; round += 1) {
      // The first ones may be written to the connection that was just lost, or wait for the new one.
      await until(
        'the silence is known',
        async () => {
          const { spend, tookMs } = await audience.create();
          return spend === 'not_started' && tookMs < connectTimeoutMs / 2;
        },
        { withinMs: 30_000 },
      );
      for (let count = 0; count < 20; count += 1) {
        const refused = await audience.create();
        stage.demand(refused.spend === 'not_started', `in the silence: ${refused.spend}`);
        refusalsMs.push(refused.tookMs);
      }
      gate.state = 'open';
      healsMs.push(
        await until('a create', async () => (await audience.create()).spend === 'accepted', {
          withinMs: healedMsMax,
        }),
      );
      await audience.finished(await audience.created(), { withinMs: healedMsMax });
      gate.state = 'silent';
      gate.cut();
    }
    const slowest = Math.max(...healsMs).toFixed(0);
    return `${rounds} rounds: refusals p99 ${quantile(refusalsMs, 0.99).toFixed(1)} ms, back after ${slowest} ms at most`;
  },
};
