import { beforeEach, expect, it } from 'vitest';
import {
  PassthroughCredentials,
  type CredentialState,
} from '../../src/callers/passthrough-credentials.ts';

let elapsedMs: number;
let asked: string[];
let answers: Record<string, CredentialState>;
let credentials: PassthroughCredentials;

beforeEach(() => {
  elapsedMs = 1_000;
  asked = [];
  answers = { good: 'accepted' };
  credentials = new PassthroughCredentials({
    elapsedMs: () => elapsedMs,
    async ask(authorization) {
      asked.push(authorization);
      return answers[authorization] ?? 'refused';
    },
  });
});

it('are asked about once, however many requests come with one at the same time', async () => {
  const states = await Promise.all(
    Array.from({ length: 50 }, async () => credentials.stateOf('good')),
  );
  expect(new Set(states)).toEqual(new Set(['accepted']));
  expect(credentials.stateOf('good')).toBe('accepted');
  expect(await credentials.stateOf('bad')).toBe('refused');
  expect(credentials.stateOf('bad')).toBe('refused');
  expect(asked).toEqual(['good', 'bad']);
});

it('are asked about again: a refused one after 10 s, an accepted one after an hour', async () => {
  await Promise.all([credentials.stateOf('good'), credentials.stateOf('late')]);
  answers['late'] = 'accepted';
  elapsedMs += 9_999;
  expect(credentials.stateOf('late')).toBe('refused');
  elapsedMs += 1;
  expect(await credentials.stateOf('late')).toBe('accepted');
  elapsedMs += 3_600_000;
  expect(await credentials.stateOf('good')).toBe('accepted');
  expect(asked).toEqual(['good', 'late', 'late', 'good']);
});

it('are asked about again 5 s after the upstream gave no answer', async () => {
  answers['silent'] = 'unknown';
  expect(await credentials.stateOf('silent')).toBe('unknown');
  expect(credentials.stateOf('silent')).toBe('unknown');
  elapsedMs += 5_000;
  answers['silent'] = 'accepted';
  expect(await credentials.stateOf('silent')).toBe('accepted');
});

it('that were accepted before stay so while the upstream gives no answer', async () => {
  await credentials.stateOf('good');
  elapsedMs += 3_600_000;
  answers['good'] = 'unknown';
  expect(await credentials.stateOf('good')).toBe('accepted');
  elapsedMs += 5_000;
  answers['good'] = 'refused';
  expect(await credentials.stateOf('good')).toBe('refused');
});

it('end when the upstream refuses a call with one', async () => {
  await credentials.stateOf('good');
  credentials.refused('good');
  expect(credentials.stateOf('good')).toBe('refused');
});

it('that were accepted are not pushed out by any number of invented ones', async () => {
  await credentials.stateOf('good');
  for (let count = 0; count < 25_000; count += 1) await credentials.stateOf(`invented ${count}`);
  asked = [];
  expect(credentials.stateOf('good')).toBe('accepted');
  expect(await credentials.stateOf('invented 0')).toBe('refused');
  expect(asked).toEqual(['invented 0']);
});

it('are not all asked about at once', async () => {
  let respond = () => {};
  const silent = new PassthroughCredentials({
    elapsedMs: () => elapsedMs,
    ask: () => new Promise((resolve) => (respond = () => resolve('accepted'))),
  });
  const states = Array.from({ length: 256 }, (_, index) => silent.stateOf(`new ${index}`));
  expect(() => silent.stateOf('one more')).toThrow('too many credentials are being checked');
  expect(silent.stateOf('new 7')).toBe(states[7]);
  respond();
  await states.at(-1);
  expect(silent.stateOf('one more')).toBeInstanceOf(Promise);
});

it('that one peer invents leave room to ask about those of other peers', async () => {
  const answers: (() => void)[] = [];
  const slow = new PassthroughCredentials({
    elapsedMs: () => elapsedMs,
    ask: () => new Promise((resolve) => answers.push(() => resolve('accepted'))),
  });
  const invented = Array.from({ length: 1_000 }, (_, index) => {
    try {
      return slow.stateOf(`invented ${index}`, '192.0.2.1');
    } catch (error) {
      return String(error);
    }
  });
  expect(invented.filter((state) => state instanceof Promise)).toHaveLength(256);
  expect(invented.at(-1)).toMatch(/^GatewayError: overloaded/);
  const other = slow.stateOf('good', '192.0.2.2');
  answers.splice(0).forEach((answer) => answer());
  expect(await other).toBe('accepted');
  // What was asked about leaves the peer its room again.
  const later = slow.stateOf('later', '192.0.2.1');
  answers.pop()?.();
  expect(await later).toBe('accepted');
});
