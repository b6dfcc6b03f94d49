import { getRequest, openCell, sendLoad } from './cell.ts';
import type { ProbeReport } from './child.ts';

export interface StallResult {
  /** The longest that the loop stood still while the image went out, for each of several times. */
  readonly stallsMs: readonly number[];
}

/** A little less than the largest image that the gateway takes. */
const imageBytes = 16_000_000;

/** The gateway's loop while it sends the largest image as base64 in JSON, from memory. */
export async function measureStall(times: number): Promise<StallResult> {
  const cell = await openCell({
    imageBytes,
    settings: { UPSTREAM_POLL_INTERVAL_MS: '10' },
    hasProbe: true,
  });
  try {
    const { load, origin, gateway } = cell;
    const [id = ''] = await cell.create(1);
    const once = { origin, count: 1, connections: 1, keep: true };
    await sendLoad(load, { ...once, requests: [getRequest(`/operations/${id}/image?wait=30`)] });
    const requests = [getRequest(`/operations/${id}?include=image`)];
    const stallsMs: number[] = [];
    for (let round = 0; round <= times; round += 1) {
      await gateway.ask<ProbeReport>({});
      const { inlineSha256 } = await sendLoad(load, { ...once, requests });
      if (inlineSha256[0] !== cell.imageSha256) throw new Error('the image is another');
      const { stallMs } = await gateway.ask<ProbeReport>({});
      // The first time warms up.
      if (round > 0) stallsMs.push(stallMs);
    }
    return { stallsMs };
  } finally {
    await cell.stop();
  }
}
