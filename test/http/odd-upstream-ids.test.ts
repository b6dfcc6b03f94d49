import { toBinary } from '@bufbuild/protobuf';
import { afterEach, expect, it } from 'vitest';
import { OperationSchema } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { runningOperation, succeededOperation } from '../support/fake-upstream.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import * as raw from '../support/raw-responses.ts';
import { startRawUpstream, type RawUpstream } from '../support/raw-upstream.ts';
import { jsonOf } from '../support/responses.ts';

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const part of opened.splice(0).toReversed()) await part.close();
});

/** A gateway before an upstream that gives every operation this id. */
async function upstreamWith(id: string): Promise<{ upstream: RawUpstream; gateway: Gateway }> {
  const upstream = await startRawUpstream();
  opened.push(upstream);
  upstream.on('Generate', raw.ok(toBinary(OperationSchema, runningOperation(id))));
  upstream.on('Get', raw.ok(toBinary(OperationSchema, succeededOperation(id))));
  const gateway = await startGateway({
    UPSTREAM_ADDRESS: upstream.address,
    UPSTREAM_POLL_INTERVAL_MS: '50',
    RESULT_CACHE_BYTES_MAX: '0',
  });
  opened.push(gateway);
  return { upstream, gateway };
}

const ids = {
  'of 129 characters': 'u'.repeat(129),
  'of 1,024 characters': 'long-'.repeat(204) + 'last',
  'with spaces and slashes': 'projects/1 2/operations/a?b#c%2f',
  'in another alphabet': 'операция-'.repeat(40),
};

it.each(Object.entries(ids))('an upstream id %s loses no image', async (_, upstreamId) => {
  const { gateway } = await upstreamWith(upstreamId);
  const created = await gateway.create({ prompt: 'a red cat' });
  expect(created.status).toBe(202);
  const id = created.headers.get('x-operation-id') ?? '';
  expect(created.headers.get('location')).toBe(`${gateway.origin}/operations/${id}`);
  await created.arrayBuffer();
  for (const path of [`/operations/${id}/image?wait=20`, `/operations/${id}/image`]) {
    const image = await gateway.fetch(path);
    expect([image.status, image.headers.get('content-type')]).toEqual([200, 'image/png']);
    await image.arrayBuffer();
  }
  expect(await jsonOf(gateway.fetch(`/operations/${id}`))).toMatchObject({ status: 'succeeded' });
  expect(await jsonOf(gateway.fetch(`/operations/${id.slice(0, -1)}`))).toMatchObject({
    code: 'operation_not_found',
  });
});

it('an upstream id that is too long to keep is logged, and the create is unknown', async () => {
  const upstreamId = 'x'.repeat(1_025);
  const { gateway, upstream } = await upstreamWith(upstreamId);
  expect(await jsonOf(gateway.create({ prompt: 'a red cat' }))).toMatchObject({
    httpStatus: 502,
    code: 'bad_upstream_result',
    outcome: 'unknown',
    retryable: false,
  });
  expect(upstream.spent).toBe(1);
  expect(gateway.logLines.some((line) => line.includes(upstreamId))).toBe(true);
});
