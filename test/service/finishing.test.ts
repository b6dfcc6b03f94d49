import { expect, it } from 'vitest';
import { FinishError } from '../../src/renderers/finish/finish-image.ts';
import type { FinishImage } from '../../src/service/finishing.ts';
import { never, Scene, second } from './scene.ts';

const toJpeg: FinishImage = async () => ({
  ...{ bytes: Buffer.from('a JPEG'), mediaType: 'image/jpeg', lost: ['transparency'] },
});

function imageOf(scene: Scene, id: string) {
  const { image, planned, failure } = scene.record(id);
  const name = `${id}.${image?.fence}${image?.isFinished === true ? '.finished' : ''}`;
  const bytes = scene.disk.images.get(name)?.bytes;
  return {
    text: bytes && Buffer.from(bytes).toString(),
    mediaType: image?.facts?.mediaType,
    ignored: planned?.ignored,
    code: failure?.code,
  };
}

it('an image is kept before it is converted, and the own one goes when the converted one is kept', async () => {
  let heldBefore: readonly string[] = [];
  const scene = new Scene('once', {
    finish: async (bytes, mediaType) => {
      heldBefore = [...scene.disk.records.values()].map(({ state }) => state);
      expect(scene.disk.images.size).toBe(1);
      return toJpeg(bytes, mediaType);
    },
  });
  await scene.start();
  const id = await scene.accept();
  await scene.clock.advance(second);
  expect(heldBefore).toStrictEqual(['stored']);
  expect(imageOf(scene, id)).toStrictEqual({
    ...{ text: 'a JPEG', mediaType: 'image/jpeg', ignored: ['transparency'], code: undefined },
  });
  expect(scene.disk.images.size).toBe(1);
});

it('a conversion that a crash cut off is made again, and nothing is asked for again', async () => {
  let tries = 0;
  const scene = await new Scene('once', {
    finish: (...image) => ((tries += 1) < 3 ? never() : toJpeg(...image)),
  }).start();
  const id = await scene.accept();
  for (let life = 0; life < 2; life += 1) await scene.restart();
  expect(imageOf(scene, id).text).toBe('a JPEG');
  expect(scene.renders).toBe(1);
});

it('an image whose conversion ends three processes is given in its own type', async () => {
  const scene = await new Scene('once', {
    finish: async (bytes, mediaType) =>
      mediaType === 'image/jpeg' ? never() : { bytes, mediaType, lost: [] },
  }).start();
  const id = await scene.accept('a red cat', 'image/jpeg');
  for (let life = 0; life < 3; life += 1) await scene.restart();
  expect(scene.end(id)).toBe('image');
  await scene.clock.advance(second);
  expect(imageOf(scene, id)).toMatchObject({ mediaType: 'image/png', ignored: ['mime_type'] });
  expect(imageOf(scene, id).text).toContain('PNG');
});

it('a converter that fails is tried three times', async () => {
  let tries = 0;
  const scene = await new Scene('once', {
    finish: async (bytes, mediaType) => {
      tries += 1;
      if (tries < 3) throw new FinishError('process', 'it ended');
      return toJpeg(bytes, mediaType);
    },
  }).start();
  const id = await scene.accept();
  expect(imageOf(scene, id).text).toBe('a JPEG');
});

it('what is no image ends its operation and counts as spent', async () => {
  const scene = await new Scene('once', {
    ...{ imagesPerDayMax: 9 },
    finish: async () => {
      throw new FinishError('unusable', 'it is HTML');
    },
  }).start();
  const id = await scene.accept();
  await scene.clock.advance(second);
  expect(scene.end(id)).toBe(13);
  expect(scene.reports[0]).toMatchObject({ outcome: 'failed', spent: 'yes' });
  expect([...scene.disk.spent.values()]).toStrictEqual([1]);
});
