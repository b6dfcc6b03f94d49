import { fromBinary } from '@bufbuild/protobuf';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetOperationRequestSchema } from '../../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import * as raw from '../../support/raw-responses.ts';
import type { ImageUpstream } from '../image-upstream.ts';
import type { Scenario } from '../harness.ts';
import { until } from '../until.ts';

const createsPerSecond = 20;
/** Failures in a row that open the circuit. */
const failuresMax = 5;

/** Generate fails and may have been paid for, while the other methods work. */
export const failingGenerate: Scenario = {
  name: 'failing-generate',
  fact: 'few creates are sent to a Generate that fails, probes cost nothing, reads continue',
  secondsMax: [120, 300],
  async run(harness) {
    const upstream = await harness.upstream({ workMs: 0 });
    const gateway = await harness.gateway({
      UPSTREAM_ADDRESS: upstream.address,
      UPSTREAM_POLL_INTERVAL_MS: '100',
    });
    const callers = harness.callers(gateway, upstream, { createMsMax: 15_000 });
    await until('a create', async () => (await callers.create()).reported === 'accepted', {
      withinMs: 30_000,
    });
    const ids: string[] = [];
    for (let count = 0; count < 10; count += 1) ids.push(await callers.created());
    const before = {
      risked: upstream.calls('Generate'),
      creates: callers.observations.creates.length,
    };
    upstream.raw.on('Generate', raw.status(14, 'injected failure'));
    const spanMs = harness.isLong ? 60_000 : 8_000;
    const endMs = performance.now() + spanMs;
    const reading: Promise<unknown>[] = [];
    while (performance.now() < endMs) {
      await callers.create();
      if (ids.length > 0) {
        reading.push(callers.finished(ids.pop() ?? '', { withinMs: 30_000, by: 'a reader' }));
      }
      await sleep(1_000 / createsPerSecond);
    }
    await Promise.all(reading);
    const risked = upstream.calls('Generate') - before.risked;
    const attempted = callers.observations.creates.length - before.creates;
    // The pause is a second, and doubles after each failure.
    const riskedMax = failuresMax + Math.ceil(Math.log2(spanMs / 1_000 + 1)) + 2;
    harness.check(risked <= riskedMax, `${risked} paid calls were sent, not ${riskedMax}`);
    harness.check(risked > failuresMax, 'no create was sent before the circuit opened');
    const probes = probesOf(upstream);
    harness.check(probes > 0, 'a create was sent before a probe');
    upstream.recover();
    const backMs = await until(
      'a create after healing',
      async () => (await callers.create()).reported === 'accepted',
      { withinMs: 90_000, everyMs: 100 },
    );
    return `${spanMs / 1_000} s of failing Generates: ${attempted} creates, ${risked} sent, ${probes} free probes, ${10 - ids.length} images read meanwhile; back ${(backMs / 1_000).toFixed(1)} s after healing`;
  },
};

/** Gets of an operation that does not exist. */
function probesOf(upstream: ImageUpstream): number {
  return upstream.raw.calls.filter(
    ({ path, message }) =>
      path.endsWith('/Get') &&
      /^0+$/.test(fromBinary(GetOperationRequestSchema, message).operationId),
  ).length;
}
