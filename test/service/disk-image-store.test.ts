import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDiskImageStore } from '../../src/service/disk-image-store.ts';
import type { ImageName, ImageStore } from '../../src/service/image-store.ts';

let directory = '';
let images: ImageStore;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'images-'));
  images = await openDiskImageStore(directory);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const imageOf = (text: string) => ({
  ...{ bytes: Buffer.from(text), mediaType: 'image/png', modelVersion: 'm-1' },
});

async function files(): Promise<readonly string[]> {
  const paths = await readdir(directory, { recursive: true, withFileTypes: true });
  return paths.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

describe('an image on disk', () => {
  it('is read back byte for byte, also after the store was opened again', async () => {
    const facts = { mediaType: 'image/png', modelVersion: 'm-1', seed: '7', requestId: 'req-1' };
    const bytes = Buffer.from('an image');
    const stored = await images.put('op1', 3, { bytes, ...facts });
    expect(stored).toMatchObject({ fence: 3, byteLength: 8, facts });
    const again = await openDiskImageStore(directory);
    expect(await again.get('op1', stored)).toStrictEqual(bytes);
    expect(await again.find('op1', 3)).toStrictEqual(stored);
    expect(await again.find('op1', 4)).toBeUndefined();
    expect(again.bytesHeld).toBe(images.bytesHeld);
  });

  it('of an earlier version, without facts, is read too', async () => {
    await images.put('op1', 1, imageOf('x'));
    const [file = ''] = await files();
    const bytes = Buffer.from('an image');
    const digest = createHash('sha256').update(bytes).digest();
    await writeFile(file, Buffer.concat([Buffer.from('IGW1'), digest, bytes]));
    const sha256 = digest.toString('base64url');
    const stored = { fence: 1, byteLength: 8, sha256 };
    expect(await images.find('op1', 1)).toStrictEqual(stored);
    expect(await images.get('op1', stored)).toStrictEqual(bytes);
  });

  it('is never replaced: what came first stays', async () => {
    const first = await images.put('op1', 1, imageOf('first'));
    expect(await images.put('op1', 1, imageOf('second'))).toStrictEqual(first);
    expect(await images.get('op1', first)).toStrictEqual(Buffer.from('first'));
    expect(await files()).toHaveLength(1);
  });

  it.each([1, 10, 36, 38, 60, 100])(
    'is not there when only %d bytes of its file are',
    async (length) => {
      const stored = await images.put('op1', 1, imageOf('an image'));
      const [file = ''] = await files();
      await truncate(file, length);
      expect(await images.find('op1', 1)).toBeUndefined();
      expect(await images.get('op1', stored)).toBeUndefined();
    },
  );

  it('finished is kept beside the own one, each under its own name', async () => {
    const own = await images.put('op1', 1, imageOf('own'));
    const finished = await images.put('op1', 1, imageOf('finished'), 'finished');
    expect(finished).toMatchObject({ fence: 1, isFinished: true });
    expect(await images.get('op1', own)).toStrictEqual(Buffer.from('own'));
    expect(await images.find('op1', 1)).toStrictEqual(own);
    await images.delete('op1', own);
    expect(await images.get('op1', finished)).toStrictEqual(Buffer.from('finished'));
    for (const file of await files()) await utimes(file, 0, 0);
    const isNamed = (_id: string, { isFinished }: ImageName) => isFinished === true;
    expect(await images.deleteStrays(isNamed, 1_000_000)).toBe(0);
    expect(await images.deleteStrays(() => false, 1_000_000)).toBe(1);
  });

  it('is deleted with its bytes, once', async () => {
    await images.put('op1', 1, imageOf('an image'));
    await images.delete('op1', { fence: 1 });
    await images.delete('op1', { fence: 1 });
    expect(images.bytesHeld).toBe(0);
    expect(await files()).toStrictEqual([]);
  });
});

describe('what a crash leaves behind', () => {
  it('goes at the next start where it is half written', async () => {
    await images.put('op1', 1, imageOf('an image'));
    const [file = ''] = await files();
    await writeFile(`${file}.x.part`, 'half an im');
    await openDiskImageStore(directory);
    expect(await files()).toStrictEqual([file]);
  });

  it('goes after a day where no record names it', async () => {
    await images.put('named', 1, imageOf('1'));
    await images.put('stray', 1, imageOf('2'));
    await images.put('young', 1, imageOf('3'));
    for (const file of await files()) if (!file.includes('young')) await utimes(file, 0, 0);
    expect(await images.deleteStrays((id) => id === 'named', 1_000_000)).toBe(1);
    const left = (await files()).map((file) => /(\w+)\.1$/.exec(file)?.[1]);
    expect(new Set(left)).toStrictEqual(new Set(['named', 'young']));
  });
});
