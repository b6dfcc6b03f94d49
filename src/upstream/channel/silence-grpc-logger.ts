import { setLogger } from '@grpc/grpc-js';

/** The two levels of the gateway's log that this folder writes to. */
export interface UpstreamLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/**
 * Keeps grpc-js from writing to standard error: its lines hold addresses and
 * raw headers of the upstream. Only the fact that it wrote one is logged.
 */
export function silenceGrpcLogger(log: UpstreamLog): void {
  const error = () => log.debug({}, 'grpc-js internal error suppressed');
  setLogger({ error, info: () => undefined, debug: () => undefined });
}
