import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newApiKey } from '../../src/callers/api-key.ts';

/** Limits as the keys file names them. */
export interface CallerLimitsJson {
  readonly models?: readonly string[];
  readonly imagesPerMinuteMax?: number;
  readonly concurrentImagesMax?: number;
  readonly imagesPerDayMax?: number;
}

export interface ApiKeysFile {
  readonly path: string;
  /** One key for each caller, by name. */
  readonly keys: Readonly<Record<string, string>>;
  /** Replaces the file, as an operator's tool does it. */
  replace(callers: readonly object[]): Promise<void>;
  remove(): Promise<void>;
}

/** A real keys file with one key for each caller. */
export async function apiKeysFile(
  callers: Readonly<Record<string, CallerLimitsJson>>,
): Promise<ApiKeysFile> {
  const folder = await mkdtemp(join(tmpdir(), 'api-keys-'));
  const path = join(folder, 'api-keys.json');
  const keys: Record<string, string> = {};
  const replace = async (entries: readonly object[]) => {
    await writeFile(`${path}.new`, JSON.stringify({ callers: entries }), { mode: 0o600 });
    await rename(`${path}.new`, path);
  };
  const entries = Object.entries(callers).map(([name, limits]) => {
    const { text, sha256, hint } = newApiKey();
    keys[name] = text;
    return { name, keys: [{ sha256, hint, createdAt: '2026-11-23T10:00:00Z' }], ...limits };
  });
  await replace(entries);
  return { path, keys, replace, remove: () => rm(folder, { recursive: true, force: true }) };
}
