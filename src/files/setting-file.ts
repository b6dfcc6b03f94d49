import { readFile, stat } from 'node:fs/promises';

/** Far more than any credential or certificate; a larger file is another file by mistake. */
const usualBytesMax = 1_048_576;

export interface SettingFileOptions {
  /** Name of the setting that names the file. */
  readonly setting: string;
  readonly bytesMax?: number;
}

/**
 * The contents of a file that a setting names.
 *
 * @throws Error in one sentence that begins with the setting's name. The path is
 * left out: a secret may stand in its place by mistake.
 */
export async function bytesOfSettingFile(
  path: string,
  { setting, bytesMax = usualBytesMax }: SettingFileOptions,
): Promise<Buffer> {
  try {
    const found = await stat(path);
    // Reading a pipe would wait for its writer, and could not be repeated.
    if (!found.isFile()) throw new Error('names no regular file');
    if (found.size > bytesMax) throw new Error(`names a file of more than ${bytesMax} bytes`);
    return await readFile(path);
  } catch (error) {
    throw settingFileError(setting, error as NodeJS.ErrnoException);
  }
}

/** Why the file that a setting names could not be read, in one sentence that begins with the setting's name. */
export function settingFileError(setting: string, cause: NodeJS.ErrnoException): Error {
  return new Error(`${setting}: ${sentenceOf(cause)}`, { cause });
}

function sentenceOf({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case undefined:
      return message;
    case 'ENOENT':
      return 'names a file that does not exist';
    case 'EACCES':
    case 'EPERM':
      return 'names a file that this process may not read';
    default:
      return `names a file that cannot be read (${code})`;
  }
}

/** A text that changes with every write; the inode, with files that replace each other within one tick of the disk's clock. */
export async function versionOfFile(path: string): Promise<string> {
  return stat(path).then(
    ({ mtimeMs, ctimeMs, size, ino }) => `${mtimeMs} ${ctimeMs} ${size} ${ino}`,
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  );
}
