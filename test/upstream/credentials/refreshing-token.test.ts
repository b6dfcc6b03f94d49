import { beforeEach, describe, expect, it } from 'vitest';
import {
  RefreshingToken,
  TokenRefusedError,
  type IssuedToken,
} from '../../../src/upstream/credentials/refreshing-token.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const hourMs = 3_600_000;
const minuteMs = 60_000;

/** An issuer that returns token1, token2 … after 100 ms, or the failure that is set. */
class Issuer {
  requests = 0;
  /** Thrown in place of the next tokens. */
  failure: Error | undefined;
  lifeMs = 12 * hourMs;
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  readonly fetch = async (): Promise<IssuedToken> => {
    this.requests += 1;
    const token = `token${this.requests}`;
    await new Promise<void>((resolve) => this.#clock.after(100, resolve));
    if (this.failure !== undefined) throw this.failure;
    return { token, expiresAtMs: this.#clock.nowMs() + this.lifeMs };
  };
}

let clock: VirtualClock;
let issuer: Issuer;
let source: RefreshingToken;
let failures: string[];

beforeEach(() => {
  clock = new VirtualClock();
  issuer = new Issuer(clock);
  failures = [];
  source = new RefreshingToken({
    fetchToken: issuer.fetch,
    nowMs: () => clock.nowMs(),
    onFailure: (error) => failures.push(error.message),
  });
});

/** The result of a call that may wait for the issuer. */
async function authorized(): Promise<string> {
  const result = source.authorization().catch(String);
  await clock.advance(100);
  return result;
}

/** The result that a call has at once; `waiting` when it has none. */
async function authorizedAtOnce(): Promise<string> {
  let result = 'waiting';
  const settled = (text: string) => (result = text);
  source.authorization().then(settled, (error: unknown) => settled(String(error)));
  await clock.advance(0);
  return result;
}

/** Makes a call every 250 ms and counts the requests to the issuer in that time. */
async function requestsWhileCalling(spanMs: number): Promise<number> {
  const before = issuer.requests;
  for (let passedMs = 0; passedMs < spanMs; passedMs += 250) {
    source.authorization().catch(() => undefined);
    await clock.advance(250);
  }
  return issuer.requests - before;
}

describe('a token', () => {
  it('is not requested before a call needs it', async () => {
    await clock.advance(24 * hourMs);
    expect(issuer.requests).toBe(0);
    expect(await authorized()).toBe('Bearer token1');
  });

  it('is requested once for all calls that wait for it', async () => {
    const calls = Array.from({ length: 100 }, () => source.authorization());
    await clock.advance(100);
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['Bearer token1']));
    expect(issuer.requests).toBe(1);
  });

  it('is replaced when it is an hour old, and used until then', async () => {
    await authorized();
    await clock.advance(hourMs - 1_000);
    expect(await authorizedAtOnce()).toBe('Bearer token1');
    expect(issuer.requests).toBe(1);
    await clock.advance(1_000);
    expect(await authorizedAtOnce()).toBe('Bearer token1');
    expect(await authorizedAtOnce()).toBe('Bearer token1');
    expect(issuer.requests).toBe(2);
    await clock.advance(100);
    expect(await authorizedAtOnce()).toBe('Bearer token2');
  });

  it('with a short life is replaced when a tenth of it is left', async () => {
    issuer.lifeMs = 600_000;
    await authorized();
    await clock.advance(539_000);
    await authorizedAtOnce();
    expect(issuer.requests).toBe(1);
    await clock.advance(1_000);
    expect(await authorizedAtOnce()).toBe('Bearer token1');
    expect(issuer.requests).toBe(2);
  });

  it('is waited for when the old one has expired', async () => {
    await authorized();
    await clock.advance(12 * hourMs);
    expect(await authorizedAtOnce()).toBe('waiting');
    await clock.advance(100);
    expect(await authorizedAtOnce()).toBe('Bearer token2');
  });

  it('is replaced when the clock stepped back, since its age is then unknown', async () => {
    let nowMs = 10 * hourMs;
    const tokens = ['first', 'second'];
    const stepped = new RefreshingToken({
      fetchToken: async () => ({ token: tokens.shift() ?? '', expiresAtMs: 100 * hourMs }),
      nowMs: () => nowMs,
    });
    await stepped.authorization();
    nowMs = hourMs;
    await stepped.authorization();
    await clock.advance(0);
    expect(await stepped.authorization()).toBe('Bearer second');
  });

  it.each([
    ['that has expired already', { token: 'x', expiresAtMs: 0 }, /expired already/],
    ['that never expires', { token: 'x', expiresAtMs: Number.NaN }, /expired already/],
    ['with a line end', { token: 'canary\n', expiresAtMs: Infinity }, /visible ASCII/],
    ['that is empty', { token: '', expiresAtMs: 1e15 }, /visible ASCII/],
  ])('%s is refused and not quoted', async (_, issued, expected) => {
    const odd = new RefreshingToken({ fetchToken: async () => issued, nowMs: () => 1_000 });
    const failure = await odd.authorization().catch(String);
    expect(failure).toMatch(expected);
    expect(failure).not.toContain('canary');
  });
});

describe('a refresh that fails', () => {
  it('leaves the old token in use while it is valid, and is reported', async () => {
    await authorized();
    issuer.failure = new Error('unreachable');
    await clock.advance(11 * hourMs);
    expect(await authorizedAtOnce()).toBe('Bearer token1');
    await clock.advance(100);
    expect(await authorizedAtOnce()).toBe('Bearer token1');
    expect(failures).toEqual(['unreachable']);
    await clock.advance(hourMs);
    expect(await authorized()).toBe('Error: unreachable');
  });

  it('is tried again after 1, 2, 4 … 60 s while the issuer is unreachable', async () => {
    issuer.failure = new Error('unreachable');
    const requestedAtS: number[] = [];
    const startMs = clock.nowMs();
    for (let known = 0; requestedAtS.length < 9;) {
      source.authorization().catch(() => undefined);
      if (issuer.requests > known) requestedAtS.push(Math.floor((clock.nowMs() - startMs) / 1000));
      known = issuer.requests;
      await clock.advance(100);
    }
    const gapsS = requestedAtS.slice(1).map((atS, index) => atS - (requestedAtS[index] ?? 0));
    expect(gapsS).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  });

  it('is tried again at most three times a minute after the issuer refused', async () => {
    issuer.failure = new TokenRefusedError('refused');
    expect(await requestsWhileCalling(minuteMs)).toBe(3);
    expect(await requestsWhileCalling(10 * minuteMs)).toBeLessThanOrEqual(10);
  });

  it('makes calls without a token fail at once with its error until the next attempt', async () => {
    issuer.failure = new TokenRefusedError('refused');
    expect(await authorized()).toBe('TokenRefusedError: refused');
    expect(await authorizedAtOnce()).toBe('TokenRefusedError: refused');
    expect(issuer.requests).toBe(1);
    issuer.failure = undefined;
    await clock.advance(1_000);
    expect(await authorized()).toBe('Bearer token2');
  });

  it('is forgotten once a refresh has succeeded', async () => {
    issuer.failure = new Error('unreachable');
    await requestsWhileCalling(minuteMs);
    issuer.failure = undefined;
    await requestsWhileCalling(minuteMs);
    await clock.advance(12 * hourMs);
    issuer.failure = new Error('unreachable');
    await authorized();
    await clock.advance(1_000);
    issuer.failure = undefined;
    expect(await authorized()).toMatch(/^Bearer /);
  });
});

describe('a token that the upstream refuses', () => {
  it('is replaced early, once for all calls that used it', async () => {
    const first = await authorized();
    for (let call = 0; call < 100; call += 1) source.refused(first);
    expect(await authorizedAtOnce()).toBe('Bearer token1');
    await clock.advance(100);
    source.refused(first);
    expect(await authorizedAtOnce()).toBe('Bearer token2');
    expect(issuer.requests).toBe(2);
  });

  it('is replaced at most three times a minute', async () => {
    await authorized();
    const before = issuer.requests;
    const refuseFor = async (spanMs: number) => {
      for (let passedMs = 0; passedMs < spanMs; passedMs += 250) {
        source.refused(await source.authorization());
        await clock.advance(250);
      }
    };
    await refuseFor(minuteMs - 1_000);
    expect(issuer.requests - before).toBe(3);
    await refuseFor(minuteMs);
    expect(issuer.requests - before).toBe(6);
  });
});

describe('a renewal', () => {
  it('requests a new token with the next call, and the old one is used until it arrives', async () => {
    await authorized();
    source.renew();
    expect(issuer.requests).toBe(1);
    expect(await authorizedAtOnce()).toBe('Bearer token1');
    await clock.advance(100);
    expect(await authorizedAtOnce()).toBe('Bearer token2');
  });

  it('during a refresh is followed by another refresh', async () => {
    void source.authorization();
    await clock.advance(50);
    source.renew();
    await clock.advance(50);
    await authorizedAtOnce();
    await clock.advance(100);
    expect(await authorizedAtOnce()).toBe('Bearer token2');
  });

  it('does not wait for the pause after a refusal', async () => {
    issuer.failure = new TokenRefusedError('refused');
    await requestsWhileCalling(minuteMs);
    issuer.failure = undefined;
    source.renew();
    expect(await authorized()).toMatch(/^Bearer /);
  });
});
