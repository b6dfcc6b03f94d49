import { setTimeout as sleep } from 'node:timers/promises';
import { inParallel } from '../../support/in-parallel.ts';
import * as raw from '../../support/raw-responses.ts';
import type { Scenario } from '../harness.ts';

const readsPerSecond = 25;
const usableShareMin = 0.9;
/** A few seconds, on a busy machine, show less. */
const shortUsableShareMin = 0.5;
const refusedShareMax = 0.1;

/** The upstream takes half the result reads a second that it said, while many operations are waited for. */
export const halvedQuota: Scenario = {
  name: 'halved-quota',
  fact: 'a smaller quota of reads is found out, used, and hardly exceeded',
  secondsMax: [120, 300],
  async run(stage) {
    const settleMs = stage.isLong ? 15_000 : 4_000;
    const measureMs = stage.isLong ? 60_000 : 8_000;
    const operations = stage.isLong ? 150 : 80;
    const upstream = await stage.upstream();
    const gateway = await stage.gateway({ UPSTREAM_ADDRESS: upstream.address });
    const audience = stage.audience(gateway, upstream, { createMsMax: 15_000, slackMs: 15_000 });
    const counter = new SecondsCounter(readsPerSecond);
    upstream.raw.guard = (headers) =>
      String(headers[':path']).endsWith('/Get') && !counter.take(performance.now())
        ? raw.status(8, 'Quota ai.operations.results exceeded: 25')
        : undefined;
    const ids: string[] = [];
    await inParallel(Array.from({ length: operations }), 10, async () => {
      ids.push(await audience.created());
    });
    const waiting = ids.map((id) => audience.finished(id, { withinMs: 300_000 }));
    await sleep(settleMs);
    const before = counter.counts;
    await sleep(measureMs);
    const taken = counter.counts.taken - before.taken;
    const refused = counter.counts.refused - before.refused;
    upstream.finishAll();
    const endMs = performance.now();
    await Promise.all(waiting);
    const toldS = ((performance.now() - endMs) / 1000).toFixed(1);
    const usable = taken / (readsPerSecond * (measureMs / 1000));
    const share = refused / (taken + refused);
    const usableMin = stage.isLong ? usableShareMin : shortUsableShareMin;
    stage.demand(usable >= usableMin, `only ${percent(usable)} of the quota is used`);
    stage.demand(share <= refusedShareMax, `${percent(share)} of the reads are refused`);
    return `${operations} operations waited for, ${readsPerSecond} reads/s taken instead of 50: ${percent(usable)} of it used, ${percent(share)} of reads refused; all waiters told within ${toldS} s of the end`;
  },
};

/** Counts in seconds that are fixed, as published quotas are worded. What is refused costs nothing. */
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
