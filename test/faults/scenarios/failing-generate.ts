import { fromBinary } from '@bufbuild/protobuf';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetOperationRequestSchema } from '../../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import * as raw from '../../support/raw-responses.ts';
import type { ImageUpstream } from '../image-upstream.ts';
import type { Scenario } from '../harness.ts';
import { until } from '../until.ts';

const createsPerSecond = 20;
/** Failures in a row that open the breaker. */
const failuresMax = 5;

/** Generate fails, and may have been paid for, while everything else of the upstream is well. */
export const failingGenerate: Scenario = {
  name: 'failing-generate',
  fact: 'few creates are risked on a Generate that fails, probes cost nothing, reads go on',
  secondsMax: [120, 300],
  async run(stage) {
    const upstream = await stage.upstream({ workMs: 0 });
    const gateway = await stage.gateway({
      UPSTREAM_ADDRESS: upstream.address,
      UPSTREAM_POLL_INTERVAL_MS: '100',
    });
    const audience = stage.audience(gateway, upstream, { createMsMax: 15_000 });
    await until('a create', async () => (await audience.create()).spend === 'accepted', {
      withinMs: 30_000,
    });
    const ids: string[] = [];
    for (let count = 0; count < 10; count += 1) ids.push(await audience.created());
    const before = { risked: upstream.calls('Generate'), creates: audience.history.creates.length };
    upstream.raw.on('Generate', raw.status(14, 'failing on order'));
    const spanMs = stage.isLong ? 60_000 : 8_000;
    const endMs = performance.now() + spanMs;
    const readings: Promise<unknown>[] = [];
    while (performance.now() < endMs) {
      await audience.create();
      if (ids.length > 0) {
        readings.push(audience.finished(ids.pop() ?? '', { withinMs: 30_000, by: 'a reader' }));
      }
      await sleep(1_000 / createsPerSecond);
    }
    await Promise.all(readings);
    const risked = upstream.calls('Generate') - before.risked;
    const asked = audience.history.creates.length - before.creates;
    // A second, then twice as long after each that fails.
    const riskedMax = failuresMax + Math.ceil(Math.log2(spanMs / 1_000 + 1)) + 2;
    stage.demand(risked <= riskedMax, `${risked} paid calls were risked, not ${riskedMax}`);
    stage.demand(risked > failuresMax, 'no create was risked to find out');
    const probes = probesOf(upstream);
    stage.demand(probes > 0, 'a create was risked before a probe');
    upstream.behave();
    const backMs = await until(
      'a create after healing',
      async () => (await audience.create()).spend === 'accepted',
      { withinMs: 90_000, everyMs: 100 },
    );
    return `${spanMs / 1_000} s of failing Generates: ${asked} creates, ${risked} sent, ${probes} free probes, ${10 - ids.length} images read meanwhile; back ${(backMs / 1_000).toFixed(1)} s after healing`;
  },
};

/** Gets of an operation that the upstream never made. */
function probesOf(upstream: ImageUpstream): number {
  return upstream.raw.calls.filter(
    ({ path, message }) =>
      path.endsWith('/Get') &&
      /^0+$/.test(fromBinary(GetOperationRequestSchema, message).operationId),
  ).length;
}
