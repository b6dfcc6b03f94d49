import { Session } from 'node:inspector/promises';

/** What some work costs the process. */
export interface InputCost {
  readonly cpuMs: number;
  /** All bytes allocated on the heap, those that were collected meanwhile too; estimated from samples. */
  readonly allocatedBytes: number;
}

/** Fine enough for megabytes, coarse enough to cost little itself. */
const samplingInterval = 65_536;

interface ProfileNode {
  readonly selfSize: number;
  readonly children: readonly ProfileNode[];
}

/** Measures what single inputs cost this process. */
export class CostMeter {
  readonly #session = new Session();

  constructor() {
    this.#session.connect();
  }

  /** @param work is done twice: taking samples of the heap costs time of its own. */
  async costOf(work: () => Promise<void> | void): Promise<InputCost> {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    return { cpuMs: (user + system) / 1000, allocatedBytes: await this.#allocatedBytes(work) };
  }

  async #allocatedBytes(work: () => Promise<void> | void): Promise<number> {
    await this.#session.post('HeapProfiler.startSampling', {
      samplingInterval,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    await work();
    const { profile } = await this.#session.post('HeapProfiler.stopSampling');
    return sizeOf(profile.head);
  }

  close(): void {
    this.#session.disconnect();
  }
}

function sizeOf({ selfSize, children }: ProfileNode): number {
  return children.reduce((sum, child) => sum + sizeOf(child), selfSize);
}
