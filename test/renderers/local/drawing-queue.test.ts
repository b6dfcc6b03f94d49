import { describe, expect, it } from 'vitest';
import { DrawingQueue, type QueuedDrawing } from '../../../src/renderers/local/drawing-queue.ts';

/** A queue of drawings that end when a test ends them, and the order in which they started. */
function openQueue(atOnceMax: number) {
  const queue = new DrawingQueue(atOnceMax);
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const add = (name: string): QueuedDrawing =>
    queue.add(() => {
      started.push(name);
      return new Promise((resolve) => ends.set(name, () => resolve(Buffer.from(name))));
    });
  return { queue, started, add, end: (name: string) => ends.get(name)?.() };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('the drawing queue', () => {
  it('runs a few at once, in order, those with priority first', async () => {
    const { queue, started, add, end } = openQueue(2);
    const drawings = ['a', 'b', 'c', 'd', 'e'].map(add);
    await turn();
    expect([started.join(''), queue.waitingCount]).toEqual(['ab', 3]);
    drawings[4]?.prioritize();
    end('a');
    await turn();
    expect(started.join('')).toBe('abe');
    end('b');
    await turn();
    expect(started.join('')).toBe('abec');
    expect((await drawings[0]?.image)?.toString()).toBe('a');
  });

  it('continues after a drawing that fails', async () => {
    const { started, queue, add } = openQueue(1);
    const broken = queue.add(() => Promise.reject(new Error('broken')));
    add('next');
    await expect(broken.image).rejects.toThrow('broken');
    await turn();
    expect(started).toEqual(['next']);
  });

  it('drops drawings that have not started when it is closed, starts no more, and waits for the rest', async () => {
    const { started, queue, add, end } = openQueue(1);
    const first = add('first');
    const second = add('second');
    let isClosed = false;
    const closing = Promise.all([queue.close(), queue.close()]).then(() => (isClosed = true));
    await expect(second.image).rejects.toThrow('was dropped');
    await expect(add('third').image).rejects.toThrow('was dropped');
    await turn();
    expect(isClosed).toBe(false);
    end('first');
    await closing;
    expect((await first.image).toString()).toBe('first');
    expect(started).toEqual(['first']);
  });
});
