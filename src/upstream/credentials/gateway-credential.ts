import { status } from '@grpc/grpc-js';
import { GatewayError } from '../../errors/gateway-error.ts';
import { RefusedCredential } from './refused-credential.ts';
import type { TokenSource } from './token-source.ts';
import type { UnaryResult } from '../call/unary-call.ts';

/** The credential of the gateway itself, held back for a while after the upstream refused it. */
export class GatewayCredential {
  readonly #source: TokenSource;
  readonly #refused = new RefusedCredential(() => performance.now());

  constructor(source: TokenSource) {
    this.#source = source;
  }

  /** @throws GatewayError `upstream_auth`, or `upstream_timeout` when there is none in time. */
  async authorization(isGenerate: boolean, timeoutMs: number): Promise<string | undefined> {
    let authorization: string | undefined;
    try {
      authorization = await withinMs(timeoutMs, this.#source.authorization());
    } catch (error) {
      if (error instanceof LateError) throw this.#late(isGenerate);
      throw this.#error('the gateway has no credential for the upstream', isGenerate, error);
    }
    if (!this.#refused.holdsBack(authorization)) return authorization;
    throw this.#error('the upstream does not accept the credentials of the gateway', isGenerate);
  }

  settle(authorization: string | undefined, result: UnaryResult<unknown>): void {
    if (authorization === undefined) return;
    if (result.ok) return this.#refused.clear(authorization);
    if (result.status.code !== status.UNAUTHENTICATED) return;
    this.#refused.note(authorization);
    this.#source.refused?.(authorization);
  }

  #late(isGenerate: boolean): GatewayError {
    return new GatewayError('upstream_timeout', 'no credential for the upstream came in time', {
      ...(isGenerate && { outcome: 'not_started' }),
    });
  }

  #error(detail: string, isGenerate: boolean, cause?: unknown): GatewayError {
    return new GatewayError('upstream_auth', detail, {
      cause,
      ...(isGenerate && { outcome: 'not_started' }),
    });
  }
}

class LateError extends Error {
  override readonly name = 'LateError';
}

/** @throws LateError when it takes longer; what it becomes then is nobody's concern. */
async function withinMs<Value>(timeoutMs: number, promise: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LateError('too late')), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
