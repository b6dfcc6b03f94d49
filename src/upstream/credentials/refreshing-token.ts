import { isVisibleAscii } from '../../text/visible-ascii.ts';

/** A token as its issuer returns it. */
export interface IssuedToken {
  readonly token: string;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly expiresAtMs: number;
}

/** The issuer was reached and refused: a request soon after would be refused too. */
export class TokenRefusedError extends Error {
  override readonly name = 'TokenRefusedError';
}

export interface RefreshingTokenOptions {
  /**
   * Requests a token from the issuer. Must end within a bounded time; the error
   * it rejects with is logged, so it must hold no secret.
   */
  readonly fetchToken: () => Promise<IssuedToken>;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly nowMs: () => number;
  /** Called for every refresh that failed; must not throw. */
  readonly onFailure?: ((error: Error) => void) | undefined;
}

interface HeldToken {
  readonly authorization: string;
  readonly obtainedAtMs: number;
  readonly expiresAtMs: number;
}

interface Failure {
  readonly error: Error;
  readonly atMs: number;
  /** How long after it no token is requested. */
  readonly pauseMs: number;
}

/** Tokens live up to 12 hours; the vendor recommends a new one every hour. */
const ageMsMax = 3_600_000;
const lifeShareLeft = 0.1;
/** With a shorter life every call would request its own token. */
const lifeMsMin = 1_000;
const pauseMsMin = 1_000;
const pauseMsMax = 60_000;
/** Pauses grow 1, 2, 4 … 60 s while the issuer is unreachable, and 1, 8, 60 s after it refused: 3 refusals a minute. */
const growth = { unreachable: 2, refused: 8 };
const earlyRefreshesMax = 3;
const earlyRefreshWindowMs = 60_000;

/**
 * A token source whose token is replaced before it expires, by the calls that use it: without
 * calls nothing is requested.
 *
 * Calls wait for a refresh only while there is no valid token, and then all for
 * the same refresh. After a refresh that failed the old token stays in use while
 * it is valid, and the next refresh waits 1 s … 60 s; without a valid token,
 * calls during that pause fail at once with the last error.
 */
export class RefreshingToken {
  readonly #options: RefreshingTokenOptions;
  #held: HeldToken | undefined;
  #failure: Failure | undefined;
  #isRenewalWanted = false;
  #earlyRefreshesAtMs: readonly number[] = [];
  /** Never rejects. */
  #refreshing: Promise<void> | undefined;

  constructor(options: RefreshingTokenOptions) {
    this.#options = options;
  }

  /** @throws Error of the last failed refresh, while no token is valid. */
  async authorization(): Promise<string> {
    const valid = this.#valid();
    if (valid !== undefined) {
      if (this.#isDue(valid)) void this.#refresh();
      return valid.authorization;
    }
    await this.#refresh();
    const obtained = this.#valid();
    if (obtained !== undefined) return obtained.authorization;
    throw this.#failure?.error ?? new Error('the token expired as it was obtained');
  }

  /** Replaces the current token early, at most three times a minute; it stays in use meanwhile. */
  refused(authorization: string): void {
    // Of many calls with the same token only the first report counts.
    if (authorization !== this.#held?.authorization) return;
    if (this.#refreshing !== undefined || this.#isRenewalWanted) return;
    const nowMs = this.#options.nowMs();
    const recent = this.#earlyRefreshesAtMs.filter(
      (atMs) => atMs <= nowMs && nowMs - atMs < earlyRefreshWindowMs,
    );
    if (recent.length >= earlyRefreshesMax) return;
    this.#earlyRefreshesAtMs = [...recent, nowMs];
    this.#isRenewalWanted = true;
    void this.#refresh();
  }

  /** Makes the next call request a token at once, even during a pause: the issuer would decide differently now. */
  renew(): void {
    this.#isRenewalWanted = true;
    if (this.#failure !== undefined) this.#failure = { ...this.#failure, pauseMs: 0 };
  }

  #valid(): HeldToken | undefined {
    const held = this.#held;
    return held !== undefined && this.#options.nowMs() < held.expiresAtMs ? held : undefined;
  }

  #isDue({ obtainedAtMs, expiresAtMs }: HeldToken): boolean {
    if (this.#isRenewalWanted || this.#failure !== undefined) return true;
    const ageMs = this.#options.nowMs() - obtainedAtMs;
    const freshMs = Math.min(ageMsMax, (expiresAtMs - obtainedAtMs) * (1 - lifeShareLeft));
    // After the clock stepped back the age is unknown.
    return ageMs < 0 || ageMs >= freshMs;
  }

  /** Resolves after the refresh that is under way, or at once during a pause; with or without a token. */
  #refresh(): Promise<void> {
    if (this.#refreshing !== undefined) return this.#refreshing;
    if (this.#isPaused()) return Promise.resolve();
    this.#isRenewalWanted = false;
    this.#refreshing = this.#fetch().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  #isPaused(): boolean {
    if (this.#failure === undefined) return false;
    const sinceMs = this.#options.nowMs() - this.#failure.atMs;
    return sinceMs >= 0 && sinceMs < this.#failure.pauseMs;
  }

  async #fetch(): Promise<void> {
    const { fetchToken, nowMs, onFailure } = this.#options;
    try {
      this.#held = heldFromIssued(await fetchToken(), nowMs());
      this.#failure = undefined;
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error('no token was obtained');
      // A failure with a key that was replaced meanwhile says nothing about the new key.
      const pauseMs = this.#isRenewalWanted ? 0 : this.#nextPauseMs(error);
      this.#failure = { error, atMs: nowMs(), pauseMs };
      onFailure?.(error);
    }
  }

  #nextPauseMs(error: Error): number {
    const factor = error instanceof TokenRefusedError ? growth.refused : growth.unreachable;
    const grownMs = (this.#failure?.pauseMs ?? 0) * factor;
    return Math.min(pauseMsMax, Math.max(pauseMsMin, grownMs));
  }
}

/** A line end in a header value makes grpc-js throw an error that holds the value. */
function heldFromIssued({ token, expiresAtMs }: IssuedToken, nowMs: number): HeldToken {
  if (!isVisibleAscii(token)) throw new Error('the issued token is not visible ASCII');
  if (!(Number.isFinite(expiresAtMs) && expiresAtMs - nowMs >= lifeMsMin)) {
    throw new Error('the issued token has expired already');
  }
  return { authorization: `Bearer ${token}`, obtainedAtMs: nowMs, expiresAtMs };
}
