import { setTimeout as sleep } from 'node:timers/promises';
import { openCell, type Cell } from '../../bench/cell.ts';
import { residentKib, startRole, type Child, type ProbeReport } from '../../bench/child.ts';
import type { CrowdResult, JoinOrder } from './crowd.ts';
import type { ReadImage } from './readers.ts';
import {
  neverBusy,
  areMet,
  fact,
  goal,
  type Check,
  type Report,
  type RunOptions,
} from './report.ts';

const mib = 1_048_576;
const residentMibMax = 1_024;
const waitersPerOperation = 20;
const hourMs = 3_600_000;

interface Sizes {
  readonly images: number;
  readonly stalled: number;
  readonly inline: number;
  /** How often ordinary readers fetch each image. */
  readonly rounds: number;
  readonly waitedFor: number;
}

const long: Sizes = { images: 64, stalled: 32, inline: 8, rounds: 2, waitedFor: 500 };
const short: Sizes = { images: 64, stalled: 32, inline: 4, rounds: 1, waitedFor: 25 };

interface Seen {
  readonly stalled: number;
  readonly right: number;
  readonly asked: number;
  readonly inlineRight: number;
  readonly inlineRefused: number;
  readonly others: string;
  readonly refusals: number;
  readonly waiters: number;
  readonly waitersSeen: string;
  readonly peakMib: number;
  readonly stallMs: number;
  readonly seconds: number;
}

/** Memory with the largest images, readers that stop in the middle, and many waiters (P12). */
export async function showImages({ isShort }: RunOptions): Promise<Report> {
  const sizes = isShort ? short : long;
  const cell = await openCell({
    imageBytes: 16 * mib,
    hasProbe: true,
    settings: { RESULT_READS_PER_SECOND_MAX: '1000', ...neverBusy },
    upstream: { IMAGES_DIFFER: 'true' },
  });
  const readers = await startRole('test/load/readers.ts', 1);
  const stallers = await startRole('test/load/readers.ts', 1);
  const crowd = await startRole('test/load/crowd.ts', 1);
  let peakKib = 0;
  const watch = setInterval(() => {
    peakKib = Math.max(peakKib, residentKib(cell.gateway.pid).now);
  }, 100);
  try {
    const seen = await shown({ cell, readers, stallers, crowd }, sizes);
    // The peak that the kernel keeps also covers the time between two samples.
    const peakMib = Math.max(peakKib, residentKib(cell.gateway.pid).peak) / 1_024;
    return reportOf(sizes, { ...seen, peakMib });
  } finally {
    clearInterval(watch);
    await Promise.all([readers.stop(), stallers.stop(), crowd.stop()]);
    await cell.stop();
  }
}

interface Roles {
  readonly cell: Cell;
  readonly readers: Child;
  readonly stallers: Child;
  readonly crowd: Child;
}

async function shown(
  { cell, readers, stallers, crowd }: Roles,
  sizes: Sizes,
): Promise<Omit<Seen, 'peakMib'>> {
  const { origin } = cell;
  const beganMs = performance.now();
  const ids = await cell.create(sizes.images, 1);
  const { sha256: hashes } = await cell.upstream.ask<{ sha256: string[] }>({ hashes: true });
  await cell.upstream.ask({ latencyMs: [hourMs, hourMs] });
  const waitedFor = await cell.create(sizes.waitedFor, 1);
  const join: JoinOrder = {
    join: { origin, ids: waitedFor, perOperation: waitersPerOperation, eventsShare: 0.25 },
  };
  const { waiting } = await crowd.ask<{ waiting: number }>(join);
  await cell.gateway.ask<ProbeReport>({});
  const paths = ids.map((id) => `/operations/${id}/image?wait=30`);
  const { stalled } = await stallers.ask<{ stalled: number }>({
    stall: { origin, paths: paths.slice(0, sizes.stalled) },
  });
  const asked = Array.from({ length: sizes.rounds }, () => paths).flat();
  const inline = ids.slice(0, sizes.inline).map((id) => `/operations/${id}?include=image&wait=30`);
  const untilMs = Date.now() + 60_000;
  const readAll = (paths: readonly string[], atOnce: number) =>
    readers.ask<{ results: ReadImage[] }>({ read: { origin, paths, atOnce, untilMs } });
  // One process reads both; the index tells them apart.
  const { results } = await readAll([...inline, ...asked], 8);
  const { stallMs } = await cell.gateway.ask<ProbeReport>({});
  const isRight = ({ sha256 }: ReadImage, place: number) => sha256 === hashes[place % sizes.images];
  const inlineResults = results.slice(0, inline.length);
  const images = results.slice(inline.length);
  const others = [...new Set(results.map(({ status }) => status))].filter((code) => code !== 200);
  await stallers.ask({ release: true });
  const held = await crowd.ask<CrowdResult>({ settleUntilMs: Date.now() });
  const isHeld = held.waiting === waiting && held.wrong === 0;
  await sleep(500);
  return {
    ...{ stalled, stallMs, asked: asked.length },
    right: images.filter(isRight).length,
    inlineRight: inlineResults.filter(isRight).length,
    inlineRefused: inlineResults.filter(({ status }) => status === 503).length,
    others: others.length === 0 ? '' : `, other statuses: ${others.join(', ')}`,
    refusals: results.reduce((sum, { refusals }) => sum + refusals, 0),
    waiters: waiting,
    waitersSeen: isHeld
      ? 'all still wait'
      : `${held.waiting} still wait, ${held.wrong} wrong: ${held.firstWrong}`,
    seconds: (performance.now() - beganMs) / 1_000,
  };
}

function reportOf(sizes: Sizes, seen: Seen): Report {
  const { stalled, right, asked, inlineRight, inlineRefused, peakMib, stallMs } = seen;
  const memory = `peak RSS ${peakMib.toFixed(0)} MiB`;
  const facts: Check[] = [
    fact('memory stays within 1 GiB', peakMib <= residentMibMax, memory),
    fact(
      'readers stop in the middle of an image, or are refused',
      stalled > 0 && stalled <= sizes.stalled,
      `${stalled} of ${sizes.stalled} stopped reading, the others were refused`,
    ),
    fact(
      'every ordinary reader gets the right image',
      right === asked,
      `${right} of ${asked}${seen.others}, after ${seen.refusals} refusals in all`,
    ),
    fact(
      'base64 JSON is right, or refused as overload',
      inlineRight + inlineRefused === sizes.inline,
      `${inlineRight} right and ${inlineRefused} refused of ${sizes.inline}`,
    ),
    fact(
      'waiters are not disturbed',
      seen.waitersSeen === 'all still wait',
      `${seen.waiters}: ${seen.waitersSeen}`,
    ),
  ];
  const checks = [
    ...facts,
    goal('the loop never stands still for 250 ms', stallMs <= 250, `${stallMs.toFixed(0)} ms`),
  ];
  return {
    checks,
    figures: [
      {
        promise: 'P12',
        says: 'Memory is bounded by bytes',
        goal: '64 × 16 MiB images + 32 stalled readers + 10,000 waiters: RSS ≤ 1 GiB',
        seen: `${sizes.images} × 16 MiB + ${stalled} stalled readers + ${seen.waiters} waiters: ${memory}; ${right} of ${asked} images and ${inlineRight} of ${sizes.inline} base64 responses right after ${seen.refusals} refusals in ${seen.seconds.toFixed(0)} s; longest stall of the loop ${stallMs.toFixed(0)} ms`,
        isMet: areMet(facts),
        by: 'npm run load -- images',
      },
    ],
  };
}
