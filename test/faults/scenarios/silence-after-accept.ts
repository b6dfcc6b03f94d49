import type { Scenario } from '../harness.ts';
import { quantile, until } from '../until.ts';

/** Short, but longer than a connection takes on a busy machine. */
const connectTimeoutMs = 1_000;
const healedMsMax = 30_000;

/** The peer accepts TCP and sends no byte, at the start and after a lost connection. */
export const silenceAfterAccept: Scenario = {
  name: 'silence-after-accept',
  fact: 'a peer that accepts and stays silent costs nothing, and is used once it responds',
  secondsMax: [60, 120],
  async run(harness) {
    const upstream = await harness.upstream({ workMs: 0 });
    const gate = await harness.gate(upstream.port, 'silent');
    const gateway = await harness.gateway({
      UPSTREAM_ADDRESS: gate.address,
      CONNECT_TIMEOUT_MS: String(connectTimeoutMs),
      UPSTREAM_POLL_INTERVAL_MS: '20',
    });
    const callers = harness.callers(gateway, upstream, { createMsMax: connectTimeoutMs });
    const refusalsMs: number[] = [];
    const healsMs: number[] = [];
    const rounds = harness.isLong ? 6 : 2;
    for (let round = 0; round < rounds; round += 1) {
      // The first calls may be written to the lost connection, or wait for the new one.
      await until(
        'the silence is known',
        async () => {
          const { reported, tookMs } = await callers.create();
          return reported === 'not_started' && tookMs < connectTimeoutMs / 2;
        },
        { withinMs: 30_000 },
      );
      for (let count = 0; count < 20; count += 1) {
        const refused = await callers.create();
        harness.check(refused.reported === 'not_started', `in the silence: ${refused.reported}`);
        refusalsMs.push(refused.tookMs);
      }
      gate.state = 'open';
      healsMs.push(
        await until('a create', async () => (await callers.create()).reported === 'accepted', {
          withinMs: healedMsMax,
        }),
      );
      await callers.finished(await callers.created(), { withinMs: healedMsMax });
      gate.state = 'silent';
      gate.cut();
    }
    const slowest = Math.max(...healsMs).toFixed(0);
    return `${rounds} rounds: refusals p99 ${quantile(refusalsMs, 0.99).toFixed(1)} ms, back after ${slowest} ms at most`;
  },
};
