import { problemKindOf } from '../problem-catalog.ts';
import { problemSchema, type Problem } from '../problem-document.ts';
import type { ErrorForm } from './error-form.ts';

const instanceCharactersMax = 256;

/** The gateway's own errors: problem documents (RFC 9457). */
export const nativeForm: ErrorForm = {
  name: 'native',
  mediaType: 'application/problem+json',
  schema: problemSchema,
  ownsPath: () => true,
  statusOfReason: (reason) => problemKindOf(reason).status,
  statusOf: ({ reason }) => problemKindOf(reason).status,
  bodyOf: ({ reason, detail, outcome, violations, upstream }, request): Problem => {
    const { title, retryable } = problemKindOf(reason);
    return {
      type: `${request.origin}/problems/${reason}`,
      title,
      status: request.status,
      code: reason,
      detail,
      instance: request.path.slice(0, instanceCharactersMax),
      requestId: request.requestId,
      retryable: retryable && outcome !== 'unknown',
      ...(outcome !== undefined && { outcome }),
      ...(violations.length > 0 && { errors: [...violations] }),
      ...(upstream !== undefined && { upstream: { ...upstream } }),
    };
  },
  finalHeaders: {},
  headerNames: [],
  exampleOf: (reason, path): Problem => {
    const { status, title, retryable, advice } = problemKindOf(reason);
    return {
      type: `https://gateway.example/problems/${reason}`,
      title,
      status,
      code: reason,
      detail: advice.split(/[.:;]/, 1)[0] ?? title,
      instance: path.replace('{id}', 'op_AZk3v0'),
      requestId: '0b6f3a52-6d54-4a0e-9c1e-2f6b8f0f9c55',
      retryable,
    };
  },
};
