import { readFile, stat } from 'node:fs/promises';
import { apiKeyHash, isApiKeyText } from './api-key.ts';
import type { Caller } from './identity.ts';
import { callersFromText, type CallerEntries } from './callers-file-format.ts';

/** Who holds which API key, as the file says it now. */
export interface CallerLookup {
  /** The caller whose key this is; undefined for a key that is unknown, revoked or expired. */
  byApiKey(text: string): Caller | undefined;
  /** The caller of this name, even one without a key that works. */
  byName(name: string): Caller | undefined;
  /** Stops looking at the file. */
  close(): void;
}

/** What became of a changed file. The message holds no key and no hash. */
export type ReloadResult =
  | { readonly ok: true; readonly callerCount: number; readonly keyCount: number }
  | { readonly ok: false; readonly message: string };

export interface CallerLookupOptions {
  readonly path: string;
  /** Milliseconds of the wall clock: keys expire by it. */
  readonly nowMs: () => number;
  /** Told of every changed file, once. Must not throw. */
  readonly onReload: (result: ReloadResult) => void;
}

interface Content {
  readonly byHash: ReadonlyMap<string, { readonly caller: Caller; readonly expiresAtMs: number }>;
  readonly byName: ReadonlyMap<string, Caller>;
}

// Twice in the second within which a change has to count.
const lookAgainMs = 500;
const fileBytesMax = 4 * 1024 * 1024;

/**
 * Reads the file, and again whenever it changes: noticed within a second. A
 * broken new file, or none, leaves the callers as they were.
 *
 * A timer looks at the file, not the request: a look in the background of a
 * request would let a key in once more after it was revoked, however long ago,
 * and one in front of it would make requests wait for a disk. fs.watch misses
 * files that are swapped through a link or lie on a network disk.
 *
 * @throws Error that names API_KEYS_FILE and every fault of the file.
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
    // Also of a broken file: one report for one change. It is taken before the
    // file is read, so a write in between is one more change.
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
      // The time this look-up takes tells of the hash, from which no key can be made.
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

/** Changes with every write. The inode tells files apart that replace each other within a tick of the disk's clock. */
async function versionOf(path: string): Promise<string> {
  const { mtimeMs, ctimeMs, size, ino } = await stat(path).catch(refuseUnreadable);
  return `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
}

async function contentOf(path: string): Promise<Content> {
  const found = await stat(path).catch(refuseUnreadable);
  // Reading a pipe would wait for its writer.
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
