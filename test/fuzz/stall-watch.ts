import { performance } from 'node:perf_hooks';
import { promise } from './fuzz-target.ts';

/** Promised: no input keeps the loop busy for longer. */
export const stallMsMax = 100;
/** What took longer is looked at once more: on a busy machine time passes by itself. */
const suspectMs = 50;
const looks = 3;

/** How long single inputs keep the event loop busy in one turn. */
export class StallWatch {
  /** The longest so far. An upper bound where it is below 50 ms: several turns are counted as one. */
  worstMs = 0;

  /** @throws BrokenPromiseError for an input that stalls the loop whenever it comes. */
  async around(check: () => Promise<void> | void): Promise<void> {
    let leastMs = await busyMsOf(check);
    for (let look = 0; look < looks && leastMs > suspectMs; look += 1) {
      leastMs = Math.min(leastMs, await longestTurnMsOf(check));
    }
    this.worstMs = Math.max(this.worstMs, leastMs);
    promise(leastMs < stallMsMax, `it keeps the loop busy for ${Math.round(leastMs)} ms`);
  }
}

/** Time in which the loop did not wait for anything. */
async function busyMsOf(check: () => Promise<void> | void): Promise<number> {
  const startMs = performance.now();
  const { idle } = performance.eventLoopUtilization();
  await check();
  return performance.now() - startMs - (performance.eventLoopUtilization().idle - idle);
}

/** CPU time of the longest turn: what other processes take of the machine is not in it. */
async function longestTurnMsOf(check: () => Promise<void> | void): Promise<number> {
  let longestUs = 0;
  let last = process.cpuUsage();
  let isOver = false;
  const tick = () => {
    const { user, system } = process.cpuUsage(last);
    longestUs = Math.max(longestUs, user + system);
    last = process.cpuUsage();
    if (!isOver) setImmediate(tick);
  };
  setImmediate(tick);
  await check();
  isOver = true;
  tick();
  return longestUs / 1000;
}
