import type { Reason } from './reason.ts';
import { boundedViolations, type Violation } from './violation-list.ts';

/**
 * What became of the money.
 *
 * `not_started`: the upstream was not asked, or refused. `unknown`: it was
 * asked, and whether it accepted can not be known. `accepted`: it accepted, and
 * the operation goes on whatever else happened.
 */
export type SpendOutcome = 'not_started' | 'unknown' | 'accepted';

/** What the upstream said, as far as a caller may know it. */
export interface UpstreamTrace {
  /** Name of the gRPC code (`INVALID_ARGUMENT`), or the number where it has no name. */
  readonly grpcCode: string;
  /** The upstream's id of the call, for questions to the vendor. */
  readonly requestId?: string;
}

export interface GatewayErrorOptions {
  /** For the log only: never leaves the process. */
  readonly cause?: unknown;
  readonly violations?: readonly Violation[];
  readonly outcome?: SpendOutcome;
  /** Seconds until a retry makes sense. Absent: the default of the reason. */
  readonly retryAfterS?: number;
  readonly upstream?: UpstreamTrace;
  /** The upstream's own message, which only the vendor's surface shows. */
  readonly upstreamMessage?: string;
  /** Whether the upstream itself does not work, as against one request that it refused. Absent: the reason decides. */
  readonly isUpstreamFailure?: boolean;
  /** Further response headers that the reason requires, such as Allow. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * The one kind of error below `http/`.
 *
 * `detail` is public: it is written for the caller, says what to do, and
 * contains no secret, address or prompt. `cause` is for the log.
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly reason: Reason;
  readonly detail: string;
  /** Bounded in number and size. */
  readonly violations: readonly Violation[];
  readonly outcome: SpendOutcome | undefined;
  readonly retryAfterS: number | undefined;
  readonly upstream: UpstreamTrace | undefined;
  readonly upstreamMessage: string | undefined;
  readonly isUpstreamFailure: boolean | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(reason: Reason, detail: string, options: GatewayErrorOptions = {}) {
    super(`${reason}: ${detail}`, 'cause' in options ? { cause: options.cause } : undefined);
    this.reason = reason;
    this.detail = detail;
    this.violations = boundedViolations(options.violations ?? []);
    this.outcome = options.outcome;
    this.retryAfterS = options.retryAfterS;
    this.upstream = options.upstream;
    this.upstreamMessage = options.upstreamMessage;
    this.isUpstreamFailure = options.isUpstreamFailure;
    this.headers = options.headers ?? {};
  }

  /** A copy with some parts changed. */
  with(changes: GatewayErrorOptions & { readonly detail?: string }): GatewayError {
    const { reason, cause, violations, headers, outcome, retryAfterS, upstream } = this;
    const { upstreamMessage, isUpstreamFailure } = this;
    return new GatewayError(reason, changes.detail ?? this.detail, {
      cause,
      violations,
      headers,
      ...(outcome !== undefined && { outcome }),
      ...(retryAfterS !== undefined && { retryAfterS }),
      ...(upstream !== undefined && { upstream }),
      ...(upstreamMessage !== undefined && { upstreamMessage }),
      ...(isUpstreamFailure !== undefined && { isUpstreamFailure }),
      ...changes,
    });
  }
}
