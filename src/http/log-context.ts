import type { FastifyRequest } from 'fastify';
import type { SpendOutcome } from '../errors/gateway-error.ts';

/** What the one log line of a request says beyond method, route, status and time. */
export interface LogContext {
  operationId?: string;
  /** Whether an earlier request with the same key made the operation. */
  isReplay?: boolean;
  /** gRPC code of the upstream call that this request made, or failed with. */
  upstreamCode?: string;
  /** How long that call took, in milliseconds. */
  upstreamMs?: number;
  /** On a create: what became of the money so far. */
  outcome?: SpendOutcome;
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
  request.logContext = contract?.spends === true ? { outcome: 'not_started' } : {};
}
