import type { ServerResponse } from 'node:http';

/**
 * A signal that aborts when the caller hangs up before its response is written.
 *
 * `request.signal` is no substitute: it follows the request's "close" event, which
 * comes as soon as the body has been read, so on a POST it aborts while the caller waits.
 */
export function callerGoneSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
}
