import { describe, expect, it } from 'vitest';
import {
  RendererError,
  type Attempt,
  type FoundWork,
  type RenderedImage,
  type RenderPlan,
} from '../../src/renderers/renderer.ts';
import { onePixel } from '../support/stub-renderer.ts';
import { failing, hour, never, Scene, second } from './scene.ts';

describe('an image of which the renderer said where it will be found', () => {
  const submits =
    (then: () => Promise<RenderedImage>) =>
    async (_plan: RenderPlan, attempt: Attempt): Promise<RenderedImage> => {
      await attempt.submitted('job-7');
      return then();
    };

  it.each(['free', 'findable', 'once'] as const)(
    'is fetched after a crash and not asked for again (%s)',
    async (spend) => {
      const scene = await new Scene(spend).start();
      scene.render = submits(never);
      const id = await scene.accept();
      expect(scene.record(id)).toMatchObject({ state: 'submitted', reference: 'job-7' });
      const answers: FoundWork[] = ['running', 'running', onePixel()];
      scene.find = async () => answers.shift() ?? 'lost';
      await scene.restart();
      await scene.clock.advance(10 * second);
      expect({ end: scene.end(id), renders: scene.renders, finds: scene.finds }).toStrictEqual({
        ...{ end: 'image', renders: 1, finds: 3 },
      });
    },
  );

  it('is looked for again when the fetch breaks, also in the same process', async () => {
    const scene = await new Scene('once').start();
    scene.render = submits(failing('unknown', { lossCause: 'reset' }));
    let tries = 0;
    scene.find = async () => ((tries += 1) < 3 ? failing('unknown')() : onePixel());
    const id = await scene.accept();
    await scene.clock.advance(10 * second);
    expect({ end: scene.end(id), renders: scene.renders }).toStrictEqual({
      ...{ end: 'image', renders: 1 },
    });
  });

  it('that the backend has lost is made again where that is free, else reported as lost', async () => {
    for (const [spend, end, renders] of [
      ['free', 'image', 2],
      ['findable', 10, 1],
      ['once', 10, 1],
    ] as const) {
      const scene = await new Scene(spend).start();
      scene.render = submits(never);
      const id = await scene.accept();
      scene.render = async () => onePixel();
      await scene.restart();
      await scene.clock.advance(10 * second);
      expect({ end: scene.end(id), renders: scene.renders }).toStrictEqual({ end, renders });
    }
  });

  it('that is never ready ends, at the latest by its deadline', async () => {
    const scene = await new Scene('once', { deadlineMs: hour }).start();
    scene.render = submits(never);
    const id = await scene.accept();
    scene.find = async () => 'running';
    await scene.restart();
    await scene.clock.advance(hour - 10 * second);
    expect(scene.end(id)).toBeUndefined();
    await scene.clock.advance(20 * second);
    expect(scene.record(id).failure).toMatchObject({ code: 10, reason: 'OUTCOME_UNKNOWN' });
  });

  it('is left to the next process by a planned stop', async () => {
    const scene = await new Scene('once').start();
    scene.render = submits(failing('unknown'));
    scene.find = async () => 'running';
    const id = await scene.accept();
    const stopped = scene.service.stop(600 * second);
    await scene.clock.advance(5 * second);
    await stopped;
    expect(scene.record(id).state).toBe('submitted');
    scene.find = async () => onePixel();
    await scene.start();
    await scene.clock.advance(5 * second);
    expect(scene.end(id)).toBe('image');
  });
});

describe('a backend that is not reached', () => {
  it('is left alone with growing pauses, refuses new operations, and goes on when a probe gets through', async () => {
    const scene = await new Scene('once').start();
    scene.render = failing('not_sent');
    scene.probe = failing('not_sent');
    const id = await scene.accept();
    await scene.clock.advance(120 * second);
    expect(scene.renders).toBe(1);
    expect(scene.probes).toBeLessThan(10);
    expect(await scene.refusal()).toMatchObject({ bound: 'backend' });
    scene.probe = async () => undefined;
    scene.render = async () => onePixel();
    await scene.clock.advance(61 * second);
    expect(scene.end(id)).toBe('image');
    expect(scene.record(id).attempts).toBe(1);
    expect(scene.shuts).toStrictEqual(['unreachable', undefined]);
    await scene.accept();
  });

  it('until the deadline of an operation is said to be the reason', async () => {
    const scene = await new Scene('once', { deadlineMs: 30 * second }).start();
    scene.render = failing('not_sent');
    scene.probe = failing('not_sent');
    const id = await scene.accept();
    await scene.clock.advance(40 * second);
    expect(scene.end(id)).toBe(14);
  });
});

describe('a backend that is busy', () => {
  it('is not asked until it said so, and operations are accepted meanwhile', async () => {
    const scene = await new Scene('once').start();
    scene.render = failing('busy', { retryAfterMs: 60 * second });
    const first = await scene.accept();
    scene.render = async () => onePixel();
    const next = await scene.accept();
    await scene.clock.advance(58 * second);
    expect(scene.renders).toBe(1);
    await scene.clock.advance(5 * second);
    expect([scene.end(first), scene.end(next)]).toStrictEqual(['image', 'image']);
    expect(scene.record(first).attempts).toBe(1);
  });

  it('for longer than an operation may wait ends it at once', async () => {
    const scene = await new Scene('once', { deadlineMs: 30 * second }).start();
    scene.render = failing('busy', { retryAfterMs: 60 * second });
    const id = await scene.accept();
    expect(scene.end(id)).toBe(8);
  });

  it.each([
    [1, 1 * second],
    [24 * hour, 600 * second],
  ])('and says %d ms is asked again after %d ms', async (retryAfterMs, afterMs) => {
    const scene = await new Scene('once', { deadlineMs: 48 * hour }).start();
    scene.render = failing('busy', { retryAfterMs });
    await scene.accept();
    await scene.clock.advance(afterMs - 200);
    expect(scene.renders).toBe(1);
    await scene.clock.advance(second);
    expect(scene.renders).toBe(2);
  });
});

describe('a refused credential', () => {
  it('ends its operation, and shuts the backend off when the probe is refused too', async () => {
    const scene = await new Scene('once').start();
    scene.render = failing('credential');
    expect(scene.end(await scene.accept())).toBe(16);
    expect(scene.shuts).toStrictEqual([]);
    scene.probe = failing('credential');
    expect(scene.end(await scene.accept())).toBe(16);
    expect(scene.shuts).toStrictEqual(['credential']);
    expect(await scene.refusal()).toMatchObject({ bound: 'backend' });
    scene.probe = async () => undefined;
    await scene.clock.advance(600 * second);
    scene.render = async () => onePixel();
    expect(scene.end(await scene.accept())).toBe('image');
  });

  it('shuts the backend off after five in a row, whatever the probe says', async () => {
    const scene = await new Scene('once').start();
    scene.render = failing('credential');
    for (let count = 0; count < 5; count += 1) {
      expect(scene.shuts).toStrictEqual([]);
      await scene.accept();
    }
    expect(scene.shuts).toStrictEqual(['credential']);
    await scene.clock.advance(31 * second);
    scene.render = async () => onePixel();
    expect(scene.end(await scene.accept())).toBe('image');
  });
});

it('a used-up quota ends its operation and shuts the backend off for the others', async () => {
  const scene = await new Scene('once', { concurrency: 1 }).start();
  scene.render = failing('quota');
  const first = await scene.accept();
  expect(scene.end(first)).toBe(8);
  expect(await scene.refusal()).toMatchObject({ bound: 'backend' });
  scene.render = async () => onePixel();
  await scene.clock.advance(61 * second);
  expect(scene.end(await scene.accept())).toBe('image');
});

describe('the images of a day', () => {
  it('are counted, and more wait for the next day in UTC', async () => {
    const scene = await new Scene('once', { imagesPerDayMax: 2, deadlineMs: 20 * hour }).start();
    const finish: (() => void)[] = [];
    scene.render = () => new Promise((resolve) => finish.push(() => resolve(onePixel())));
    const waiting = [await scene.accept(), await scene.accept()];
    const refused = await scene.refusal();
    expect(refused).toMatchObject({ bound: 'day' });
    expect(refused.retryAfterMs).toBeLessThanOrEqual(12 * hour);
    for (const each of finish) each();
    await scene.clock.advance(second);
    expect(waiting.map((id) => scene.end(id))).toStrictEqual(['image', 'image']);
    await scene.restart();
    expect(await scene.refusal()).toMatchObject({ bound: 'day' });
    await scene.clock.advance(12 * hour);
    scene.render = async () => onePixel();
    expect(scene.end(await scene.accept())).toBe('image');
  });

  it('are kept to by what was queued before they were used up', async () => {
    const scene = await new Scene('once', {
      ...{ imagesPerDayMax: 1, concurrency: 1, deadlineMs: 20 * hour },
    }).start();
    const finish: (() => void)[] = [];
    scene.render = () => new Promise((resolve) => finish.push(() => resolve(onePixel())));
    const ids = [await scene.accept()];
    // Another process of the same directory accepts what this one may not begin.
    scene.disk.spent.clear();
    ids.push(await scene.accept());
    scene.disk.spent.set('stub 2026-11-28', 1);
    finish[0]?.();
    await scene.clock.advance(11 * hour);
    expect(scene.renders).toBe(1);
    await scene.clock.advance(2 * hour);
    expect(scene.renders).toBe(2);
    finish[1]?.();
    await scene.clock.advance(second);
    expect(ids.map((id) => scene.end(id))).toStrictEqual(['image', 'image']);
  });

  it.each([
    ['not_sent', {}, 0],
    ['busy', {}, 0],
    ['refused', {}, 0],
    ['moderated', {}, 0],
    ['moderated', { isSpent: true }, 1],
    ['no_image', {}, 1],
    ['unknown', {}, 1],
    ['failed', {}, 1],
  ] as const)('that ended as %s %j count %d', async (failure, options, count) => {
    const scene = await new Scene('once', { imagesPerDayMax: 5 }).start();
    scene.render = failing(failure, options);
    scene.probe = failing('not_sent');
    await scene.accept();
    expect(scene.disk.spent.get('stub 2026-11-28')).toBe(count);
  });
});

describe('an operation that is cancelled while its image is made', () => {
  it('holds its slot until the backend responds, and has no image then', async () => {
    const scene = await new Scene('once', { concurrency: 1, imagesPerDayMax: 9 }).start();
    const finish: (() => void)[] = [];
    scene.render = (_plan, { signal }) =>
      new Promise((resolve, reject) => {
        finish.push(() => resolve(onePixel()));
        signal.addEventListener('abort', () => reject(new Error('cut off')));
      });
    const first = await scene.accept();
    const next = await scene.accept();
    void scene.service.operations.cancel(first, '');
    await scene.clock.advance(60 * second);
    expect([scene.end(first), scene.renders]).toStrictEqual([undefined, 1]);
    finish[0]?.();
    await scene.clock.advance(second);
    expect([scene.end(first), scene.renders]).toStrictEqual([1, 2]);
    expect(scene.reports[0]).toMatchObject({ outcome: 'cancelled', spent: 'yes' });
    expect(scene.disk.spent.get('stub 2026-11-28')).toBe(2);
    expect(scene.disk.images.size).toBe(0);
    finish[1]?.();
    await scene.clock.advance(second);
    expect(scene.end(next)).toBe('image');
  });

  it('is cut off where the renderer says that this stops the work', async () => {
    const scene = await new Scene('free', { stopsOnAbort: true }).start();
    scene.render = (_plan, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new RendererError('failed', 'stopped')));
      });
    const id = await scene.accept();
    void scene.service.operations.cancel(id, '');
    await scene.clock.advance(second);
    expect(scene.end(id)).toBe(1);
  });
});

describe('steps of the wall clock', () => {
  it.each([-24 * hour, -hour, -30 * second, 30 * second, hour, 24 * hour])(
    'of %d ms delay nothing and end nothing early',
    async (stepMs) => {
      const scene = await new Scene('free', {
        ...{ delayMs: 3 * second, deadlineMs: 600 * second },
      }).start();
      const id = await scene.accept();
      scene.clock.stepWall(stepMs);
      await scene.clock.advance(2 * second);
      expect(scene.end(id)).toBeUndefined();
      await scene.clock.advance(2 * second);
      expect(scene.end(id)).toBe('image');
    },
  );

  it('back delay what a process left queued by no more than was given', async () => {
    const scene = await new Scene('free', { delayMs: 3 * second }).start();
    const id = await scene.accept();
    scene.clock.stepWall(-hour);
    await scene.restart();
    await scene.clock.advance(4 * second);
    expect(scene.end(id)).toBe('image');
  });
});

it('what was under way in a crash is made one at a time, so that only the culprit is counted out', async () => {
  const scene = await new Scene('free').start();
  scene.render = never;
  const ids = [await scene.accept('1'), await scene.accept('2'), await scene.accept('3')];
  // One of them ends every process that makes it, and the others take a while.
  scene.render = ({ prompt }) => {
    if (prompt === '2') scene.service.process.kill();
    return new Promise((resolve) => scene.clock.after(second, () => resolve(onePixel())));
  };
  for (let life = 0; life < 4; life += 1) {
    await scene.restart();
    await scene.clock.advance(10 * second);
  }
  expect(ids.map((id) => scene.end(id))).toStrictEqual(['image', 13, 'image']);
});

it('an image that is gone from the disk before its end was written is not said to be there', async () => {
  const scene = await new Scene('once').start();
  scene.render = never;
  const id = await scene.accept();
  const image = { fence: 1, byteLength: 1, sha256: 'x' };
  scene.disk.records.set(id, { ...scene.record(id), state: 'stored', image });
  await scene.restart();
  await scene.clock.advance(second);
  expect(scene.record(id).failure).toMatchObject({ code: 10, reason: 'OUTCOME_UNKNOWN' });
});

it('a planned stop gives a free attempt back', async () => {
  const scene = await new Scene('free').start();
  scene.render = (_plan, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new RendererError('failed', 'stopped')));
    });
  const id = await scene.accept();
  const stopped = scene.service.stop(2 * second);
  await scene.clock.advance(4 * second);
  await stopped;
  expect(scene.record(id)).toMatchObject({ state: 'queued', attempts: 0 });
});

it('what an attempt reports holds none of its texts', async () => {
  const scene = await new Scene('once').start();
  scene.render = failing('refused', {}, 'your prompt "a red cat" is "a red catalogue"');
  const id = await scene.accept('a red cat');
  expect(scene.reports[0]?.error).toBe('your prompt "…" is "a red catalogue"');
  expect(scene.record(id).failure?.message).not.toContain('a red cat"');
});
