import { randomBytes } from 'node:crypto';

const traceparentPattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const noTrace = '0'.repeat(32);
const noSpan = '0'.repeat(16);

/**
 * The traceparent for a call made on behalf of a request: the same trace, a
 * span of its own (W3C Trace Context, level 1). Undefined for one that is not
 * valid, which is to be ignored.
 */
export function continuedTraceparent(received: string): string | undefined {
  const match = traceparentPattern.exec(received);
  if (match === null || match[1] === noTrace || match[2] === noSpan) return undefined;
  return `00-${match[1]}-${randomBytes(8).toString('hex')}-${match[3]}`;
}
