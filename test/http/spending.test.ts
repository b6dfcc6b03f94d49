import { describe, expect, it } from 'vitest';
import { Spending } from '../../src/http/spending.ts';
import { startEmulator } from '../../src/emulator/emulator.ts';
import { startGateway } from '../support/gateway.ts';
import { jsonOf } from '../support/responses.ts';

describe('the outcome of a create', () => {
  it('is not_started before, unknown during, and then what the call became', () => {
    const spending = new Spending();
    expect(spending.outcome).toBe('not_started');
    const end = spending.begin();
    expect(spending.outcome).toBe('unknown');
    end('not_started');
    expect(spending.outcome).toBe('not_started');
  });

  it('counts only the first end of a call', () => {
    const spending = new Spending();
    const end = spending.begin();
    end('accepted');
    end('unknown');
    expect(spending.outcome).toBe('accepted');
    spending.begin()('not_started');
    expect(spending.outcome).toBe('accepted');
  });

  it.each([
    [['not_started', 'unknown'], 'unknown'],
    [['unknown', 'not_started'], 'unknown'],
    [['unknown', 'accepted'], 'accepted'],
    [['accepted', 'not_started'], 'accepted'],
    [['not_started', 'not_started'], 'not_started'],
  ] as const)('of several images that ended %j is %s', (ends, outcome) => {
    const spending = new Spending();
    const calls = ends.map(() => spending.begin());
    calls.forEach((end, index) => end(ends[index] ?? 'unknown'));
    expect(spending.outcome).toBe(outcome);
  });
});

/** The outcomes in the responses and log lines of requests with these faults, one a request. */
async function outcomesWith(
  faults: readonly { readonly code: number; readonly afterwards: boolean }[],
  body: object,
  path = '/v1/images/generations',
) {
  const emulator = await startEmulator({ latencyMs: 50, latencySpreadRatio: 0 });
  const gateway = await startGateway({ UPSTREAM_ADDRESS: emulator.address });
  for (const { code, afterwards } of faults) {
    emulator.faults.inject('Generate', { kind: 'status', code, message: 'no', afterwards });
  }
  const json = await jsonOf(
    gateway.fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': 'outcome-test' },
      body: JSON.stringify(body),
    }),
  );
  const line = () => gateway.logLines.find((text) => text.includes('"requestId":"outcome-test"'));
  await expect.poll(line).toBeDefined();
  await gateway.close();
  await emulator.close();
  const { outcome, error } = json as { outcome?: string; error?: { outcome?: string } };
  const logged = JSON.parse(line() ?? '') as { outcome?: string };
  return { response: outcome ?? error?.outcome, log: logged.outcome };
}

describe('what the response and the log line say of the money', () => {
  it.each([
    [3, false, 'not_started'],
    [8, false, 'not_started'],
    [14, true, 'unknown'],
    [13, true, 'unknown'],
  ])('is the same for gRPC code %i', async (code, afterwards, outcome) => {
    const found = await outcomesWith([{ code, afterwards }], { prompt: 'a' }, '/v1/images');
    expect(found).toEqual({ response: outcome, log: outcome });
  });

  it('is unknown for several images when that of any one is', async () => {
    const faults = [
      { code: 3, afterwards: false },
      { code: 14, afterwards: true },
    ];
    for (const order of [faults, faults.toReversed()]) {
      const found = await outcomesWith(order, { prompt: 'a', n: 2 });
      expect(found).toEqual({ response: 'unknown', log: 'unknown' });
    }
  });
});
