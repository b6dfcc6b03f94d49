import { RendererError, type SpendClass } from '../renderers/renderer.ts';
import { attemptsMax, endCodes, type OperationFailure } from './operation-record.ts';

/** What follows from an attempt that brought no image. */
export type AttemptEnd =
  | { readonly kind: 'requeue'; readonly afterMs: number; readonly givesBack: boolean }
  | { readonly kind: 'fail'; readonly failure: OperationFailure };

const retryDelayMs = 1_000;
const busyDelayMs = 5_000;

const lost: OperationFailure = {
  code: endCodes.aborted,
  message:
    'the response of the image model was lost: the image may have been made and paid for; it is not requested again',
  reason: 'OUTCOME_UNKNOWN',
};

/**
 * Decides between once more and the end. A renderer that costs money is asked
 * again only after a failure that surely cost none.
 *
 * @param attempts Dispatches so far, this one included.
 */
export function attemptEnd(
  error: unknown,
  { spend, attempts }: { readonly spend: SpendClass; readonly attempts: number },
): AttemptEnd {
  const { failure, message } =
    error instanceof RendererError
      ? error
      : ({ failure: 'unknown', message: 'rendering failed' } as const);
  switch (failure) {
    case 'not_sent':
      return { kind: 'requeue', afterMs: retryDelayMs, givesBack: true };
    case 'busy':
      return { kind: 'requeue', afterMs: busyDelayMs, givesBack: true };
    case 'refused':
    case 'prompt_too_long':
    case 'moderated':
      return { kind: 'fail', failure: { code: 3, message } };
    case 'quota':
      return { kind: 'fail', failure: { code: endCodes.exhausted, message } };
    case 'credential':
      return { kind: 'fail', failure: { code: endCodes.unauthenticated, message } };
    case 'misconfigured':
    case 'no_image':
      return { kind: 'fail', failure: { code: endCodes.internal, message } };
    case 'failed':
    case 'unknown':
      return spend === 'free'
        ? endOfRepeatable(message, attempts)
        : {
            kind: 'fail',
            failure: failure === 'unknown' ? lost : { code: endCodes.internal, message },
          };
  }
}

/** What follows when the process ended during an attempt. */
export function interruptedEnd(spend: SpendClass, attempts: number): AttemptEnd {
  return attemptEnd(new RendererError('unknown', 'the service ended while rendering'), {
    spend,
    attempts,
  });
}

function endOfRepeatable(message: string, attempts: number): AttemptEnd {
  if (attempts < attemptsMax) return { kind: 'requeue', afterMs: retryDelayMs, givesBack: false };
  return { kind: 'fail', failure: { code: endCodes.internal, message } };
}
