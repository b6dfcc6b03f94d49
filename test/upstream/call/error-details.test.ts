import { create, toBinary } from '@bufbuild/protobuf';
import { AnySchema, DurationSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { BadRequestSchema, RetryInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../../src/gen/google/rpc/status_pb.ts';
import { errorDetailsFromBytes } from '../../../src/upstream/call/error-details.ts';
import * as raw from '../../support/raw-responses.ts';
import { catRequest, failureOf, useRawUpstream } from '../../support/upstream-client.ts';

const fixture = useRawUpstream();

describe('the text of an upstream error', () => {
  it.each([
    'it is not possible to generate an image from this request because it may violate the terms of use',
    'It is not possible to generate an image from this request because it may violate the terms of usage.',
    'Я не могу сгенерировать такое изображение',
    'Давайте сменим другую тему',
  ])('is recognised as moderation: %s', async (message) => {
    fixture.upstream.on('Generate', raw.status(3, message));
    const error = await failureOf(fixture.open().generate(catRequest()));
    expect(error.reason).toBe('content_policy_violation');
    expect(error.detail).toBe(message);
  });

  it('is recognised as the prompt limit', async () => {
    fixture.upstream.on('Generate', raw.status(3, 'Prompt positive size 702 exceeds limit (500)'));
    expect((await failureOf(fixture.open().generate(catRequest()))).reason).toBe('prompt_too_long');
  });

  it.each([
    [7, 'Access to model art://canary-folder/x denied', 'refuses the model that the gateway is'],
    [3, "Specified folder ID 'canary' does not match", 'refuses the folder that the gateway is'],
    [16, 'Token canary is invalid', 'does not accept the credentials of the gateway'],
  ])('%i is not shown when it is about the gateway: %s', async (code, text, detail) => {
    fixture.upstream.on('Generate', raw.status(code, text));
    const error = await failureOf(fixture.open().generate(catRequest()));
    expect(error.reason).toBe('upstream_auth');
    expect(error.detail).toContain(detail);
  });

  it('is bounded and on one line', async () => {
    fixture.upstream.on('Generate', raw.status(3, `a\n\u0007${'b'.repeat(2_000)}`));
    const { detail } = await failureOf(fixture.open().generate(catRequest()));
    expect(detail).toMatch(/^a b+$/);
    expect(detail.length).toBeLessThanOrEqual(500);
  });

  const details = (...messages: { typeUrl: string; value: Uint8Array }[]) =>
    toBinary(
      StatusSchema,
      create(StatusSchema, {
        code: 3,
        details: messages.map((message) => create(AnySchema, message)),
      }),
    );

  it('comes with the violations of the request as JSON pointers', async () => {
    const bad = create(BadRequestSchema, {
      fieldViolations: [
        { field: 'generation_options.aspect_ratio', description: 'too wide' },
        { field: 'messages[1].text', description: 'empty' },
      ],
    });
    const any = {
      typeUrl: 'type.googleapis.com/google.rpc.BadRequest',
      value: toBinary(BadRequestSchema, bad),
    };
    fixture.upstream.on('Generate', raw.status(3, 'bad request', details(any)));
    expect((await failureOf(fixture.open().generate(catRequest()))).violations).toEqual([
      { pointer: '#/generationOptions/aspectRatio', code: 'upstream', detail: 'too wide' },
      { pointer: '#/messages/1/text', code: 'upstream', detail: 'empty' },
    ]);
  });

  it.each([
    [{ seconds: 7n, nanos: 1 }, 8],
    [{ seconds: 0n, nanos: 0 }, 1],
    [{ seconds: -5n, nanos: 0 }, 1],
    [{ seconds: 315_576_000_000n, nanos: 0 }, 60],
  ])(
    'comes with the time of the next attempt, in whole seconds: %o → %i',
    async (delay, retryAfterS) => {
      const retry = create(RetryInfoSchema, { retryDelay: create(DurationSchema, delay) });
      const any = { typeUrl: 'x/google.rpc.RetryInfo', value: toBinary(RetryInfoSchema, retry) };
      fixture.upstream.on('Generate', raw.status(8, 'quota', details(any)));
      const error = await failureOf(fixture.open().generate(catRequest()));
      expect([error.reason, error.retryAfterS]).toEqual(['quota_exceeded', retryAfterS]);
    },
  );

  it('comes with the id that the upstream gave the call', async () => {
    fixture.upstream.on('Get', raw.status(8));
    const error = await failureOf(fixture.open().getOperation('x'));
    expect(error.upstream).toEqual({
      grpcCode: 'RESOURCE_EXHAUSTED',
      requestId: raw.rawRequestId,
    });
  });

  const violation = create(BadRequestSchema, { fieldViolations: [{ field: 'a' }] });
  const badRequest = (value: Uint8Array) => ({ typeUrl: 'x/google.rpc.BadRequest', value });
  const inBounds = Array.from({ length: 90 }, () =>
    badRequest(toBinary(BadRequestSchema, violation)),
  );

  it('has at most 50 violations', () => {
    expect(errorDetailsFromBytes(details(...inBounds)).violations).toHaveLength(50);
  });

  it.each([
    ['details', details(...inBounds, ...inBounds)],
    ['violations', details(badRequest(Buffer.alloc(40_000, Buffer.of(0x0a, 0))))],
    ['broken bytes after them', Buffer.concat([details(...inBounds), Buffer.of(0xff, 0xff)])],
  ])('has at most 50 violations when there are too many %s', (_, bytes) => {
    expect(errorDetailsFromBytes(bytes).violations).toHaveLength(50);
  });

  it.each([
    ['of an unknown type', details({ typeUrl: 'x/unknown.Type', value: Buffer.from('abc') })],
    ['that are broken', Buffer.from('0a0b0c0d0e0f', 'hex')],
    [
      'that are broken inside',
      details({ typeUrl: 'x/google.rpc.BadRequest', value: Buffer.of(255, 255) }),
    ],
  ])('may come with details %s', async (_, bytes) => {
    fixture.upstream.on('Generate', raw.status(3, 'bad', bytes));
    const error = await failureOf(fixture.open().generate(catRequest()));
    expect([error.reason, error.violations]).toEqual(['invalid_request', []]);
  });
});
