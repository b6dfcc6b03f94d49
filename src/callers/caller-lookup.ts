import { readFile, stat } from 'node:fs/promises';
import { apiKeyHash, isApiKeyText } from './api-key.ts';
import type { Caller } from './identity.ts';
import { callersFromText, type CallerEntries } from './callers-file-format.ts';

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
export type ReloadResult =
  | { readonly ok: true; readonly callerCount: number; readonly keyCount: number }
  | { readonly ok: false; readonly message: string };

export interface CallerLookupOptions {
  readonly path: string;
  /** Milliseconds since 1970: keys expire by it. */
  readonly nowMs: () => number;
  /** Called once for every change of the file. Must not throw. */
  readonly onReload: (result: ReloadResult) => void;
}

interface Content {
  readonly byHash: ReadonlyMap<string, { readonly caller: Caller; readonly expiresAtMs: number }>;
  readonly byName: ReadonlyMap<string, Caller>;
}

// Twice a second, because a change must take effect within a second.
const lookAgainMs = 500;
const fileBytesMax = 4 * 1024 * 1024;

/**
 * Reads the file now, and again within a second of every change. A file that
 * becomes broken or disappears leaves the callers as they were.
 *
 * A timer checks the file, not the request: a check in the background of a
 * request would accept a revoked key once more, and a check before a request
 * would make it wait for the disk. `fs.watch` is no substitute: it misses files
 * that are replaced through a link, and files on network disks.
 *
 * @throws Error that names API_KEYS_FILE and everything that is wrong in the file.
 */
export async function openCallerLookup({
  path,
  nowMs,
  onReload,
}: CallerLookupOptions): Promise<CallerLookup> {
  let version = await versionOf(path);
  let content = await contentOf(path);
  let closed = false;
  const look = async () => {
    const seen = await versionOf(path).catch((error: Error) => error.message);
    if (seen === version) return;
    // Set for a broken file too, so that one change is reported once. Set before
    // the file is read, so that a write in between counts as another change.
    version = seen;
    const result = await contentOf(path).catch((error: Error) => error);
    if (closed) return;
    if (result instanceof Error) return onReload({ ok: false, message: result.message });
    content = result;
    onReload({ ok: true, callerCount: content.byName.size, keyCount: content.byHash.size });
  };
  let timer: NodeJS.Timeout;
  const lookLater = () => {
    timer = setTimeout(() => {
      void look().finally(() => {
        if (!closed) lookLater();
      });
    }, lookAgainMs).unref();
  };
  lookLater();
  return {
    byApiKey(text) {
      if (!isApiKeyText(text)) return undefined;
      // The time of this look-up depends on the hash only, and no key can be made from a hash.
      const found = content.byHash.get(apiKeyHash(text));
      return found !== undefined && nowMs() < found.expiresAtMs ? found.caller : undefined;
    },
    byName: (name) => content.byName.get(name),
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** A text that changes with every write; the inode, with files that replace each other within one tick of the disk's clock. */
async function versionOf(path: string): Promise<string> {
  const { mtimeMs, ctimeMs, size, ino } = await stat(path).catch(refuseUnreadable);
  return `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
}

async function contentOf(path: string): Promise<Content> {
  const found = await stat(path).catch(refuseUnreadable);
  // Reading a named pipe would wait for its writer.
  if (!found.isFile()) throw new Error('API_KEYS_FILE: is not a file');
  if (found.size > fileBytesMax) {
    throw new Error(`API_KEYS_FILE: is larger than ${fileBytesMax} bytes`);
  }
  const text = await readFile(path, 'utf8').catch(refuseUnreadable);
  try {
    return contentFromEntries(callersFromText(text));
  } catch (error) {
    throw new Error(`API_KEYS_FILE: ${(error as Error).message}`, { cause: error });
  }
}

function refuseUnreadable(error: NodeJS.ErrnoException): never {
  throw new Error(`API_KEYS_FILE: the file can not be read (${error.code ?? error.name})`, {
    cause: error,
  });
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
