import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { status, type Metadata } from '@grpc/grpc-js';
import { settingFileError } from '../files/setting-file.ts';
import { RpcError } from '../rpc/rpc-error.ts';

/** Tells whose a call is by its credential. */
export interface CallAuthenticator {
  /**
   * @returns Name of the key: the owner of what the call makes and sees.
   * @throws RpcError UNAUTHENTICATED.
   */
  ownerOf(metadata: Metadata): string;
}

/** For a port that only this machine reaches: all calls are of one owner. */
export const openToAll: CallAuthenticator = { ownerOf: () => '' };

/** For a port of which only this process knows the key: other users of the machine can't have images made. */
export function openToKey(key: string): CallAuthenticator {
  const expected = digestOf(`Api-Key ${key}`);
  return {
    ownerOf(metadata) {
      const [value] = metadata.get('authorization');
      if (timingSafeEqual(digestOf(String(value)), expected)) return '';
      throw new RpcError(status.UNAUTHENTICATED, 'only the gateway of this process may call');
    },
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

const keyCharactersMin = 16;
const linePattern = /^([a-z0-9][a-z0-9-]{0,62}) +(\S+)$/;
const reloadEveryMs = 1_000;

/**
 * API keys from a file of lines `name key`. It is read again when it changes; a
 * file that can't be read then leaves the last keys in force.
 *
 * @throws Error that names the setting and the line, never a key.
 */
export function apiKeysFromFile(
  path: string,
  parts: { readonly elapsedMs: () => number; readonly failed: (error: unknown) => void },
): CallAuthenticator {
  let names = readKeys(path);
  let version = versionOf(path);
  let checkedAtMs = parts.elapsedMs();
  const reload = () => {
    if (parts.elapsedMs() - checkedAtMs < reloadEveryMs) return;
    checkedAtMs = parts.elapsedMs();
    try {
      const now = versionOf(path);
      if (now === version) return;
      names = readKeys(path);
      version = now;
    } catch (error) {
      parts.failed(error);
    }
  };
  return {
    ownerOf(metadata) {
      reload();
      const values = metadata.get('authorization');
      const [, key = ''] =
        (values.length === 1 && /^(?:bearer|api-key) +(\S+)$/i.exec(String(values[0]))) || [];
      const name = names.get(hashOf(key));
      if (name === undefined) {
        throw new RpcError(
          status.UNAUTHENTICATED,
          'send a key of this service as authorization: Api-Key <key>',
        );
      }
      return name;
    },
  };
}

/** Names by the hash of their key: comparing hashes takes equally long for every wrong key. */
function readKeys(path: string): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const [index, line] of textOf(path).split(/\r?\n/).entries()) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    const [, name = '', key = ''] = linePattern.exec(text) ?? [];
    if (key.length < keyCharactersMin) {
      throw new Error(
        `SERVICE_API_KEYS_FILE: line ${index + 1}: expected a name and a key of ${keyCharactersMin} characters or more`,
      );
    }
    names.set(hashOf(key), name);
  }
  if (names.size === 0) throw new Error('SERVICE_API_KEYS_FILE: no key is in the file');
  return names;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw settingFileError('SERVICE_API_KEYS_FILE', error as NodeJS.ErrnoException);
  }
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}

function versionOf(path: string): string {
  const { ino, size, mtimeMs } = statSync(path);
  return `${ino} ${size} ${mtimeMs}`;
}
