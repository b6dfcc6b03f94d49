import type { GatewayError } from '../errors/gateway-error.ts';
import type { Reason } from '../errors/reason.ts';
import { openAiErrorType } from '../schemas/error-shape.ts';
import type { JsonValue } from './json-value.ts';

/** Reasons that OpenAI's clients know by a code of their own. */
const codes: Readonly<Partial<Record<Reason, string>>> = {
  content_policy_violation: 'moderation_blocked',
  unauthenticated: 'invalid_api_key',
  rate_limited: 'rate_limit_exceeded',
  quota_exceeded: 'rate_limit_exceeded',
};

/** The error body of OpenAI's API, and beside it what became of the money. */
export function openAiErrorJson(error: GatewayError): JsonValue {
  return { error: openAiError(error) };
}

/** The inner object of the body, which event streams carry too. */
export function openAiError(error: GatewayError): JsonValue {
  const { reason, detail, violations, outcome } = error;
  const [fault] = violations;
  const param = fault?.pointer?.replace(/^#\//, '') ?? fault?.parameter ?? fault?.header ?? null;
  const message = fault === undefined ? detail : `${param ?? ''}: ${fault.detail}`;
  return {
    message: violations.length > 1 ? detail : message,
    type: openAiErrorType(reason),
    param,
    code: codes[reason] ?? reason,
    ...(outcome !== undefined && { outcome }),
  };
}
