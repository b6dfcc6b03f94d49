import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import type { CancelTimer, Clock } from '../clock/clock.ts';
import type { OperationStore, OwnerRow } from './operation-store.ts';

export interface OwnershipOptions {
  readonly store: OperationStore;
  readonly clock: Clock;
  /** Monotonic milliseconds of the machine, shared by its processes. */
  readonly machineMs: () => number;
  readonly processName: string;
  readonly pid: number;
  /** Whether a process of this machine still runs. */
  readonly isRunning: (pid: number) => boolean;
  /** This process owns from now on, under that epoch. */
  readonly taken: (epoch: number) => void;
  /** Another process has taken over. */
  readonly lost: () => void;
}

const heartbeatEveryMs = 2_000;
const overAfterMs = 10_000;

/**
 * Decides which of several processes on one directory dispatches.
 *
 * The owner writes a heartbeat; another process takes over when none came for
 * ten seconds, or at once when the owner is known to be gone.
 */
export class Ownership {
  readonly #options: OwnershipOptions;
  #epoch: number | undefined;
  #cancelTimer: CancelTimer | undefined;
  #isClosed = false;

  constructor(options: OwnershipOptions) {
    this.#options = options;
  }

  /** Undefined while another process owns. */
  get epoch(): number | undefined {
    return this.#epoch;
  }

  /** Tries to take over, and goes on trying. Resolves after the first try. */
  async start(): Promise<void> {
    await this.#beat();
  }

  async stop(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer?.();
    const epoch = this.#epoch;
    this.#epoch = undefined;
    if (epoch === undefined) return;
    // Where that can't be written, the next process takes over because this one is gone.
    await this.#options.store.giveUpOwnership(epoch).catch(() => undefined);
  }

  async #beat(): Promise<void> {
    try {
      if (this.#epoch === undefined) await this.#take();
      else await this.#renew(this.#epoch);
    } catch {
      // A disk that is full keeps the owner from writing; the next beat tries again.
    }
    if (this.#isClosed) return;
    this.#cancelTimer = this.#options.clock.after(heartbeatEveryMs, () => void this.#beat());
  }

  async #take(): Promise<void> {
    const { store, machineMs, processName, pid, taken } = this.#options;
    const epoch = await store.takeOwnership({ processName, pid, heartbeatMs: machineMs() }, (row) =>
      this.#isOver(row),
    );
    if (epoch === undefined || this.#isClosed) return;
    this.#epoch = epoch;
    taken(epoch);
  }

  async #renew(epoch: number): Promise<void> {
    const { store, machineMs, lost } = this.#options;
    if (await store.heartbeat(epoch, machineMs())) return;
    if (this.#epoch !== epoch) return;
    this.#epoch = undefined;
    lost();
  }

  #isOver({ processName, pid, heartbeatMs }: OwnerRow): boolean {
    const { machineMs, processName: ownName, pid: ownPid, isRunning } = this.#options;
    const isNeighbour = processName === ownName;
    // An earlier service of this very process: its thread has ended, or this one would not be started.
    if (isNeighbour && (pid === ownPid || !isRunning(pid))) return true;
    const ageMs = machineMs() - heartbeatMs;
    return ageMs > overAfterMs || ageMs < 0;
  }
}

/** Names the machine, its boot and its space of process ids: where equal, a pid means one process. */
export function machineName(): string {
  const read = (reader: () => string) => {
    try {
      return reader().trim();
    } catch {
      return '';
    }
  };
  return [
    hostname(),
    read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
    read(() => readlinkSync('/proc/self/ns/pid')),
  ].join(' ');
}

export function isProcessRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
