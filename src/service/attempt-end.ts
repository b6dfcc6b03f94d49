import {
  RendererError,
  type LossCause as RendererLossCause,
  type RendererErrorOptions,
  type RendererFailure,
  type RenderPlan,
  type SpendClass,
} from '../renderers/renderer.ts';
import { outcomeUnknown } from '../grpc/service-errors.ts';
import { backendWords } from './backend-words.ts';
import { attemptsMax, endCodes, type OperationFailure } from './operation-record.ts';

/** How the end of an attempt got lost: by the renderer, or by this service. */
export type LossCause = RendererLossCause | 'crash' | 'stop' | 'disk';

/** Whether an attempt cost what an image costs. */
export type Spent = 'no' | 'yes' | 'unknown';

/** What follows from an attempt that brought no image. */
export type AttemptEnd = (
  | {
      readonly kind: 'requeue';
      readonly afterMs: number;
      /** Whether it does not count among the operation's attempts. */
      readonly givesBack: boolean;
      readonly wasUnreachable?: boolean;
    }
  | { readonly kind: 'fail'; readonly failure: OperationFailure }
) & {
  readonly spent: Spent;
  /** Where no one can tell whether an image was made and paid for. */
  readonly lossCause?: LossCause;
};

/** What the end of an attempt depends on beside the failure. */
export interface AttemptFacts {
  readonly spend: SpendClass;
  readonly backend: string;
  /** Dispatches so far, this one included. */
  readonly attempts: number;
  readonly plan: RenderPlan | undefined;
  /** Milliseconds for which the operation may still wait. */
  readonly deadlineLeftMs: number;
  /** What ended it here, where it was not the renderer. */
  readonly endedBy?: 'crash' | 'stop';
}

const retryDelayMs = 1_000;
/** The vendor's words, by which callers of the contract know it; backends have one each. */
const moderationMessage =
  'it is not possible to generate an image from this request because it may violate the terms of use';

/**
 * Decides between once more and the end. A renderer that costs money is asked
 * again only after a failure that surely cost none.
 */
export function attemptEnd(error: unknown, facts: AttemptFacts): AttemptEnd {
  const { failure, options } = failureOf(error);
  const words = error instanceof RendererError ? backendWords(error.message, facts.plan) : '';
  const message = words === '' ? 'rendering failed' : words;
  switch (failure) {
    case 'not_sent':
      return {
        ...{ kind: 'requeue', afterMs: 0, givesBack: true, spent: 'no', wasUnreachable: true },
      };
    case 'busy':
      return endOfBusy(message, options, facts);
    case 'moderated':
      return refusal(failure, moderationMessage, options);
    case 'refused':
    case 'prompt_too_long':
    case 'quota':
    case 'credential':
    case 'misconfigured':
      return refusal(failure, message, options);
    case 'no_image':
      return { kind: 'fail', failure: { code: endCodes.internal, message }, spent: 'yes' };
    case 'failed':
    case 'unknown':
      return facts.spend === 'free'
        ? endOfFree(message, options, facts)
        : endOfPaid(failure, message, options, facts);
  }
}

/** What follows when the process ended during an attempt. */
export function interruptedEnd(facts: AttemptFacts): AttemptEnd {
  const error = new RendererError('unknown', 'the service ended while the image was made');
  return attemptEnd(error, { ...facts, endedBy: 'crash' });
}

/** What an error says; one that no renderer throws says nothing. */
export function failureOf(error: unknown): {
  readonly failure: RendererFailure;
  readonly options: RendererErrorOptions;
} {
  return error instanceof RendererError ? error : { failure: 'unknown', options: {} };
}

/** Ends that the backend decided. */
function refusal(
  failure: keyof typeof refusalCodes,
  message: string,
  { isSpent = false, field }: RendererErrorOptions,
): AttemptEnd {
  const code = refusalCodes[failure];
  return {
    kind: 'fail',
    failure: { code, message, ...(field !== undefined && { field }) },
    spent: isSpent ? 'yes' : 'no',
  };
}

const refusalCodes = {
  refused: endCodes.invalid,
  prompt_too_long: endCodes.invalid,
  moderated: endCodes.invalid,
  quota: endCodes.exhausted,
  credential: endCodes.unauthenticated,
  misconfigured: endCodes.internal,
} as const;

function endOfBusy(
  message: string,
  { retryAfterMs = 0 }: RendererErrorOptions,
  { deadlineLeftMs }: AttemptFacts,
): AttemptEnd {
  if (retryAfterMs > deadlineLeftMs) {
    return { kind: 'fail', failure: { code: endCodes.exhausted, message }, spent: 'no' };
  }
  return { kind: 'requeue', afterMs: 0, givesBack: true, spent: 'no' };
}

function endOfFree(
  message: string,
  { lossCause, attemptsMax: worth = attemptsMax }: RendererErrorOptions,
  { attempts, endedBy }: AttemptFacts,
): AttemptEnd {
  const spent = 'unknown';
  if (endedBy === 'stop') return { kind: 'requeue', afterMs: 0, givesBack: true, spent };
  // The backend may still be at it, and a second one would only slow it down.
  if (lossCause === 'timeout') {
    return { kind: 'fail', failure: { code: endCodes.deadline, message }, spent };
  }
  if (attempts < Math.min(worth, attemptsMax)) {
    return { kind: 'requeue', afterMs: retryDelayMs, givesBack: false, spent };
  }
  return { kind: 'fail', failure: { code: endCodes.internal, message }, spent };
}

function endOfPaid(
  failure: 'failed' | 'unknown',
  message: string,
  { lossCause = 'reset', isSpent = true }: RendererErrorOptions,
  { backend, attempts, endedBy }: AttemptFacts,
): AttemptEnd {
  if (failure === 'failed') {
    const spent = isSpent ? 'yes' : 'no';
    return { kind: 'fail', failure: { code: endCodes.internal, message }, spent };
  }
  const cause = endedBy ?? lossCause;
  const lost: OperationFailure = {
    code: endCodes.aborted,
    message:
      'the response of the image model was lost: the image may have been made and paid for; it is not requested again',
    reason: outcomeUnknown,
    lossCause: cause,
    metadata: { backend, attempts: String(attempts) },
  };
  return { kind: 'fail', failure: lost, spent: 'unknown', lossCause: cause };
}
