import { toBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OperationSchema } from '../../../src/gen/yandex/cloud/operation/operation_pb.ts';
import type {
  UpstreamClient,
  UpstreamClientOptions,
} from '../../../src/upstream/upstream-client.ts';
import { runningOperation } from '../../support/fake-upstream.ts';
import { ok } from '../../support/raw-responses.ts';
import { startRawUpstream, type RawUpstream } from '../../support/raw-upstream.ts';
import { TcpGate, type GateState } from '../../support/tcp-gate.ts';
import { catRequest, clientOf, failureOf } from '../../support/upstream-client.ts';

const accepted = toBinary(OperationSchema, runningOperation('fbv1'));
const patience = { timeout: 30_000, interval: 20 };

let upstream: RawUpstream;
const opened: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  upstream = await startRawUpstream();
  upstream.on('Generate', ok(accepted));
  upstream.on('Get', ok(accepted));
});

afterEach(async () => {
  // Clients first: what they are connected to goes after them.
  for (const part of opened.splice(0).toReversed()) await part.close();
  await upstream.close();
});

async function openGate(state: GateState): Promise<TcpGate> {
  const gate = await TcpGate.open(upstream.port, state);
  opened.push(gate);
  return gate;
}

function open(address: string, change: Partial<UpstreamClientOptions> = {}): UpstreamClient {
  const client = clientOf(address, { connectTimeoutMs: 100, ...change });
  opened.push(client);
  return client;
}

const reads = (client: UpstreamClient) => client.getOperation('fbv1').then(({ id }) => id, String);
const creates = (client: UpstreamClient) =>
  client.generate(catRequest()).then(({ id }) => id, String);

describe('a channel', { timeout: 60_000 }, () => {
  it('is ready once both services are connected, without a call', async () => {
    const gate = await openGate('silent');
    const client = open(upstream.address, { operationsAddress: gate.address });
    await expect.poll(() => gate.accepted.silent, patience).toBeGreaterThan(0);
    expect(client.ready).toBe(false);
    gate.state = 'open';
    await expect.poll(() => client.ready, patience).toBe(true);
  });

  it('connects again when a peer accepts and stays silent, until the network recovers', async () => {
    const gate = await openGate('silent');
    const warnings: string[] = [];
    const log = {
      debug: () => undefined,
      warn: (_: object, message: string) => void warnings.push(message),
    };
    const client = open(gate.address, { log });
    // Two channels, and more than one attempt each: a replacement is watched too.
    await expect.poll(() => gate.accepted.silent, patience).toBeGreaterThan(4);
    expect(new Set(warnings)).toEqual(
      new Set(['no connection to the upstream for too long, connecting again']),
    );
    gate.state = 'open';
    await expect.poll(() => client.ready, patience).toBe(true);
    expect((await client.generate(catRequest())).id).toBe('fbv1');
  });

  it('refuses calls at once after an attempt got stuck', async () => {
    const gate = await openGate('silent');
    const client = open(gate.address, { connectTimeoutMs: 300, generateTimeoutMs: 60_000 });
    const first = await failureOf(client.generate(catRequest()));
    expect([first.reason, first.outcome]).toEqual(['upstream_unavailable', 'not_started']);
    const startMs = performance.now();
    const next = await failureOf(client.generate(catRequest()));
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect([next.reason, next.outcome]).toEqual(['upstream_unavailable', 'not_started']);
    expect(upstream.streamsOpened).toBe(0);
  });

  it('that lost its connection connects again after the network was silent', async () => {
    const gate = await openGate('open');
    const client = open(gate.address);
    await expect.poll(() => reads(client), patience).toBe('fbv1');
    gate.state = 'silent';
    gate.cut();
    await expect.poll(() => gate.accepted.silent, patience).toBeGreaterThan(1);
    gate.state = 'open';
    await expect.poll(() => reads(client), patience).toBe('fbv1');
  });

  it('that failed at first connects again when a later attempt gets stuck', async () => {
    const gate = await openGate('shut');
    const client = open(gate.address);
    await expect.poll(() => gate.accepted.shut, patience).toBeGreaterThan(1);
    gate.state = 'silent';
    await expect.poll(() => gate.accepted.silent, patience).toBeGreaterThan(1);
    gate.state = 'open';
    await expect.poll(() => client.ready, patience).toBe(true);
  });

  it('works again after the server was restarted', async () => {
    const { port } = upstream;
    const client = open(upstream.address);
    await expect.poll(() => creates(client), patience).toBe('fbv1');
    await upstream.close();
    const error = await failureOf(client.generate(catRequest()));
    expect(error.reason).toBe('upstream_unavailable');
    upstream = await startRawUpstream(port);
    upstream.on('Generate', ok(accepted));
    await expect.poll(() => creates(client), patience).toBe('fbv1');
  });
});
