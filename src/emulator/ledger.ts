/** What the upstream would bill, and what it was asked. */
export interface SpendLedger {
  /** Generates that were accepted: each one is paid for. */
  readonly generates: number;
  readonly gets: number;
  readonly cancels: number;
  /** Operation ids by the x-client-request-id of the Generate that made them; the last 10,000. */
  readonly operationIds: ReadonlyMap<string, string>;
}

const rememberedMax = 10_000;

/** The ledger's own side: where the counting happens. */
export class Ledger implements SpendLedger {
  readonly operationIds = new Map<string, string>();
  generates = 0;
  gets = 0;
  cancels = 0;

  accepted(requestId: string, operationId: string): void {
    this.generates += 1;
    this.operationIds.set(requestId, operationId);
    for (const oldest of this.operationIds.keys()) {
      if (this.operationIds.size <= rememberedMax) break;
      this.operationIds.delete(oldest);
    }
  }
}
