// The requests of this page that are sent again until they are answered.
import { forgetKey, keyOf } from './playground-memory.js';

const attemptsMax = 4;
const firstPauseMs = 500;
/** Longer than any create takes, so that a connection which is silent for ever ends too. */
const createLimitMs = 40_000;
const imageLimitMs = 90_000;

/** An error response of the gateway. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
  }
}

/** No response came, or only a part of one. */
export class Lost extends Error {}

/**
 * Creates an operation. A response that is lost on the way does not say whether
 * the image was paid for, so the same request is sent again with the same key,
 * and the gateway answers with the operation of the first one.
 */
export async function createOperation(body, { headers, onLost }) {
  const key = keyOf(body);
  const operation = await untilAnswered(onLost, async () => {
    const response = await fetch('/v1/images', {
      method: 'POST',
      headers: {
        ...headers,
        'Content-Type': 'application/json',
        Accept: 'application/json',
        'Idempotency-Key': key,
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(createLimitMs),
    });
    const json = await response.json();
    if (response.ok) return json;
    if (isAnswered(json)) forgetKey(body);
    throw new Refused(json);
  });
  forgetKey(body);
  return operation;
}

/**
 * Whether an error response says what became of the request. Without the right
 * credential the gateway does not look at it, and where the outcome is unknown,
 * the same key may find it out later.
 */
function isAnswered({ status, retryable, outcome, code }) {
  const mayBePaid = outcome === 'unknown' && code !== 'outcome_unknown';
  return status !== 401 && status !== 403 && retryable !== true && !mayBePaid;
}

/** The bytes of an image. A connection that breaks loses nothing: they can be fetched as often as needed. */
export function loadImage(id, { headers, onLost }) {
  return untilAnswered(onLost, async () => {
    const response = await fetch(`/operations/${id}/image?wait=30`, {
      headers,
      signal: AbortSignal.timeout(imageLimitMs),
    });
    if (!response.ok) throw new Refused(await response.json());
    return response.blob();
  });
}

async function untilAnswered(onLost, send) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send();
    } catch (error) {
      if (error instanceof Refused) throw error;
      if (attempt === attemptsMax) throw new Lost('No response came from the gateway.');
      onLost();
    }
    await new Promise((resolve) => setTimeout(resolve, firstPauseMs * 2 ** (attempt - 1)));
  }
}
