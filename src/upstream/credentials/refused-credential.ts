/** Three tries a minute: enough to notice that it is good again, too few to get an account locked. */
const pauseMs = 20_000;

/**
 * Holds back calls with a credential that the upstream has just refused. Another
 * credential, as after a refresh or a new file, passes at once.
 */
export class RefusedCredential {
  readonly #nowMs: () => number;
  #authorization: string | undefined;
  #untilMs = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** The upstream answered UNAUTHENTICATED to it. */
  note(authorization: string): void {
    this.#authorization = authorization;
    this.#untilMs = this.#nowMs() + pauseMs;
  }

  /** Whether a call with it would only be refused again; each pause lets one call through. */
  holdsBack(authorization: string | undefined): boolean {
    if (authorization === undefined || authorization !== this.#authorization) return false;
    if (this.#nowMs() < this.#untilMs) return true;
    this.#untilMs = this.#nowMs() + pauseMs;
    return false;
  }

  /** The upstream took it. */
  clear(authorization: string): void {
    if (authorization === this.#authorization) this.#authorization = undefined;
  }
}
