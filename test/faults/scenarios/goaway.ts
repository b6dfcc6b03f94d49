import { constants } from 'node:http2';
import * as raw from '../../support/raw-responses.ts';
import { ObservedCallers } from '../observed-callers.ts';
import type { ImageUpstream } from '../image-upstream.ts';
import type { Scenario, Harness } from '../harness.ts';
import { until } from '../until.ts';

const codes = {
  NO_ERROR: constants.NGHTTP2_NO_ERROR,
  INTERNAL_ERROR: constants.NGHTTP2_INTERNAL_ERROR,
  ENHANCE_YOUR_CALM: constants.NGHTTP2_ENHANCE_YOUR_CALM,
} as const;
/** Ends calls that a GOAWAY leaves without a response; a correct response comes sooner, also on a busy machine. */
const timeoutMs = 3_000;
const healedMsMax = 30_000;

/** A server that sends GOAWAY before, during and after a call, graceful or not, with the call processed or not. */
export const goaway: Scenario = {
  name: 'goaway',
  fact: 'a GOAWAY around a call costs at most an honest unknown; a graceful one costs nothing',
  secondsMax: [90, 300],
  async run(harness) {
    const rounds = harness.isLong ? 5 : 1;
    const reports: Record<string, number> = {};
    for (let round = 0; round < rounds; round += 1) {
      await Promise.all(
        [aroundGenerates, aroundGets].map(async (around) => {
          const upstream = await harness.upstream({ workMs: 0 });
          const gateway = await harness.gateway({
            UPSTREAM_ADDRESS: upstream.address,
            UPSTREAM_POLL_INTERVAL_MS: '20',
            GENERATE_TIMEOUT_MS: String(timeoutMs),
            GET_TIMEOUT_MS: String(timeoutMs),
          });
          const callers = harness.callers(gateway, upstream, {
            createMsMax: timeoutMs,
            mayRefuse: [502, 503, 504],
          });
          await untilAccepted(callers);
          await around(callers, { upstream, harness, reports });
        }),
      );
    }
    return `${rounds} rounds: ${JSON.stringify(reports)}`;
  },
};

interface Scene {
  readonly upstream: ImageUpstream;
  readonly harness: Harness;
  readonly reports: Record<string, number>;
}

async function aroundGenerates(callers: ObservedCallers, scene: Scene): Promise<void> {
  const { upstream, harness } = scene;
  const { Generate } = upstream.correct;
  for (const [name, code] of Object.entries(codes)) {
    upstream.raw.leave(code);
    await generate(callers, scene, `before, ${name}`);
    await untilAccepted(callers);
    upstream.raw.on('Generate', raw.goaway(code), Generate);
    await generate(callers, scene, `during, ${name}`);
    await untilAccepted(callers);
    // Needs an earlier stream on that connection: the create that was just accepted.
    upstream.raw.on('Generate', raw.goawayUnread(code), Generate);
    const unread = await generate(callers, scene, `during, unread, ${name}`);
    harness.check(unread !== 'accepted', 'a create that was not processed was reported accepted');
    await untilAccepted(callers);
    upstream.raw.on('Generate', raw.thenGoaway(Generate, code), Generate);
    const after = await generate(callers, scene, `after, ${name}`);
    harness.check(after === 'accepted', `a GOAWAY ${name} after the response lost the response`);
    await untilAccepted(callers);
  }
  upstream.raw.on('Generate', raw.goawayThen(Generate), Generate);
  const graceful = await generate(callers, scene, 'during, graceful');
  harness.check(graceful === 'accepted', 'a graceful GOAWAY lost a response');
  await untilAccepted(callers);
}

async function aroundGets(callers: ObservedCallers, { upstream }: Scene): Promise<void> {
  const { Get } = upstream.correct;
  const bad = Object.values(codes).flatMap((code) => [
    raw.goaway(code),
    raw.thenGoaway(Get, code),
    raw.goawayUnread(code),
  ]);
  for (const response of [...bad, raw.goawayThen(Get)]) {
    const [first, second] = [await callers.created(), await callers.created()];
    // Some responses need the earlier stream of the first read.
    upstream.raw.on('Get', Get, response, Get);
    await callers.finished(first, { withinMs: healedMsMax });
    await callers.finished(second, { withinMs: healedMsMax });
    await callers.image(second);
  }
}

async function generate(
  callers: ObservedCallers,
  { reports }: Scene,
  moment: string,
): Promise<string> {
  const { reported } = await callers.create();
  const name = `${moment}: ${reported}`;
  reports[name] = (reports[name] ?? 0) + 1;
  return reported;
}

async function untilAccepted(callers: ObservedCallers): Promise<void> {
  await until(
    'a create is accepted again',
    async () => (await callers.create()).reported === 'accepted',
    { withinMs: healedMsMax },
  );
}
