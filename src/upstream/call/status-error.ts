import { GatewayError, type SpendOutcome } from '../../errors/gateway-error.ts';
import { grpcCodeName, type GrpcCodeName } from '../../errors/grpc-code.ts';
import type { Reason } from '../../errors/reason.ts';
import { isModerationRefusal, isPromptLimit } from '../../errors/vendor-wording.ts';
import { printableText } from '../../text/printable.ts';
import { errorDetailsFromBytes } from './error-details.ts';
import { localStatuses, type LocalStatus } from './grpc-js-status.ts';
import type { CallStatus } from './unary-call.ts';

/** The method of a call. `Probe` is a Get that only checks whether the service is alive. */
export type MethodName = 'Generate' | 'Get' | 'Cancel' | 'Probe';

interface CodeRule {
  readonly reason: Reason;
  /** Whether a Generate with this end may have been accepted, and paid for. */
  readonly spend: 'not_started' | 'unknown';
  /** Shown in place of the upstream's own text, where that is not for callers. */
  readonly detail?: string;
}

const refusedGateway = 'the upstream does not accept the credentials of the gateway';

/** The meaning of each code that the upstream itself sent. */
const codeRules = {
  OK: { reason: 'bad_upstream_result', spend: 'unknown', detail: 'the upstream sent no message' },
  CANCELLED: { reason: 'upstream_error', spend: 'unknown' },
  UNKNOWN: { reason: 'upstream_error', spend: 'unknown' },
  INVALID_ARGUMENT: { reason: 'invalid_request', spend: 'not_started' },
  DEADLINE_EXCEEDED: { reason: 'upstream_timeout', spend: 'unknown' },
  NOT_FOUND: { reason: 'upstream_error', spend: 'not_started' },
  ALREADY_EXISTS: { reason: 'upstream_error', spend: 'not_started' },
  PERMISSION_DENIED: { reason: 'upstream_auth', spend: 'not_started', detail: refusedGateway },
  RESOURCE_EXHAUSTED: { reason: 'quota_exceeded', spend: 'not_started' },
  FAILED_PRECONDITION: { reason: 'invalid_request', spend: 'not_started' },
  ABORTED: { reason: 'upstream_error', spend: 'unknown' },
  OUT_OF_RANGE: { reason: 'invalid_request', spend: 'not_started' },
  UNIMPLEMENTED: { reason: 'upstream_error', spend: 'not_started' },
  INTERNAL: { reason: 'upstream_error', spend: 'unknown' },
  UNAVAILABLE: { reason: 'upstream_unavailable', spend: 'unknown' },
  DATA_LOSS: { reason: 'upstream_error', spend: 'unknown' },
  UNAUTHENTICATED: { reason: 'upstream_auth', spend: 'not_started', detail: refusedGateway },
} as const satisfies Record<GrpcCodeName, CodeRule>;

/** The rules that differ for calls with the caller's passthrough credential. */
const passthroughCodeRules: Partial<Record<GrpcCodeName, CodeRule>> = {
  UNAUTHENTICATED: {
    reason: 'unauthenticated',
    spend: 'not_started',
    detail: 'the upstream does not accept your credential',
  },
  PERMISSION_DENIED: {
    reason: 'permission_denied',
    spend: 'not_started',
    detail: 'the upstream denies your credential this folder, model or operation',
  },
};

const detailCharactersMax = 500;

/** Texts for a status without one of its own. */
const plainDetails: Partial<Record<Reason, string>> = {
  upstream_error: 'the upstream failed',
  upstream_unavailable: 'the upstream can not be reached',
  upstream_timeout: 'the upstream did not respond in time',
  quota_exceeded: 'the upstream accepts no more requests for now',
  invalid_request: 'the upstream refuses the request',
};

/** Reasons whose text the upstream wrote for the caller. */
const quotable: ReadonlySet<Reason> = new Set([
  'invalid_request',
  'content_policy_violation',
  'prompt_too_long',
  'quota_exceeded',
]);

export interface StatusContext {
  readonly method: MethodName;
  /** A number in [0, 1), which spreads the retries of many callers. */
  readonly random: () => number;
  /** Whether the call carried the caller's passthrough credential, so that a refusal of it is the caller's. */
  readonly isPassthrough?: boolean;
  /** Texts of the request, which an upstream may quote and the log must not hold. */
  readonly prompts?: readonly string[];
}

/** The error for a call that did not succeed: whose error it is, and whether the image may be paid for. */
export function errorFromStatus(status: CallStatus, context: StatusContext): GatewayError {
  const local = localStatusOf(status);
  if (local !== undefined) return errorFromLocal(status, local, context);
  const name = grpcCodeName(status.code);
  if (name === undefined) {
    const detail = 'the upstream sent a code that is no gRPC code';
    return new GatewayError('bad_upstream_result', detail, {
      cause: causeOf(status, context),
      ...(Number.isInteger(status.code) && { upstream: traceOf(status, undefined) }),
      ...outcomeOf(context.method, 'unknown'),
    });
  }
  return errorFromUpstream(status, name, context);
}

function errorFromLocal(
  status: CallStatus,
  local: LocalStatus,
  context: StatusContext,
): GatewayError {
  return new GatewayError(local.reason, local.detail, {
    cause: causeOf(status, context),
    ...retryOf(local.reason, undefined, context),
    ...outcomeOf(context.method, local.spend),
  });
}

function errorFromUpstream(
  status: CallStatus,
  name: GrpcCodeName,
  context: StatusContext,
): GatewayError {
  const rule: CodeRule =
    (context.isPassthrough === true ? passthroughCodeRules[name] : undefined) ?? codeRules[name];
  const details = errorDetailsFromBytes(status.detailsBytes);
  const reason = refinedReason(rule.reason, name, status.details, context.method);
  const text = quotable.has(reason) ? printableText(status.details, detailCharactersMax) : '';
  return new GatewayError(
    reason,
    rule.detail ?? (text === '' ? (plainDetails[reason] ?? 'the upstream refused') : text),
    {
      cause: causeOf(status, context),
      violations: quotable.has(reason) ? details.violations : [],
      ...(status.hasResponded && { upstream: traceOf(status, details.requestId) }),
      ...retryOf(reason, details.retryAfterS, context),
      ...outcomeOf(context.method, rule.spend),
    },
  );
}

function refinedReason(
  reason: Reason,
  name: GrpcCodeName,
  message: string,
  method: MethodName,
): Reason {
  if (name === 'NOT_FOUND' && method !== 'Generate') return 'operation_not_found';
  // Only a create sends a prompt, which can be moderated or too long.
  if (name !== 'INVALID_ARGUMENT' || method !== 'Generate') return reason;
  if (isModerationRefusal(message)) return 'content_policy_violation';
  return isPromptLimit(message) ? 'prompt_too_long' : reason;
}

function localStatusOf(status: CallStatus): LocalStatus | undefined {
  return localStatuses.find(
    ({ code, text, isBeforeResponse }) =>
      (code === undefined || code === status.code) &&
      !(isBeforeResponse === true && status.hasResponded) &&
      text.test(status.details),
  );
}

function outcomeOf(method: MethodName, outcome: SpendOutcome): { outcome?: SpendOutcome } {
  return method === 'Generate' ? { outcome } : {};
}

function retryOf(reason: Reason, requestedS: number | undefined, { random }: StatusContext) {
  if (requestedS !== undefined) return { retryAfterS: requestedS };
  return reason === 'upstream_unavailable' ? { retryAfterS: 1 + Math.floor(random() * 3) } : {};
}

function traceOf(status: CallStatus, requestId: string | undefined) {
  const id = status.requestId ?? requestId;
  const grpcCode = grpcCodeName(status.code) ?? String(status.code);
  return id === undefined ? { grpcCode } : { grpcCode, requestId: printableText(id, 128) };
}

/** The status for the log: its text may hold addresses, and the prompt is left out. */
function causeOf(status: CallStatus, { prompts = [] }: StatusContext): Error {
  const name = grpcCodeName(status.code) ?? String(status.code);
  const text = prompts.reduce(
    (result, prompt) => result.replaceAll(prompt, '[prompt]'),
    status.details,
  );
  return new Error(`${name}: ${printableText(text, detailCharactersMax)}`);
}
