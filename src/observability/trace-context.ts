import { randomBytes } from 'node:crypto';
import { textFromTraceParent, traceParentFromText } from '../text/traceparent.ts';

/**
 * The traceparent for a call made on behalf of a request: the same trace, a
 * span of its own. Undefined for a received one that is not valid.
 */
export function continuedTraceparent(received: string): string | undefined {
  const parent = traceParentFromText(received);
  if (parent === undefined) return undefined;
  return textFromTraceParent({ ...parent, spanId: randomBytes(8).toString('hex') });
}
