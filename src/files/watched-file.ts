import { bytesOfSettingFile, versionOfFile, type SettingFileOptions } from './setting-file.ts';

/** The value in a file, as of its last good version. */
export interface WatchedFile<Value> {
  readonly value: Value;
  /** Stops watching. */
  close(): void;
}

/** The result of reading a changed file. */
export type ReloadResult<Value> =
  | { readonly ok: true; readonly value: Value }
  /** The message begins with the setting's name and holds nothing of the file. */
  | { readonly ok: false; readonly message: string };

export interface WatchedFileOptions<Value> extends SettingFileOptions {
  /** @throws Error that holds nothing of the file. */
  readonly parse: (bytes: Buffer) => Value;
  /** Called once for every change of the file. Must not throw. */
  readonly onReload: (result: ReloadResult<Value>) => void;
}

// Twice a second, because a change must take effect within a second.
const lookAgainMs = 500;

/**
 * Reads a file now, and again within a second of every change. A file that
 * becomes broken or disappears leaves the value as it was.
 *
 * A timer checks the file, not the requests that use it: a check in the
 * background of a request would accept a revoked key once more, and a check
 * before a request would make it wait for the disk. `fs.watch` is no substitute:
 * it misses files that are replaced through a link, and files on network disks.
 *
 * @throws Error in one sentence that begins with the setting's name.
 */
export async function openWatchedFile<Value>(
  path: string,
  options: WatchedFileOptions<Value>,
): Promise<WatchedFile<Value>> {
  let version = await versionOfFile(path);
  let value = valueFrom(await bytesOfSettingFile(path, options), options);
  let isClosed = false;
  /** Why the file could not be read at the last look. */
  let unreadable: string | undefined;
  const look = async () => {
    // Before the file is read, so that a write in between counts as another change.
    const seen = await versionOfFile(path);
    if (seen === version) return;
    const read = await bytesOfSettingFile(path, options).catch((error: Error) => error);
    if (isClosed) return;
    if (read instanceof Error) {
      // Read again at the next look: it may be for want of a file descriptor. Reported once.
      const isKnown = read.message === unreadable;
      unreadable = read.message;
      return isKnown ? undefined : options.onReload({ ok: false, message: read.message });
    }
    unreadable = undefined;
    version = seen;
    const result = resultOf(read, options);
    if (result.ok) value = result.value;
    options.onReload(result);
  };
  let timer: NodeJS.Timeout;
  const lookLater = () => {
    timer = setTimeout(() => {
      const looked = look().catch(() => undefined);
      void looked.finally(() => {
        if (!isClosed) lookLater();
      });
    }, lookAgainMs).unref();
  };
  lookLater();
  return {
    get value() {
      return value;
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}

/**
 * Reads a file as `openWatchedFile` does, only to see whether it is right.
 *
 * @throws Error in one sentence that begins with the setting's name.
 */
export async function checkSettingFile(
  path: string,
  options: Pick<WatchedFileOptions<unknown>, 'setting' | 'bytesMax' | 'parse'>,
): Promise<void> {
  valueFrom(await bytesOfSettingFile(path, options), options);
}

function resultOf<Value>(bytes: Buffer, options: WatchedFileOptions<Value>): ReloadResult<Value> {
  try {
    return { ok: true, value: valueFrom(bytes, options) };
  } catch (error) {
    return { ok: false, message: (error as Error).message };
  }
}

function valueFrom<Value>(
  bytes: Buffer,
  { setting, parse }: Pick<WatchedFileOptions<Value>, 'setting' | 'parse'>,
): Value {
  try {
    return parse(bytes);
  } catch (error) {
    throw new Error(`${setting}: ${(error as Error).message}`, { cause: error });
  }
}
