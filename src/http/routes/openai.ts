import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { CallerContext } from '../../operations/caller-context.ts';
import { isFinished, type OperationSnapshot } from '../../operations/result/snapshot.ts';
import { createOpenAiImage } from '../../schemas/contracts/openai-contracts.ts';
import type { OpenAiRequestBody, openAiRequestSchema } from '../../schemas/openai.ts';
import { canonicalOpenAiRequest } from '../../translation/canonical-request.ts';
import type { GenerateCall } from '../../translation/images.ts';
import { cardOf, fieldsWithoutEffectOn } from '../../translation/model-card.ts';
import { chosenModel, type ModelNames } from '../../translation/models.ts';
import {
  imageGenerationRequestsFromOpenAi,
  ignoredByOpenAi,
  sentToOpenAi,
} from '../../translation/openai.ts';
import { fieldsWithoutEffect } from '../../translation/rendering.ts';
import { callerGoneSignal } from '../caller-gone.ts';
import { createOperation, imageDefaultsOf } from '../create-operation.ts';
import { refuseIgnored, reportIgnored } from '../ignored-params.ts';
import { imageForResponse } from '../held-image.ts';
import { succeeded } from '../image-response.ts';
import {
  openAiLimitHeaders,
  sendOpenAiEvents,
  sendOpenAiImages,
  type OpenAiOutcome,
} from '../openai-response.ts';
import { waitSecondsOf } from '../openai-patience.ts';
import { retryIdentityOf } from '../openai-retry-identity.ts';
import { preferencesFromHeader, waitLeftMs } from '../prefer.ts';
import { bodyOf, serve, type RouteCall } from '../route.ts';
import type { RouteServices } from '../route-services.ts';

type Call = RouteCall<object, typeof openAiRequestSchema>;

const folderPattern = /^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/;

/** POST /v1/images/generations, for OpenAI's clients with only their base URL changed. */
export function openAiRoutes(app: FastifyInstance, services: RouteServices): void {
  serve(app, createOpenAiImage, async (call) => {
    const { request, reply } = call;
    const receivedAtMs = services.clock.elapsedMs();
    const { body } = bodyOf(call);
    const defaults = { ...imageDefaultsOf(request, services), ...folderOf(request) };
    const card = cardOf(chosenModel(body.model, defaults).modelUri, defaults.modelCards);
    const { mediaTypes } = card ?? services.models();
    refuseOrReportIgnored(request, reply, {
      byGateway: ignoredByOpenAi(body, mediaTypes),
      byModel: sentToOpenAi(fieldsWithoutEffectOn(card), body),
    });
    const requests = imageGenerationRequestsFromOpenAi(body, defaults, {
      mediaTypes,
      drawnSeed: services.random.seed(),
    });
    const started = await startAll(call, services, {
      asked: canonicalOpenAiRequest(body, defaults, responseFormatOf(body, call.caller)),
      requests,
    });
    reportIgnoredByModel(reply, body, started);
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
    // With a 200 for a part of the images, the client would never ask for the others:
    // after a 504 its own retry gets all of them.
    const failure = unfinished ?? (errors.length === outcomes.length ? errors[0] : undefined);
    if (failure !== undefined) throw failure;
    const modelUri = requests[0]?.generate.modelUri ?? '';
    return sendOpenAiImages(reply, { outcomes, modelUri, createdAtMs });
  });
}

/** Names what the model of the images leaves out of what was asked. */
function reportIgnoredByModel(
  reply: FastifyReply,
  body: OpenAiRequestBody,
  started: readonly Started[],
): void {
  const names = started.flatMap((start) =>
    'snapshot' in start ? fieldsWithoutEffect(start.snapshot.rendering) : [],
  );
  reportIgnored(reply, sentToOpenAi([...new Set(names)], body));
}

type Started = { readonly snapshot: OperationSnapshot } | { readonly error: GatewayError };

/**
 * Starts every image of the request.
 *
 * @throws GatewayError of the first image when none could be started.
 */
async function startAll(
  call: Call,
  services: RouteServices,
  wanted: {
    /** What the request asks for, in canonical form. */
    readonly asked: unknown;
    readonly requests: readonly GenerateCall[];
  },
): Promise<readonly Started[]> {
  const { subject, caller, allowance } = call.request.identity;
  const scopeOfImage = await retryIdentityOf(call.request, call.reply, {
    asked: wanted.asked,
    attempts: services.clientAttempts,
  });
  const started = await Promise.all(
    wanted.requests.map(async (generateCall, index): Promise<Started> => {
      try {
        const snapshot = await createOperation(
          { ...call, limitHeaders: openAiLimitHeaders },
          services,
          {
            ...generateCall,
            requester: { subject, limits: caller, allowance },
            idempotency: scopeOfImage(index),
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
  if (!isAnyStarted && first !== undefined && 'error' in first) throw first.error;
  return started;
}

/** The end of one image as far as it comes within the client's patience. Never rejects: a stream may have begun. */
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
    const elapsedMs = services.clock.elapsedMs();
    const waitMs = waitLeftMs(waitSecondsOf(call.request.headers), { receivedAtMs, elapsedMs });
    const snapshot = await services.operations.wait(id, { ...caller, waitMs, signal });
    if (!isFinished(snapshot)) {
      throw new GatewayError('generation_timeout', 'the image is not ready yet: ask again', {
        retryAfterS: 1,
        outcome: 'accepted',
      });
    }
    const made = succeeded(snapshot, 1);
    const image =
      responseFormatOf(body, caller) === 'url'
        ? services.responses.imageLink(id, call.links)
        : (await imageForResponse(call, services, { id, form: 'base64' })).bytes;
    return { snapshot: made, image };
  } catch (error) {
    const known =
      error instanceof GatewayError
        ? error
        : new GatewayError('internal_error', 'the gateway failed', { cause: error });
    // The image was accepted, whatever kept it from being sent.
    return { error: known.with({ outcome: 'accepted' }) };
  }
}

/** Models of OpenAI's own that return links unless the request says otherwise. */
const modelsOfLinks: ReadonlySet<string> = new Set(['dall-e-2', 'dall-e-3']);

/**
 * How the images are sent, where the request leaves it open: as OpenAI does it
 * for the model that the request names. Not as a link in a stream, for which
 * clients know no link, nor where a link opens only with the caller's credential.
 */
function responseFormatOf(
  { responseFormat, model = '', stream }: OpenAiRequestBody,
  { passthrough }: CallerContext,
): 'b64_json' | 'url' {
  if (responseFormat !== undefined) return responseFormat;
  const isLink = modelsOfLinks.has(model) && stream !== true && passthrough === undefined;
  return isLink ? 'url' : 'b64_json';
}

/** @throws GatewayError with `Prefer: handling=strict`, for what the gateway or the model would ignore. */
function refuseOrReportIgnored(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  ignored: { readonly byGateway: readonly string[]; readonly byModel: readonly string[] },
): void {
  const { byGateway, byModel } = ignored;
  if (preferencesFromHeader(headers['prefer']).handling === 'strict') {
    refuseIgnored([...byGateway, ...byModel].map((name) => `#/${name}`));
  }
  reportIgnored(reply, byGateway);
}

/**
 * The folder that `OpenAI-Project` names, if it does.
 *
 * @throws GatewayError for what can't be the name of a folder.
 */
function folderOf({ headers }: FastifyRequest): Partial<ModelNames> {
  const folder = headers['openai-project'];
  if (folder === undefined || folder === '') return {};
  if (typeof folder === 'string' && folderPattern.test(folder))
    return { folderId: folder, isFolderCallers: true };
  throw new GatewayError('invalid_request', 'OpenAI-Project: expected the id of a folder', {
    outcome: 'not_started',
    violations: [
      { header: 'OpenAI-Project', code: 'pattern', detail: 'expected the id of a folder' },
    ],
  });
}
