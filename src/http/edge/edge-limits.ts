/** The limits of one connection, beyond which it is closed. Documented in docs/edge.md. */
export interface EdgeLimits {
  /** From the first byte of a request, or from the connection's start, to the end of its headers. */
  readonly headersMs: number;
  /** From the first byte of a request to the last of its body. */
  readonly requestMs: number;
  /** From a response to the next request on the same connection. */
  readonly keepAliveMs: number;
  readonly headerBytesMax: number;
  readonly headerLinesMax: number;
  /** Requests on one connection that wait for their responses at once. */
  readonly pipelinedMax: number;
  /** A reader slower than this is cut: its average over `readWindowMs`, while bytes were pending all the time. */
  readonly readBytesPerSecondMin: number;
  readonly readWindowMs: number;
  /** How often connections are checked, so a connection lives at most this much longer than its limit. */
  readonly sweepMs: number;
  /** How long a refused connection stays half open, so that the early response arrives. */
  readonly lingerMs: number;
  /** Connections at once; further ones are closed when they come. */
  readonly connectionsMax: number;
  /** Of these, connections of one address; of IPv6 one /64 network. */
  readonly connectionsPerPeerMax: number;
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
  connectionsPerPeerMax: 12_288,
};
