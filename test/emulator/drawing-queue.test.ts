import { describe, expect, it } from 'vitest';
import { DrawingQueue, type QueuedDrawing } from '../../src/emulator/drawing/drawing-queue.ts';

/** Drawings that end when they are told to, and the order in which they began. */
function openQueue(atOnceMax: number) {
  const queue = new DrawingQueue(atOnceMax);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const add = (name: string): QueuedDrawing =>
    queue.add(() => {
      begun.push(name);
      return new Promise((resolve) => ends.set(name, () => resolve(Buffer.from(name))));
    });
  return { queue, begun, add, end: (name: string) => ends.get(name)?.() };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('the queue of drawings', () => {
  it('runs a few at once, in order, those first that somebody waits for', async () => {
    const { queue, begun, add, end } = openQueue(2);
    const drawings = ['a', 'b', 'c', 'd', 'e'].map(add);
    await turn();
    expect([begun.join(''), queue.waitingCount]).toEqual(['ab', 3]);
    drawings[4]?.hurry();
    end('a');
    await turn();
    expect(begun.join('')).toBe('abe');
    end('b');
    await turn();
    expect(begun.join('')).toBe('abec');
    expect((await drawings[0]?.image)?.toString()).toBe('a');
  });

  it('goes on after a drawing that fails', async () => {
    const { begun, queue, add } = openQueue(1);
    const broken = queue.add(() => Promise.reject(new Error('broken')));
    add('next');
    await expect(broken.image).rejects.toThrow('broken');
    await turn();
    expect(begun).toEqual(['next']);
  });

  it('gives up what has not begun when it is closed, begins nothing more, and waits for the rest', async () => {
    const { begun, queue, add, end } = openQueue(1);
    const first = add('first');
    const second = add('second');
    let isClosed = false;
    const closing = Promise.all([queue.close(), queue.close()]).then(() => (isClosed = true));
    await expect(second.image).rejects.toThrow('given up');
    await expect(add('third').image).rejects.toThrow('given up');
    await turn();
    expect(isClosed).toBe(false);
    end('first');
    await closing;
    expect((await first.image).toString()).toBe('first');
    expect(begun).toEqual(['first']);
  });
});
