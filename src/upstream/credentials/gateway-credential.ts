import { status } from '@grpc/grpc-js';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { TokenSource } from './token-source.ts';
import type { UnaryResult } from '../call/unary-call.ts';

/** Three attempts a minute: enough to notice that the credential works again, too few to get the account locked. */
const pauseMs = 20_000;

/**
 * The gateway's own credential for the upstream.
 *
 * After the upstream refused it, calls with the same credential fail here, and
 * one call per pause is let through. A different credential, such as a renewed
 * token or a new file, is used at once.
 */
export class GatewayCredential {
  readonly #source: TokenSource;
  readonly #nowMs: () => number;
  #refused: string | undefined;
  #nextAttemptAtMs = 0;

  constructor(source: TokenSource, nowMs: () => number = () => performance.now()) {
    this.#source = source;
    this.#nowMs = nowMs;
  }

  /**
   * The value of `authorization` for one call; undefined when calls carry none.
   *
   * @throws GatewayError `upstream_auth`; `upstream_timeout` when there is none in time.
   */
  async authorization(isGenerate: boolean, timeoutMs: number): Promise<string | undefined> {
    const outcome = isGenerate ? ({ outcome: 'not_started' } as const) : {};
    let authorization: string | undefined;
    try {
      authorization = await withinMs(timeoutMs, this.#source.authorization());
    } catch (cause) {
      if (cause instanceof LateError) {
        const detail = 'no credential for the upstream came in time';
        throw new GatewayError('upstream_timeout', detail, outcome);
      }
      const detail = 'the gateway has no credential for the upstream';
      throw new GatewayError('upstream_auth', detail, { cause, ...outcome });
    }
    if (!this.#isPaused(authorization)) return authorization;
    const detail = 'the upstream does not accept the credentials of the gateway';
    throw new GatewayError('upstream_auth', detail, outcome);
  }

  /** Learns from how a call with this credential ended. */
  settle(authorization: string | undefined, result: UnaryResult<unknown>): void {
    if (authorization === undefined) return;
    if (result.ok) {
      if (authorization === this.#refused) this.#refused = undefined;
      return;
    }
    if (result.status.code !== status.UNAUTHENTICATED) return;
    this.#refused = authorization;
    this.#nextAttemptAtMs = this.#nowMs() + pauseMs;
    this.#source.refused?.(authorization);
  }

  #isPaused(authorization: string | undefined): boolean {
    if (authorization === undefined || authorization !== this.#refused) return false;
    if (this.#nowMs() < this.#nextAttemptAtMs) return true;
    this.#nextAttemptAtMs = this.#nowMs() + pauseMs;
    return false;
  }
}

class LateError extends Error {
  override readonly name = 'LateError';
}

/** @throws LateError when it takes longer; its later result is dropped. */
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
