import { beforeEach, describe, expect, it } from 'vitest';
import {
  RefreshingToken,
  TokenRefusedError,
  type IssuedToken,
} from '../../../src/upstream/credentials/refreshing-token.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const hourMs = 3_600_000;
const minuteMs = 60_000;

/** Hands out token1, token2 … after 100 ms, or fails as told. */
class Issuer {
  asked = 0;
  /** What is thrown in place of the next tokens. */
  failure: Error | undefined;
  lifeMs = 12 * hourMs;
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  readonly fetch = async (): Promise<IssuedToken> => {
    this.asked += 1;
    const token = `token${this.asked}`;
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

/** What a call gets when it may wait for as long as an answer of the issuer takes. */
async function got(): Promise<string> {
  const result = source.authorization().catch(String);
  await clock.advance(100);
  return result;
}

/** What a call gets at once; `waiting` when it does not. */
async function gotAtOnce(): Promise<string> {
  let result = 'waiting';
  const settled = (text: string) => (result = text);
  source.authorization().then(settled, (error: unknown) => settled(String(error)));
  await clock.advance(0);
  return result;
}

/** Makes a call every 250 ms and tells how often the issuer was asked meanwhile. */
async function askedWhileCalling(spanMs: number): Promise<number> {
  const before = issuer.asked;
  for (let passedMs = 0; passedMs < spanMs; passedMs += 250) {
    source.authorization().catch(() => undefined);
    await clock.advance(250);
  }
  return issuer.asked - before;
}

describe('a token', () => {
  it('is not asked for before a call needs it', async () => {
    await clock.advance(24 * hourMs);
    expect(issuer.asked).toBe(0);
    expect(await got()).toBe('Bearer token1');
  });

  it('is asked for once however many calls wait for it', async () => {
    const calls = Array.from({ length: 100 }, () => source.authorization());
    await clock.advance(100);
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['Bearer token1']));
    expect(issuer.asked).toBe(1);
  });

  it('is replaced when it is an hour old, and used until it is', async () => {
    await got();
    await clock.advance(hourMs - 1_000);
    expect(await gotAtOnce()).toBe('Bearer token1');
    expect(issuer.asked).toBe(1);
    await clock.advance(1_000);
    expect(await gotAtOnce()).toBe('Bearer token1');
    expect(await gotAtOnce()).toBe('Bearer token1');
    expect(issuer.asked).toBe(2);
    await clock.advance(100);
    expect(await gotAtOnce()).toBe('Bearer token2');
  });

  it('with a short life is replaced when a tenth of it is left', async () => {
    issuer.lifeMs = 600_000;
    await got();
    await clock.advance(539_000);
    await gotAtOnce();
    expect(issuer.asked).toBe(1);
    await clock.advance(1_000);
    expect(await gotAtOnce()).toBe('Bearer token1');
    expect(issuer.asked).toBe(2);
  });

  it('that has expired is waited for', async () => {
    await got();
    await clock.advance(12 * hourMs);
    expect(await gotAtOnce()).toBe('waiting');
    await clock.advance(100);
    expect(await gotAtOnce()).toBe('Bearer token2');
  });

  it('is replaced when the clock stepped back, after which its age is not known', async () => {
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
  ])('%s is not taken and not quoted', async (_, issued, expected) => {
    const odd = new RefreshingToken({ fetchToken: async () => issued, nowMs: () => 1_000 });
    const failure = await odd.authorization().catch(String);
    expect(failure).toMatch(expected);
    expect(failure).not.toContain('canary');
  });
});

describe('a refresh that fails', () => {
  it('leaves the old token in use while it is valid, and is told of', async () => {
    await got();
    issuer.failure = new Error('out of reach');
    await clock.advance(11 * hourMs);
    expect(await gotAtOnce()).toBe('Bearer token1');
    await clock.advance(100);
    expect(await gotAtOnce()).toBe('Bearer token1');
    expect(failures).toEqual(['out of reach']);
    await clock.advance(hourMs);
    expect(await got()).toBe('Error: out of reach');
  });

  it('is tried again after 1, 2, 4 … 60 s while the issuer is out of reach', async () => {
    issuer.failure = new Error('out of reach');
    const askedAtS: number[] = [];
    const startMs = clock.nowMs();
    for (let known = 0; askedAtS.length < 9;) {
      source.authorization().catch(() => undefined);
      if (issuer.asked > known) askedAtS.push(Math.floor((clock.nowMs() - startMs) / 1000));
      known = issuer.asked;
      await clock.advance(100);
    }
    const gapsS = askedAtS.slice(1).map((atS, index) => atS - (askedAtS[index] ?? 0));
    expect(gapsS).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  });

  it('is tried again at most three times a minute once the issuer has said no', async () => {
    issuer.failure = new TokenRefusedError('no');
    expect(await askedWhileCalling(minuteMs)).toBe(3);
    expect(await askedWhileCalling(10 * minuteMs)).toBeLessThanOrEqual(10);
  });

  it('has calls without a token fail at once with its error until the next try', async () => {
    issuer.failure = new TokenRefusedError('no');
    expect(await got()).toBe('TokenRefusedError: no');
    expect(await gotAtOnce()).toBe('TokenRefusedError: no');
    expect(issuer.asked).toBe(1);
    issuer.failure = undefined;
    await clock.advance(1_000);
    expect(await got()).toBe('Bearer token2');
  });

  it('is forgotten once a refresh has succeeded', async () => {
    issuer.failure = new Error('out of reach');
    await askedWhileCalling(minuteMs);
    issuer.failure = undefined;
    await askedWhileCalling(minuteMs);
    await clock.advance(12 * hourMs);
    issuer.failure = new Error('out of reach');
    await got();
    await clock.advance(1_000);
    issuer.failure = undefined;
    expect(await got()).toMatch(/^Bearer /);
  });
});

describe('a token the upstream refuses', () => {
  it('is replaced early, once for all calls that used it', async () => {
    const first = await got();
    for (let call = 0; call < 100; call += 1) source.refused(first);
    expect(await gotAtOnce()).toBe('Bearer token1');
    await clock.advance(100);
    source.refused(first);
    expect(await gotAtOnce()).toBe('Bearer token2');
    expect(issuer.asked).toBe(2);
  });

  it('is replaced at most three times a minute', async () => {
    await got();
    const before = issuer.asked;
    const refuseFor = async (spanMs: number) => {
      for (let passedMs = 0; passedMs < spanMs; passedMs += 250) {
        source.refused(await source.authorization());
        await clock.advance(250);
      }
    };
    await refuseFor(minuteMs - 1_000);
    expect(issuer.asked - before).toBe(3);
    await refuseFor(minuteMs);
    expect(issuer.asked - before).toBe(6);
  });
});

describe('a renewal', () => {
  it('asks for a new token with the next call, and the old one is used until it is there', async () => {
    await got();
    source.renew();
    expect(issuer.asked).toBe(1);
    expect(await gotAtOnce()).toBe('Bearer token1');
    await clock.advance(100);
    expect(await gotAtOnce()).toBe('Bearer token2');
  });

  it('during a refresh is followed by another refresh', async () => {
    void source.authorization();
    await clock.advance(50);
    source.renew();
    await clock.advance(50);
    await gotAtOnce();
    await clock.advance(100);
    expect(await gotAtOnce()).toBe('Bearer token2');
  });

  it('does not wait for the rest after a refusal', async () => {
    issuer.failure = new TokenRefusedError('no');
    await askedWhileCalling(minuteMs);
    issuer.failure = undefined;
    source.renew();
    expect(await got()).toMatch(/^Bearer /);
  });
});
