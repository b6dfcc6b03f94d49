import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  openWatchedFile,
  type ReloadResult,
  type WatchedFile,
} from '../../src/files/watched-file.ts';

let folder: string;
let path: string;
let opened: WatchedFile<string> | undefined;
let reloads: ReloadResult<string>[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watched-'));
  path = join(folder, 'file');
  reloads = [];
});
afterEach(async () => {
  opened?.close();
  await rm(folder, { recursive: true });
});

async function open(): Promise<WatchedFile<string>> {
  opened = await openWatchedFile(path, {
    setting: 'SOME_FILE',
    bytesMax: 100,
    parse(bytes) {
      if (bytes.toString() === 'wrong') throw new Error('must be right');
      return bytes.toString();
    },
    onReload: (result) => reloads.push(result),
  });
  return opened;
}

it('has the value of the file, and the next one after a change in place or by renaming', async () => {
  await writeFile(path, 'first');
  const file = await open();
  expect(file.value).toBe('first');
  await writeFile(path, 'second');
  await expect.poll(() => file.value, { timeout: 10_000 }).toBe('second');
  await writeFile(`${path}.new`, 'third');
  await rename(`${path}.new`, path);
  await expect.poll(() => file.value, { timeout: 10_000 }).toBe('third');
  expect(reloads.map(({ ok }) => ok)).toEqual([true, true]);
});

it('keeps its value while the file is wrong or gone, and reports each once', async () => {
  await writeFile(path, 'right');
  const file = await open();
  await writeFile(path, 'wrong');
  await expect.poll(() => reloads.length, { timeout: 10_000 }).toBe(1);
  await rm(path);
  await expect.poll(() => reloads.length, { timeout: 10_000 }).toBe(2);
  expect(file.value).toBe('right');
  await writeFile(path, 'again');
  await expect.poll(() => file.value, { timeout: 10_000 }).toBe('again');
  expect(reloads).toEqual([
    { ok: false, message: 'SOME_FILE: must be right' },
    { ok: false, message: 'SOME_FILE: names a file that does not exist' },
    { ok: true, value: 'again' },
  ]);
});

it('goes on watching when what is done about a change throws', async () => {
  await writeFile(path, 'first');
  const seen: string[] = [];
  opened = await openWatchedFile(path, {
    setting: 'SOME_FILE',
    parse: String,
    onReload(result) {
      if (result.ok) seen.push(result.value);
      throw new Error('a listener with a mistake');
    },
  });
  await writeFile(path, 'second');
  await expect.poll(() => seen, { timeout: 10_000 }).toEqual(['second']);
  await writeFile(path, 'third');
  await expect.poll(() => seen, { timeout: 10_000 }).toEqual(['second', 'third']);
});

it('is read as soon as it can be, without another change', async () => {
  await writeFile(path, 'first');
  const file = await open();
  const target = join(folder, 'target');
  await writeFile(target, 'second');
  // For a while the path leads through a file, as it does to nothing when descriptors are gone.
  await rm(path);
  await symlink(join(folder, 'loop'), path);
  await symlink(path, join(folder, 'loop'));
  await expect.poll(() => reloads.length, { timeout: 10_000 }).toBe(1);
  await rm(join(folder, 'loop'));
  await symlink(target, join(folder, 'loop'));
  await expect.poll(() => file.value, { timeout: 10_000 }).toBe('second');
});

it.each([
  ['does not exist', () => undefined, 'SOME_FILE: names a file that does not exist'],
  [
    'is too large',
    () => writeFile(path, 'x'.repeat(101)),
    'SOME_FILE: names a file of more than 100 bytes',
  ],
  ['is wrong', () => writeFile(path, 'wrong'), 'SOME_FILE: must be right'],
])('does not open when the file %s', async (_, prepare, message) => {
  await prepare();
  await expect(open()).rejects.toThrow(message);
});

it('does not open a folder, nor wait for the writer of a pipe', async () => {
  path = folder;
  await expect(open()).rejects.toThrow('SOME_FILE: names no regular file');
  path = '/dev/null';
  await expect(open()).rejects.toThrow('SOME_FILE: names no regular file');
});
