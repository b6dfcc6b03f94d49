import { describe, expect, it } from 'vitest';
import { ResultCache } from '../../../src/operations/result/result-cache.ts';

describe('ResultCache', () => {
  it('keeps no more bytes than its limit, and drops what was used longest ago', () => {
    const cache = new ResultCache({ bytesMax: 300 });
    for (const key of ['a', 'b', 'c']) cache.set(key, new Uint8Array(100));
    cache.get('a');
    cache.set('d', new Uint8Array(100));
    expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key) !== undefined)).toEqual([
      true,
      false,
      true,
      true,
    ]);
    expect(cache.byteLength).toBe(300);
  });

  it('counts the frame that a view keeps alive', () => {
    const cache = new ResultCache({ bytesMax: 1_000 });
    cache.set('view', new Uint8Array(new ArrayBuffer(900), 10, 50));
    expect(cache.byteLength).toBe(900);
  });

  it('does not keep an image larger than itself, nor throw others out for it', () => {
    const cache = new ResultCache({ bytesMax: 100 });
    cache.set('small', new Uint8Array(60));
    cache.set('large', new Uint8Array(101));
    expect(cache.get('large')).toBeUndefined();
    expect(cache.get('small')).toBeDefined();
  });

  it('counts an image once that is set twice', () => {
    const cache = new ResultCache({ bytesMax: 100 });
    cache.set('a', new Uint8Array(40));
    cache.set('a', new Uint8Array(50));
    expect(cache.byteLength).toBe(50);
    cache.delete('a');
    expect(cache.byteLength).toBe(0);
  });
});
