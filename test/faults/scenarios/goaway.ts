import { constants } from 'node:http2';
import * as raw from '../../support/raw-responses.ts';
import { Audience } from '../audience.ts';
import type { ImageUpstream } from '../image-upstream.ts';
import type { Scenario, Stage } from '../harness.ts';
import { until } from '../until.ts';

const codes = {
  NO_ERROR: constants.NGHTTP2_NO_ERROR,
  INTERNAL_ERROR: constants.NGHTTP2_INTERNAL_ERROR,
  ENHANCE_YOUR_CALM: constants.NGHTTP2_ENHANCE_YOUR_CALM,
} as const;
/** Of calls that a GOAWAY leaves without an answer; a right answer on a busy machine is sooner. */
const timeoutMs = 3_000;
const healedMsMax = 30_000;

/** A server that leaves: before, during and after a call, kindly and not, with the call looked at or not. */
export const goaway: Scenario = {
  name: 'goaway',
  fact: 'a GOAWAY around a call costs at most an honest unknown; a graceful one costs nothing',
  secondsMax: [90, 300],
  async run(stage) {
    const rounds = stage.isLong ? 5 : 1;
    const spends: Record<string, number> = {};
    for (let round = 0; round < rounds; round += 1) {
      await Promise.all(
        [aroundGenerates, aroundGets].map(async (around) => {
          const upstream = await stage.upstream({ workMs: 0 });
          const gateway = await stage.gateway({
            UPSTREAM_ADDRESS: upstream.address,
            UPSTREAM_POLL_INTERVAL_MS: '20',
            GENERATE_TIMEOUT_MS: String(timeoutMs),
            GET_TIMEOUT_MS: String(timeoutMs),
          });
          const audience = stage.audience(gateway, upstream, {
            createMsMax: timeoutMs,
            mayRefuse: [502, 503, 504],
          });
          await untilAccepted(audience);
          await around(audience, { upstream, stage, spends });
        }),
      );
    }
    return `${rounds} rounds: ${JSON.stringify(spends)}`;
  },
};

interface Scene {
  readonly upstream: ImageUpstream;
  readonly stage: Stage;
  readonly spends: Record<string, number>;
}

async function aroundGenerates(audience: Audience, scene: Scene): Promise<void> {
  const { upstream, stage } = scene;
  const { Generate } = upstream.right;
  for (const [name, code] of Object.entries(codes)) {
    upstream.raw.leave(code);
    await generate(audience, scene, `before, ${name}`);
    await untilAccepted(audience);
    upstream.raw.on('Generate', raw.goaway(code), Generate);
    await generate(audience, scene, `during, ${name}`);
    await untilAccepted(audience);
    // A stream of that connection has to be there before: the one just accepted is.
    upstream.raw.on('Generate', raw.goawayUnread(code), Generate);
    const unread = await generate(audience, scene, `during, unread, ${name}`);
    stage.demand(unread !== 'accepted', 'a create that was not looked at was told accepted');
    await untilAccepted(audience);
    upstream.raw.on('Generate', raw.thenGoaway(Generate, code), Generate);
    const after = await generate(audience, scene, `after, ${name}`);
    stage.demand(after === 'accepted', `a GOAWAY ${name} after the answer took it away`);
    await untilAccepted(audience);
  }
  upstream.raw.on('Generate', raw.goawayThen(Generate), Generate);
  const graceful = await generate(audience, scene, 'during, answered all the same');
  stage.demand(graceful === 'accepted', 'a graceful GOAWAY took an answer away');
  await untilAccepted(audience);
}

async function aroundGets(audience: Audience, { upstream }: Scene): Promise<void> {
  const { Get } = upstream.right;
  const bad = Object.values(codes).flatMap((code) => [
    raw.goaway(code),
    raw.thenGoaway(Get, code),
    raw.goawayUnread(code),
  ]);
  for (const answer of [...bad, raw.goawayThen(Get)]) {
    const [first, second] = [await audience.created(), await audience.created()];
    // The first read is the earlier stream that some of them need.
    upstream.raw.on('Get', Get, answer, Get);
    await audience.finished(first, { withinMs: healedMsMax });
    await audience.finished(second, { withinMs: healedMsMax });
    await audience.image(second);
  }
}

async function generate(audience: Audience, { spends }: Scene, moment: string): Promise<string> {
  const { spend } = await audience.create();
  const name = `${moment}: ${spend}`;
  spends[name] = (spends[name] ?? 0) + 1;
  return spend;
}

async function untilAccepted(audience: Audience): Promise<void> {
  await until(
    'a create is accepted again',
    async () => (await audience.create()).spend === 'accepted',
    { withinMs: healedMsMax },
  );
}
