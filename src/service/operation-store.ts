import type { KeyRow, OperationKey } from './operation-key.ts';
import type { OperationRecord, RecordChange } from './operation-record.ts';

/** What a new operation must leave room for. */
export interface QueueLimits {
  /** Queued operations of all owners. */
  readonly queuedMax: number;
}

/** An image that is counted for a backend on a day, or given back. */
export interface SpentChange {
  readonly backend: string;
  /** In UTC, `2026-11-28`. */
  readonly day: string;
  readonly by: 1 | -1;
  /** Images a day. */
  readonly max: number;
}

/** By the cause of the loss: how many, and when the last of them ended. */
export type LostImages = Readonly<
  Record<string, { readonly count: number; readonly lastAtMs: number }>
>;

/** Whether an operation was taken; if not, which bound refused it, or what is known of its key. */
export type InsertResult = 'inserted' | 'queue_full' | 'share_full' | 'keys_full' | KeyRow;

/** The process that dispatches. */
export interface OwnerRow {
  /** Grows with every take-over. */
  readonly epoch: number;
  /** Names the process: equal for every service of one process, on one boot of one machine. */
  readonly processName: string;
  readonly pid: number;
  /** Of the machine's monotonic clock, which processes of one boot share. */
  readonly heartbeatMs: number;
}

/**
 * The operations of a service.
 *
 * Every call is atomic, and durable when it resolves: it outlives `kill -9` and
 * loss of power. `get`, `keyRow` and `unfinished` return only what is durable.
 */
export interface OperationStore {
  /** Made with the store; tells one store from another behind the same address. */
  readonly id: string;

  /**
   * Takes a queued operation, if the bounds have room for it.
   *
   * @param key Written with it; where the key is known, its row is returned and nothing is written.
   */
  insert(record: OperationRecord, limits: QueueLimits, key?: OperationKey): Promise<InsertResult>;

  /** What is known of a key, by its hash. */
  keyRow(hash: string): KeyRow | undefined;

  /** What is known of a key. Of one that is not, it becomes known that no operation will ever be accepted under it. */
  settleKey(hash: string, nowMs: number): Promise<KeyRow | 'keys_full'>;

  /** Forgets the oldest keys. @returns How many. */
  removeKeys(writtenBeforeMs: number, countMax: number): Promise<number>;

  get(id: string): OperationRecord | undefined;

  /**
   * Changes a record.
   *
   * @param epoch Refused when another process has taken the store over since; undefined for changes that any process may make.
   * @param spent Counted with the change, or not at all; a day that is used up refuses both.
   * @returns The new record, or undefined when the change was refused.
   */
  change(
    id: string,
    change: RecordChange,
    epoch: number | undefined,
    spent?: SpentChange,
  ): Promise<OperationRecord | undefined>;

  /** Images that were counted for a backend on a day. */
  spentOn(backend: string, day: string): number;

  /** Operations that have not ended, oldest first. */
  unfinished(): readonly OperationRecord[];

  /** How many there are that have not ended, that are queued, and that have ended and are kept. */
  readonly counts: {
    readonly queued: number;
    readonly unfinished: number;
    readonly ended: number;
  };

  /** Backends that an operator has paused; `*` for all of them. */
  readonly paused: readonly string[];

  /** Whether an operator has paused the backend, or all of them. */
  isPaused(backend: string): boolean;

  /** Pauses a backend, or lets it be asked again; no name means all of them, and resumes each. */
  setPaused(isPaused: boolean, backend?: string): Promise<void>;

  /** Ended operations whose last change is before `endedBeforeMs`, oldest first; read as they are asked for. */
  ended(endedBeforeMs: number): Iterable<OperationRecord>;

  /** Images that may have been paid for and got lost since the store was made, by how. */
  readonly lost: LostImages;

  /** Forgets ended operations. */
  remove(ids: readonly string[]): Promise<void>;

  /**
   * Makes this process the owner when there is none, or when `isOver` says that the last one is gone.
   *
   * @returns The new epoch, or undefined while another process owns.
   */
  takeOwnership(
    owner: Omit<OwnerRow, 'epoch'>,
    isOver: (row: OwnerRow) => boolean,
  ): Promise<number | undefined>;

  /** @returns Whether this process still owns. */
  heartbeat(epoch: number, heartbeatMs: number): Promise<boolean>;

  /** Lets the next process take over at once. */
  giveUpOwnership(epoch: number): Promise<void>;

  close(): Promise<void>;
}
