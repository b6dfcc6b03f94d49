import { status } from '@grpc/grpc-js';
import { GatewayError } from '../errors/gateway-error.ts';
import { RefusedCredential } from './refused-credential.ts';
import type { TokenSource } from './token-source.ts';
import type { UnaryResult } from './unary-call.ts';

/** The credential of the gateway itself, held back for a while after the upstream refused it. */
export class GatewayCredential {
  readonly #source: TokenSource;
  readonly #refused = new RefusedCredential(() => performance.now());

  constructor(source: TokenSource) {
    this.#source = source;
  }

  /** @throws GatewayError `upstream_auth`. */
  async authorization(isGenerate: boolean): Promise<string | undefined> {
    let authorization: string | undefined;
    try {
      authorization = await this.#source.authorization();
    } catch (error) {
      throw this.#error('the gateway has no credential for the upstream', isGenerate, error);
    }
    if (!this.#refused.holdsBack(authorization)) return authorization;
    throw this.#error('the upstream does not accept the credentials of the gateway', isGenerate);
  }

  answered(authorization: string | undefined, result: UnaryResult<unknown>): void {
    if (authorization === undefined) return;
    if (result.ok) return this.#refused.clear(authorization);
    if (result.status.code !== status.UNAUTHENTICATED) return;
    this.#refused.note(authorization);
    this.#source.refused?.(authorization);
  }

  #error(detail: string, isGenerate: boolean, cause?: unknown): GatewayError {
    return new GatewayError('upstream_auth', detail, {
      cause,
      ...(isGenerate && { outcome: 'not_started' }),
    });
  }
}
