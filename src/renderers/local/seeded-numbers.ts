import { createHash } from 'node:crypto';

/** A sequence of numbers that is the same for the same texts on every machine. */
export interface SeededNumbers {
  /** In [0, 1). */
  next(): number;
  /** In [low, high). */
  between(low: number, high: number): number;
  /** One of the list, which must not be empty. */
  pick<T>(list: readonly T[]): T;
}

/** A small fast generator (mulberry32), started from a hash of the texts. */
export function seededNumbers(...texts: readonly string[]): SeededNumbers {
  const hash = createHash('sha256').update(JSON.stringify(texts)).digest();
  let state = hash.readUInt32LE();
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    between: (low, high) => low + (high - low) * next(),
    pick: (list) => list[Math.floor(next() * list.length)] as (typeof list)[number],
  };
}
