/** What the record of a keyed create is written from. */
export interface KeyedRequest {
  /** Of caller, route and idempotency key: one record each. */
  readonly recordKey: string;
  /** Hash of the request: the key stands for this one and no other. */
  readonly fingerprint: string;
  /** How long the record is of use; absent: 72 h. */
  readonly keepMs?: number | undefined;
}

/** A create that was sent, as its record says. */
export interface SentCreate {
  readonly fence: number;
  /** What `noteOf` returned. */
  readonly note: string;
}

/** What became of a create that was sent and whose end no one wrote down. */
export type SettledCreate =
  | { readonly operationId: string }
  | 'never_accepted'
  /** Not known, for now or for ever. */
  | 'not_settled';

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
  /** What is written down with the record before it is sent, so that any gateway can settle it later. */
  readonly noteOf?: (reserved: Reserved) => string;
  /**
   * The call that spends: made at most once.
   *
   * @throws GatewayError whose `outcome` says what became of the money.
   */
  readonly send: (reserved: Reserved, sent: SentCreate) => Promise<Made>;
  /** Finds out what became of an earlier request's create; absent where the upstream can't tell. Never rejects. */
  readonly settle?: (sent: SentCreate) => Promise<SettledCreate>;
}

/** Made by this request, or the id of the operation that an earlier one with the key had made. */
export type KeyedResult<Made> =
  | { readonly made: Made }
  | { readonly replayOf: string; readonly hasJoined: boolean };
