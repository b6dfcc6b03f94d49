import { readFile, stat } from 'node:fs/promises';

export interface ReloadingFileOptions<Value> {
  /** Named in errors, in place of the path. */
  readonly setting: string;
  readonly nowMs: () => number;
  /** @throws Error that holds nothing of the text. */
  readonly parse: (text: string) => Value;
}

/** The value of a file's last good version. */
export interface ReloadingFile<Value> {
  /** Never rejects. Returns the same object until the file has changed. */
  value(): Promise<Value>;
}

const checkIntervalMs = 1_000;
/** Far above any credential; a larger file is the wrong file. */
const fileBytesMax = 1_048_576;

/**
 * Reads a file now, so that a wrong one stops the start, and again after it has
 * changed. Changes are looked for on use, at most once a second.
 *
 * @throws Error that names the setting.
 */
export async function openReloadingFile<Value>(
  path: string,
  { setting, nowMs, parse }: ReloadingFileOptions<Value>,
): Promise<ReloadingFile<Value>> {
  let checkedAtMs = nowMs();
  const load = async (knownVersion?: string) => {
    const { mtimeMs, size, ino } = await stat(path);
    const version = `${mtimeMs} ${size} ${ino}`;
    if (version === knownVersion) return undefined;
    if (size > fileBytesMax) throw new Error(`${setting}: the file is too large`);
    return { value: parse(await readFile(path, 'utf8')), version };
  };
  const first = await load().catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw code === undefined ? error : new Error(`${setting}: the file can not be read (${code})`);
  });
  if (first === undefined) throw new Error(`${setting}: the file can not be read`);
  let current = first;
  return {
    async value() {
      const sinceMs = nowMs() - checkedAtMs;
      if (sinceMs >= 0 && sinceMs < checkIntervalMs) return current.value;
      checkedAtMs = nowMs();
      // A file that is being replaced must not fail calls: the last good value is still in use.
      current = (await load(current.version).catch(() => undefined)) ?? current;
      return current.value;
    },
  };
}
