import type { GrpcCodeName } from '../../errors/grpc-code.ts';
import type { Reason } from '../../errors/reason.ts';

/** The meaning of a gRPC code that the upstream itself sent. */
export interface CodeRule {
  readonly reason: Reason;
  /** Whether a Generate with this end may have been accepted, and paid for. */
  readonly spend: 'not_started' | 'unknown';
  /**
   * Whether the upstream itself does not work. Otherwise it works and refused this
   * one request, which says nothing about the requests of other callers.
   */
  readonly isUpstreamFailure: boolean;
  /** Shown in place of the upstream's own text, where that is not for callers. */
  readonly detail?: string;
}

/** The end of a call that the upstream refused: nothing was spent, and the upstream works. */
function refused(reason: Reason, detail?: string): CodeRule {
  const rule = { reason, spend: 'not_started', isUpstreamFailure: false } as const;
  return detail === undefined ? rule : { ...rule, detail };
}

/** The end of a call that failed inside the upstream: it may have been paid for. */
function failed(reason: Reason): CodeRule {
  return { reason, spend: 'unknown', isUpstreamFailure: true };
}

export const refusedGateway = 'the upstream does not accept the credentials of the gateway';

/** The rules for calls with the gateway's credential. */
const rules = {
  OK: { ...failed('bad_upstream_result'), detail: 'the upstream sent no message' },
  CANCELLED: failed('upstream_error'),
  UNKNOWN: failed('upstream_error'),
  INVALID_ARGUMENT: refused('invalid_request'),
  DEADLINE_EXCEEDED: failed('upstream_timeout'),
  NOT_FOUND: refused('upstream_error'),
  ALREADY_EXISTS: refused('upstream_error'),
  PERMISSION_DENIED: refused('upstream_auth', refusedGateway),
  RESOURCE_EXHAUSTED: refused('quota_exceeded'),
  FAILED_PRECONDITION: refused('invalid_request'),
  // A conflict with another request, not an outage; but it may have been accepted.
  ABORTED: { ...failed('upstream_error'), isUpstreamFailure: false },
  OUT_OF_RANGE: refused('invalid_request'),
  UNIMPLEMENTED: refused('upstream_error'),
  INTERNAL: failed('upstream_error'),
  UNAVAILABLE: failed('upstream_unavailable'),
  DATA_LOSS: failed('upstream_error'),
  UNAUTHENTICATED: refused('upstream_auth', refusedGateway),
} as const satisfies Record<GrpcCodeName, CodeRule>;

/** The rules that differ for calls with the caller's passthrough credential. */
const passthroughRules: Partial<Record<GrpcCodeName, CodeRule>> = {
  UNAUTHENTICATED: refused('unauthenticated', 'the upstream does not accept your credential'),
  PERMISSION_DENIED: refused(
    'permission_denied',
    'the upstream denies your credential this folder, model or operation',
  ),
};

/** The rules of the service's codes that mean another thing from others: the store behind the address changed. */
const serviceRules: Partial<Record<GrpcCodeName, CodeRule>> = {
  FAILED_PRECONDITION: refused(
    'upstream_unavailable',
    'the image service was replaced meanwhile; ask again',
  ),
};

/** The rule of a Generate of which the service says that nothing was started: it works, and took nothing. */
export function serviceRefusalOf(code: GrpcCodeName, rule: CodeRule): CodeRule {
  return { ...(serviceRules[code] ?? rule), spend: 'not_started', isUpstreamFailure: false };
}

/** The rule of a code, by whose credential the call carried. */
export function codeRuleOf(code: GrpcCodeName, isPassthrough: boolean): CodeRule {
  return (isPassthrough ? passthroughRules[code] : undefined) ?? rules[code];
}
