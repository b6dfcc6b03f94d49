import { slotLeaseMsMax } from '../../src/state/state-store.ts';
import { Chance } from './chance.ts';
import { planClockSteps } from './clock-steps.ts';
import { violationsOf } from './invariant-check.ts';
import { ask, type Attempt, type Intent } from './simulated-caller.ts';
import { SimulatedGateway } from './simulated-gateway.ts';
import { SimulatedState } from './simulated-store.ts';
import { SimulatedUpstream } from './simulated-upstream.ts';
import { World } from './world.ts';

/** What came of one history. */
export interface Report {
  readonly seed: number;
  /** Every broken promise, in words; empty for a sound history. */
  readonly violations: readonly string[];
  /** How often each kind of event happened. */
  readonly seen: ReadonlyMap<string, number>;
  /** Every event in order, where it was asked for. */
  readonly trace: readonly string[];
}

const minuteMs = 60_000;
/** Shorter than keys are kept, less the time in which nothing goes wrong. */
const spanMsMax = 60 * 60 * minuteMs;
/** Longer than what a minute's limit or a lost slot holds a caller back. */
const limitsMs = 3 * minuteMs;
/** Longer than every lease, every retry and every wait. */
const calmMs = 10 * minuteMs;

/**
 * Lives one history: gateways, a store and an upstream that fail as often as
 * their world says, and callers who ask for images. Then nothing goes wrong any
 * more, and each caller asks once more.
 */
export async function liveHistory(
  seed: number,
  options: { readonly traced?: boolean; readonly isService?: boolean } = {},
): Promise<Report> {
  const { isService = false } = options;
  const world = new World(seed, options);
  const { chance, time } = world;
  let storeSkewMs = 0;
  let hasStoreStepped = false;
  const stepStore = (ms: number) => {
    storeSkewMs += ms;
    hasStoreStepped = true;
  };
  const state = new SimulatedState(
    () => Math.round(time.nowMs + storeSkewMs),
    (from, to) => world.note(`step ${from} → ${to}`),
  );
  const upstream = new SimulatedUpstream(world);
  const gateways = Array.from(
    { length: chance.whole(1, 3) },
    (_, index) =>
      new SimulatedGateway(`gateway-${index + 1}`, { world, state, upstream, isService }),
  );
  const intents = drawnIntents(world, seed);
  const attempts: Attempt[] = [];
  const spanMs = chance.spread(5_000, spanMsMax);
  const endMs = time.nowMs + spanMs;
  const request = requestsOf(world, gateways, attempts);
  planRequests(world, { intents, spanMs, request });
  planOutage(world, { seed, request: () => request(chance.pick(intents)) });
  if (isService) planOtherStore(world, { seed, spanMs });
  disturbStore(world, { state, spanMs, jump: stepStore });
  planClockSteps(world, { seed, spanMs: spanMs + calmMs + 4 * minuteMs, gateways, stepStore });
  await time.run(endMs + 2 * minuteMs);

  world.heal();
  for (const gateway of gateways) gateway.restart();
  await time.run(time.nowMs + calmMs);
  const before = attempts.length;
  for (const intent of intents) {
    if (isShortLimited(intent)) {
      await time.run(time.nowMs + limitsMs);
      // Slots from before the clock was set back end within their longest lease, once a request has seen them.
      if (hasStoreStepped) await during(world, request(intent));
      if (hasStoreStepped) await time.run(time.nowMs + slotLeaseMsMax);
    }
    await during(world, request(intent));
    // Who waited for another request's lease has no time left for a Generate of its own, and is told so.
    if (attempts.at(-1)?.observed.kind === 'not_started' && isService) {
      await during(world, request(intent));
    }
  }
  const last = new Map(attempts.slice(before).map((attempt) => [attempt.intent, attempt]));
  const skewMsMax = Math.max(...gateways.map((gateway) => gateway.skewMsMax));
  const violations = [
    ...violationsOf({ intents, attempts, last, ledger: upstream.ledger, skewMsMax, isService }),
    ...(await unreachable({ world, gateways, attempts })),
  ];
  return { seed, violations, seen: world.seen, trace: world.trace };
}

/** Sends a request to any of the gateways, and keeps what its caller observed. */
function requestsOf(
  world: World,
  gateways: readonly SimulatedGateway[],
  attempts: Attempt[],
): (intent: Intent) => Promise<void> {
  let asked = 0;
  return async (intent) => {
    const name = `${intent.name}.${(asked += 1)}`;
    const gateway = world.chance.pick(gateways);
    world.note('asked', `${name} at ${gateway.name}`);
    attempts.push(await ask(intent, { world, gateway, name }));
  };
}

/** Some requests one after the other, some at the same moment. */
function planRequests(
  { chance, time }: World,
  options: {
    readonly intents: readonly Intent[];
    readonly spanMs: number;
    readonly request: (intent: Intent) => Promise<void>;
  },
): void {
  const { intents, spanMs, request } = options;
  for (const intent of intents) {
    for (let count = chance.whole(1, 5); count > 0; count -= 1) {
      const atMs = chance.often(0.4) ? chance.spread(1, 3_000) : chance.between(0, spanMs);
      time.after(atMs, () => void request(intent));
    }
  }
}

function isShortLimited({ limits }: Intent): boolean {
  return limits.imagesPerMinuteMax !== undefined || limits.concurrentImagesMax !== undefined;
}

/** Runs the world until a request has ended. */
async function during<Result>(world: World, request: Promise<Result>): Promise<Result> {
  let isOver = false;
  void request.then(() => (isOver = true));
  await world.time.run(world.time.nowMs + 5 * minuteMs, () => isOver);
  if (!isOver) throw new Error('a request in a healed world has no end');
  return request;
}

function drawnIntents({ chance }: World, seed: number): readonly Intent[] {
  const isLimited = chance.often(0.3);
  // A chance of its own, so that histories without these limits stay as they were.
  const limits = new Chance(seed ^ 0x11517);
  const imagesPerMinuteMax = limits.often(0.2) ? limits.whole(1, 3) : undefined;
  const concurrentImagesMax = limits.often(0.2) ? limits.whole(1, 2) : undefined;
  return Array.from({ length: chance.whole(1, 4) }, (_, index) => {
    const number = index + 1;
    // A key that was used before, for another image: a caller's mistake.
    const key = chance.often(0.1) ? 'key-1' : `key-${number}`;
    return {
      name: `intent-${number}`,
      prompt: `image ${number}`,
      key: chance.often(0.85) ? key : undefined,
      subject: chance.pick(['anna', 'ben']),
      limits: {
        imagesPerDayMax: isLimited ? 2 : undefined,
        imagesPerMinuteMax,
        concurrentImagesMax,
      },
    };
  });
}

/**
 * In some histories the upstream is away for a while, and many ask in that time:
 * they must not wait for ever, nor pay for finding out.
 */
function planOutage(
  world: World,
  options: { readonly seed: number; readonly request: () => Promise<void> },
): void {
  // A chance of its own, so that histories without an outage stay as they were.
  const chance = new Chance(options.seed ^ 0x5eed);
  if (!chance.often(0.25)) return;
  const fromMs = world.time.nowMs + chance.spread(1, 10_000);
  const lengthMs = chance.spread(5_000, 600_000);
  world.planOutage(fromMs, fromMs + lengthMs);
  for (let count = chance.whole(5, 20); count > 0; count -= 1) {
    const atMs = fromMs - world.time.nowMs + chance.between(0, lengthMs);
    world.time.after(atMs, () => void options.request());
  }
}

/** In some histories a service with another store stands behind the address for a while. */
function planOtherStore(
  world: World,
  { seed, spanMs }: { readonly seed: number; readonly spanMs: number },
): void {
  const chance = new Chance(seed ^ 0x5701e);
  if (!chance.often(0.3)) return;
  const fromMs = world.time.nowMs + chance.between(0, spanMs);
  world.planOtherStore(fromMs, fromMs + chance.spread(1_000, spanMs));
}

/** The store's server dies now and then, and its clock may be wrong. */
function disturbStore(
  world: World,
  options: {
    readonly state: SimulatedState;
    readonly spanMs: number;
    readonly jump: (ms: number) => void;
  },
): void {
  const { chance, faults, time } = world;
  const { state, spanMs, jump } = options;
  const moments = chance.whole(1, 6);
  for (let moment = 0; moment < moments; moment += 1) {
    const atMs = chance.often(0.5) ? chance.spread(1, 5_000) : chance.between(0, spanMs);
    time.after(atMs, () => {
      if (chance.often(faults.storeCrash * 5)) {
        const lost = state.crash(chance.whole(0, 5));
        world.note(lost > 0 ? 'store crash that lost writes' : 'store crash');
      }
      if (chance.often(faults.storeClockJump * 5)) {
        world.note('store clock jump');
        jump(chance.between(-120_000, 120_000));
      }
    });
  }
}

/** Images that were accepted and can't be had from some gateway: an id alone must be enough. */
async function unreachable(parts: {
  readonly world: World;
  readonly gateways: readonly SimulatedGateway[];
  readonly attempts: readonly Attempt[];
}): Promise<readonly string[]> {
  const { world, gateways, attempts } = parts;
  const violations: string[] = [];
  for (const { observed, intent, name } of attempts) {
    if (observed.kind !== 'accepted') continue;
    const { operations } = world.chance.pick(gateways).core;
    const caller = { tenant: intent.subject, waitMs: 60_000 };
    const { state } = await during(world, operations.wait(observed.id, caller));
    if (state.status !== 'succeeded')
      violations.push(`${name} was accepted, and its image is ${state.status}`);
    world.note('image fetched');
  }
  return violations;
}
