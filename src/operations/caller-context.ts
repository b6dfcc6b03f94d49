/** The caller for whom something is done. */
export interface CallerContext {
  /** Whose operations these are. An id opens only for the tenant it was made for. */
  readonly tenant: string;
  /** Whose limits are used. Absent: the tenant's own. */
  readonly subject?: string | undefined;
  /** The caller's own credential for the upstream, where each brings one. */
  readonly passthrough?: PassthroughCredential | undefined;
  /** W3C trace context to go on upstream. */
  readonly traceparent?: string | undefined;
}

/** What a call to the upstream carries of its caller. */
export function callOptionsOf({
  passthrough,
  traceparent,
}: Pick<CallerContext, 'passthrough' | 'traceparent'>) {
  return {
    ...(passthrough !== undefined && { authorization: passthrough.authorization }),
    ...(traceparent !== undefined && { traceparent }),
  };
}

/** A caller's own credential for the upstream, which decides what the caller may see. */
export interface PassthroughCredential {
  /** The value of the `authorization` header. */
  readonly authorization: string;
  /** Tells credentials apart without being one: what was read with one credential is not shown to another. */
  readonly view: string;
}
