import type { SpendClass } from '../../src/renderers/renderer.ts';
import { FinishError } from '../../src/renderers/finish/finish-image.ts';
import type { FinishImage } from '../../src/service/finishing.ts';
import type { OperationRecord } from '../../src/service/operation-record.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { runService, type RunningService } from './running-service.ts';
import { SimulatedBackend } from './simulated-backend.ts';
import { imageName, SimulatedDisk } from './simulated-storage.ts';

/** What happened in a history, by name. */
export type HistoryCounts = ReadonlyMap<string, number>;

/** What one simulated history broke, in words; empty when every promise was kept. */
export interface HistoryReport {
  readonly violations: readonly string[];
  readonly counts: HistoryCounts;
}

const spendClasses: readonly SpendClass[] = ['free', 'findable', 'once'];
const operationsMax = 6;
/** Steps with trouble, before all is well again. */
const stormSteps = 24;
const stepMs = 2_000;
const hour = 3_600_000;
const clockSteps = [-24 * hour, -hour, -30_000, 30_000, hour, 24 * hour];
const deadlineMs = 300_000;
/** Time in which everything that was accepted has to end once all is well: a wait in the queue, and a look. */
const healMs = deadlineMs + 60_000;
const healStepMs = 5_000;
/** Shortly before a day ends in UTC. */
const startMs = Date.UTC(2026, 10, 28, 23, 59, 40);
/** How the own clock of a machine that is asked for its spend class may be chosen: by the seed. */
const capRatio = 0.3;
const crashRatio = 0.01;
const fillRatio = 0.003;

/**
 * Plays one history from its seed: up to two processes on one disk accept,
 * render, are cancelled at, crash at any write, stop, stand still and take over
 * from each other, while the backend fails, the disk fills and the wall clock
 * steps. Then one process runs while all is well, and every promise is checked.
 */
export async function playHistory(seed: number, spend?: SpendClass): Promise<HistoryReport> {
  return new History(seed, spend ?? spendClasses[seed % spendClasses.length]!).play();
}

class History {
  readonly #random: () => number;
  readonly #spend: SpendClass;
  readonly #clock = new VirtualClock(startMs);
  readonly #disk = new SimulatedDisk();
  readonly #backend: SimulatedBackend;
  readonly #imagesPerDayMax: number | undefined;
  readonly #running: RunningService[] = [];
  readonly #violations: string[] = [];
  readonly #counts = new Map<string, number>();
  readonly #accepted = new Set<string>();
  readonly #ends = new Map<string, OperationRecord>();
  /** Requests that may have cost money, by operation; and by the day they count on. */
  readonly #charged = new Map<string, number>();
  readonly #chargedByDay = new Map<string, number>();
  #isStorm = true;
  #names = 0;

  constructor(seed: number, spend: SpendClass) {
    const random = seededRandom(seed);
    this.#random = () => random.fraction();
    this.#spend = spend;
    this.#imagesPerDayMax = this.#random() < capRatio ? 3 : undefined;
    this.#backend = new SimulatedBackend({
      ...{ spend, clock: this.#clock, random: this.#random },
      charged: (id) => this.#charge(id),
    });
  }

  async play(): Promise<HistoryReport> {
    for (let step = 0; step < stormSteps; step += 1) {
      this.#storm();
      await this.#clock.advance(stepMs * this.#random());
      this.#observe();
    }
    this.#isStorm = false;
    this.#backend.isTroubled = false;
    this.#disk.isFull = false;
    for (const { process } of this.#running) process.kill();
    this.#running.length = 0;
    this.#start();
    for (let ms = 0; ms < healMs && !this.#isOver; ms += healStepMs) {
      await this.#clock.advance(healStepMs);
      this.#observe();
    }
    this.#checkAll();
    return { violations: this.#violations, counts: this.#counts };
  }

  #storm(): void {
    const chance = this.#random();
    const live = this.#running.filter(({ process }) => !process.isDead);
    if (live.length === 0 || (live.length === 1 && chance < 0.1)) return this.#start();
    const service = live[Math.floor(this.#random() * live.length)]!;
    const { process } = service;
    if (chance < 0.14) this.#kill(service);
    else if (chance < 0.18) this.#stop(service);
    else if (chance < 0.26) {
      this.#count('pause');
      process.pause();
    } else if (chance < 0.42) {
      for (const each of live) each.process.resume();
    } else if (chance < 0.48) {
      if (this.#disk.isFull) this.#disk.isFull = false;
      else this.#fill();
    } else if (chance < 0.54) this.#stepClock();
    else if (process.isPaused) return;
    else if (chance < 0.6) this.#cancel(service);
    else if (this.#accepted.size < operationsMax) this.#accept(service);
  }

  #kill({ process }: RunningService): void {
    this.#count('kill');
    process.kill();
  }

  #stop(service: RunningService): void {
    this.#count('stop');
    void service.stop(5_000 * this.#random());
  }

  #fill(): void {
    this.#count('full disk');
    this.#disk.isFull = true;
  }

  #stepClock(): void {
    this.#count('clock step');
    this.#clock.stepWall(clockSteps[Math.floor(this.#random() * clockSteps.length)]!);
  }

  #start(): void {
    this.#names += 1;
    const pid = this.#names;
    this.#running.push(
      runService({
        ...{ clock: this.#clock, disk: this.#disk, renderer: this.#backend.renderer(), pid },
        ...{ deadlineMs, imagesPerDayMax: this.#imagesPerDayMax, finish: this.#finish },
        crashes: () => this.#crashes(),
        isRunning: (other) =>
          this.#running.some((service) => service.pid === other && !service.process.isDead),
        observer: {
          attemptEnded: ({ outcome, lossCause = '' }) => this.#count(`${outcome} ${lossCause}`),
          recovered: (_id, how) => this.#count(`recovered ${how}`),
          late: () => this.#count('late image'),
        },
      }),
    );
  }

  /** Around each write of any process. */
  #crashes(): boolean {
    if (!this.#isStorm) return false;
    const chance = this.#random();
    if (chance < fillRatio && !this.#disk.isFull) this.#fill();
    if (chance > 1 - crashRatio) this.#count('crash at a write');
    return chance > 1 - crashRatio;
  }

  readonly #finish: FinishImage = async (bytes, mediaType) => {
    await new Promise<void>((resolve) => this.#clock.after(200 * this.#random(), resolve));
    if (this.#isStorm && this.#random() < 0.1) throw new FinishError('process', 'it ended');
    // Some images are what was asked for already.
    if (this.#random() < 0.3) return { bytes, mediaType, lost: ['c2pa'] };
    return { bytes: Buffer.concat([bytes, Buffer.from('!')]), mediaType, lost: [] };
  };

  #accept({ operations }: RunningService): void {
    this.#names += 1;
    const request = {
      ...{ modelUri: 'art://local/any', prompt: `image ${this.#names}`, negativePrompts: [] },
      ...{ seed: 1n, ratio: undefined, mediaType: 'image/png' },
    };
    // Refused, or never heard of again: nothing was promised.
    void operations.accept(request, '').then(
      ({ record }) => this.#accepted.add(record.id),
      () => this.#count('not accepted'),
    );
  }

  #cancel({ operations }: RunningService): void {
    const ids = [...this.#accepted];
    const id = ids[Math.floor(this.#random() * ids.length)];
    if (id === undefined) return;
    this.#count('cancel');
    operations.cancel(id, '').catch(() => undefined);
  }

  #charge(id: string): void {
    const day = this.#disk.records.get(id)?.spentDay ?? '';
    this.#charged.set(id, (this.#charged.get(id) ?? 0) + 1);
    this.#chargedByDay.set(day, (this.#chargedByDay.get(day) ?? 0) + 1);
  }

  get #isOver(): boolean {
    return [...this.#disk.records.values()].every(({ state }) => state === 'done');
  }

  /** An end, once seen, stays. */
  #observe(): void {
    for (const record of this.#disk.records.values()) {
      if (record.state !== 'done') continue;
      const before = this.#ends.get(record.id);
      this.#ends.set(record.id, record);
      if (before !== undefined && before !== record) {
        this.#violations.push(`an end changed: ${JSON.stringify([before, record])}`);
      }
    }
  }

  #checkAll(): void {
    for (const id of this.#accepted) {
      const record = this.#disk.records.get(id);
      if (record === undefined) this.#violations.push(`lost: ${id}`);
      else this.#checkEnd(record);
    }
    this.#count('accepted', this.#accepted.size);
    this.#count('request', this.#backend.requests);
    if (this.#spend !== 'free') {
      for (const [id, times] of this.#charged) {
        if (times > 1) this.#violations.push(`paid ${times} times: ${id}`);
      }
    }
    for (const [day, times] of this.#chargedByDay) {
      if (times > (this.#imagesPerDayMax ?? Infinity)) {
        this.#violations.push(`${times} images on ${day}, ${this.#imagesPerDayMax} are allowed`);
      }
    }
  }

  #checkEnd(record: OperationRecord): void {
    const { id, state, failure } = record;
    if (state !== 'done') this.#violations.push(`still ${state}: ${id}`);
    else if (failure === undefined) this.#checkImage(record);
    else this.#checkFailure(record, failure.code, failure.reason);
  }

  #checkImage({ id, image }: OperationRecord): void {
    const bytes = image && this.#disk.images.get(imageName(id, image))?.bytes;
    if (bytes === undefined) this.#violations.push(`done without an image: ${id}`);
    if (!this.#charged.has(id)) this.#violations.push(`an image that no one made: ${id}`);
    this.#count('end: image');
  }

  #checkFailure({ id }: OperationRecord, code: number, reason?: string): void {
    this.#count(reason === undefined ? `end: ${code}` : `end: ${reason}`);
    const isUnknown = reason === 'OUTCOME_UNKNOWN';
    if (this.#spend === 'free' && isUnknown) this.#violations.push(`free, and lost: ${id}`);
    // What says that nothing was spent is right.
    const isUnspent = code === 4 || code === 8 || code === 14;
    if (this.#spend !== 'free' && isUnspent && this.#charged.has(id)) {
      this.#violations.push(`paid, and said not to be (${code}): ${id}`);
    }
  }

  #count(what: string, times = 1): void {
    const name = what.trim();
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + times);
  }
}
