import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { apiKeyHash, isApiKeyText, newApiKey } from '../../src/callers/api-key.ts';

it('is a prefix, 160 random bits and a checksum', () => {
  const keys = Array.from({ length: 1_000 }, newApiKey);
  expect(new Set(keys.map(({ text }) => text)).size).toBe(1_000);
  for (const { text, sha256, hint } of keys) {
    expect(text).toMatch(/^igk_[0-9A-Za-z]{33}$/);
    expect(isApiKeyText(text)).toBe(true);
    expect(sha256).toBe(createHash('sha256').update(text).digest('hex'));
    expect(sha256).toBe(apiKeyHash(text));
    expect(text.startsWith(hint)).toBe(true);
    expect(hint).toHaveLength(8);
  }
});

it('spreads its 160 bits over all of its digits', () => {
  const seen = Array.from({ length: 27 }, () => new Set<string>());
  for (let turn = 0; turn < 2_000; turn += 1) {
    const { text } = newApiKey();
    for (let index = 0; index < 27; index += 1) seen[index]?.add(text[4 + index] ?? '');
  }
  // 62^27 is a little more than 2^160, so the first digit alone does not take every value.
  expect(seen.slice(1).every(({ size }) => size === 62)).toBe(true);
  expect(seen[0]?.size).toBeGreaterThan(10);
});

it('differs from a mistyped one without a look-up', () => {
  const { text } = newApiKey();
  const other = (character: string) => (character === 'a' ? 'b' : 'a');
  for (let index = 0; index < text.length; index += 1) {
    const typo = text.slice(0, index) + other(text[index] ?? '') + text.slice(index + 1);
    expect(isApiKeyText(typo), typo).toBe(false);
  }
  fc.assert(fc.property(fc.string(), (anything) => !isApiKeyText(anything)));
});
