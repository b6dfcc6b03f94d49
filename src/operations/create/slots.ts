import type { Random } from '../../clock/random.ts';
import { slotLeaseMsMax, type SlotClaim, type StateStore } from '../../state/state-store.ts';
import type { CallerContext } from '../caller-context.ts';
import type { PollSchedule } from '../poll/poll-schedule.ts';
import type { RunningTimes } from '../poll/polling-observer.ts';

export interface SlotsOptions {
  readonly store: StateStore;
  readonly random: Random;
  readonly schedule: PollSchedule;
  /** Requesters whose operations are remembered. */
  readonly subjectsMax: number;
}

/** A slot, and whose it is. */
export interface Slot {
  readonly subject: string;
  /** 14 hexadecimal digits. */
  readonly holder: string;
}

/** An operation that this process has started and that holds a slot. */
export interface SlottedOperation {
  readonly id: string;
  readonly caller: CallerContext;
}

/** Leases leave room for an image that takes twice as long as any before it. */
const leaseFactor = 2;
const leaseMarginMs = 10_000;
/** Longer than any gap between two polls, so that an image that is seen running keeps its slot. */
const leaseMsMin = 60_000;
/** While it is not known how long images take. */
const leaseMsDefault = 120_000;
/** A slot is renewed once in so much of the time in which its image is followed. */
const renewEveryMs = 20_000;
const holderCharacters = 14;
/** Operations remembered of one requester. */
const operationsMax = 100;

/**
 * The slots of images in the limits of images made at the same time.
 *
 * A slot's holder is sealed in the operation id, so each gateway that sees the
 * image's end gives the slot back, and each that sees it running renews it. The
 * slot of an image that no caller polls ends by its lease, which is learned from
 * how long images take.
 */
export class Slots {
  readonly #options: SlotsOptions;
  /** By subject, then by holder; both in order of use. */
  readonly #operations = new Map<string, Map<string, SlottedOperation>>();
  #returned: Promise<unknown> = Promise.resolve();

  constructor(options: SlotsOptions) {
    this.#options = options;
  }

  /** The claim of one more slot, with a holder of its own. */
  claim(subject: string, quantity: number): SlotClaim {
    const holder = this.#options.random.seed().toString(16).padStart(holderCharacters, '0');
    return { ...this.#claimOf({ subject, holder }), quantity };
  }

  /** Remembers the operation, to look at it when the requester needs another slot. */
  hold({ subject, holder }: Slot, operation: SlottedOperation): void {
    const held = this.#operations.get(subject) ?? new Map<string, SlottedOperation>();
    held.set(holder, operation);
    forgetOldest(held, operationsMax);
    this.#operations.delete(subject);
    this.#operations.set(subject, held);
    forgetOldest(this.#operations, this.#options.subjectsMax);
  }

  /** Gives the slot back, because the image has ended. */
  release(slot: Slot): void {
    const held = this.#operations.get(slot.subject);
    held?.delete(slot.holder);
    if (held?.size === 0) this.#operations.delete(slot.subject);
    // What can't be given back now ends by its lease.
    const returned = this.#options.store.returnClaims([this.#claimOf(slot)]).catch(() => undefined);
    this.#returned = Promise.all([this.#returned, returned]);
  }

  /** Renews the slot now and then, because the image was seen running. */
  seenRunning(slot: Slot, { ranForMs, beforeMs }: RunningTimes): void {
    const periodOf = (ms: number) => Math.floor(ms / renewEveryMs);
    if (periodOf(ranForMs) === periodOf(beforeMs)) return;
    void this.#options.store.takeClaims([this.#claimOf(slot)]).catch(() => undefined);
  }

  /** The operations of this process that hold slots of a requester. */
  of(subject: string): readonly SlottedOperation[] {
    return [...(this.#operations.get(subject)?.values() ?? [])];
  }

  /** Resolves when the store has taken back what was released so far. */
  async returned(): Promise<void> {
    await this.#returned;
  }

  /** A quantity of 0 renews the slot of a holder that still has it, and takes no other. */
  #claimOf({ subject, holder }: Slot): SlotClaim {
    const leaseMs = this.#leaseMs();
    return { kind: 'slot', key: `concurrent ${subject}`, quantity: 0, leaseMs, holder };
  }

  #leaseMs(): number {
    const { longestMs } = this.#options.schedule;
    if (longestMs === undefined) return leaseMsDefault;
    const leaseMs = leaseFactor * longestMs + leaseMarginMs;
    return Math.min(Math.max(leaseMs, leaseMsMin), slotLeaseMsMax);
  }
}

/** A Map iterates in order of insertion, so the oldest come first. */
function forgetOldest<Value>(map: Map<string, Value>, sizeMax: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= sizeMax) return;
    map.delete(oldest);
  }
}
