import type { Reason } from '../errors/reason.ts';
import { rpcCodeOfReason, vendorHttpStatus } from '../errors/vendor-status.ts';
import { problemKindOf } from './problem-catalog.ts';

/** How a surface tells its errors: RFC 9457, as OpenAI does, or as `google.rpc.Status`. */
export type ErrorShape = 'problem' | 'openai' | 'status';

const openAiPaths = /^\/v1(?:\/|$)/;
const nativePaths = /^\/v1\/(?:images$|operations(?:\/|$)|tokens$)/;
const vendorPaths = /^\/foundationModels\/|^\/operations\/[^/]+:/;

/** The shape that clients of a path read, where no route says it: the path is wrong, then. */
export function errorShapeOfPath(path: string): ErrorShape {
  if (vendorPaths.test(path)) return 'status';
  return openAiPaths.test(path) && !nativePaths.test(path) ? 'openai' : 'problem';
}

/** The HTTP status of a reason in each shape: of the gateway's own errors, which no code of the upstream overrules. */
export function statusOfReason(shape: ErrorShape, reason: Reason): number {
  // The vendor's table has 501 for it, which blames the server for a wrong path or method.
  if (shape === 'status' && reason === 'method_not_allowed') return 405;
  if (shape === 'status') return vendorHttpStatus(rpcCodeOfReason(reason));
  if (shape === 'openai' && reason === 'content_policy_violation') return 400;
  return problemKindOf(reason).status;
}

/** The `type` of OpenAI's error bodies. */
export function openAiErrorType(reason: Reason): string {
  if (reason === 'content_policy_violation') return 'image_generation_user_error';
  const status = statusOfReason('openai', reason);
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}
