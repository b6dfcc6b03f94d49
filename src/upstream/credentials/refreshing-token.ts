import type { TokenSource } from './token-source.ts';

/** A token as its issuer hands it out. */
export interface IssuedToken {
  readonly token: string;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly expiresAtMs: number;
}

/** The issuer was reached and said no: asking again soon would hear the same. */
export class TokenRefusedError extends Error {
  override readonly name = 'TokenRefusedError';
}

export interface RefreshingTokenOptions {
  /**
   * Asks the issuer for a token. Must end within a bounded time, and what it
   * rejects with must hold no secret: it is logged.
   */
  readonly fetchToken: () => Promise<IssuedToken>;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly nowMs: () => number;
  /** Told of every refresh that failed; may not throw. */
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
  /** How long after it nobody is asked. */
  readonly restMs: number;
}

/** Tokens live up to 12 hours; the vendor asks for a new one hourly. */
const ageMsMax = 3_600_000;
const lifeShareLeft = 0.1;
/** A shorter life would have every call ask for a token of its own. */
const lifeMsMin = 1_000;
const restMsMin = 1_000;
const restMsMax = 60_000;
/** Rests grow 1, 2, 4 … 60 s while the issuer is out of reach, and 1, 8, 60 s once it said no: 3 refusals a minute. */
const growth = { unreached: 2, refused: 8 };
const earlyRefreshesMax = 3;
const earlyRefreshWindowMs = 60_000;
const visibleAscii = /^[\x21-\x7e]+$/;

/**
 * A token that is replaced ahead of its expiry, by the calls that use it: with
 * no calls nothing is asked.
 *
 * Calls wait for a refresh only while there is no valid token, and then all for
 * the same one. A refresh that fails leaves the old token in use while it is
 * valid, and the next rests 1 s … 60 s; without a valid token, calls within a
 * rest fail at once with the last error.
 */
export class RefreshingToken implements TokenSource {
  readonly #options: RefreshingTokenOptions;
  #held: HeldToken | undefined;
  #failure: Failure | undefined;
  #isRenewalWanted = false;
  #earlyRefreshesAtMs: readonly number[] = [];
  /** Never rejects. */
  #underWay: Promise<void> | undefined;

  constructor(options: RefreshingTokenOptions) {
    this.#options = options;
  }

  /** @throws Error with which the last refresh failed, while no token is valid. */
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

  /** Has the present token replaced early, at most three times a minute; it stays in use meanwhile. */
  refused(authorization: string): void {
    // Of many calls that used the same token only the first has something to tell.
    if (authorization !== this.#held?.authorization) return;
    if (this.#underWay !== undefined || this.#isRenewalWanted) return;
    const nowMs = this.#options.nowMs();
    const recent = this.#earlyRefreshesAtMs.filter(
      (atMs) => atMs <= nowMs && nowMs - atMs < earlyRefreshWindowMs,
    );
    if (recent.length >= earlyRefreshesMax) return;
    this.#earlyRefreshesAtMs = [...recent, nowMs];
    this.#isRenewalWanted = true;
    void this.#refresh();
  }

  /** Says that the issuer would answer differently now: the next call asks it, whatever was refused before. */
  renew(): void {
    this.#isRenewalWanted = true;
    if (this.#failure !== undefined) this.#failure = { ...this.#failure, restMs: 0 };
  }

  #valid(): HeldToken | undefined {
    const held = this.#held;
    return held !== undefined && this.#options.nowMs() < held.expiresAtMs ? held : undefined;
  }

  #isDue({ obtainedAtMs, expiresAtMs }: HeldToken): boolean {
    if (this.#isRenewalWanted || this.#failure !== undefined) return true;
    const ageMs = this.#options.nowMs() - obtainedAtMs;
    const freshMs = Math.min(ageMsMax, (expiresAtMs - obtainedAtMs) * (1 - lifeShareLeft));
    // A clock that stepped back says nothing about the age.
    return ageMs < 0 || ageMs >= freshMs;
  }

  /** Resolves when there is nothing to wait for, with or without a token. */
  #refresh(): Promise<void> {
    if (this.#underWay !== undefined) return this.#underWay;
    if (this.#isResting()) return Promise.resolve();
    this.#isRenewalWanted = false;
    this.#underWay = this.#fetch().finally(() => (this.#underWay = undefined));
    return this.#underWay;
  }

  #isResting(): boolean {
    if (this.#failure === undefined) return false;
    const sinceMs = this.#options.nowMs() - this.#failure.atMs;
    return sinceMs >= 0 && sinceMs < this.#failure.restMs;
  }

  async #fetch(): Promise<void> {
    const { fetchToken, nowMs, onFailure } = this.#options;
    try {
      this.#held = heldFromIssued(await fetchToken(), nowMs());
      this.#failure = undefined;
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error('no token was obtained');
      // What asked with a key that has been replaced meanwhile says nothing about the new one.
      const restMs = this.#isRenewalWanted ? 0 : this.#nextRestMs(error);
      this.#failure = { error, atMs: nowMs(), restMs };
      onFailure?.(error);
    }
  }

  #nextRestMs(error: Error): number {
    const factor = error instanceof TokenRefusedError ? growth.refused : growth.unreached;
    const grownMs = (this.#failure?.restMs ?? 0) * factor;
    return Math.min(restMsMax, Math.max(restMsMin, grownMs));
  }
}

/** A line end in a header value makes grpc-js throw an error that holds the value. */
function heldFromIssued({ token, expiresAtMs }: IssuedToken, nowMs: number): HeldToken {
  if (!visibleAscii.test(token)) throw new Error('the issued token is not visible ASCII');
  if (!(Number.isFinite(expiresAtMs) && expiresAtMs - nowMs >= lifeMsMin)) {
    throw new Error('the issued token has expired already');
  }
  return { authorization: `Bearer ${token}`, obtainedAtMs: nowMs, expiresAtMs };
}
