import { describe, expect, it } from 'vitest';
import { openOperationIds, type SealedOperation } from '../../src/operations/operation-id.ts';

const secret = Buffer.alloc(32, 7);
const ids = openOperationIds({ current: secret });
const operation: SealedOperation = {
  upstreamId: 'fbveu1sntj0a1b2c3d4e',
  seed: 2n ** 53n - 1n,
  acceptedAtMs: 1_800_000_000_123,
  form: 'native',
};

describe('operation ids', () => {
  it('open to what was sealed', () => {
    expect(ids.open(ids.seal(operation, 'team'), 'team')).toEqual(operation);
  });

  it('tell in which form the operation was created', () => {
    const vendors: SealedOperation = { ...operation, form: 'vendor' };
    expect(ids.open(ids.seal(vendors, ''), '')).toEqual(vendors);
    expect(ids.seal(vendors, '')).not.toBe(ids.seal(operation, ''));
  });

  it('carry the holder of a slot, within 100 characters, and open without one too', () => {
    const slotted: SealedOperation = { ...operation, slotHolder: '1fffffffffffff' };
    const id = ids.seal(slotted, '');
    expect(ids.open(id, '')).toEqual(slotted);
    expect(id.length).toBeLessThanOrEqual(100);
    expect(ids.open(ids.seal(operation, ''), '')?.slotHolder).toBeUndefined();
    const both: SealedOperation = { ...slotted, slotHolder: '00000000000001', form: 'vendor' };
    expect(ids.open(ids.seal(both, ''), '')).toEqual(both);
  });

  it('keep their bytes: ids that callers hold stay valid', () => {
    const native =
      'op_AYkvOmLIfqYEWRoX87LEeOf5fJviu138v3jfy60KQhZSkXKwKoSmikGH7KRmxxzeyo1W7ypniuiSuZiVKfCrEzw';
    const vendors =
      'op_AYlFX4XnkrxC9HNgOmBHzu33WufRvAI1W5xMC5TvNlwRF0H74fDj2DNpkuT8006Or9gPky8qLFz_KbTbdKzwZOI';
    expect(ids.open(native, '')).toEqual(operation);
    expect(ids.open(vendors, '')).toEqual({ ...operation, form: 'vendor' });
    expect(ids.seal(operation, '')).toBe(native);
  });

  it('keep the largest seed exact', () => {
    const largest = { ...operation, seed: 2n ** 63n - 1n };
    expect(ids.open(ids.seal(largest, ''), '')).toEqual(largest);
  });

  it('are at most 100 characters for an id of the vendor, and do not show it', () => {
    const id = ids.seal(operation, '');
    expect(id.length).toBeLessThanOrEqual(100);
    expect(id).toMatch(/^op_[A-Za-z0-9_-]+$/);
    expect(Buffer.from(id.slice(3), 'base64url').toString('latin1')).not.toContain('fbveu');
  });

  it('are the same for the same operation', () => {
    expect(ids.seal(operation, '')).toBe(ids.seal(operation, ''));
  });

  it('do not open for another tenant or under another secret', () => {
    const id = ids.seal(operation, 'a');
    expect(ids.open(id, 'b')).toBeUndefined();
    expect(ids.open(id, '')).toBeUndefined();
    expect(openOperationIds({ current: Buffer.alloc(32, 8) }).open(id, 'a')).toBeUndefined();
  });

  it('open under the previous secret until it is gone', () => {
    const id = ids.seal(operation, 'a');
    const next = Buffer.alloc(32, 9);
    expect(openOperationIds({ current: next, previous: secret }).open(id, 'a')).toEqual(operation);
    expect(openOperationIds({ current: secret, previous: next }).open(id, 'a')).toEqual(operation);
    expect(openOperationIds({ current: next }).open(id, 'a')).toBeUndefined();
  });

  it('open under either of two secrets whose key ids are the same', () => {
    const keyIdOf = (byte: number) =>
      Buffer.from(
        openOperationIds({ current: Buffer.alloc(32, byte) })
          .seal(operation, '')
          .slice(3),
        'base64url',
      )[1];
    const seen = new Map<number | undefined, number>();
    for (let byte = 0; byte < 256; byte += 1) {
      const twin = seen.get(keyIdOf(byte));
      if (twin === undefined) {
        seen.set(keyIdOf(byte), byte);
        continue;
      }
      const [current, previous] = [Buffer.alloc(32, byte), Buffer.alloc(32, twin)];
      const old = openOperationIds({ current: previous }).seal(operation, '');
      expect(openOperationIds({ current, previous }).open(old, '')).toEqual(operation);
      return;
    }
    expect.unreachable('256 secrets of 256 key ids without a twin');
  });

  it('do not open with any one character changed, added or left out', () => {
    const id = ids.seal(operation, '');
    for (let index = 0; index < id.length; index += 1) {
      for (const other of ['A', 'b', '-', '_', '=', '\n', '!', '']) {
        const changed = id.slice(0, index) + other + id.slice(index + 1);
        if (changed !== id) expect(ids.open(changed, ''), changed).toBeUndefined();
        const added = id.slice(0, index) + other + id.slice(index);
        if (added !== id) expect(ids.open(added, ''), added).toBeUndefined();
      }
    }
    expect(ids.open(`${id}=`, '')).toBeUndefined();
    expect(ids.open(`${id}\n`, '')).toBeUndefined();
  });

  it.each([
    '',
    'op_',
    'op_A',
    'fbveu1sntj0a1b2c3d4e',
    'op_'.padEnd(10_000, 'A'),
    'op_\u0000',
    'op_é',
  ])('are nothing like %s', (id) => {
    expect(ids.open(id, '')).toBeUndefined();
  });
});
