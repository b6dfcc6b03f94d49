import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isVisibleAscii } from '../text/visible-ascii.ts';

const requestIdCharactersMax = 128;

/** The caller's own id of a request where it is visible ASCII and not too long, else a new one. */
export function requestIdOf(request: IncomingMessage): string {
  const received = request.headers['x-request-id'];
  const isKept = typeof received === 'string' && isVisibleAscii(received, requestIdCharactersMax);
  return isKept ? received : randomUUID();
}
