import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { imageFile, imageFromFile, type ReadImage } from './image-file.ts';
import type { ImageName, ImageStore } from './image-store.ts';

const partSuffix = '.part';
/** Folders the files are spread over, by the first character of the id's digest. */
const folderNames = Array.from({ length: 16 }, (_, index) => index.toString(16));

/**
 * Images as files `<id>.<fence>` (`image-file.ts`), finished ones as `<id>.<fence>.finished`.
 *
 * A file appears under its name only when it is whole and flushed: it is written
 * beside it, and linked. `link` never replaces, so a late attempt can't touch an
 * image that is there.
 *
 * @throws Error when the directory can't be made or read.
 */
export async function openDiskImageStore(directory: string): Promise<ImageStore> {
  let bytesHeld = 0;
  for (const name of folderNames) {
    const folder = join(directory, name);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const file of await readdir(folder)) {
      // What a crash left half written is of no use.
      if (file.endsWith(partSuffix)) await rm(join(folder, file), { force: true });
      else bytesHeld += await sizeOf(join(folder, file));
    }
  }

  const folderOf = (id: string) =>
    join(directory, createHash('sha256').update(id).digest('hex').slice(0, 1));
  const pathOf = (id: string, name: ImageName) => join(folderOf(id), fileName(id, name));

  return {
    get bytesHeld() {
      return bytesHeld;
    },

    async put(id, fence, image, form = 'own') {
      const folder = folderOf(id);
      const name: ImageName = form === 'own' ? { fence } : { fence, isFinished: true };
      const { parts, size, stored } = imageFile(name, image);
      const part = join(folder, `${id}.${fence}.${randomUUID()}${partSuffix}`);
      try {
        await writeFlushed(part, parts);
        const isNew = await linked(part, pathOf(id, name));
        await flushFolder(folder);
        if (isNew) {
          bytesHeld += size;
          return stored;
        }
      } finally {
        await rm(part, { force: true });
      }
      const there = await readChecked(pathOf(id, name), name);
      if (there === undefined) throw new Error(`the image of ${id} is not what was written`);
      return there.stored;
    },

    async get(id, image) {
      const { sha256 } = image;
      const there = await readChecked(pathOf(id, image), nameOf(image));
      return there?.stored.sha256 === sha256 ? there.bytes : undefined;
    },

    async find(id, fence) {
      return (await readChecked(pathOf(id, { fence }), { fence }))?.stored;
    },

    async delete(id, image) {
      const path = pathOf(id, image);
      const size = await sizeOf(path);
      await rm(path, { force: true });
      bytesHeld = Math.max(0, bytesHeld - size);
    },

    async deleteStrays(isNamed, ageMs) {
      const strays = await straysIn(directory, isNamed, ageMs);
      for (const { path, size } of strays) {
        await rm(path, { force: true });
        bytesHeld = Math.max(0, bytesHeld - size);
      }
      return strays.length;
    },
  };
}

const fileNamePattern = /^(.+?)\.(\d+)(\.finished)?$/;

function fileName(id: string, { fence, isFinished }: ImageName): string {
  return `${id}.${fence}${isFinished === true ? '.finished' : ''}`;
}

function nameOf({ fence, isFinished }: ImageName): ImageName {
  return isFinished === true ? { fence, isFinished } : { fence };
}

/** Files that no record names and that are older than `ageMs`. */
async function straysIn(
  directory: string,
  isNamed: (id: string, image: ImageName) => boolean,
  ageMs: number,
): Promise<readonly { readonly path: string; readonly size: number }[]> {
  const strays: { path: string; size: number }[] = [];
  for await (const { id, name, path } of imageFilesIn(directory)) {
    if (isNamed(id, name)) continue;
    const { mtimeMs, size } = await stat(path);
    if (Date.now() - mtimeMs >= ageMs) strays.push({ path, size });
  }
  return strays;
}

/** The files of images in the folder of a store, which may be another process's; nothing is changed. */
export async function* imageFilesIn(
  directory: string,
): AsyncIterable<{ readonly id: string; readonly name: ImageName; readonly path: string }> {
  for (const folder of folderNames) {
    for (const file of await readdir(join(directory, folder)).catch(noneWhenAbsent)) {
      const [, id = '', fence = '', form] = fileNamePattern.exec(file) ?? [];
      if (id === '') continue;
      const name = {
        fence: Number(fence),
        ...(form !== undefined && { isFinished: true as const }),
      };
      yield { id, name, path: join(directory, folder, file) };
    }
  }
}

/** The image in a file; undefined when the file is not there, or not whole. */
async function readChecked(path: string, name: ImageName): Promise<ReadImage | undefined> {
  const file = await readFile(path).catch(undefinedWhenAbsent);
  return file && imageFromFile(name, file);
}

async function writeFlushed(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for (const part of parts) await writeWhole(file, part);
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function writeWhole(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.byteLength;) {
    written += (await file.write(bytes, written)).bytesWritten;
  }
}

/** @returns False when the name is taken already. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Makes the names in a folder durable. */
async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(undefinedWhenAbsent))?.size ?? 0;
}

function noneWhenAbsent(error: NodeJS.ErrnoException): readonly string[] {
  return undefinedWhenAbsent(error) ?? [];
}

function undefinedWhenAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}
