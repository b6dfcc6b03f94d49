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
  const look = async () => {
    const seen = await versionOfFile(path);
    if (seen === version) return;
    // Set for a broken file too, so that one change is reported once. Set before
    // the file is read, so that a write in between counts as another change.
    version = seen;
    let result: ReloadResult<Value>;
    try {
      result = { ok: true, value: valueFrom(await bytesOfSettingFile(path, options), options) };
    } catch (error) {
      result = { ok: false, message: (error as Error).message };
    }
    if (isClosed) return;
    if (result.ok) value = result.value;
    options.onReload(result);
  };
  let timer: NodeJS.Timeout;
  const lookLater = () => {
    timer = setTimeout(() => {
      void look().finally(() => {
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
