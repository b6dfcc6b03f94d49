import { describe, expect, it } from 'vitest';
import type { ModelSizes } from '../../src/renderers/renderer.ts';
import { seedForModel } from '../../src/renderers/seed.ts';
import { sizeForRatio } from '../../src/renderers/size.ts';

const area: ModelSizes = {
  ...{ kind: 'area', areaPixels: 1_048_576, sidePixels: 16, ratioMax: 3 },
};
const list: ModelSizes = {
  kind: 'list',
  sizes: [
    { width: 1_024, height: 1_024 },
    { width: 1_536, height: 1_024 },
    { width: 1_024, height: 1_536 },
  ],
};
const size = (ratio: readonly [number, number] | undefined, sizes: ModelSizes) => {
  const found = sizeForRatio(ratio && { width: BigInt(ratio[0]), height: BigInt(ratio[1]) }, sizes);
  return found && `${found.width}x${found.height}`;
};

describe('the size for a ratio', () => {
  it.each([
    [undefined, '1024x1024'],
    [[1, 1], '1024x1024'],
    [[16, 9], '1360x768'],
    [[9, 16], '768x1360'],
    [[3, 1], '1776x592'],
    [[4, 1], undefined],
    [[0, 1], undefined],
    [[-1, -1], undefined],
  ] as const)('of one area, %j is %s', (ratio, expected) => {
    expect(size(ratio, area)).toBe(expected);
  });

  it.each([
    [undefined, '1024x1024'],
    [[1, 1], '1024x1024'],
    [[3, 2], '1536x1024'],
    [[16, 9], '1536x1024'],
    [[9, 16], '1024x1536'],
    // Nearer to 3:2 than to 1:1 by the logarithm.
    [[5, 4], '1536x1024'],
    [[6, 5], '1024x1024'],
    // More than a quarter away from 3:2.
    [[2, 1], undefined],
    [[0, 0], undefined],
  ] as const)('of a list, %j is %s', (ratio, expected) => {
    expect(size(ratio, list)).toBe(expected);
  });
});

describe('the seed for a model', () => {
  const drawn = () => 77n;
  it.each([
    [5n, 5n],
    [4_294_967_295n, 4_294_967_295n],
    [4_294_967_297n, 1n],
    [2n ** 63n - 1n, 4_294_967_295n],
    // 0 would mean that the server draws one, which no one would know.
    [4_294_967_296n, 4_294_967_295n],
    [0n, 77n],
  ])('%d becomes %d', (seed, expected) => {
    expect(seedForModel(seed, 4_294_967_295n, drawn)).toBe(expected);
  });
});
