import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeDataDirectory } from '../../src/state/data-directory.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'data-directory-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe('making DATA_DIR', () => {
  it('makes the folders above it too, for their owner alone', async () => {
    const path = join(folder, 'a', 'b', 'c');
    await Promise.all([makeDataDirectory(path), makeDataDirectory(path)]);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
  });

  it('accepts a folder that is there, and a link to one', async () => {
    await makeDataDirectory(folder);
    await symlink(folder, join(folder, 'link'));
    await makeDataDirectory(join(folder, 'link'));
    await expect(makeDataDirectory(join(folder, 'link', 'inner'))).resolves.toBeUndefined();
  });

  it.runIf(existsSync('/proc/self'))('ends where a file system takes no folders', async () => {
    const making = makeDataDirectory('/proc/no-such/data');
    await expect(making).rejects.toThrow(
      'DATA_DIR: the folder /proc/no-such/data cannot be made (ENOENT)',
    );
  });

  it('says so where a file or a link to nothing is in the way', async () => {
    await writeFile(join(folder, 'file'), '');
    await symlink(join(folder, 'nothing', 'there'), join(folder, 'dangling'));
    for (const name of ['file', 'file/inner', 'dangling', 'dangling/inner']) {
      const making = makeDataDirectory(join(folder, name));
      await expect(making, name).rejects.toThrow(
        /^DATA_DIR: the folder \S+ cannot be made \(E[A-Z]+\)$/,
      );
    }
  });
});
