import { readFile, stat } from 'node:fs/promises';

export interface ReloadingFileOptions<Value> {
  /** Named in errors, in place of the path. */
  readonly setting: string;
  readonly nowMs: () => number;
  /** @throws Error that holds nothing of the text. */
  readonly parse: (text: string) => Value;
}

/** What a file says, as of its last good version. */
export interface ReloadingFile<Value> {
  /** Never rejects. The same object until the file has changed. */
  value(): Promise<Value>;
}

const lookAgainMs = 1_000;
/** Far more than any credential; what is larger is another file by mistake. */
const fileBytesMax = 1_048_576;

/**
 * Reads a file now, so that a wrong one stops the start, and again when it has
 * changed. It is looked at on use, at most once a second.
 *
 * @throws Error that names the setting.
 */
export async function openReloadingFile<Value>(
  path: string,
  { setting, nowMs, parse }: ReloadingFileOptions<Value>,
): Promise<ReloadingFile<Value>> {
  let lookedAtMs = nowMs();
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
  let known = first;
  return {
    async value() {
      const sinceMs = nowMs() - lookedAtMs;
      if (sinceMs >= 0 && sinceMs < lookAgainMs) return known.value;
      lookedAtMs = nowMs();
      // A file that is just being replaced is no reason to fail: the last good value still holds.
      known = (await load(known.version).catch(() => undefined)) ?? known;
      return known.value;
    },
  };
}
