import { randomBytes } from 'node:crypto';
import type { Clock } from './clock.ts';
import type { Random } from './random.ts';

/** The machine's clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  elapsedMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  },
  nextTurn(callback) {
    setImmediate(callback);
  },
};

const seedMask = 2n ** 53n - 1n;

/** The machine's randomness; seeds come from the cryptographic source. */
export const systemRandom: Random = {
  fraction: () => Math.random(),
  seed() {
    const drawn = randomBytes(8).readBigUInt64LE() & seedMask;
    return drawn === 0n ? 1n : drawn;
  },
};
