import { inParallel } from '../../support/in-parallel.ts';
import { Audience } from '../audience.ts';
import { badAnswers } from '../bad-responses.ts';
import type { ImageUpstream } from '../image-upstream.ts';
import type { Scenario, Stage } from '../harness.ts';
import { until } from '../until.ts';

const environment = {
  UPSTREAM_POLL_INTERVAL_MS: '20',
  GET_TIMEOUT_MS: '1000',
  IMAGE_BYTES_MAX: '2000000',
};
/** Where Generate itself misbehaves, silence is soon believed; elsewhere a busy machine has time. */
const generateTimeoutMs = { short: 600, ample: 5_000 } as const;
const healedMsMax = 30_000;

/** Every bad answer to Generate, Get and Cancel, each followed by good ones. */
export const misbehavingAnswers: Scenario = {
  name: 'misbehaving-answers',
  fact: 'whatever is answered, callers are told the truth and the next good answer heals',
  secondsMax: [90, 400],
  async run(stage) {
    const kinds = [...badAnswers.keys()];
    const rounds = stage.isLong ? 3 : 1;
    for (let round = 0; round < rounds; round += 1) {
      await Promise.all(
        [answerGenerates, answerGets, answerCancels].map((act) => act(stage, kinds)),
      );
    }
    return `${kinds.length} kinds of answer × 3 methods × ${rounds}`;
  },
};

async function answerGenerates(stage: Stage, kinds: readonly string[]): Promise<void> {
  const upstream = await stage.upstream({ workMs: 0 });
  const audience = await audienceOf(stage, upstream, generateTimeoutMs.short);
  await untilAccepted(audience);
  for (const kind of kinds) {
    upstream.raw.on('Generate', answerOf(kind, 'odd'), upstream.right.Generate);
    const { spend, httpStatus } = await audience.create();
    stage.demand(
      spend !== 'untold' && spend !== 'nothing',
      `${kind}: a create is told ${httpStatus} and nothing of the money`,
    );
    upstream.behave();
    await untilAccepted(audience);
  }
}

async function answerGets(stage: Stage, kinds: readonly string[]): Promise<void> {
  const upstream = await stage.upstream({ workMs: 0 });
  const audience = await audienceOf(stage, upstream, generateTimeoutMs.ample);
  await untilAccepted(audience);
  // Some at the same time, so that an answer that ends the connection meets reads of others; too
  // few for failures in a row to open the breaker, as each goes on to a good answer.
  await inParallel(kinds, 4, async (kind) => {
    const { id, upstreamId } = await orderedOne(audience, upstream);
    upstream.order(upstreamId, answerOf(kind, upstreamId));
    await Promise.all([
      audience.read(id, { by: `a poller through ${kind}` }),
      audience.finished(id, { withinMs: healedMsMax, by: `a waiter through ${kind}` }),
      audience.follow(id),
    ]);
    await audience.read(id);
    await audience.image(id);
  });
}

let creating: Promise<unknown> = Promise.resolve();

/** A new operation and the upstream's own id of it: made one after the other, to know which is which. */
function orderedOne(audience: Audience, upstream: ImageUpstream) {
  const made = creating.then(async () => {
    const id = await audience.created();
    return { id, upstreamId: upstream.lastId };
  });
  creating = made.catch(() => undefined);
  return made;
}

async function answerCancels(stage: Stage, kinds: readonly string[]): Promise<void> {
  const upstream = await stage.upstream();
  const audience = await audienceOf(stage, upstream, generateTimeoutMs.ample);
  await untilAccepted(audience);
  for (const kind of kinds) {
    const id = await audience.created();
    upstream.order(upstream.lastId, answerOf(kind, upstream.lastId));
    await audience.cancel(id);
    await audience.read(id);
    await until(
      `a cancel after ${kind}`,
      async () => (await audience.cancel(id)).kind === 'finished',
      { withinMs: healedMsMax },
    );
    await audience.read(id);
  }
}

async function audienceOf(
  stage: Stage,
  upstream: ImageUpstream,
  createMsMax: number,
): Promise<Audience> {
  const gateway = await stage.gateway({
    ...environment,
    UPSTREAM_ADDRESS: upstream.address,
    GENERATE_TIMEOUT_MS: String(createMsMax),
  });
  return stage.audience(gateway, upstream, { createMsMax, mayRefuse: [502, 503, 504] });
}

function answerOf(kind: string, id: string) {
  const make = badAnswers.get(kind);
  if (make === undefined) throw new Error(`no answer is called ${kind}`);
  return make(id);
}

async function untilAccepted(audience: Audience): Promise<void> {
  await until(
    'a create is accepted again',
    async () => (await audience.create()).spend === 'accepted',
    { withinMs: healedMsMax },
  );
}
