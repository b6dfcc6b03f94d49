import { beforeEach, describe, expect, it } from 'vitest';
import { ImageMemory, type Release } from '../../../src/operations/result/image-memory.ts';
import { ResultCache } from '../../../src/operations/result/result-cache.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

let clock: VirtualClock;
let cache: ResultCache;
let memory: ImageMemory;

beforeEach(() => {
  clock = new VirtualClock();
  cache = new ResultCache({ bytesMax: 1_000 });
  memory = new ImageMemory({ clock, bytesMax: 1_000, cache });
});

/** What became of one request for room. */
async function asked(room: Promise<Release>) {
  const outcome: { release?: Release; reason?: string } = {};
  room.then(
    (release) => (outcome.release = release),
    (error: { reason: string }) => (outcome.reason = error.reason),
  );
  await settle();
  return outcome;
}

describe('ImageMemory', () => {
  it('lets a read wait until there is room for the largest it may bring', async () => {
    const first = await asked(memory.roomToRead(600));
    const second = await asked(memory.roomToRead(600));
    expect(first.release).toBeDefined();
    expect(second.release).toBeUndefined();
    first.release?.();
    await settle();
    expect(second.release).toBeDefined();
    expect(memory.bytesInUse).toBe(600);
  });

  it('counts responses as pressure, and not the room of reads that bring nothing', async () => {
    await asked(memory.roomToRead(500));
    expect(memory.responseShare).toBe(0);
    await asked(memory.roomToRespond('a', 250));
    expect(memory.responseShare).toBe(0.5);
  });

  it('gives room back once, however often it is released', async () => {
    const { release } = await asked(memory.roomToRead(600));
    release?.();
    release?.();
    expect(memory.bytesInUse).toBe(0);
  });

  it('counts an image once for all responses that hold it, until the last is written', async () => {
    const responses = [];
    for (let count = 0; count < 5; count += 1) {
      responses.push(await asked(memory.roomToRespond('a', 400)));
    }
    expect(memory.bytesInUse).toBe(400);
    for (const { release } of responses.slice(1)) release?.();
    expect(memory.bytesInUse).toBe(400);
    responses[0]?.release?.();
    expect(memory.bytesInUse).toBe(0);
  });

  it('keeps half of it from responses, so that slow readers do not stop the polling', async () => {
    await asked(memory.roomToRespond('a', 500));
    expect((await asked(memory.roomToRespond('b', 500))).release).toBeUndefined();
    expect((await asked(memory.roomToRead(500))).release).toBeDefined();
  });

  it('serves an image that is larger than the whole share, alone', async () => {
    const { release } = await asked(memory.roomToRespond('a', 700));
    expect(release).toBeDefined();
    expect((await asked(memory.roomToRespond('b', 1))).release).toBeUndefined();
  });

  it('lets the cache give way before anybody waits', async () => {
    cache.set('old', new Uint8Array(500));
    cache.set('new', new Uint8Array(400));
    expect((await asked(memory.roomToRead(600))).release).toBeDefined();
    expect(cache.get('old')).toBeUndefined();
    expect(cache.get('new')).toBeDefined();
  });

  it('lets responses go before reads, and each in order of arrival', async () => {
    const { release } = await asked(memory.roomToRead(900));
    const order: string[] = [];
    const follow = (name: string, room: Promise<Release>) => void room.then(() => order.push(name));
    follow('read 1', memory.roomToRead(300));
    follow('read 2', memory.roomToRead(300));
    follow('response', memory.roomToRespond('a', 300));
    await settle();
    expect(order).toEqual([]);
    release?.();
    await settle();
    expect(order).toEqual(['response', 'read 1', 'read 2']);
  });

  it('refuses who has waited for ten seconds, or is gone', async () => {
    await asked(memory.roomToRead(1_000));
    const patient = await asked(memory.roomToRead(100));
    const gone = new AbortController();
    const leaver = await asked(memory.roomToRespond('a', 100, { signal: () => gone.signal }));
    gone.abort();
    await clock.advance(9_900);
    expect(leaver.reason).toBe('overloaded');
    expect(patient.reason).toBeUndefined();
    await clock.advance(200);
    expect(patient.reason).toBe('overloaded');
    expect(clock.pending).toBe(0);
  });
});
