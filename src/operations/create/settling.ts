import { createHash } from 'node:crypto';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { Operation } from '../../gen/yandex/cloud/operation/operation_pb.ts';
import type { Clock } from '../../clock/clock.ts';
import type { Random } from '../../clock/random.ts';
import type { OperationForm } from '../operation-id.ts';
import type { ServiceKey } from '../../upstream/call/call-metadata.ts';
import { callOptionsOf, type CallerContext } from '../caller-context.ts';

/** What only the service offers: it tells what became of a Generate, by the key that it came with. */
export interface SettlingService {
  /**
   * Id of the store behind the upstream's address; undefined where the service
   * does not tell, so that nothing can be settled.
   *
   * @throws GatewayError `not_started` while it can't be asked.
   */
  storeId(): Promise<string | undefined>;
  /**
   * The operation that was accepted under the key, or undefined: then none ever will be.
   *
   * @throws GatewayError when that is still open.
   */
  settle(
    key: ServiceKey,
    options: { readonly timeoutMs: number; readonly authorization?: string },
  ): Promise<Operation | undefined>;
}

export interface SettlingOptions {
  readonly service: SettlingService;
  readonly clock: Clock;
  readonly random: Random;
  /** Makes a key that no other create has, and that no one can guess. */
  readonly newKey: () => string;
}

/** What is written down with a record before its Generate is sent: what it takes to settle it. */
export interface SentNote {
  readonly storeId: string;
  /** Decimal. */
  readonly seed: string;
  readonly form: OperationForm;
}

/** A record, as the create that took it knows it. */
export interface KeyOfRecord {
  readonly recordKey: string;
  readonly fence: number;
}

/** What became of a Generate that was not answered. */
export type Settled = Operation | 'never_accepted' | 'not_settled';

/** Longest time of one Settle. */
const settleTimeoutMs = 2_000;
const firstPauseMs = 100;
const pauseMsMax = 1_000;

/**
 * Finds out what became of a Generate that was not answered: accepted, or
 * durably never. Costs nothing, so it is repeated until the service responds or
 * the time is over.
 */
export class Settling {
  readonly #options: SettlingOptions;
  /** By key: requests that ask for the same at once share the calls. */
  readonly #underWay = new Map<string, Promise<Settled>>();
  #isClosed = false;

  constructor(options: SettlingOptions) {
    this.#options = options;
  }

  storeId(): Promise<string | undefined> {
    return this.#options.service.storeId();
  }

  /** The key of a Generate to the service: of its record, or a new one where the caller sent none. */
  keyOf(storeId: string, record: KeyOfRecord | undefined): ServiceKey {
    return { storeId, key: record ? serviceKeyOf(record) : this.#options.newKey() };
  }

  /** Never rejects. */
  settle(key: ServiceKey, caller: CallerContext, forMs: number): Promise<Settled> {
    const name = `${key.storeId} ${key.key}`;
    const settled =
      this.#underWay.get(name) ??
      this.#settle(key, caller, forMs).finally(() => this.#underWay.delete(name));
    this.#underWay.set(name, settled);
    return settled;
  }

  /** What is not settled by the next Settle stays open. */
  close(): void {
    this.#isClosed = true;
  }

  async #settle(key: ServiceKey, caller: CallerContext, forMs: number): Promise<Settled> {
    const { service, clock } = this.#options;
    const giveUpAtMs = clock.elapsedMs() + forMs;
    for (let count = 0; ; count += 1) {
      const leftMs = giveUpAtMs - clock.elapsedMs();
      if (leftMs <= 0) return 'not_settled';
      const timeoutMs = Math.min(settleTimeoutMs, leftMs);
      try {
        const options = { ...callOptionsOf(caller), timeoutMs };
        return (await service.settle(key, options)) ?? 'never_accepted';
      } catch (error) {
        // A refusal stays one: another store, or no service at all.
        const isRefusal = error instanceof GatewayError && error.isUpstreamFailure === false;
        if (isRefusal || this.#isClosed) return 'not_settled';
      }
      await this.#pause(count);
    }
  }

  #pause(count: number): Promise<void> {
    const { clock, random } = this.#options;
    const pauseMs = Math.min(pauseMsMax, firstPauseMs * 2 ** Math.min(count, 10));
    return new Promise((resolve) => {
      clock.after(pauseMs * (0.5 + random.fraction()), resolve);
    });
  }
}

export function textFromNote(note: SentNote): string {
  return JSON.stringify(note);
}

/** @returns Undefined for what was sent to an upstream that can't settle. */
export function noteFromText(text: string): SentNote | undefined {
  return text === '' ? undefined : (JSON.parse(text) as SentNote);
}

/** The key of the Generate that is sent for a record: the caller's own key never leaves the gateway, and each fence is another image. */
export function serviceKeyOf({ recordKey, fence }: KeyOfRecord): string {
  return createHash('sha256')
    .update(JSON.stringify([recordKey, fence]))
    .digest('base64url');
}
