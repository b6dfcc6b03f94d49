import { randomBytes } from 'node:crypto';

const traceparentPattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const noTrace = '0'.repeat(32);
const noSpan = '0'.repeat(16);

/** A span of somebody's, as `traceparent` names it. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  /** Bit 0: it is recorded. */
  readonly traceFlags: number;
}

/** W3C Trace Context, level 1. Undefined for what is not valid, which is to be ignored. */
export function traceParentFromText(text: string): TraceParent | undefined {
  const [, traceId = noTrace, spanId = noSpan, flags = '00'] = traceparentPattern.exec(text) ?? [];
  if (traceId === noTrace || spanId === noSpan) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) };
}

export function textFromTraceParent({ traceId, spanId, traceFlags }: TraceParent): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/**
 * The traceparent for a call made on behalf of a request: the same trace, a
 * span of its own. Undefined for one that is not valid.
 */
export function continuedTraceparent(received: string): string | undefined {
  const parent = traceParentFromText(received);
  if (parent === undefined) return undefined;
  return textFromTraceParent({ ...parent, spanId: randomBytes(8).toString('hex') });
}
