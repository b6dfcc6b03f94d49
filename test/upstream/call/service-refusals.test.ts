import { create, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from '../../../src/gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../../src/gen/google/rpc/status_pb.ts';
import * as raw from '../../support/raw-responses.ts';
import { catRequest, failureOf, useRawUpstream } from '../../support/upstream-client.ts';

const fixture = useRawUpstream();

function detail<Desc extends DescMessage>(schema: Desc, message: MessageInitShape<Desc>) {
  const value = toBinary(schema, create(schema, message));
  return create(AnySchema, { typeUrl: `type.googleapis.com/${schema.typeName}`, value });
}

const notStarted = detail(ErrorInfoSchema, {
  domain: 'image-generation-gateway',
  reason: 'DISK_FULL',
  metadata: { outcome: 'not_started' },
});
const retry = detail(RetryInfoSchema, { retryDelay: { seconds: 30n } });

function refuse(code: number, text: string, details = [notStarted, retry]): void {
  const bytes = toBinary(StatusSchema, create(StatusSchema, { code, details }));
  fixture.upstream.on('Generate', raw.status(code, text, bytes));
}

const failed = (isService: boolean) =>
  failureOf(fixture.open({ isService }).generate(catRequest()));

describe('a Generate of which the service says that nothing was started', () => {
  it.each([
    [14, 'the disk of the service is full', 'upstream_unavailable'],
    [8, 'the queue is full: try again later', 'quota_exceeded'],
    [13, 'never sent', 'upstream_error'],
  ])('with the code %i and its words was not started', async (code, text, reason) => {
    refuse(code, text);
    expect(await failed(true)).toMatchObject({
      ...{ reason, detail: text, outcome: 'not_started' },
      ...{ retryAfterS: 30, isUpstreamFailure: false },
    });
  });

  it('because another store is behind the address is not the caller’s mistake', async () => {
    refuse(9, 'the call is meant for another store than this service has', [notStarted]);
    expect(await failed(true)).toMatchObject({
      ...{ reason: 'upstream_unavailable', outcome: 'not_started', isUpstreamFailure: false },
      detail: 'the image service was replaced meanwhile; ask again',
    });
  });

  it('keeps what the code says where the caller is at fault', async () => {
    const fields = detail(BadRequestSchema, {
      fieldViolations: [{ field: 'generation_options.aspect_ratio', description: 'too wide' }],
    });
    refuse(3, 'too wide', [notStarted, fields]);
    expect(await failed(true)).toMatchObject({
      ...{ reason: 'invalid_request', outcome: 'not_started', detail: 'too wide' },
      violations: [{ pointer: '#/generationOptions/aspectRatio', detail: 'too wide' }],
    });
  });
});

describe('the same words from any other upstream', () => {
  it.each([14, 13])('are not believed: %i may have been paid for', async (code) => {
    refuse(code, 'the disk of the service is full');
    const error = await failed(false);
    expect([error.outcome, error.isUpstreamFailure]).toEqual(['unknown', true]);
    expect(error.detail).not.toContain('disk');
  });

  it('are not believed of another domain, either', async () => {
    const foreign = detail(ErrorInfoSchema, {
      domain: 'example.com',
      metadata: { outcome: 'not_started' },
    });
    refuse(14, 'down', [foreign]);
    expect((await failed(true)).outcome).toBe('unknown');
  });
});
