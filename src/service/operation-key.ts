import { createHash } from 'node:crypto';

/** What is kept of an idempotency key: which operation was accepted under it, or that none ever will be. */
export interface KeyRow {
  /** Absent: none was accepted, and none will be. */
  readonly operationId?: string;
  /** Hash of the request that was accepted; empty where none was. */
  readonly fingerprint: string;
  /** When it was written. Milliseconds since 1970. */
  readonly atMs: number;
}

/** The idempotency key of one Generate, as it is kept. */
export interface OperationKey {
  /** Of owner and key: keys of two owners never meet. */
  readonly hash: string;
  readonly fingerprint: string;
}

/** How long a key stands for its operation, even when that is forgotten before. */
export const keyKeptMs = 7 * 24 * 3_600_000;

/** Keys that are kept at once. A full store refuses keyed Generates, it forgets none. */
export const keysMax = 2_000_000;

/** Above `keysMax`, only for Settle: what was sent before the store was full can still be settled. */
const keysForSettling = 100_000;

/** Keys after which none is settled any more. */
export const settledKeysMax = keysMax + keysForSettling;

/**
 * Why a Generate under a key is refused. `reused`: another request was accepted
 * under it. `settled`: a client was promised that none ever will be. `gone`: its
 * operation was forgotten.
 */
export type KeyRefusal = 'reused' | 'settled' | 'gone';

/** A Generate refused for its key. It wrote and spent nothing. */
export class KeyRefused extends Error {
  override readonly name = 'KeyRefused';
  readonly refusal: KeyRefusal;

  constructor(refusal: KeyRefusal) {
    super(`refused for its key: ${refusal}`);
    this.refusal = refusal;
  }
}

export function hashOfKey(key: string, owner: string): string {
  return hash(JSON.stringify([owner, key]));
}

/** The key as it is kept, with the hash of the request that it came with. */
export function operationKey(key: string, owner: string, request: Uint8Array): OperationKey {
  return { hash: hashOfKey(key, owner), fingerprint: hash(request) };
}

function hash(value: string | Uint8Array): string {
  return createHash('sha256').update(value).digest('base64url');
}
