import { setLogger } from '@grpc/grpc-js';

/** The part of a log that is needed here. */
export interface UpstreamLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/**
 * Takes grpc-js's own lines away from standard error: they hold headers of the
 * upstream as they came. Only the fact that there was one is kept.
 */
export function silenceGrpcLogger(log: UpstreamLog): void {
  const told = () => log.debug({}, 'grpc-js had something to say');
  setLogger({ error: told, info: () => undefined, debug: () => undefined });
}
