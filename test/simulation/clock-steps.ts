import { Chance } from './chance.ts';
import type { SimulatedGateway } from './simulated-gateway.ts';
import type { World } from './world.ts';

const secondMs = 1_000;
const hourMs = 3_600_000;
/** How far clocks step when they are corrected. */
const corrections = [-hourMs, hourMs, -30 * secondMs, 30 * secondMs] as const;
/** How far a clock steps on a gateway's machine that was suspended. */
const resumeMs = 24 * hourMs;

/**
 * In half of the histories the wall clocks of gateways and of the store step
 * now and then, also when nothing else goes wrong any more. Monotonic time goes on.
 */
export function planClockSteps(
  world: World,
  options: {
    readonly seed: number;
    readonly spanMs: number;
    readonly gateways: readonly SimulatedGateway[];
    readonly stepStore: (ms: number) => void;
  },
): void {
  const { seed, spanMs, gateways, stepStore } = options;
  // A chance of its own, so that histories without steps stay as they were.
  const chance = new Chance(seed ^ 0xc10c);
  if (!chance.often(0.5)) return;
  for (let count = chance.whole(1, 6); count > 0; count -= 1) {
    const atMs = chance.often(0.4) ? chance.spread(1, 5_000) : chance.between(0, spanMs);
    const gateway = chance.often(0.7) ? chance.pick(gateways) : undefined;
    const isResumed = gateway !== undefined && chance.often(0.2);
    const ms = isResumed ? resumeMs : chance.pick(corrections);
    world.time.after(atMs, () => {
      world.note('clock step', `${gateway?.name ?? 'store'} ${ms / secondMs} s`);
      if (gateway === undefined) stepStore(ms);
      else gateway.stepWall(ms);
    });
  }
}
