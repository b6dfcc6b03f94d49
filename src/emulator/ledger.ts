/** Counts of the calls to the emulator, and what the vendor would bill for them. */
export interface SpendLedger {
  /** Generates that were accepted: each is paid for. */
  readonly generates: number;
  readonly gets: number;
  /** Gets that were refused by the quota per second. */
  readonly getsOverQuota: number;
  readonly cancels: number;
  /** Calls that were refused for their credential. */
  readonly refusedCredentials: number;
  /** Tokens issued for a signed assertion. */
  readonly exchanges: number;
  /**
   * Operations by the x-client-request-id of the Generate that created them: more
   * than one for an id is a Generate that was repeated. The last 10,000.
   */
  readonly operationIds: ReadonlyMap<string, readonly string[]>;
  /** The request id of each operation, where its Generate had one. The last 10,000. */
  readonly requestIds: ReadonlyMap<string, string>;
}

const rememberedMax = 10_000;

/** The ledger that the emulator writes to. */
export class Ledger implements SpendLedger {
  readonly operationIds = new Map<string, readonly string[]>();
  readonly requestIds = new Map<string, string>();
  generates = 0;
  gets = 0;
  getsOverQuota = 0;
  cancels = 0;
  refusedCredentials = 0;
  exchanges = 0;

  accepted(operationId: string, requestId: string | undefined): void {
    this.generates += 1;
    if (requestId === undefined) return;
    remember(this.operationIds, requestId, [
      ...(this.operationIds.get(requestId) ?? []).slice(-rememberedMax),
      operationId,
    ]);
    remember(this.requestIds, operationId, requestId);
  }
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= rememberedMax) return;
    map.delete(oldest);
  }
}
