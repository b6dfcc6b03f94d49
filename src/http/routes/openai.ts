import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { ImageGenerationRequest } from '../../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { IdempotencyScope } from '../../operations/create/creates.ts';
import { isFinished, type OperationSnapshot } from '../../operations/result/snapshot.ts';
import {
  createOpenAiImage,
  getModel,
  listModels,
} from '../../schemas/contracts/openai-contracts.ts';
import type { OpenAiRequestBody, openAiRequestSchema } from '../../schemas/openai.ts';
import { ignoredByOpenAi, imageGenerationRequestsFromOpenAi } from '../../translation/openai.ts';
import { callerGoneSignal } from '../caller-gone.ts';
import { createOperation } from '../create-operation.ts';
import { fingerprintOf, idempotencyKeyFromHeaders, recordKeyOf } from '../idempotency-key.ts';
import { imageForAnswer } from '../image-for-response.ts';
import { succeeded } from '../image-response.ts';
import {
  openAiLimitHeaders,
  sendOpenAiEvents,
  sendOpenAiImages,
  type OpenAiOutcome,
} from '../openai-response.ts';
import { preferencesFromHeader, waitLeftMs } from '../prefer.ts';
import { bodyOf, serve, type RouteCall } from '../route.ts';
import type { RouteServices } from '../route-services.ts';

type Call = RouteCall<object, typeof openAiRequestSchema>;

/** Longest time an answer is held back. */
const waitSecondsMax = 280;
/** Before the client's own patience ends, so that it hears why. */
const clientMarginS = 2;
/** Longer than any client repeats a request by itself. */
const retriesMs = 15 * 60_000;
const folderPattern = /^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/;

/** OpenAI's API, for its clients with only their base URL changed. */
export function openAiRoutes(app: FastifyInstance, services: RouteServices): void {
  serve(app, createOpenAiImage, async (call) => {
    const { request, reply } = call;
    const receivedAtMs = services.clock.nowMs();
    const { body } = bodyOf(call);
    tellIgnored(request, reply, ignoredByOpenAi(body, services.imageMediaTypes));
    const defaults = { ...services.imageDefaults, ...folderOf(request) };
    const requests = imageGenerationRequestsFromOpenAi(body, defaults, {
      mediaTypes: services.imageMediaTypes,
      drawnSeed: services.random.seed(),
    });
    const started = await startAll(call, services, { body, requests });
    const createdAtMs = services.clock.nowMs();
    const signal = callerGoneSignal(reply.raw);
    const outcomeOf = (start: Started) =>
      finish(start, { call, services, body, signal, receivedAtMs });
    const [first] = started;
    if (body.stream === true && first !== undefined) {
      if ('error' in first) throw first.error;
      return sendOpenAiEvents(reply, { outcome: outcomeOf(first), createdAtMs });
    }
    const outcomes = await Promise.all(started.map(outcomeOf));
    const errors = outcomes.flatMap((outcome) => ('error' in outcome ? [outcome.error] : []));
    const unfinished = errors.find(({ reason }) => reason === 'generation_timeout');
    // A part of the images would be all that the client ever hears of: its retry gets all of them.
    const failure = unfinished ?? (errors.length === outcomes.length ? errors[0] : undefined);
    if (failure !== undefined) throw failure;
    const modelUri = requests[0]?.modelUri ?? '';
    return sendOpenAiImages(reply, { outcomes, modelUri, createdAtMs });
  });

  serve(app, listModels, async ({ request, reply }) =>
    json(reply, { object: 'list', data: modelsOf(request, services).map(modelJson) }),
  );

  serve(app, getModel, async ({ request, reply, id }) => {
    if (!modelsOf(request, services).includes(id)) {
      throw new GatewayError('not_found', `there is no model ${id.slice(0, 64)} that you may use`);
    }
    return json(reply, modelJson(id));
  });
}

type Started = { readonly snapshot: OperationSnapshot } | { readonly error: GatewayError };

/** Starts every image; when none could be, throws why. */
async function startAll(
  call: Call,
  services: RouteServices,
  wanted: {
    readonly body: OpenAiRequestBody;
    readonly requests: readonly ImageGenerationRequest[];
  },
): Promise<readonly Started[]> {
  const { subject, caller, allowance } = call.request.identity;
  const started = await Promise.all(
    wanted.requests.map(async (generate, index): Promise<Started> => {
      try {
        const snapshot = await createOperation(
          { ...call, limitHeaders: openAiLimitHeaders },
          services,
          {
            generate,
            requester: { subject, limits: caller, allowance },
            idempotency: scopeOf(call.request, wanted.body, index),
          },
        );
        return { snapshot };
      } catch (error) {
        if (error instanceof GatewayError) return { error };
        throw error;
      }
    }),
  );
  const [first] = started;
  const isAnyStarted = started.some((start) => 'snapshot' in start);
  if (isAnyStarted) call.request.logContext.outcome = 'accepted';
  else if (first !== undefined && 'error' in first) throw first.error;
  return started;
}

/**
 * Under which record an image stands. Without a key of the caller's, the
 * request itself is one, for as long as its client may repeat it by itself: a
 * repetition joins what the first one began, and a first one begins anew.
 */
function scopeOf(
  { identity, raw, headers }: FastifyRequest,
  body: OpenAiRequestBody,
  index: number,
): IdempotencyScope {
  const { subject } = identity;
  const operationId = index === 0 ? 'createOpenAiImage' : `createOpenAiImage ${index}`;
  const fingerprint = fingerprintOf(body);
  const key = idempotencyKeyFromHeaders(raw.rawHeaders);
  if (key !== undefined) return { recordKey: recordKeyOf(subject, operationId, key), fingerprint };
  const retries = headers['x-stainless-retry-count'];
  const isRetry = typeof retries === 'string' && /^[1-9][0-9]{0,5}$/.test(retries);
  return {
    recordKey: recordKeyOf(subject, `${operationId} retry`, fingerprint),
    fingerprint,
    isFresh: !isRetry,
    keepMs: retriesMs,
  };
}

/** What became of one image within the client's patience. Never rejects. */
async function finish(
  start: Started,
  parts: {
    readonly call: Call;
    readonly services: RouteServices;
    readonly body: OpenAiRequestBody;
    readonly signal: AbortSignal;
    readonly receivedAtMs: number;
  },
): Promise<OpenAiOutcome> {
  if ('error' in start) return start;
  const { call, services, body, signal, receivedAtMs } = parts;
  const { caller } = call;
  const { id } = start.snapshot;
  try {
    const nowMs = services.clock.nowMs();
    const waitMs = waitLeftMs(waitSecondsOf(call.request), { receivedAtMs, nowMs });
    const snapshot = await services.operations.wait(id, { ...caller, waitMs, signal });
    if (!isFinished(snapshot)) {
      throw new GatewayError('generation_timeout', 'the image is not ready yet: ask again', {
        retryAfterS: 1,
        outcome: 'accepted',
      });
    }
    const made = succeeded(snapshot, 1);
    const image =
      body.responseFormat === 'url'
        ? services.responses.imageLink(id, caller.tenant)
        : (await imageForAnswer(call, services, { id, form: 'base64' })).bytes;
    return { snapshot: made, image };
  } catch (error) {
    if (error instanceof GatewayError) return { error };
    throw error;
  }
}

function waitSecondsOf({ headers }: FastifyRequest): number {
  const timeout = String(headers['x-stainless-timeout'] ?? '');
  // Written by the client's library, not by its user: what makes no sense is as good as absent.
  if (!/^[0-9]{1,9}(?:\.[0-9]{1,9})?$/.test(timeout)) return waitSecondsMax;
  return Math.min(Math.max(Number(timeout) - clientMarginS, 1), waitSecondsMax);
}

/** @throws GatewayError with `Prefer: handling=strict`. */
function tellIgnored(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  ignored: readonly string[],
): void {
  if (ignored.length === 0) return;
  if (preferencesFromHeader(headers['prefer']).handling === 'strict') {
    const detail = 'this gateway can not follow it';
    throw new GatewayError('invalid_request', `${ignored.join(', ')}: ${detail}`, {
      outcome: 'not_started',
      violations: ignored.map((name) => ({ pointer: `#/${name}`, code: 'ignored', detail })),
    });
  }
  reply.header('x-ignored-params', ignored.join(', '));
}

/** @throws GatewayError for what can't be the name of a folder. */
function folderOf({ headers }: FastifyRequest): { readonly folderId?: string } {
  const folder = headers['openai-project'];
  if (folder === undefined || folder === '') return {};
  if (typeof folder === 'string' && folderPattern.test(folder)) return { folderId: folder };
  throw new GatewayError('invalid_request', 'OpenAI-Project: expected the id of a folder', {
    outcome: 'not_started',
    violations: [
      { header: 'OpenAI-Project', code: 'pattern', detail: 'expected the id of a folder' },
    ],
  });
}

/** Names that this caller may send as `model`. */
function modelsOf(
  { identity }: FastifyRequest,
  { imageDefaults }: RouteServices,
): readonly string[] {
  const { defaultModel, modelAliases } = imageDefaults;
  const known = [defaultModel.replace(/\/latest$/, ''), ...modelAliases.keys()];
  return [...new Set(identity.caller.models ?? known)];
}

function modelJson(id: string) {
  return { id, object: 'model', created: 0, owned_by: 'upstream' };
}

function json(reply: FastifyReply, body: unknown): FastifyReply {
  return reply
    .header('cache-control', 'private, max-age=60')
    .header('content-type', 'application/json; charset=utf-8')
    .send(JSON.stringify(body));
}
