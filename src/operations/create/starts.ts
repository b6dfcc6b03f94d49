import { GatewayError } from '../../errors/gateway-error.ts';
import type { Clock } from '../../clock/clock.ts';
import type { CallerContext } from '../caller-context.ts';
import type { Operations } from '../operations.ts';
import type { OperationSnapshot } from '../result/snapshot.ts';
import type { CreateRequest } from './create-request.ts';
import type { SentCreate, SettledCreate } from './keyed-create.ts';
import { noteFromText, textFromNote, type Settling } from './settling.ts';

export interface StartsOptions {
  readonly operations: Operations;
  /** Absent where the upstream is not the service. */
  readonly settling: Settling | undefined;
  readonly clock: Clock;
  /** From the beginning of a create to the end of its Generate, whatever came before that. */
  readonly generateTimeoutMs: number;
}

/** How one create is sent. */
export interface Sending {
  readonly caller: CallerContext;
  /** Absent where the caller sent no key. */
  readonly sent: SentCreate | undefined;
  /** Of the service; absent where the upstream can't settle. */
  readonly storeId: string | undefined;
  readonly slotHolder: string | undefined;
  readonly beganAtMs: number;
}

/** How long a create that is not answered in time waits for the service to settle it. */
const settleMs = 4_000;

/** Makes the one call of a create that spends. Where it is not answered, the service is asked what became of it. */
export class Starts {
  readonly #options: StartsOptions;

  constructor(options: StartsOptions) {
    this.#options = options;
  }

  /** @throws GatewayError `not_started` while the service can't be asked. */
  async storeId(): Promise<string | undefined> {
    return this.#options.settling?.storeId();
  }

  /** @throws GatewayError whose `outcome` says what became of the money. */
  async start(
    { generate, namedByCaller, form = 'native', idempotency }: CreateRequest,
    { caller, sent, storeId, slotHolder, beganAtMs }: Sending,
  ): Promise<OperationSnapshot> {
    const { operations, settling, clock, generateTimeoutMs } = this.#options;
    const serviceKey =
      settling && storeId !== undefined
        ? settling.keyOf(storeId, idempotency && sent && { ...idempotency, fence: sent.fence })
        : undefined;
    const untilMs = beganAtMs + generateTimeoutMs;
    // What limits, a slow store and a joined request have left of it.
    const timeoutMs = untilMs - clock.elapsedMs();
    try {
      const options = { timeoutMs, form, slotHolder, namedByCaller, serviceKey };
      return await operations.start(generate, caller, options);
    } catch (error) {
      const isOpen = error instanceof GatewayError && error.outcome !== 'not_started';
      if (!isOpen || settling === undefined || serviceKey === undefined) throw error;
      const forMs = untilMs + settleMs - clock.elapsedMs();
      const settled = await settling.settle(serviceKey, caller, forMs);
      if (settled === 'not_settled') throw error;
      if (settled === 'never_accepted') throw error.with({ outcome: 'not_started' });
      const seed = generate.generationOptions?.seed ?? 0n;
      return operations.follow(settled, { form, seed, slotHolder }, caller);
    }
  }

  /** What is written down before a create is sent, so that any gateway can settle it. */
  noteOf({ generate, form = 'native' }: CreateRequest, storeId: string | undefined): string {
    if (storeId === undefined) return '';
    return textFromNote({ storeId, seed: String(generate.generationOptions?.seed ?? 0n), form });
  }

  /** What became of an earlier request's create under the same key. Never rejects. */
  async settle(
    recordKey: string,
    caller: CallerContext,
    { fence, note: text }: SentCreate,
  ): Promise<SettledCreate> {
    const { operations, settling } = this.#options;
    const note = noteFromText(text);
    if (settling === undefined || note === undefined) return 'not_settled';
    const { storeId, seed, form } = note;
    const key = settling.keyOf(storeId, { recordKey, fence });
    const settled = await settling.settle(key, caller, settleMs);
    if (typeof settled === 'string') return settled;
    const accepted = { form, seed: BigInt(seed), slotHolder: undefined };
    return { operationId: operations.follow(settled, accepted, caller).id };
  }

  /** Waits no longer for what the next Settle does not tell. */
  close(): void {
    this.#options.settling?.close();
  }
}
