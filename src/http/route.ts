import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { GatewayError } from '../errors/gateway-error.ts';
import type { CallerContext } from '../operations/caller-context.ts';
import { parseBody, parseQuery, type BodyContract, type ParsedBody } from '../schemas/parse.ts';
import type { RouteContract } from '../schemas/contracts/route-contract.ts';
import type { LinkHolder } from './operation-response.ts';
import { continuedTraceparent } from '../observability/trace-context.ts';
import { ignoredMax } from '../schemas/field-names.ts';
import { ignoredParameter, reportIgnored } from './ignored-params.ts';
import { preferencesFromHeader } from './prefer.ts';

/** A request whose query was validated against the contract. */
export interface RouteCall<Query, Body extends z.ZodType> {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly query: Query;
  /** The contract of the body, where the route has one. */
  readonly body: BodyContract<Body> | undefined;
  /** The operation in the path; empty on routes without one. */
  readonly id: string;
  readonly caller: CallerContext;
  readonly links: LinkHolder;
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

/** Adds the route of a contract. The handler sends its response through `reply`, or throws. */
export function serve<Query extends z.ZodType, Body extends z.ZodType>(
  app: FastifyInstance,
  contract: RouteContract<Query, Body>,
  handler: (call: RouteCall<z.output<Query>, Body>) => Promise<FastifyReply>,
): void {
  // Most requests have no query: the values that stand for none are computed once.
  const { query: emptyQuery } = parseQuery(contract.query, {}, { strict: false });
  app.route({
    // Fastify's own HEAD routes would send a Content-Length of 0 for a body that was not loaded.
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
            ? queryOf(request, reply, contract.query)
            : emptyQuery,
        body: contract.body,
        id: (request.params as { id?: string }).id ?? '',
        caller: callerOf(request),
        links: linkHolderOf(request),
      }),
  });
}

function queryOf<Query extends z.ZodType>(
  { query: given, headers }: FastifyRequest,
  reply: FastifyReply,
  schema: Query,
): z.output<Query> {
  const strict = preferencesFromHeader(headers['prefer']).handling === 'strict';
  const { query, ignored } = parseQuery(schema, given as Record<string, unknown>, { strict });
  reportIgnored(reply, ignored.slice(0, ignoredMax).map(ignoredParameter));
  return query;
}

/** Whose operations a request works with, and the trace that goes on upstream. */
function callerOf(request: FastifyRequest): CallerContext {
  const { tenant, subject, passthrough } = request.identity;
  return {
    tenant,
    subject,
    passthrough,
    traceparent: request.span?.traceparent ?? traceparentOf(request),
  };
}

/** The caller that links in the response are given to. */
function linkHolderOf({ identity }: FastifyRequest): LinkHolder {
  const { tenant, keyId, expiresAtMs } = identity;
  return { tenant, keyId, expiresAtMs };
}

/** The caller's trace under a span id of our own, where no span of this gateway is recorded. */
function traceparentOf({ headers }: FastifyRequest): string | undefined {
  const { traceparent } = headers;
  return typeof traceparent === 'string' ? continuedTraceparent(traceparent) : undefined;
}
