import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ensureLmdbRoom } from '../../src/files/lmdb-room.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lmdb-room-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('room is found, and nothing stays, although a killed start left its file behind', async () => {
  await writeFile(join(folder, `room-${process.pid}.part`), 'half');
  await ensureLmdbRoom(folder);
  expect(await readdir(folder)).toEqual([]);
});
