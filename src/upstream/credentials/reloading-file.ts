import { bytesOfSettingFile, versionOfFile } from '../../files/setting-file.ts';

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
  const load = async (version: string) => {
    const bytes = await bytesOfSettingFile(path, { setting });
    return { value: parse(bytes.toString()), version };
  };
  let current = await load(await versionOfFile(path));
  return {
    async value() {
      const sinceMs = nowMs() - checkedAtMs;
      if (sinceMs >= 0 && sinceMs < checkIntervalMs) return current.value;
      checkedAtMs = nowMs();
      // A file that is being replaced must not fail calls: the last good value is still in use.
      const version = await versionOfFile(path);
      if (version !== current.version) current = await load(version).catch(() => current);
      return current.value;
    },
  };
}
