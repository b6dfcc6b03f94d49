import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { GatewayError } from '../errors/gateway-error.ts';
import type { CallerContext } from '../operations/caller-context.ts';
import { parseBody, parseQuery, type BodyContract, type ParsedBody } from '../schemas/parse.ts';
import type { RouteContract } from '../schemas/contracts/route-contract.ts';
import { continuedTraceparent } from '../observability/trace-context.ts';

/** A request after its query was validated against the contract. */
export interface RouteCall<Query, Body extends z.ZodType> {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly query: Query;
  /** How to read the body; present where the contract has one. */
  readonly body: BodyContract<Body> | undefined;
  /** The operation in the path; empty on routes without one. */
  readonly id: string;
  readonly caller: CallerContext;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route promises. */
    contract?: RouteContract;
  }
}

/**
 * The body of a request, after validation.
 *
 * @throws GatewayError `malformed_json`, `invalid_request` or `unknown_field`.
 */
export function bodyOf<Body extends z.ZodType>(
  { request, body }: RouteCall<unknown, Body>,
  options: { readonly lenient: boolean } = { lenient: false },
): ParsedBody<z.output<Body>> {
  if (body === undefined || request.body === undefined) {
    throw new GatewayError('malformed_json', 'the body is empty; expected a JSON object');
  }
  return parseBody(body, request.body, options);
}

/** Serves a contract. The handler answers through `reply`, or throws. */
export function serve<Query extends z.ZodType, Body extends z.ZodType>(
  app: FastifyInstance,
  contract: RouteContract<Query, Body>,
  handler: (call: RouteCall<z.output<Query>, Body>) => Promise<FastifyReply>,
): void {
  // Most requests have no query: what that means is worked out once.
  const emptyQuery = parseQuery(contract.query, {});
  app.route({
    // Not Fastify's own HEAD routes: they count a body that was never loaded as empty.
    method: contract.methods?.slice() ?? (contract.method === 'get' ? ['GET', 'HEAD'] : ['POST']),
    exposeHeadRoute: false,
    url: contract.routerPath ?? contract.path.replace(/\{(\w+)\}/g, ':$1'),
    config: { contract },
    handler: (request, reply) =>
      handler({
        request,
        reply,
        query:
          request.raw.url?.includes('?') === true
            ? parseQuery(contract.query, request.query)
            : emptyQuery,
        body: contract.body,
        id: (request.params as { id?: string }).id ?? '',
        caller: callerOf(request),
      }),
  });
}

/** Whose operations a request works with, and the trace that goes on upstream. */
function callerOf(request: FastifyRequest): CallerContext {
  const { tenant, passthrough } = request.identity;
  return { tenant, passthrough, traceparent: request.span?.traceparent ?? traceparentOf(request) };
}

/** The caller's trace under a span id of our own, where no span of this gateway is recorded. */
function traceparentOf({ headers }: FastifyRequest): string | undefined {
  const { traceparent } = headers;
  return typeof traceparent === 'string' ? continuedTraceparent(traceparent) : undefined;
}
