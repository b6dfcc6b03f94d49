import { setTimeout as sleep } from 'node:timers/promises';
import { inParallel } from '../../support/in-parallel.ts';
import * as raw from '../../support/raw-responses.ts';
import type { Scenario } from '../harness.ts';

const readsPerSecond = 25;
const usableShareMin = 0.9;
/** The limit of the short form, for a few seconds on a busy machine. */
const shortUsableShareMin = 0.5;
const refusedShareMax = 0.1;

/** The upstream accepts half the published result reads per second, while callers wait for many operations. */
export const halvedQuota: Scenario = {
  name: 'halved-quota',
  fact: 'a smaller read quota is detected, used, and hardly exceeded',
  secondsMax: [120, 300],
  async run(harness) {
    const settleMs = harness.isLong ? 15_000 : 4_000;
    const measureMs = harness.isLong ? 60_000 : 8_000;
    const operations = harness.isLong ? 150 : 80;
    const upstream = await harness.upstream();
    const gateway = await harness.gateway({ UPSTREAM_ADDRESS: upstream.address });
    const callers = harness.callers(gateway, upstream, { createMsMax: 15_000, slackMs: 15_000 });
    const counter = new SecondsCounter(readsPerSecond);
    upstream.raw.guard = (headers) =>
      String(headers[':path']).endsWith('/Get') && !counter.take(performance.now())
        ? raw.status(8, 'Quota ai.operations.results exceeded: 25')
        : undefined;
    const ids: string[] = [];
    await inParallel(Array.from({ length: operations }), 10, async () => {
      ids.push(await callers.created());
    });
    const waiting = ids.map((id) => callers.finished(id, { withinMs: 300_000 }));
    await sleep(settleMs);
    const before = counter.counts;
    await sleep(measureMs);
    const taken = counter.counts.taken - before.taken;
    const refused = counter.counts.refused - before.refused;
    upstream.finishAll();
    const endMs = performance.now();
    await Promise.all(waiting);
    const notifiedS = ((performance.now() - endMs) / 1000).toFixed(1);
    const usable = taken / (readsPerSecond * (measureMs / 1000));
    const share = refused / (taken + refused);
    const usableMin = harness.isLong ? usableShareMin : shortUsableShareMin;
    harness.check(usable >= usableMin, `only ${percent(usable)} of the quota is used`);
    harness.check(share <= refusedShareMax, `${percent(share)} of the reads are refused`);
    return `${operations} operations with waiters, ${readsPerSecond} reads/s taken instead of 50: ${percent(usable)} of it used, ${percent(share)} of reads refused; all waiters saw the end within ${notifiedS} s of the end`;
  },
};

/** A quota in fixed seconds, like the published one. A refused call does not count. */
class SecondsCounter {
  readonly #perSecond: number;
  #second = 0;
  #inSecond = 0;
  #taken = 0;
  #refused = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  get counts() {
    return { taken: this.#taken, refused: this.#refused };
  }

  take(nowMs: number): boolean {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) this.#inSecond = 0;
    this.#second = second;
    const isTaken = this.#inSecond < this.#perSecond;
    if (isTaken) {
      this.#inSecond += 1;
      this.#taken += 1;
    } else this.#refused += 1;
    return isTaken;
  }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
