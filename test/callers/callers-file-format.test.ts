import { describe, expect, it } from 'vitest';
import { newApiKey } from '../../src/callers/api-key.ts';
import {
  callersFromText,
  textFromCallers,
  withKey,
  withoutKey,
  type KeyEntry,
} from '../../src/callers/callers-file-format.ts';

function keyEntry(): KeyEntry {
  const { sha256, hint } = newApiKey();
  return { sha256, hint, createdAt: '2026-11-23T10:00:00Z' };
}

describe('the text of a keys file', () => {
  const key = keyEntry();
  const caller = { name: 'shop', keys: [key] };

  it('is read back as it was written', () => {
    const entries = { callers: [{ ...caller, models: ['yandex-art'], imagesPerDayMax: 5 }] };
    expect(callersFromText(textFromCallers(entries))).toEqual(entries);
    expect(callersFromText(`\uFEFF${textFromCallers(entries)}`)).toEqual(entries);
  });

  it.each([
    ['is not JSON', '{', 'is not JSON'],
    ['has no callers', '{}', 'callers: '],
    ['has an unknown field', { callers: [{ ...caller, rate: 1 }] }, 'callers[0].rate: is not a'],
    ['has a broken hash', { callers: [{ name: 'a', keys: [{ ...key, sha256: 'A' }] }] }, 'sha256:'],
    ['has a caller twice', { callers: [caller, { name: 'shop', keys: [] }] }, 'callers[1].name'],
    ['has a key twice', { callers: [caller, { name: 'b', keys: [key] }] }, 'callers[1].keys[0]'],
    ['has a limit of 0', { callers: [{ ...caller, imagesPerDayMax: 0 }] }, 'from 1 to 1000000'],
    ['has an empty list of models', { callers: [{ ...caller, models: [] }] }, 'must name a model'],
    ['has an odd name', { callers: [{ ...caller, name: 'a b' }] }, 'callers[0].name: must be'],
  ])('that %s is refused, and the place of the violation is named', (_, content, words) => {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    expect(() => callersFromText(text)).toThrow(words);
  });

  it('is never quoted in an error', () => {
    const secret = newApiKey().text;
    const places = [
      { callers: [{ name: secret, keys: [secret] }] },
      { callers: [{ name: 'a', keys: [{ sha256: secret, hint: secret, createdAt: secret }] }] },
      { callers: secret, [secret]: secret },
      { callers: [{ name: 'a', keys: [], models: [`${secret} x`], imagesPerDayMax: secret }] },
    ];
    for (const place of places) {
      let said = '';
      try {
        callersFromText(JSON.stringify(place));
      } catch (error) {
        said = (error as Error).message;
      }
      expect(said).not.toBe('');
      expect(said).not.toContain(secret.slice(8));
    }
  });
});

describe('a changed keys file', () => {
  it('keeps the limits of a caller when its keys change', () => {
    const [first, second] = [keyEntry(), keyEntry()];
    const limits = { imagesPerMinuteMax: 3 };
    const one = withKey({ callers: [] }, { name: 'shop', key: first, limits });
    const two = withKey(one, { name: 'shop', key: second });
    expect(two.callers).toEqual([{ name: 'shop', keys: [first, second], ...limits }]);
    const three = withoutKey(two, { name: 'shop', hint: first.hint });
    expect(three?.callers).toEqual([{ name: 'shop', keys: [second], ...limits }]);
    const none = withoutKey(two, { name: 'shop' });
    expect(none?.callers).toEqual([{ name: 'shop', keys: [], ...limits }]);
  });

  it('is undefined when there was no such key', () => {
    const entries = withKey({ callers: [] }, { name: 'shop', key: keyEntry() });
    expect(withoutKey(entries, { name: 'blog' })).toBeUndefined();
    expect(withoutKey(entries, { name: 'shop', hint: 'igk_????' })).toBeUndefined();
  });
});
