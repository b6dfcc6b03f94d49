import { setTimeout as sleep } from 'node:timers/promises';
import { TcpGate } from '../../support/tcp-gate.ts';
import { overrideName } from '../moving-name.ts';
import type { Scenario } from '../harness.ts';
import { until } from '../until.ts';

const name = 'moving.test';
const homes = ['127.0.0.1', '127.0.0.2'] as const;
const backMsMax = 5_000;
const patience = 4;

/** The upstream moves to another address of the same name; the old address dies before or after that. */
export const movedName: Scenario = {
  name: 'moved-name',
  fact: 'an upstream that moved to another address is found there without a restart',
  secondsMax: [120, 300],
  async run(harness) {
    const upstream = await harness.upstream({ workMs: 0 });
    const first = await TcpGate.open(upstream.port, 'open', { host: homes[0] });
    const second = await TcpGate.open(upstream.port, 'shut', { host: homes[1], port: first.port });
    const gates = [first, second] as const;
    for (const gate of gates) harness.closeLater(() => gate.close());
    const moving = overrideName(name, homes[0]);
    harness.closeLater(async () => moving.release());
    const gateway = await harness.gateway({
      UPSTREAM_ADDRESS: `http://${name}:${first.port}`,
      UPSTREAM_POLL_INTERVAL_MS: '100',
    });
    const callers = harness.callers(gateway, upstream, { createMsMax: 15_000 });
    const accepted = () =>
      until('a create', async () => (await callers.create()).reported === 'accepted', {
        withinMs: 40_000,
      });
    await accepted();
    const backs = {
      'the name moves first': [] as number[],
      'the address dies first': [] as number[],
    };
    const rounds = harness.isLong ? 6 : 2;
    let home = 0;
    for (let round = 0; round < rounds; round += 1) {
      const isNameFirst = round % 2 === 0;
      const next = 1 - home;
      const [old, fresh] = [gates[home], gates[next]];
      if (old === undefined || fresh === undefined) throw new RangeError('there are two homes');
      if (isNameFirst) moving.address = homes[next] ?? '';
      old.state = 'shut';
      old.cut();
      if (!isNameFirst) await sleep(1_500);
      fresh.state = 'open';
      moving.address = homes[next] ?? '';
      const startMs = performance.now();
      await accepted();
      const id = await callers.created();
      await callers.finished(id, { withinMs: 40_000 });
      const backMs = performance.now() - startMs;
      backs[isNameFirst ? 'the name moves first' : 'the address dies first'].push(backMs);
      home = next;
      harness.check(
        backMs <= backMsMax * patience,
        `found after ${(backMs / 1000).toFixed(1)} s (${isNameFirst ? 'name' : 'address'} first)`,
      );
    }
    const all = Object.values(backs).flat();
    const seen = Object.entries(backs)
      .map(([order, ms]) => `${order}: ${ms.map((each) => (each / 1000).toFixed(1)).join(', ')} s`)
      .join('; ');
    harness.figure({
      promise: 'P17',
      part: 'moved',
      says: '… and an upstream that moves to another address of its name (with a stand-in for the machine’s resolver)',
      goal: `creates and reads back ≤ ${backMsMax / 1000} s after the name tells the living address`,
      seen: `${rounds} moves, ${moving.lookups} lookups; ${seen}`,
      isMet: all.every((ms) => ms <= backMsMax),
      by: 'npm run test:faults -- --long',
    });
    return seen;
  },
};
