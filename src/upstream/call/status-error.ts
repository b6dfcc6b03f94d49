import { GatewayError, type SpendOutcome } from '../../errors/gateway-error.ts';
import { grpcCodeName, type GrpcCodeName } from '../../errors/grpc-code.ts';
import type { Reason } from '../../errors/reason.ts';
import type { Violation } from '../../errors/violation-list.ts';
import { isModerationRefusal, isPromptLimit, type Culprit } from '../../errors/vendor-wording.ts';
import { printableText } from '../../text/printable.ts';
import { codeRuleOf, serviceRefusalOf, type CodeRule } from './code-rules.ts';
import { culpritOf } from './culprit.ts';
import { errorDetailsFromBytes, type ErrorDetails } from './error-details.ts';
import { localStatuses, type LocalStatus } from './grpc-js-status.ts';
import type { CallStatus } from './unary-call.ts';

/** The method of a call. `Probe` is a Get that only checks whether the service is alive. */
export type MethodName = 'Generate' | 'Get' | 'Cancel' | 'Probe' | 'Describe' | 'Settle';

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

/** What the caller itself named in the request, as against what the operator's configuration filled in. */
export interface NamedByCaller {
  /** The model, as the caller wrote it; absent where it is the default or an alias. */
  readonly model?: string;
  readonly folder: boolean;
}

export interface StatusContext {
  readonly method: MethodName;
  /** Whether the upstream is the product's own service, whose ErrorInfo is believed. */
  readonly isService?: boolean | undefined;
  /** A number in [0, 1), which spreads the retries of many callers. */
  readonly random: () => number;
  /** Whether the call carried the caller's passthrough credential, so that a refusal of it is the caller's. */
  readonly isPassthrough?: boolean;
  /** The credential of the call, which an upstream may quote and neither a caller nor the log may see. */
  readonly secret?: string | undefined;
  /** Texts of the request, which an upstream may quote and the log must not hold. */
  readonly prompts?: readonly string[];
  readonly modelUri?: string;
  readonly namedByCaller?: NamedByCaller | undefined;
}

/**
 * The error for a call that did not succeed: whose mistake it is, and whether it
 * may be paid for. The status is classified as it came; secrets are removed from what
 * is shown, so that none of them can change what the status means.
 */
export function errorFromStatus(status: CallStatus, context: StatusContext): GatewayError {
  const local = localStatusOf(status);
  if (local !== undefined) return errorFromLocal(status, local, context);
  const code = grpcCodeName(status.code);
  if (code === undefined) {
    const detail = 'the upstream sent a code that is no gRPC code';
    return new GatewayError('bad_upstream_result', detail, {
      cause: causeOf(status, context),
      ...(Number.isInteger(status.code) && { upstream: traceOf(status, undefined) }),
      ...outcomeOf(context.method, 'unknown'),
    });
  }
  return errorFromUpstream(status, code, context);
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
  code: GrpcCodeName,
  context: StatusContext,
): GatewayError {
  const details = errorDetailsFromBytes(status.detailsBytes);
  const rule = ruleFor(status, code, context, details);
  const { reason } = rule;
  const isQuotable = quotable.has(reason) || isServiceRefusal(context, details);
  const text = printableText(withoutSecret(status.details, context), detailCharactersMax);
  const quote = isQuotable && rule.detail === undefined && text !== '' ? text : undefined;
  const violations = details.violations.map((violation) => ({
    ...violation,
    detail: withoutSecret(violation.detail, context),
  }));
  return new GatewayError(
    reason,
    rule.detail ?? quote ?? plainDetails[reason] ?? 'the upstream refused',
    {
      cause: causeOf(status, context),
      violations: rule.violations ?? (quotable.has(reason) ? violations : []),
      isUpstreamFailure: rule.isUpstreamFailure,
      ...(rule.isForCaller === true && { upstreamMessage: withoutFolder(text, context) }),
      ...(status.hasResponded && { upstream: traceOf(status, details.requestId) }),
      ...retryOf(reason, details.retryAfterS, context),
      ...outcomeOf(context.method, rule.spend),
    },
  );
}

/** A code's rule with what the text adds to it. */
interface StatusRule extends CodeRule {
  readonly violations?: readonly Violation[];
  /** Whether the upstream's text is about what the caller itself named, so that the vendor's surface may show it. */
  readonly isForCaller?: boolean;
}

/** Whether the service itself says of a Generate that it started nothing. Of any other upstream that is not believed. */
function isServiceRefusal(
  { method, isService = false }: StatusContext,
  { service }: ErrorDetails,
): boolean {
  return isService && method === 'Generate' && service?.isNotStarted === true;
}

function ruleFor(
  status: CallStatus,
  code: GrpcCodeName,
  context: StatusContext,
  details: ErrorDetails,
): StatusRule {
  const rule = ruleOfText(status, code, context, details);
  return isServiceRefusal(context, details) ? { ...rule, ...serviceRefusalOf(code, rule) } : rule;
}

function ruleOfText(
  status: CallStatus,
  code: GrpcCodeName,
  context: StatusContext,
  details: ErrorDetails,
): StatusRule {
  const { method, isPassthrough = false, modelUri = '' } = context;
  const rule = codeRuleOf(code, isPassthrough);
  if (code === 'NOT_FOUND' && method !== 'Generate') {
    return { ...rule, reason: 'operation_not_found' };
  }
  // Only a create has a prompt, a model and a folder.
  if (method !== 'Generate') return rule;
  if (code === 'INVALID_ARGUMENT') {
    if (isModerationRefusal(status.details)) return { ...rule, reason: 'content_policy_violation' };
    if (isPromptLimit(status.details)) return { ...rule, reason: 'prompt_too_long' };
  }
  const fields = details.violations.map(({ pointer = '' }) => pointer);
  const culprit = culpritOf(code, status.details, { modelUri, fields });
  return culprit === undefined ? rule : { ...rule, ...culpritRule(culprit, context) };
}

/** Who answers for a culprit: the caller for what it named itself, else whose credential and configuration it is. */
function culpritRule(culprit: Culprit, context: StatusContext): Partial<StatusRule> {
  const { isPassthrough = false, namedByCaller } = context;
  const isModel = culprit === 'model';
  if (isModel && namedByCaller?.model !== undefined) {
    const detail = 'there is no model of this name that you may use';
    const violations = [{ pointer: '#/modelUri', code: 'model_not_found', detail }];
    return { reason: 'model_not_found', detail, violations, isForCaller: true };
  }
  if (culprit === 'folder' && namedByCaller?.folder === true) {
    const detail = 'the upstream does not let this gateway use the folder that you named';
    const violations = [{ pointer: '#/modelUri', code: 'folder', detail }];
    return { reason: 'invalid_request', detail, violations, isForCaller: true };
  }
  if (isPassthrough) {
    return culprit === 'credential'
      ? codeRuleOf('UNAUTHENTICATED', true)
      : { ...codeRuleOf('PERMISSION_DENIED', true), isForCaller: true };
  }
  if (culprit === 'credential') return codeRuleOf('UNAUTHENTICATED', false);
  const detail = `the upstream refuses the ${culprit} that the gateway is configured with`;
  return { reason: 'upstream_auth', detail, violations: [] };
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
function causeOf(status: CallStatus, context: StatusContext): Error {
  const { prompts = [] } = context;
  const code = grpcCodeName(status.code) ?? String(status.code);
  const text = prompts.reduce(
    (result, prompt) => result.replaceAll(prompt, '[prompt]'),
    withoutSecret(status.details, context),
  );
  return new Error(`${code}: ${printableText(text, detailCharactersMax)}`);
}

/** The text without the operator's folder, unless the caller named the folder itself. */
function withoutFolder(text: string, { modelUri = '', namedByCaller }: StatusContext): string {
  const folder = /^art:\/\/([^/]+)/.exec(modelUri)?.[1] ?? '';
  if (folder === '' || namedByCaller?.folder === true) return text;
  return text.replaceAll(`art://${folder}/`, 'art://…/');
}

function withoutSecret(text: string, { secret = '' }: StatusContext): string {
  return secret === '' ? text : text.replaceAll(secret, '[redacted]');
}
