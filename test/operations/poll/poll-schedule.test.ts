import { describe, expect, it } from 'vitest';
import { PollSchedule } from '../../../src/operations/poll/poll-schedule.ts';
import { seededRandom } from '../../support/seeded-random.ts';

/** The age of an operation that this process follows from its start. */
const followed = (ms: number) => ({ ms, followedMs: ms });

/** Polls one operation that takes `durationMs`; how often and how late it is found done. */
function pollOnce(schedule: PollSchedule, durationMs: number) {
  let ageMs = 0;
  let runningAgeMs = 0;
  for (let polls = 1; ; polls += 1) {
    ageMs += schedule.delayMs(followed(ageMs));
    if (ageMs >= durationMs) {
      schedule.record(runningAgeMs === 0 ? ageMs * 0.9 : (runningAgeMs + ageMs) / 2);
      return { polls, lateMs: ageMs - durationMs };
    }
    runningAgeMs = ageMs;
  }
}

function pollMany(durationOf: (fraction: number) => number) {
  const random = seededRandom(1);
  const schedule = new PollSchedule({ random });
  const results = Array.from({ length: 2_000 }, () =>
    pollOnce(schedule, durationOf(random.fraction())),
  );
  const learned = results.slice(500);
  const late = learned.map(({ lateMs }) => lateMs).toSorted((a, b) => a - b);
  return {
    polls: learned.reduce((sum, { polls }) => sum + polls, 0) / learned.length,
    p50: late[Math.floor(late.length * 0.5)] ?? Number.NaN,
    p99: late[Math.floor(late.length * 0.99)] ?? Number.NaN,
  };
}

describe('PollSchedule', () => {
  it('polls little and finds the end soon when operations take equally long', () => {
    const { polls, p50, p99 } = pollMany((fraction) => 3_000 * (0.8 + 0.4 * fraction));
    expect(polls).toBeLessThanOrEqual(4);
    expect(p50).toBeLessThanOrEqual(150);
    expect(p99).toBeLessThanOrEqual(500);
  });

  it('stays within its reads when operations take anything from 1 to 10 s', () => {
    const { polls, p50 } = pollMany((fraction) => 1_000 + 9_000 * fraction);
    expect(polls).toBeLessThanOrEqual(4);
    expect(p50).toBeLessThanOrEqual(750);
  });

  it('asks an old operation rarely, but never less than every 40 s', () => {
    const schedule = new PollSchedule({ random: seededRandom(2) });
    expect(schedule.delayMs(followed(60_000))).toBeGreaterThanOrEqual(4_000);
    expect(schedule.delayMs(followed(24 * 3_600_000))).toBeLessThanOrEqual(40_000);
  });

  it('backs off after failures, to a limit', () => {
    const schedule = new PollSchedule({ random: seededRandom(3) });
    expect(schedule.delayAfterFailureMs(1)).toBeLessThanOrEqual(2_000);
    expect(schedule.delayAfterFailureMs(3)).toBeGreaterThanOrEqual(2_400);
    expect(schedule.delayAfterFailureMs(1_000)).toBeLessThanOrEqual(4_600);
  });

  it('keeps to a fixed interval', () => {
    const schedule = new PollSchedule({ random: seededRandom(4), intervalMs: 123 });
    for (let count = 0; count < 20; count += 1) schedule.record(5_000);
    expect([schedule.delayMs(followed(0)), schedule.delayMs(followed(99_999))]).toEqual([123, 123]);
  });

  it('leaves no operation that may be done alone for longer than the greatest gap', () => {
    const schedule = new PollSchedule({ random: seededRandom(6), gapMsMax: 250 });
    const ages = [0, 900, 5_000, 60_000, 24 * 3_600_000];
    for (const age of ages) expect(schedule.delayMs(followed(age))).toBeLessThanOrEqual(250);
    for (let count = 0; count < 256; count += 1) schedule.record(3_000 + count);
    expect(schedule.delayMs(followed(0))).toBeGreaterThan(2_000);
    for (const age of ages.slice(2)) {
      expect(schedule.delayMs(followed(age))).toBeLessThanOrEqual(250);
    }
  });

  it('forgets what it learned long ago', () => {
    const schedule = new PollSchedule({ random: seededRandom(5) });
    for (let count = 0; count < 300; count += 1) schedule.record(60_000);
    for (let count = 0; count < 256; count += 1) schedule.record(2_000);
    expect(schedule.delayMs(followed(0))).toBeLessThanOrEqual(2_000);
  });

  it('polls soon what it found by an id of great or unknown age, as clocks may be wrong', () => {
    const schedule = new PollSchedule({ random: seededRandom(1) });
    for (const ms of [3_600_000, 86_400_000, Infinity]) {
      expect(schedule.delayMs({ ms, followedMs: 0 })).toBeLessThanOrEqual(2_000);
      expect(schedule.delayMs({ ms, followedMs: 300_000 })).toBeGreaterThan(20_000);
    }
    for (let count = 0; count < 20; count += 1) schedule.record(10_000);
    expect(schedule.delayMs({ ms: 3_600_000, followedMs: 0 })).toBeLessThanOrEqual(2_000);
    expect(schedule.delayMs({ ms: Infinity, followedMs: 0 })).toBeLessThanOrEqual(2_000);
  });
});
