import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../errors/gateway-error.ts';
import { LimitReached, type LimitState } from '../operations/create/admission.ts';
import type { CallerContext } from '../operations/caller-context.ts';
import type { CreateRequest, IdempotencyScope } from '../operations/create/create-request.ts';
import type { OperationSnapshot } from '../operations/result/snapshot.ts';
import { violationInBody, type ImageDefaults } from '../translation/images.ts';
import { modelNotFoundDetail } from '../translation/models.ts';
import { fingerprintOf, idempotencyKeyFromHeaders, recordKeyOf } from './idempotency-key.ts';
import { rateLimitHeaders } from './rate-limit-headers.ts';
import type { RouteServices } from './route-services.ts';

export interface CreateCall {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly caller: CallerContext;
  /** The headers that state the limits; absent: RateLimit and RateLimit-Policy. */
  readonly limitHeaders?: (limits: readonly LimitState[]) => Record<string, string>;
}

/**
 * The identity of a create: who requests it, and under which idempotency key.
 *
 * @param create.operationId of the route: equal keys of different routes are different.
 * @param create.asked what it asks for in canonical form, to tell this request from others under the same key.
 * @throws GatewayError `idempotency_key_invalid`.
 */
export function createIdentityOf(
  { identity, raw }: FastifyRequest,
  create: { readonly operationId: string; readonly asked: unknown },
): Pick<CreateRequest, 'requester' | 'idempotency'> {
  const { subject, keysOf, caller, allowance } = identity;
  const key = idempotencyKeyFromHeaders(raw.rawHeaders);
  const idempotency: IdempotencyScope | undefined =
    key === undefined
      ? undefined
      : {
          recordKey: recordKeyOf(keysOf, create.operationId, key),
          fingerprint: fingerprintOf(create.asked),
        };
  return { requester: { subject, limits: caller, allowance }, idempotency };
}

/** What a request leaves open, for this caller. */
export function imageDefaultsOf(
  { identity }: FastifyRequest,
  { imageDefaults, models }: RouteServices,
): ImageDefaults {
  const { names: modelCatalog, cards: modelCards } = models();
  return { ...imageDefaults, modelCatalog, modelCards, callerModels: identity.caller.models };
}

/**
 * Runs a check of the body.
 *
 * @throws GatewayError whose violations have their pointers in the body as the caller wrote it.
 */
export function checkedInBody<Result>({ body }: FastifyRequest, check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    throw error instanceof GatewayError ? placedInBody(error, body) : error;
  }
}

function placedInBody(error: GatewayError, body: unknown): GatewayError {
  return error.with({
    violations: error.violations.map((violation) => violationInBody(violation, body)),
  });
}

/**
 * The one call that spends. It goes on when the caller hangs up. Its result is
 * written into the log context and the response headers.
 *
 * @throws GatewayError whose violations have their pointers in the body as the caller wrote it.
 */
export async function createOperation(
  { request, reply, caller, limitHeaders = rateLimitHeaders }: CreateCall,
  services: RouteServices,
  create: CreateRequest,
): Promise<OperationSnapshot> {
  const { logContext } = request;
  const startMs = services.clock.elapsedMs();
  const end = logContext.spending?.begin();
  try {
    const { snapshot, isReplay, limits } = await services.creates.create(create, caller);
    end?.('accepted');
    if (isReplay) logContext.isReplay = true;
    else logContext.upstreamCode = 'OK';
    logContext.operationId = snapshot.id;
    if (isReplay) reply.header('idempotency-replayed', 'true');
    reply.headers(limitHeaders(limits));
    // From here on every response, an error too, says where the paid image is.
    reply
      .header('x-operation-id', snapshot.id)
      .header('location', services.responses.link(snapshot.id));
    return snapshot;
  } catch (error) {
    end?.((error instanceof GatewayError && error.outcome) || 'unknown');
    if (error instanceof LimitReached) reply.headers(limitHeaders(error.limits));
    if (!(error instanceof GatewayError)) throw error;
    const placed = placedInBody(error, request.body);
    const named = create.namedByCaller?.model;
    if (error.reason !== 'model_not_found' || named === undefined) throw placed;
    const detail = modelNotFoundDetail(named, imageDefaultsOf(request, services));
    const violations = placed.violations.map((violation) => ({ ...violation, detail }));
    throw placed.with({ detail, violations });
  } finally {
    logContext.upstreamMs = services.clock.elapsedMs() - startMs;
  }
}
