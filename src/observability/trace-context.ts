import { randomBytes } from 'node:crypto';
import { textFromTraceParent, traceParentFromText } from '../text/traceparent.ts';

/**
 * The traceparent of a call that is made for a request: the same trace, a new
 * span. Undefined when `received` is invalid.
 */
export function continuedTraceparent(received: string): string | undefined {
  const parent = traceParentFromText(received);
  if (parent === undefined) return undefined;
  return textFromTraceParent({ ...parent, spanId: randomBytes(8).toString('hex') });
}
