/** What the record of a keyed create is written from. */
export interface KeyedRequest {
  /** Of caller, route and idempotency key: one record each. */
  readonly recordKey: string;
  /** Hash of the request: the key stands for this one and no other. */
  readonly fingerprint: string;
  /** How long the record is of use; absent: 72 h. */
  readonly keepMs?: number | undefined;
}

/**
 * A create that its caller may send again under the same key.
 *
 * `Reserved` is what the limits gave it; `Made` is what came of the call.
 */
export interface KeyedCreate<
  Reserved,
  Made extends { readonly operationId: string },
> extends KeyedRequest {
  /**
   * Everything that may still refuse the create. Refused here, nothing stays behind under the key.
   *
   * @throws GatewayError
   */
  readonly reserve: () => Promise<Reserved>;
  /** Gives the reservation back: nothing will be sent by this request. */
  readonly refund: (reserved: Reserved) => Promise<void>;
  /**
   * The call that spends: made at most once.
   *
   * @throws GatewayError whose `outcome` says what became of the money.
   */
  readonly send: (reserved: Reserved) => Promise<Made>;
}

/** Made by this request, or the id of the operation that an earlier one with the key had made. */
export type KeyedResult<Made> =
  | { readonly made: Made }
  | { readonly replayOf: string; readonly hasJoined: boolean };
