import { RendererError, type Renderer, type SpendClass } from '../../src/renderers/renderer.ts';
import type { OperationRecord } from '../../src/service/operation-record.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { runService, type RunningService } from './running-service.ts';
import { imageName, SimulatedDisk } from './simulated-storage.ts';

export interface HistoryCounts {
  accepted: number;
  images: number;
  lost: number;
  kills: number;
  pauses: number;
  fullDisks: number;
  renders: number;
}

/** What one simulated history broke, in words; empty when every promise was kept. */
export interface HistoryReport {
  readonly violations: readonly string[];
  readonly counts: HistoryCounts;
}

const operationsMax = 24;
/** Steps with crashes, pauses and full disks, before all is well again. */
const stormSteps = 120;
const stepMs = 2_000;
/** Time in which everything that was accepted has to end once all is well. */
const healMs = 240_000;

/**
 * Plays one history from its seed: up to two processes on one disk accept,
 * render, crash at any write, stand still and take over from each other. Then
 * one process runs on a disk with room, and every promise is checked.
 */
export async function playHistory(seed: number, spend: SpendClass): Promise<HistoryReport> {
  return new History(seed, spend).play();
}

class History {
  readonly #random: () => number;
  readonly #spend: SpendClass;
  readonly #clock = new VirtualClock();
  readonly #disk = new SimulatedDisk();
  readonly #running: RunningService[] = [];
  readonly #violations: string[] = [];
  readonly #counts: HistoryCounts = {
    ...{ accepted: 0, images: 0, lost: 0, kills: 0, pauses: 0, fullDisks: 0, renders: 0 },
  };
  readonly #acceptedIds = new Set<string>();
  readonly #ends = new Map<string, string>();
  /** Renders that may have cost money, by prompt. */
  readonly #charged = new Map<string, number>();
  #isStorm = true;
  #names = 0;

  constructor(seed: number, spend: SpendClass) {
    const random = seededRandom(seed);
    this.#random = () => random.fraction();
    this.#spend = spend;
  }

  async play(): Promise<HistoryReport> {
    for (let step = 0; step < stormSteps; step += 1) {
      this.#storm();
      await this.#clock.advance(stepMs * this.#random());
      this.#observe();
    }
    this.#isStorm = false;
    this.#disk.isFull = false;
    for (const { process } of this.#running) process.kill();
    this.#running.length = 0;
    this.#start();
    await this.#clock.advance(healMs);
    this.#observe();
    this.#checkEnds();
    return { violations: this.#violations, counts: this.#counts };
  }

  #storm(): void {
    const chance = this.#random();
    const live = this.#running.filter(({ process }) => !process.isDead);
    if (live.length === 0 || (live.length === 1 && chance < 0.1)) return this.#start();
    const service = live[Math.floor(this.#random() * live.length)]!;
    if (chance < 0.15) {
      this.#counts.kills += 1;
      service.process.kill();
    } else if (chance < 0.25) {
      this.#counts.pauses += 1;
      service.process.pause();
    } else if (chance < 0.45) {
      for (const { process } of live) process.resume();
    } else if (chance < 0.5) {
      this.#disk.isFull = !this.#disk.isFull;
      this.#counts.fullDisks += 1;
    } else if (!service.process.isPaused && this.#acceptedIds.size < operationsMax) {
      this.#accept(service);
    }
  }

  #start(): void {
    this.#names += 1;
    this.#running.push(
      runService({
        clock: this.#clock,
        disk: this.#disk,
        renderer: this.#renderer(),
        crashes: () => this.#isStorm && this.#random() < 0.02,
        isRunning: (pid) =>
          this.#running.some((service) => service.pid === pid && !service.process.isDead),
        pid: this.#names,
      }),
    );
  }

  #accept({ operations }: RunningService): void {
    this.#names += 1;
    const request = {
      modelUri: 'art://local/any',
      prompt: `image ${this.#names}`,
      negativePrompts: [],
      seed: 1n,
      ratio: undefined,
      mediaType: '',
    };
    // Refused, or never heard of again: nothing was promised.
    void operations
      .accept(request, '')
      .then(({ record }) => this.#accepted(record.id))
      .catch(() => undefined);
  }

  #accepted(id: string): void {
    this.#counts.accepted += 1;
    this.#acceptedIds.add(id);
  }

  #renderer(): Renderer {
    return {
      name: 'simulated',
      spend: this.#spend,
      isRepeatable: false,
      concurrency: 2,
      delayMs: 0,
      plan: ({ prompt, negativePrompts }) => ({
        ...{ model: 'any', prompt, negativePrompts, seed: '1' },
        ...{ width: 1, height: 1, mediaType: 'image/png' },
      }),
      models: [],
      render: (plan) => this.#render(plan.prompt),
      probe: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
  }

  async #render(prompt: string) {
    this.#counts.renders += 1;
    const fate = this.#isStorm ? this.#random() : 1;
    await this.#pass(50 + 2_000 * this.#random());
    if (fate < 0.1) throw new RendererError('not_sent', 'no connection');
    if (fate < 0.2) throw new RendererError('busy', 'too many requests');
    this.#charged.set(prompt, (this.#charged.get(prompt) ?? 0) + 1);
    await this.#pass(2_000 * this.#random());
    if (fate < 0.3) throw new RendererError('unknown', 'the connection broke');
    if (fate < 0.35) throw new RendererError('failed', 'out of memory');
    if (fate < 0.4) throw new RendererError('moderated', 'refused');
    return { bytes: Buffer.from(prompt), mediaType: 'image/png', modelVersion: 'simulated' };
  }

  /** Time of the world outside, which goes on when a process ends. */
  #pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(ms, resolve));
  }

  /** An end, once seen, stays. */
  #observe(): void {
    for (const record of this.#disk.records.values()) {
      if (record.state !== 'done') continue;
      const end = JSON.stringify(record);
      const before = this.#ends.get(record.id);
      if (before !== undefined && before !== end) {
        this.#violations.push(`an end changed: ${before} to ${end}`);
      }
      this.#ends.set(record.id, end);
    }
  }

  #checkEnds(): void {
    for (const id of this.#acceptedIds) {
      const record = this.#disk.records.get(id);
      if (record === undefined) this.#violations.push(`lost: ${id}`);
      else this.#checkEnd(record);
    }
    if (this.#spend === 'free') return;
    for (const [prompt, times] of this.#charged) {
      if (times > 1) this.#violations.push(`paid ${times} times: ${prompt}`);
    }
  }

  #checkEnd(record: OperationRecord): void {
    const { id, state, failure, image } = record;
    if (state !== 'done') this.#violations.push(`still ${state}: ${id}`);
    if (failure !== undefined) {
      if (failure.reason === 'OUTCOME_UNKNOWN') this.#counts.lost += 1;
      return;
    }
    if (image === undefined || !this.#disk.images.has(imageName(id, image))) {
      this.#violations.push(`done without an image: ${id}`);
    }
    this.#counts.images += 1;
  }
}
