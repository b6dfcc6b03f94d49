/** What one connection may take before it is cut. Documented in docs/edge.md. */
export interface EdgeLimits {
  /** From the first byte of a request, or from the connection's start, to the end of its headers. */
  readonly headersMs: number;
  /** From the first byte of a request to the last of its body. */
  readonly requestMs: number;
  /** From an answer to the next request on the same connection. */
  readonly keepAliveMs: number;
  readonly headerBytesMax: number;
  readonly headerLinesMax: number;
  /** Requests on one connection that wait for their answers at once. */
  readonly pipelinedMax: number;
  /** A reader below this is cut, by its average over `readWindowMs` with bytes pending throughout. */
  readonly readBytesPerSecondMin: number;
  readonly readWindowMs: number;
  /** How often connections are looked at: what is cut lives so much longer than its bound at most. */
  readonly sweepMs: number;
  /** How long a connection that was refused stays half open, for the answer to arrive. */
  readonly lingerMs: number;
  /** Connections at once; those above it are closed as they come. */
  readonly connectionsMax: number;
}

export const edgeLimits: EdgeLimits = {
  headersMs: 5_000,
  requestMs: 10_000,
  keepAliveMs: 72_000,
  headerBytesMax: 8_192,
  headerLinesMax: 100,
  pipelinedMax: 64,
  readBytesPerSecondMin: 32_768,
  readWindowMs: 10_000,
  sweepMs: 1_000,
  lingerMs: 1_000,
  connectionsMax: 16_384,
};
