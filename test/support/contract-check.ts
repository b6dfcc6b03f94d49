import { isDeepStrictEqual } from 'node:util';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { errorFormOfPath } from '../../src/schemas/error-forms/error-forms.ts';
import { nativeForm } from '../../src/schemas/error-forms/native-form.ts';
import { vendorForm } from '../../src/schemas/error-forms/vendor-form.ts';
import { problemSchema } from '../../src/schemas/problem-document.ts';
import { problemKindOf } from '../../src/schemas/problem-catalog.ts';
import type { RouteContract } from '../../src/schemas/contracts/route-contract.ts';

/** Headers that every response may carry and no contract lists. */
const plainHeaders = new Set([
  'access-control-allow-origin',
  'access-control-expose-headers',
  'connection',
  'content-length',
  'content-security-policy',
  'content-type',
  'cross-origin-resource-policy',
  'date',
  'keep-alive',
  'referrer-policy',
  'transfer-encoding',
  'vary',
  'x-accel-buffering',
  'x-content-type-options',
]);

/** Compares every response with the contract of its route, and adds what differs to `violations`. */
export function checkContracts(app: FastifyInstance, violations: string[]): void {
  app.addHook('onSend', (request, reply, payload, done) => {
    const contract = request.routeOptions.config.contract;
    const found =
      contract === undefined
        ? unroutedDifferences(request, reply, payload)
        : leastDifferences(contract, request, reply, payload);
    const place = `${request.method} ${request.routeOptions.url ?? request.url} ${reply.statusCode}`;
    violations.push(...found.map((difference) => `${place}: ${difference}`));
    done(null, payload);
  });
}

/** A response must fit the contract of its route, or of a route whose representation it negotiated. */
function leastDifferences(
  contract: RouteContract,
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): string[] {
  const all = [contract, ...(contract.negotiates ?? [])];
  const known = all.flatMap(({ responses }) =>
    Object.values(responses).flatMap(({ headers }) => Object.keys(headers?.shape ?? {})),
  );
  const found = all.map((candidate) =>
    contractDifferences(candidate, { request, reply, payload, known }),
  );
  return found.find((differences) => differences.length === 0) ?? found[0] ?? [];
}

interface CheckedResponse {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly payload: unknown;
  /** Headers that the route or one it negotiates may send. */
  readonly known: readonly string[];
}

function contractDifferences(
  contract: RouteContract,
  { request, reply, payload, known }: CheckedResponse,
): string[] {
  const status = reply.statusCode;
  const response = contract.responses[status];
  if (response === undefined) return errorDifferences(contract, reply, payload);
  const differences = headerDifferences(reply, response.headers, known);
  const isBodyless = request.method === 'HEAD' || response.content === undefined;
  if (isBodyless) return differences;
  const mediaType = mediaTypeOf(reply);
  const schema = response.content?.[mediaType];
  if (schema === undefined) return [...differences, `media type ${mediaType} is not promised`];
  if (schema === 'events') return differences;
  if (schema === 'binary')
    return Buffer.isBuffer(payload) ? differences : [...differences, 'the body is not bytes'];
  return typeof payload === 'string'
    ? [...differences, ...bodyDifferences(schema, payload)]
    : differences;
}

function errorDifferences(
  contract: RouteContract,
  reply: FastifyReply,
  payload: unknown,
): string[] {
  if (contract.errorForm !== undefined) return otherErrorDifferences(contract, reply, payload);
  const differences = problemDifferences(reply, payload);
  if (reply.statusCode < 400) return [...differences, 'this status is not promised'];
  if (typeof payload !== 'string') return differences;
  const { code } = JSON.parse(payload) as { code: string };
  const isPromised = contract.reasons.some((reason) => reason === code);
  return isPromised ? differences : [...differences, `the code ${code} is not promised`];
}

/** A response on a path that no route has: in the form that clients of such paths read. */
function unroutedDifferences(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): string[] {
  const form = errorFormOfPath((request.raw.url ?? '').split('?', 1)[0] ?? '');
  if (form === nativeForm || typeof payload !== 'string') return problemDifferences(reply, payload);
  return bodyDifferences(form.schema, payload);
}

/** Errors in the forms of other APIs: the body, and a status that the contract lists. */
function otherErrorDifferences(
  { errorForm = nativeForm, reasons }: RouteContract,
  reply: FastifyReply,
  payload: unknown,
): string[] {
  const isKnown = reasons.some((reason) => errorForm.statusOfReason(reason) === reply.statusCode);
  // On the vendor's surface the upstream's own code decides.
  const differences = isKnown || errorForm === vendorForm ? [] : ['this status is not promised'];
  return typeof payload === 'string'
    ? [...differences, ...bodyDifferences(errorForm.schema, payload)]
    : differences;
}

function problemDifferences(reply: FastifyReply, payload: unknown): string[] {
  if (reply.statusCode < 400 || typeof payload !== 'string') return [];
  const mediaType = mediaTypeOf(reply);
  if (mediaType === 'application/json' && reply.statusCode === 503) return [];
  if (mediaType !== 'application/problem+json') return [`an error of media type ${mediaType}`];
  const differences = bodyDifferences(problemSchema, payload);
  if (differences.length > 0) return differences;
  const { code, status, requestId } = problemSchema.parse(JSON.parse(payload));
  if (problemKindOf(code).status !== reply.statusCode)
    differences.push(`${code} with another status`);
  if (status !== reply.statusCode) differences.push('status is not the status code');
  if (requestId !== reply.getHeader('x-request-id'))
    differences.push('requestId is not X-Request-Id');
  return differences;
}

function headerDifferences(
  reply: FastifyReply,
  schema: z.ZodObject | undefined,
  allowed: readonly string[],
): string[] {
  const promised = Object.keys(schema?.shape ?? {});
  const headers = reply.getHeaders();
  const missing = promised.filter((name) => {
    const isOptional = schema?.shape[name] instanceof z.ZodOptional;
    return !isOptional && headers[name.toLowerCase()] === undefined;
  });
  const known = new Set([...plainHeaders, ...allowed.map((name) => name.toLowerCase())]);
  const unknown = Object.keys(headers).filter((name) => !known.has(name));
  return [
    ...missing.map((name) => `${name} is missing`),
    ...unknown.map((name) => `${name} is not promised`),
  ];
}

function bodyDifferences(schema: z.ZodType, payload: string): string[] {
  const body: unknown = JSON.parse(payload);
  const result = schema.safeParse(body);
  if (!result.success)
    return result.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`);
  // A parsed object has only the names the schema knows.
  return isDeepStrictEqual(result.data, body) ? [] : [`names that are not promised in ${payload}`];
}

function mediaTypeOf(reply: FastifyReply): string {
  return String(reply.getHeader('content-type')).split(';', 1)[0] ?? '';
}
