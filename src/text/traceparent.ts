const pattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const noTrace = '0'.repeat(32);
const noSpan = '0'.repeat(16);

/** One span of a trace, as the `traceparent` header names it. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  /** Bit 0: the span is recorded. */
  readonly traceFlags: number;
}

/**
 * Reads a `traceparent` of W3C Trace Context, level 1. Undefined for one that is
 * not valid, which the specification tells receivers to ignore.
 */
export function traceParentFromText(text: string): TraceParent | undefined {
  const [, traceId = noTrace, spanId = noSpan, flags = '00'] = pattern.exec(text) ?? [];
  if (traceId === noTrace || spanId === noSpan) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) };
}

/** The header that names this span. */
export function textFromTraceParent({ traceId, spanId, traceFlags }: TraceParent): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}
