import { inParallel } from '../../support/in-parallel.ts';
import { Audience } from '../audience.ts';
import { badAnswers } from '../bad-answers.ts';
import type { Scenario, Stage } from '../stage.ts';
import { until } from '../until.ts';

const environment = {
  UPSTREAM_POLL_INTERVAL_MS: '20',
  GENERATE_TIMEOUT_MS: '400',
  GET_TIMEOUT_MS: '300',
  IMAGE_BYTES_MAX: '2000000',
};
const healedMsMax = 10_000;

/** Every bad answer to Generate, Get and Cancel, each followed by good ones. */
export const misbehavingAnswers: Scenario = {
  name: 'misbehaving-answers',
  fact: 'whatever is answered, callers are told the truth and the next good answer heals',
  secondsMax: [60, 240],
  async run(stage) {
    const kinds = [...badAnswers.keys()];
    const rounds = stage.isLong ? 5 : 1;
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
  const gateway = await stage.gateway({ ...environment, UPSTREAM_ADDRESS: upstream.address });
  const audience = new Audience(gateway, { createMsMax: 400 });
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
  stage.judge(audience, upstream.spent);
}

async function answerGets(stage: Stage, kinds: readonly string[]): Promise<void> {
  const upstream = await stage.upstream({ workMs: 0 });
  const gateway = await stage.gateway({ ...environment, UPSTREAM_ADDRESS: upstream.address });
  const audience = new Audience(gateway, { createMsMax: 400, mayRefuse: [502, 503, 504] });
  await untilAccepted(audience);
  const operations: (readonly [kind: string, id: string])[] = [];
  for (const kind of kinds) {
    const id = await audience.created();
    operations.push([kind, id]);
    upstream.order(upstream.lastId, answerOf(kind, upstream.lastId));
  }
  // At the same time: an answer that ends the connection meets the reads of all.
  await inParallel(operations, kinds.length, async ([kind, id]) => {
    await Promise.all([
      audience.read(id, { by: `a poller through ${kind}` }),
      audience.finished(id, { withinMs: healedMsMax, by: `a waiter through ${kind}` }),
      audience.follow(id),
    ]);
    await audience.read(id);
    await audience.picture(id);
  });
  stage.judge(audience, upstream.spent);
}

async function answerCancels(stage: Stage, kinds: readonly string[]): Promise<void> {
  const upstream = await stage.upstream();
  const gateway = await stage.gateway({ ...environment, UPSTREAM_ADDRESS: upstream.address });
  const audience = new Audience(gateway, { createMsMax: 400, mayRefuse: [502, 503, 504] });
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
  stage.judge(audience, upstream.spent);
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
