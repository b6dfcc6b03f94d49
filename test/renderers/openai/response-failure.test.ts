import { describe, expect, it } from 'vitest';
import type { HttpResponse } from '../../../src/renderers/http-exchange.ts';
import { failureFromEnd, retryAfterMsOf } from '../../../src/renderers/openai/response-failure.ts';

const options = { is429Unknown: false, secrets: ['a red cat on the moon'], nowMs: 1_000_000 };
const end = (status: number, content: unknown, headers = {}): HttpResponse => {
  const body = Buffer.from(JSON.stringify(content));
  return { kind: 'response', status, headers, body, isFramed: true };
};
const failure = (status: number, body: unknown, headers = {}) =>
  failureFromEnd(end(status, body, headers), options)?.failure;

describe('the end of a request', () => {
  it('is no failure at a successful status', () => {
    expect(failure(200, {})).toBeUndefined();
    expect(failure(201, {})).toBeUndefined();
  });

  it.each([
    [429, { error: { code: 'insufficient_quota' } }],
    [429, { error: { type: 'insufficient_quota', code: '429' } }],
    [400, { error: { code: 'billing_hard_limit_reached' } }],
    [400, { error: { message: 'You exceeded your current quota, please check your plan' } }],
    [500, { error: { code: 'insufficient_quota' } }],
    [402, {}],
  ])('is a used-up quota by its code at any status: %d %j', (status, body) => {
    expect(failure(status, body)).toBe('quota');
  });

  it('is a used-up quota before it is moderation', () => {
    const error = { code: 'billing_hard_limit_reached', message: 'safety system' };
    expect(failure(400, { error })).toBe('quota');
  });

  it('is moderation before its status', () => {
    expect(failure(403, { error: { code: 'content_policy_violation' } })).toBe('moderated');
  });

  it('is no moderation where only the prompt says so', () => {
    const message = 'size is wrong for "NSFW content policy art"';
    const secrets = ['NSFW content policy art'];
    const read = failureFromEnd(end(400, { error: { message } }), { ...options, secrets });
    expect(read).toMatchObject({
      failure: 'refused',
      message: expect.not.stringContaining('NSFW'),
    });
  });

  it('at 429 is busy, with the time that it wants', () => {
    expect(failureFromEnd(end(429, {}, { 'retry-after': '7' }), options)).toMatchObject({
      failure: 'busy',
      options: { retryAfterMs: 7_000 },
    });
  });

  it('at 429 is unknown behind a proxy that repeats by itself', () => {
    const proxy = { ...options, is429Unknown: true };
    expect(failureFromEnd(end(429, {}), proxy)).toMatchObject({
      failure: 'unknown',
      options: { lossCause: 'status' },
    });
    const quota = { error: { type: 'insufficient_quota' } };
    expect(failureFromEnd(end(429, quota), proxy)?.failure).toBe('quota');
  });

  it.each([503, 500, 408, 409, 425, 418, 423, 451, 599, 100])('at %d is unknown', (status) => {
    expect(failure(status, {}, { 'retry-after': '1' })).toBe('unknown');
  });

  it('has at most 500 characters of the backend’s words, on one line', () => {
    const read = failureFromEnd(end(400, { detail: `a\n\u0007b${'x'.repeat(900)}` }), options);
    expect(read?.message).toMatch(/^the image model refused: a bx{496,498}$/);
  });

  it.each([
    ['x-request-id', 'r'],
    ['apim-request-id', 'r'],
    ['x-litellm-call-id', 'r'],
  ])('has the id of the request from %s', (name, value) => {
    expect(failureFromEnd(end(400, {}, { [name]: value }), options)?.options.requestId).toBe('r');
    const odd = end(400, {}, { [name]: 'with space' });
    expect(failureFromEnd(odd, options)?.options.requestId).toBeUndefined();
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-11-28T12:00:00Z');
  it.each([
    ['0', 1_000],
    ['5', 5_000],
    ['1.5', 1_500],
    ['9999', 600_000],
    ['Sat, 28 Nov 2026 12:00:30 GMT', 30_000],
    ['Sat, 28 Nov 2026 11:00:00 GMT', 1_000],
    ['9999999999', 600_000],
    ['soon', undefined],
    ['-5', undefined],
    ['5 minutes', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j is %j', (value, ms) => expect(retryAfterMsOf(value, now)).toBe(ms));
});
