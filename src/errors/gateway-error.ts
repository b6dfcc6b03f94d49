import type { Reason } from './reason.ts';

/** One thing that is wrong with a request; exactly one of pointer, parameter and header says where. */
export interface Violation {
  /** JSON pointer into the body, as a URI fragment: `#/messages/0/text`. In the caller's own spelling. */
  readonly pointer?: string;
  /** Name of a query parameter. */
  readonly parameter?: string;
  /** Name of a header. */
  readonly header?: string;
  /** What kind of fault, in one word: `type`, `pattern`, `required`, `unknown_field`, … */
  readonly code: string;
  /** What was expected. Shown to the caller. */
  readonly detail: string;
}

/**
 * What became of the money.
 *
 * `not_started`: the upstream was not asked, or said no. `unknown`: it was asked
 * and nobody can tell whether it agreed. `accepted`: it agreed, and the
 * operation goes on whatever else happened.
 */
export type SpendOutcome = 'not_started' | 'unknown' | 'accepted';

/** What the upstream said, as far as a caller may know it. */
export interface UpstreamTrace {
  /** Name of the gRPC code (`INVALID_ARGUMENT`), or the number where it has no name. */
  readonly grpcCode: string;
  /** The upstream's own id of the call, to quote to the vendor. */
  readonly requestId?: string;
}

export interface GatewayErrorOptions {
  /** For the log only: never leaves the process. */
  readonly cause?: unknown;
  readonly violations?: readonly Violation[];
  readonly outcome?: SpendOutcome;
  /** When to try again, in seconds. Absent: the reason's own default. */
  readonly retryAfterS?: number;
  readonly upstream?: UpstreamTrace;
  /** Further response headers that the reason requires, such as Allow. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * The one error below `http/`.
 *
 * `detail` is public: it is written for the caller, says what to do, and holds
 * no secret, address or prompt. `cause` is for the log.
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly reason: Reason;
  readonly detail: string;
  readonly violations: readonly Violation[];
  readonly outcome: SpendOutcome | undefined;
  readonly retryAfterS: number | undefined;
  readonly upstream: UpstreamTrace | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(reason: Reason, detail: string, options: GatewayErrorOptions = {}) {
    super(`${reason}: ${detail}`, 'cause' in options ? { cause: options.cause } : undefined);
    this.reason = reason;
    this.detail = detail;
    this.violations = options.violations ?? [];
    this.outcome = options.outcome;
    this.retryAfterS = options.retryAfterS;
    this.upstream = options.upstream;
    this.headers = options.headers ?? {};
  }

  /** The same error with other parts. */
  with(changes: GatewayErrorOptions): GatewayError {
    const { reason, detail, cause, violations, headers, outcome, retryAfterS, upstream } = this;
    return new GatewayError(reason, detail, {
      cause,
      violations,
      headers,
      ...(outcome !== undefined && { outcome }),
      ...(retryAfterS !== undefined && { retryAfterS }),
      ...(upstream !== undefined && { upstream }),
      ...changes,
    });
  }
}
