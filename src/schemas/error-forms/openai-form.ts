import { z } from 'zod';
import type { GatewayError } from '../../errors/gateway-error.ts';
import type { Reason } from '../../errors/reason.ts';
import { problemKindOf } from '../problem-catalog.ts';
import type { ErrorForm } from './error-form.ts';

const openAiErrorSchema = z
  .object({
    error: z
      .object({
        message: z.string(),
        type: z.string(),
        param: z.unknown().meta({ description: 'Name of the wrong field, or null.' }),
        code: z.string(),
        outcome: z.string().optional().meta({ description: 'What became of the money.' }),
      })
      .meta({ id: 'OpenAiErrorBody', description: 'Why a request was refused.' }),
  })
  .meta({ id: 'OpenAiError', description: 'An error as OpenAI’s API writes it.' });

/** Reasons that OpenAI's clients know by a code of their own. */
const codes: Readonly<Partial<Record<Reason, string>>> = {
  content_policy_violation: 'moderation_blocked',
  unauthenticated: 'invalid_api_key',
  rate_limited: 'rate_limit_exceeded',
  quota_exceeded: 'rate_limit_exceeded',
};

/** Statuses that OpenAI's API has where the native surface has another one. */
const statuses: Readonly<Partial<Record<Reason, number>>> = {
  content_policy_violation: 400,
  model_not_found: 404,
};

function statusOfReason(reason: Reason): number {
  return statuses[reason] ?? problemKindOf(reason).status;
}

function typeOf(reason: Reason): string {
  if (reason === 'content_policy_violation') return 'image_generation_user_error';
  const status = statusOfReason(reason);
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

/** The inner object of the body, which the event stream carries too. */
export function openAiError(error: GatewayError): object {
  const { reason, detail, violations, outcome } = error;
  const [violation] = violations;
  const param =
    violation?.pointer?.replace(/^#\//, '') ?? violation?.parameter ?? violation?.header ?? null;
  const message = violation === undefined ? detail : `${param ?? ''}: ${violation.detail}`;
  return {
    message: violations.length > 1 ? detail : message,
    type: typeOf(reason),
    param,
    code: codes[reason] ?? reason,
    ...(outcome !== undefined && { outcome }),
  };
}

/** Every path below /v1 but those of the native surface. */
const paths = /^\/v1(?:$|\/(?!(?:images|tokens)\/*$|operations(?:\/|$)))/;

/** Errors as OpenAI's API writes them, and beside that what became of the money. */
export const openAiForm: ErrorForm = {
  name: 'openai',
  mediaType: 'application/json',
  schema: openAiErrorSchema,
  ownsPath: (path) => paths.test(path),
  statusOfReason,
  statusOf: ({ reason }) => statusOfReason(reason),
  bodyOf: (error) => ({ error: openAiError(error) }),
  // OpenAI's clients repeat every 5xx, 408, 409 and 429 by themselves, unless this header forbids it.
  finalHeaders: { 'x-should-retry': 'false' },
  headerNames: [
    'X-Should-Retry',
    'X-RateLimit-Limit-Requests',
    'X-RateLimit-Remaining-Requests',
    'X-RateLimit-Reset-Requests',
  ],
  exampleOf: (reason) => ({
    error: {
      message: problemKindOf(reason).title,
      type: typeOf(reason),
      param: null,
      code: codes[reason] ?? reason,
    },
  }),
};
