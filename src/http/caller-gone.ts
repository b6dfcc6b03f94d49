import type { ServerResponse } from 'node:http';

/**
 * Aborts when the caller goes away before it got its answer.
 *
 * Not `request.signal`: it follows the request's "close" event, which comes as
 * soon as the body has been read, so on a POST it aborts while the caller waits.
 */
export function callerGoneSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
}
