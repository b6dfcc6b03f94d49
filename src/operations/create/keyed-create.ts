/**
 * A create that its caller may send again under the same key.
 *
 * `Place` is the room that limits gave it; `Made` is what came of the call.
 */
export interface KeyedCreate<Place, Made extends { readonly operationId: string }> {
  /** Of caller, route and idempotency key: one record each. */
  readonly recordKey: string;
  /** Hash of the request: the key stands for this one and no other. */
  readonly fingerprint: string;
  /**
   * Starts anew, whatever the record stands for: for keys that stand for a
   * request and the repetitions its client makes by itself, not for a wish.
   */
  readonly isFresh?: boolean | undefined;
  /** How long the record is of use; 72 h unless told. */
  readonly keepMs?: number | undefined;
  /**
   * Everything that may still refuse the create. Refused here, nothing stays behind under the key.
   *
   * @throws GatewayError
   */
  readonly admit: () => Promise<Place>;
  /** Gives the place back: nothing will be sent by this request. */
  readonly withdraw: (place: Place) => Promise<void>;
  /**
   * The call that spends: made at most once.
   *
   * @throws GatewayError whose `outcome` says what became of the money.
   */
  readonly send: (place: Place) => Promise<Made>;
}

/** The part of a keyed create that its record is written from. */
export type Keyed = Pick<
  KeyedCreate<never, never>,
  'recordKey' | 'fingerprint' | 'isFresh' | 'keepMs'
>;

/** Made by this request, or the id of the operation that an earlier one with the key had made. */
export type KeyedResult<Made> =
  | { readonly made: Made }
  | { readonly replayOf: string; readonly hasJoined: boolean };
