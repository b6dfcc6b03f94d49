import type { FastifyRequest } from 'fastify';
import { GatewayError, type SpendOutcome } from '../errors/gateway-error.ts';
import { Spending } from './spending.ts';

/** What the one log line of a request says beyond method, route, status and time. */
export interface LogContext {
  operationId?: string;
  /** Whether an earlier request with the same key made the operation. */
  isReplay?: boolean;
  /** gRPC code of the upstream call that this request made, or failed with. */
  upstreamCode?: string;
  /** How long that call took, in milliseconds. */
  upstreamMs?: number;
  /** Present on a create. */
  readonly spending?: Spending;
  /** What the error response was made from. */
  error?: unknown;
}

declare module 'fastify' {
  interface FastifyRequest {
    logContext: LogContext;
  }
}

/** Gives a request its log context. */
export function openLogContext(request: FastifyRequest): void {
  const { contract } = request.routeOptions.config;
  request.logContext = contract?.spends === true ? { spending: new Spending() } : {};
}

/** What the response and the log line say of the money; undefined where nothing could be spent. */
export function outcomeOf({ spending, error }: LogContext): SpendOutcome | undefined {
  return spending?.outcome ?? (error instanceof GatewayError ? error.outcome : undefined);
}
