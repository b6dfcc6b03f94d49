import type { FastifyRequest } from 'fastify';
import type { SpendOutcome } from '../errors/gateway-error.ts';

/** What the one log line of a request tells beyond method, route, status and time. */
export interface LogContext {
  operationId?: string;
  /** Whether an earlier request with the same key had it made. */
  isReplay?: boolean;
  /** Code of the upstream call this request made or failed by. */
  upstreamCode?: string;
  /** How long that call took, in milliseconds. */
  upstreamMs?: number;
  /** On a create: what became of the money so far. */
  outcome?: SpendOutcome;
  /** Why the request was refused. */
  error?: unknown;
}

declare module 'fastify' {
  interface FastifyRequest {
    logContext: LogContext;
  }
}

/** Starts the journal of every request. */
export function openLogContext(request: FastifyRequest): void {
  const { contract } = request.routeOptions.config;
  request.logContext = contract?.spends === true ? { outcome: 'not_started' } : {};
}
