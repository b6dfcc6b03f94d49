import { inParallel } from '../../support/in-parallel.ts';
import { ObservedCallers } from '../observed-callers.ts';
import { badResponses } from '../bad-responses.ts';
import type { ImageUpstream } from '../image-upstream.ts';
import type { Scenario, Harness } from '../harness.ts';
import { until } from '../until.ts';

const environment = {
  UPSTREAM_POLL_INTERVAL_MS: '20',
  GET_TIMEOUT_MS: '1000',
  IMAGE_BYTES_MAX: '2000000',
};
/** Short where Generate itself stays silent; ample elsewhere, for a busy machine. */
const generateTimeoutMs = { short: 600, ample: 5_000 } as const;
const healedMsMax = 30_000;

/** Every bad response to Generate, Get and Cancel, each followed by correct ones. */
export const misbehavingResponses: Scenario = {
  name: 'misbehaving-responses',
  fact: 'whatever the upstream responds, callers see the truth, and the next correct response recovers',
  secondsMax: [90, 400],
  async run(harness) {
    const kinds = [...badResponses.keys()];
    const rounds = harness.isLong ? 3 : 1;
    for (let round = 0; round < rounds; round += 1) {
      await Promise.all(
        [misbehaveOnGenerate, misbehaveOnGet, misbehaveOnCancel].map((act) => act(harness, kinds)),
      );
    }
    return `${kinds.length} kinds of response × 3 methods × ${rounds}`;
  },
};

async function misbehaveOnGenerate(harness: Harness, kinds: readonly string[]): Promise<void> {
  const upstream = await harness.upstream({ workMs: 0 });
  const callers = await callersOf(harness, upstream, generateTimeoutMs.short);
  await untilAccepted(callers);
  for (const kind of kinds) {
    upstream.raw.on('Generate', badResponseOf(kind, 'odd'), upstream.correct.Generate);
    const { reported, httpStatus } = await callers.create();
    harness.check(
      reported !== 'unstated' && reported !== 'none',
      `${kind}: a create got ${httpStatus} without an outcome`,
    );
    upstream.recover();
    await untilAccepted(callers);
  }
}

async function misbehaveOnGet(harness: Harness, kinds: readonly string[]): Promise<void> {
  const upstream = await harness.upstream({ workMs: 0 });
  const callers = await callersOf(harness, upstream, generateTimeoutMs.ample);
  await untilAccepted(callers);
  // Some at the same time, so that a response that ends the connection meets other reads; too few
  // to open the circuit, since each continues to a correct response.
  await inParallel(kinds, 4, async (kind) => {
    const { id, upstreamId } = await createdOne(callers, upstream);
    upstream.inject(upstreamId, badResponseOf(kind, upstreamId));
    await Promise.all([
      callers.read(id, { by: `a poller through ${kind}` }),
      callers.finished(id, { withinMs: healedMsMax, by: `a waiter through ${kind}` }),
      callers.follow(id),
    ]);
    await callers.read(id);
    await callers.image(id);
  });
}

let creating: Promise<unknown> = Promise.resolve();

/** A new operation and its id at the upstream: created one after the other, so that the ids match. */
function createdOne(callers: ObservedCallers, upstream: ImageUpstream) {
  const made = creating.then(async () => {
    const id = await callers.created();
    return { id, upstreamId: upstream.lastId };
  });
  creating = made.catch(() => undefined);
  return made;
}

async function misbehaveOnCancel(harness: Harness, kinds: readonly string[]): Promise<void> {
  const upstream = await harness.upstream();
  const callers = await callersOf(harness, upstream, generateTimeoutMs.ample);
  await untilAccepted(callers);
  for (const kind of kinds) {
    const id = await callers.created();
    upstream.inject(upstream.lastId, badResponseOf(kind, upstream.lastId));
    await callers.cancel(id);
    await callers.read(id);
    await until(
      `a cancel after ${kind}`,
      async () => (await callers.cancel(id)).kind === 'finished',
      { withinMs: healedMsMax },
    );
    await callers.read(id);
  }
}

async function callersOf(
  harness: Harness,
  upstream: ImageUpstream,
  createMsMax: number,
): Promise<ObservedCallers> {
  const gateway = await harness.gateway({
    ...environment,
    UPSTREAM_ADDRESS: upstream.address,
    GENERATE_TIMEOUT_MS: String(createMsMax),
  });
  return harness.callers(gateway, upstream, { createMsMax, mayRefuse: [502, 503, 504] });
}

function badResponseOf(kind: string, id: string) {
  const make = badResponses.get(kind);
  if (make === undefined) throw new Error(`no response is called ${kind}`);
  return make(id);
}

async function untilAccepted(callers: ObservedCallers): Promise<void> {
  await until(
    'a create is accepted again',
    async () => (await callers.create()).reported === 'accepted',
    { withinMs: healedMsMax },
  );
}
