import { constants } from 'node:http2';
import * as raw from '../../support/raw-answers.ts';
import { Audience } from '../audience.ts';
import type { PictureUpstream } from '../picture-upstream.ts';
import type { Scenario, Stage } from '../stage.ts';
import { until } from '../until.ts';

const codes = {
  NO_ERROR: constants.NGHTTP2_NO_ERROR,
  INTERNAL_ERROR: constants.NGHTTP2_INTERNAL_ERROR,
  ENHANCE_YOUR_CALM: constants.NGHTTP2_ENHANCE_YOUR_CALM,
} as const;
const healedMsMax = 10_000;

/** A server that leaves: before, during and after a call, kindly and not, with the call looked at or not. */
export const goaway: Scenario = {
  name: 'goaway',
  fact: 'a GOAWAY around a call costs at most an honest unknown; a graceful one costs nothing',
  secondsMax: [40, 120],
  async run(stage) {
    const rounds = stage.isLong ? 10 : 1;
    const spends: Record<string, number> = {};
    for (let round = 0; round < rounds; round += 1) {
      const upstream = await stage.upstream({ workMs: 0 });
      const gateway = await stage.gateway({
        UPSTREAM_ADDRESS: upstream.address,
        UPSTREAM_POLL_INTERVAL_MS: '20',
        GENERATE_TIMEOUT_MS: '500',
        GET_TIMEOUT_MS: '500',
      });
      const audience = new Audience(gateway, { createMsMax: 500, mayRefuse: [502, 503, 504] });
      await around(audience, { upstream, stage, spends });
      stage.judge(audience, upstream.spent);
    }
    return `${rounds} rounds: ${JSON.stringify(spends)}`;
  },
};

interface Scene {
  readonly upstream: PictureUpstream;
  readonly stage: Stage;
  readonly spends: Record<string, number>;
}

async function around(audience: Audience, scene: Scene): Promise<void> {
  const { upstream, stage } = scene;
  const { Generate, Get } = upstream.right;
  await untilAccepted(audience);
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
    for (const bad of [raw.goaway(code), raw.thenGoaway(Get, code), raw.goawayUnread(code)]) {
      const id = await audience.created();
      upstream.raw.on('Get', Get, bad, Get);
      // Its answer is the earlier stream.
      await audience.finished(await audience.created(), { withinMs: healedMsMax });
      await audience.finished(id, { withinMs: healedMsMax });
      await audience.picture(id);
    }
  }
  upstream.raw.on('Generate', raw.goawayThen(Generate), Generate);
  const graceful = await generate(audience, scene, 'during, answered all the same');
  stage.demand(graceful === 'accepted', 'a graceful GOAWAY took an answer away');
  await untilAccepted(audience);
  upstream.raw.on('Get', raw.goawayThen(Get), Get);
  await audience.finished(await audience.created(), { withinMs: healedMsMax });
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
