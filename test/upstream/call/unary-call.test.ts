import { toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { OperationSchema } from '../../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { runningOperation } from '../../support/fake-upstream.ts';
import * as raw from '../../support/raw-responses.ts';
import { TcpGate } from '../../support/tcp-gate.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import { catRequest, failureOf, useRawUpstream } from '../../support/upstream-client.ts';

const fixture = useRawUpstream();
const accepted = toBinary(OperationSchema, runningOperation('upstream1'));

describe('a Generate', () => {
  it.each([
    ['gets no response', raw.hang],
    ['gets headers alone', raw.hangAfterHeaders],
    ['gets two messages', raw.response([accepted, accepted])],
  ])('that %s ends at its deadline or before, as unknown', async (_, response) => {
    fixture.upstream.on('Generate', response);
    const startMs = performance.now();
    const error = await failureOf(fixture.open({ generateTimeoutMs: 300 }).generate(catRequest()));
    expect(performance.now() - startMs).toBeLessThan(3_000);
    expect(error.outcome).toBe('unknown');
    expect(fixture.upstream.calls.length).toBe(1);
  });

  it('that finds no upstream was not started, and ends at once', async () => {
    const client = fixture.open({ address: 'http://127.0.0.1:1' });
    await failureOf(client.generate(catRequest()));
    const startMs = performance.now();
    const error = await failureOf(client.generate(catRequest()));
    expect([error.reason, error.outcome]).toEqual(['upstream_unavailable', 'not_started']);
    expect(error.retryAfterS).toBe(2);
    expect(performance.now() - startMs).toBeLessThan(1_000);
  });

  it('that waits for a connection until its deadline was not started', async () => {
    const silent = await TcpGate.open(fixture.upstream.port, 'silent');
    const client = fixture.open({
      address: silent.address,
      connectTimeoutMs: 60_000,
      generateTimeoutMs: 200,
    });
    const error = await failureOf(client.generate(catRequest()));
    expect([error.reason, error.outcome]).toEqual(['upstream_timeout', 'not_started']);
    await silent.close();
  });

  it('that waited for name resolution and was then sent may have been paid for', async () => {
    const address = `http://localhost:${fixture.upstream.port}`;
    const client = fixture.open({ address, generateTimeoutMs: 300 });
    const error = await failureOf(client.generate(catRequest()));
    expect([error.reason, error.outcome]).toEqual(['upstream_timeout', 'unknown']);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e18])(
    'with a timeout of %s has the longest one',
    async (generateTimeoutMs) => {
      fixture.upstream.on('Generate', raw.ok(accepted));
      expect((await fixture.open({ generateTimeoutMs }).generate(catRequest())).id).toBe(
        'upstream1',
      );
    },
  );

  it('works after a server that goes away after its response', async () => {
    fixture.upstream.on('Generate', raw.okThenGoaway(accepted));
    const client = fixture.open();
    // A call that crosses the GOAWAY is returned unread: refused, and not started.
    const attempt = () => client.generate(catRequest()).then(({ id }) => id, outcomeOf);
    for (let count = 1; count <= 3; count += 1) {
      await expect.poll(attempt).not.toBe('not_started');
      expect(fixture.upstream.calls.length).toBe(count);
    }
  });
});

function outcomeOf(error: unknown): unknown {
  return error instanceof GatewayError ? error.outcome : error;
}

describe('a Generate is not sent', () => {
  it('when its signal is aborted', async () => {
    const error = await failureOf(
      fixture.open().generate(catRequest(), { signal: AbortSignal.abort() }),
    );
    expect(error.outcome).toBe('not_started');
    expect(fixture.upstream.streamsOpened).toBe(0);
  });

  it.each([0, -1, -1e18])('when its time is over: %s', async (generateTimeoutMs) => {
    const client = fixture.open({ generateTimeoutMs });
    await expect.poll(() => client.ready).toBe(true);
    const error = await failureOf(client.generate(catRequest()));
    expect([error.reason, error.outcome]).toEqual(['overloaded', 'not_started']);
    expect(fixture.upstream.streamsOpened).toBe(0);
  });

  it('when there is no credential', async () => {
    const tokenSource = {
      authorization: () => Promise.reject(new Error('UPSTREAM_API_KEY_FILE: gone')),
    };
    const error = await failureOf(fixture.open({ tokenSource }).generate(catRequest()));
    expect([error.reason, error.outcome]).toEqual(['upstream_auth', 'not_started']);
    expect(fixture.upstream.streamsOpened).toBe(0);
  });
});
