import { openWatchedFile } from '../files/watched-file.ts';
import { apiKeyHash, isApiKeyText } from './api-key.ts';
import { callersFromText, type CallerEntries } from './callers-file-format.ts';
import type { Caller } from './identity.ts';

/** The callers of API_KEYS_FILE as it is now, by key and by name. */
export interface CallerLookup {
  /** The caller with this key; undefined for a key that is unknown, revoked or expired. */
  byApiKey(text: string): Caller | undefined;
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
  readonly byHash: ReadonlyMap<string, { readonly caller: Caller; readonly expiresAtMs: number }>;
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
  return {
    byApiKey(text) {
      if (!isApiKeyText(text)) return undefined;
      // The time of this look-up depends on the hash only, and no key can be made from a hash.
      const found = file.value.byHash.get(apiKeyHash(text));
      return found !== undefined && nowMs() < found.expiresAtMs ? found.caller : undefined;
    },
    byName: (name) => file.value.byName.get(name),
    close: () => file.close(),
  };
}

function contentFromEntries({ callers }: CallerEntries): Content {
  const byHash = new Map<string, { caller: Caller; expiresAtMs: number }>();
  const byName = new Map<string, Caller>();
  for (const { keys, ...limits } of callers) {
    const caller: Caller = Object.freeze(limits);
    byName.set(caller.name, caller);
    for (const { sha256, expiresAt } of keys) {
      const expiresAtMs = expiresAt === undefined ? Infinity : Date.parse(expiresAt);
      byHash.set(sha256, { caller, expiresAtMs });
    }
  }
  return { byHash, byName };
}
