import { openWatchedFile } from '../files/watched-file.ts';
import { apiKeyHash, isApiKeyText, keyIdFromHash } from './api-key.ts';
import { callersFromText, type CallerEntries } from './callers-file-format.ts';
import type { Caller } from './identity.ts';

/** An API key that is valid now, with its caller. */
export interface ValidKey {
  readonly caller: Caller;
  readonly keyId: string;
  /** When the key expires; undefined when it does not. */
  readonly expiresAtMs: number | undefined;
}

/** The callers of API_KEYS_FILE as it is now, by key and by name. */
export interface CallerLookup {
  /** Undefined for a key that is unknown, revoked or expired. */
  byApiKey(text: string): ValidKey | undefined;
  /** The same for the id of a key. */
  byKeyId(keyId: string): ValidKey | undefined;
  /** The caller of this name, even when none of its keys is valid. */
  byName(name: string): Caller | undefined;
  /** Stops watching the file. */
  close(): void;
}

/** The result of reading a changed file. The message holds no key and no hash. */
export type CallersReload =
  | { readonly ok: true; readonly callerCount: number; readonly keyCount: number }
  | { readonly ok: false; readonly message: string };

export interface CallerLookupOptions {
  readonly path: string;
  /** Milliseconds since 1970: keys expire by it. */
  readonly nowMs: () => number;
  /** Called once for every change of the file. Must not throw. */
  readonly onReload: (result: CallersReload) => void;
}

interface Content {
  readonly byHash: ReadonlyMap<string, ValidKey>;
  readonly byKeyId: ReadonlyMap<string, ValidKey>;
  readonly byName: ReadonlyMap<string, Caller>;
}

/** How API_KEYS_FILE is read, at start and when it changes. */
export const callersFileOptions = {
  setting: 'API_KEYS_FILE',
  bytesMax: 4 * 1_048_576,
  parse: (bytes: Buffer): Content => contentFromEntries(callersFromText(bytes.toString())),
} as const;

/**
 * Reads the file now, and again within a second of every change. A file that
 * becomes broken or disappears leaves the callers as they were.
 *
 * @throws Error that names API_KEYS_FILE and everything that is wrong in the file.
 */
export async function openCallerLookup({
  path,
  nowMs,
  onReload,
}: CallerLookupOptions): Promise<CallerLookup> {
  const file = await openWatchedFile(path, {
    ...callersFileOptions,
    onReload(result) {
      if (!result.ok) return onReload(result);
      const { byName, byHash } = result.value;
      onReload({ ok: true, callerCount: byName.size, keyCount: byHash.size });
    },
  });
  const ifValid = (key: ValidKey | undefined) =>
    key !== undefined && nowMs() < (key.expiresAtMs ?? Infinity) ? key : undefined;
  return {
    byApiKey(text) {
      if (!isApiKeyText(text)) return undefined;
      // The time of this look-up depends on the hash only, and no key can be made from a hash.
      return ifValid(file.value.byHash.get(apiKeyHash(text)));
    },
    byKeyId: (keyId) => ifValid(file.value.byKeyId.get(keyId)),
    byName: (name) => file.value.byName.get(name),
    close: () => file.close(),
  };
}

function contentFromEntries({ callers }: CallerEntries): Content {
  const byHash = new Map<string, ValidKey>();
  const byKeyId = new Map<string, ValidKey>();
  const byName = new Map<string, Caller>();
  for (const { keys, ...limits } of callers) {
    const caller: Caller = Object.freeze(limits);
    byName.set(caller.name, caller);
    for (const { sha256, expiresAt } of keys) {
      const expiresAtMs = expiresAt === undefined ? undefined : Date.parse(expiresAt);
      const key: ValidKey = { caller, keyId: keyIdFromHash(sha256), expiresAtMs };
      byHash.set(sha256, key);
      byKeyId.set(key.keyId, key);
    }
  }
  return { byHash, byKeyId, byName };
}
