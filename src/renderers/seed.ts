/**
 * The seed for a model of which the greatest is `max`; equal seeds stay equal.
 * Never 0, which most servers take for "draw one", so that the seed of an image
 * is always known.
 *
 * @param seed 0 leaves it to chance.
 * @param drawSeed A number of at least 1.
 */
export function seedForModel(seed: bigint, max: bigint, drawSeed: () => bigint): bigint {
  const wanted = seed === 0n ? drawSeed() : seed;
  const within = wanted % (max + 1n);
  return within === 0n ? max : within;
}
