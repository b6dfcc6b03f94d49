import { setTimeout as sleep } from 'node:timers/promises';
import { getRequest } from '../../bench/cell.ts';
import { median } from '../../bench/report.ts';
import type { UpstreamObservations } from '../../bench/upstream.ts';
import type { Figure } from '../support/figure.ts';
import { createOf, fleetSize, idOf, openFleet, type Fleet } from './fleet.ts';
import type { FlowOrder, Stream } from './flow-order.ts';
import type { FlowResult } from './flow-observations.ts';
import { areMet, fact, goal, type Check, type Report, type RunOptions } from './report.ts';
import { mostInWindow, windowsOver } from './window.ts';

const quiet = ['anna', 'boris', 'clara', 'dora', 'emil'] as const;
const createsPerSecond = 3;
const pollsPerSecond = 20;
/** The limit of the noisy caller, which sends twenty times as much. */
const noisyPerMinuteMax = 180;
const noiseFactor = 20;
const callers = {
  ...Object.fromEntries(quiet.map((name) => [name, {}])),
  noisy: { imagesPerMinuteMax: noisyPerMinuteMax },
};
const resultReadsPerSecondMax = 50;
/** If quiet rounds differ by more, the machine causes the differences. */
const restlessRatio = 2;
const imagesPerMinuteMax = 450;
const usableShare = 0.95;

interface Sizes {
  /** Pairs that do not count, in which the engine compiles the code. */
  readonly warmUps: number;
  /** Pairs of a quiet and a noisy round, each of `roundSeconds`. */
  readonly pairs: number;
  readonly roundSeconds: number;
  readonly readSeconds: number;
  readonly minuteSeconds: number;
}

export const long: Sizes = {
  ...{ warmUps: 1, pairs: 6, roundSeconds: 10 },
  ...{ readSeconds: 20, minuteSeconds: 130 },
};
/** Rounds longer than the three seconds in which the noisy caller uses up its burst. */
const short: Sizes = {
  ...{ warmUps: 0, pairs: 1, roundSeconds: 5 },
  ...{ readSeconds: 4, minuteSeconds: 4 },
};

/** The effect of a noisy tenant, the reads of a fleet, and the shared limit (P8). */
export async function showNeighbours({ isShort }: RunOptions): Promise<Report> {
  const sizes = isShort ? short : long;
  const reports = [await noise(sizes), await reads(sizes), await minute(sizes)];
  return {
    checks: reports.flatMap(({ checks }) => checks),
    figures: reports.flatMap(({ figures }) => figures),
  };
}

interface Round {
  readonly createP99Ms: number;
  readonly pollP99Ms: number;
  readonly lost: number;
  /** 429, 503, or a late response. */
  readonly turnedAway: number;
  readonly noisyRefused: number;
  readonly noisyGood: number;
}

export async function noise({ warmUps, pairs, roundSeconds }: Sizes): Promise<Report> {
  const fleet = await openFleet(callers, { RESULT_READS_PER_SECOND_MAX: '100000' }, 3_600_000);
  try {
    const ids = await Promise.all(
      quiet.map((name) => idOf(fleet.origins[0] ?? '', fleet.keys[name] ?? '')),
    );
    const rounds = { quiet: [] as Round[], noisy: [] as Round[] };
    for (let pair = 0; pair < warmUps + pairs; pair += 1) {
      const order = pair % 2 === 0 ? (['quiet', 'noisy'] as const) : (['noisy', 'quiet'] as const);
      for (const kind of order) {
        const round = await noiseRound(fleet, { ids, isNoisy: kind === 'noisy', roundSeconds });
        if (pair >= warmUps) rounds[kind].push(round);
      }
    }
    return noiseReport(rounds);
  } finally {
    await fleet.stop();
  }
}

async function noiseRound(
  { flow, origins, keys }: Fleet,
  round: {
    readonly ids: readonly string[];
    readonly isNoisy: boolean;
    readonly roundSeconds: number;
  },
): Promise<Round> {
  const noisyPerSecond = (noisyPerMinuteMax / 60) * noiseFactor;
  const streams: Stream[] = [
    {
      name: 'create',
      requests: quiet.map((name) => createOf(keys[name] ?? '')),
      perSecond: [createsPerSecond * quiet.length],
    },
    {
      name: 'poll',
      requests: quiet.map((name, index) =>
        getRequest(`/operations/${round.ids[index]}`, [`x-api-key: ${keys[name]}`]),
      ),
      perSecond: [pollsPerSecond * quiet.length],
    },
    ...(round.isNoisy
      ? [{ name: 'noisy', requests: [createOf(keys['noisy'] ?? '')], perSecond: [noisyPerSecond] }]
      : []),
  ];
  const order: FlowOrder = {
    ...{ origins, streams, connectionsMax: 300, phaseSeconds: [round.roundSeconds] },
  };
  const { phases } = await flow.ask<FlowResult>(order);
  const { create, poll, noisy } = phases[0] ?? {};
  if (create === undefined || poll === undefined) throw new Error('two streams were asked for');
  return {
    createP99Ms: create.goodP99Ms,
    pollP99Ms: poll.goodP99Ms,
    lost: create.failed + poll.failed,
    turnedAway: create.refused + create.late + poll.refused + poll.late,
    noisyRefused: noisy?.refused ?? 0,
    noisyGood: noisy?.good ?? 0,
  };
}

function noiseReport(rounds: { readonly quiet: Round[]; readonly noisy: Round[] }): Report {
  const compared = (pick: (round: Round) => number) => {
    const before = rounds.quiet.map(pick);
    const during = rounds.noisy.map(pick);
    const spread = (values: readonly number[]) =>
      `${median(values).toFixed(1)} ms (${Math.min(...values)} … ${Math.max(...values)})`;
    const moved = median(during) / median(before) - 1;
    return {
      moved,
      isCalm: Math.max(...before) <= restlessRatio * median(before),
      text: `${spread(before)} → ${spread(during)}, ${moved > 0 ? '+' : ''}${(moved * 100).toFixed(0)} %`,
    };
  };
  const create = compared(({ createP99Ms }) => createP99Ms);
  const poll = compared(({ pollP99Ms }) => pollP99Ms);
  const isCalm = create.isCalm && poll.isCalm;
  const sum = (pick: (round: Round) => number) =>
    [...rounds.quiet, ...rounds.noisy].reduce((of, round) => of + pick(round), 0);
  const lost = sum((round) => round.lost);
  const turnedAway = sum((round) => round.turnedAway);
  const refused = sum(({ noisyRefused }) => noisyRefused);
  const accepted = sum(({ noisyGood }) => noisyGood);
  const checks: Check[] = [
    fact('the others lose nothing to a noisy tenant', lost === 0, `${lost} lost`),
    goal('the others are not turned away', turnedAway === 0, `${turnedAway} refused or late`),
    fact(
      'the noisy tenant is held to its limit',
      refused > 0,
      `${accepted} accepted, ${refused} refused`,
    ),
    goal('p99 of the others’ creates moves by less than 20 %', create.moved < 0.2, create.text),
    goal('p99 of the others’ polls moves by less than 20 %', poll.moved < 0.2, poll.text),
  ];
  const figure: Figure = {
    promise: 'P8',
    part: 'noise',
    says: '… one noisy tenant at 20 times its rate',
    goal: 'moves the others’ p99 by less than 20 %',
    seen: `${rounds.quiet.length} quiet and as many noisy rounds in turn, medians: creates ${create.text}; polls ${poll.text}; the noisy one had ${accepted} accepted and ${refused} refused`,
    isMet: areMet(checks),
    by: 'npm run load -- neighbours',
  };
  // If the machine caused the differences, there is no figure.
  return { checks, figures: isCalm ? [figure] : [] };
}

/** Waiters that ask for more result reads than the quota allows. */
export async function reads({ readSeconds }: Sizes): Promise<Report> {
  const fleet = await openFleet(
    callers,
    {
      RESULT_READS_PER_SECOND_MAX: String(resultReadsPerSecondMax),
      UPSTREAM_POLL_INTERVAL_MS: '200',
    },
    3_600_000,
  );
  const hurry = new AbortController();
  try {
    const key = fleet.keys['anna'] ?? '';
    const ids: string[] = [];
    for (let made = 0; made < 60; made += 1) {
      ids.push(await idOf(fleet.origins[made % fleetSize] ?? '', key));
    }
    // Time for the gateways to learn of each other, so that each takes its share.
    await sleep(7_000);
    const fromMs = Date.now();
    const waits = ids.map((id, index) =>
      fetch(`${fleet.origins[index % fleetSize]}/operations/${id}?wait=60`, {
        headers: { 'x-api-key': key },
        signal: hurry.signal,
      }).catch(() => undefined),
    );
    await sleep(readSeconds * 1_000);
    const untilMs = Date.now();
    const { getsAtMs } = await fleet.upstream.ask<UpstreamObservations>({ observations: true });
    hurry.abort();
    await Promise.all(waits);
    const seen = getsAtMs.filter((atMs) => atMs >= fromMs && atMs < untilMs);
    return readsReport(seen, (untilMs - fromMs) / 1_000);
  } finally {
    hurry.abort();
    await fleet.stop();
  }
}

function readsReport(getsAtMs: readonly number[], seconds: number): Report {
  const over = windowsOver(getsAtMs, 1_000, resultReadsPerSecondMax);
  const most = mostInWindow(getsAtMs, 1_000);
  const usable = resultReadsPerSecondMax * 0.8;
  const used = getsAtMs.length / seconds / usable;
  const seen = `${getsAtMs.length} reads in ${seconds.toFixed(0)} s by ${fleetSize} gateways: ${over} windows of 1 s over ${resultReadsPerSecondMax}, at most ${most}; ${(used * 100).toFixed(0)} % of the ${usable} a second that may be used`;
  const checks = [
    fact('the fleet’s rates together are the share of the quota', used <= 1.1, seen),
    goal('no second is over the quota of result reads', over === 0, `at most ${most}`),
    goal('95 % of the usable reads are used', used >= usableShare, `${(used * 100).toFixed(0)} %`),
  ];
  const figure: Figure = {
    promise: 'P8',
    part: 'reads',
    says: 'The quota of result reads is kept over the fleet',
    goal: '3 gateways + Redis: 0 over-quota windows, ≥ 95 % of quota usable',
    seen,
    isMet: areMet(checks),
    by: 'npm run load -- neighbours',
  };
  return { checks, figures: [figure] };
}

/** Callers that ask for more images than the limit over all gateways allows. */
export async function minute({ minuteSeconds }: Sizes): Promise<Report> {
  const fleet = await openFleet(
    callers,
    { IMAGES_PER_MINUTE_MAX: String(imagesPerMinuteMax) },
    3_600_000,
  );
  try {
    const requests = quiet.map((name) => createOf(fleet.keys[name] ?? ''));
    const order: FlowOrder = {
      origins: fleet.origins,
      streams: [{ name: 'create', requests, perSecond: [20] }],
      connectionsMax: 100,
      phaseSeconds: [minuteSeconds],
    };
    const fromMs = Date.now();
    const result = await fleet.flow.ask<FlowResult>(order);
    const untilMs = fromMs + minuteSeconds * 1_000;
    const { generatesAtMs } = await fleet.upstream.ask<UpstreamObservations>({
      observations: true,
    });
    const seen = generatesAtMs.filter((atMs) => atMs < untilMs);
    return minuteReport(seen, { result, minuteSeconds });
  } finally {
    await fleet.stop();
  }
}

function minuteReport(
  generatesAtMs: readonly number[],
  { result, minuteSeconds }: { readonly result: FlowResult; readonly minuteSeconds: number },
): Report {
  const over = windowsOver(generatesAtMs, 60_000, imagesPerMinuteMax);
  const most = mostInWindow(generatesAtMs, 60_000);
  const used = (generatesAtMs.length / minuteSeconds) * (60 / imagesPerMinuteMax);
  const refused = result.statuses['429'] ?? 0;
  const others = Object.keys(result.statuses).filter(
    (code) => !['202', '429', '503'].includes(code),
  );
  const seen = `${generatesAtMs.length} images in ${minuteSeconds} s by ${fleetSize} gateways, ${refused} refused: ${over} windows of 60 s over ${imagesPerMinuteMax}, at most ${most}; ${(used * 100).toFixed(1)} % of the limit used`;
  const checks = [
    fact('the fleet keeps its limit of images a minute', over === 0, seen),
    fact(
      'every create is accepted or refused with Retry-After',
      others.length === 0,
      others.join(', ') || '202 and 429',
    ),
    goal('95 % of the limit are used', used >= usableShare, `${(used * 100).toFixed(1)} %`),
  ];
  const figure: Figure = {
    promise: 'P8',
    part: 'minute',
    says: '… and so is the limit of images a minute',
    goal: '0 windows of 60 s over the limit, ≥ 95 % of it used',
    seen,
    isMet: areMet(checks),
    by: 'npm run load -- neighbours',
  };
  return { checks, figures: [figure] };
}
