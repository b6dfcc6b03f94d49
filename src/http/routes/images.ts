import type { FastifyInstance, FastifyReply } from 'fastify';
import { GatewayError } from '../../errors/gateway-error.ts';
import { isFinished, type OperationSnapshot } from '../../operations/result/snapshot.ts';
import type { CreateRequest } from '../../operations/create/create-request.ts';
import { createImage } from '../../schemas/contracts/image-contracts.ts';
import { imageRequestSchema } from '../../schemas/images.ts';
import { canonicalImageRequest } from '../../translation/canonical-request.ts';
import {
  imageGenerationRequestFromBody,
  pointersOfFields,
  refuseOtherMediaTypes,
  requestedMediaType,
} from '../../translation/images.ts';
import { cardOf, fieldsWithoutEffectOn } from '../../translation/model-card.ts';
import { fieldsWithoutEffect } from '../../translation/rendering.ts';
import { acceptQuality, negotiate, type Negotiated } from '../accept.ts';
import { callerGoneSignal } from '../caller-gone.ts';
import {
  checkedInBody,
  createIdentityOf,
  createOperation,
  imageDefaultsOf,
} from '../create-operation.ts';
import { sendEvents } from '../event-stream.ts';
import { ignoredField, refuseIgnored, reportIgnored } from '../ignored-params.ts';
import { imageForResponse } from '../held-image.ts';
import { sendImage, succeeded } from '../image-response.ts';
import {
  preferenceApplied,
  preferencesFromHeader,
  waitLeftMs,
  waitSecondsMax,
  type Preferences,
} from '../prefer.ts';
import { bodyOf, serve, type RouteCall } from '../route.ts';
import type { RouteServices } from '../route-services.ts';

type Call = RouteCall<object, typeof imageRequestSchema>;

/** POST /v1/images. All refusals come before the call that spends; after it the image is always delivered. */
export function imagesRoutes(app: FastifyInstance, services: RouteServices): void {
  serve(app, createImage, async (call) => {
    const { request, reply, caller } = call;
    const receivedAtMs = services.clock.elapsedMs();
    const negotiated = negotiatedOf(call, services);
    const preferences = preferencesFromHeader(request.headers['prefer']);
    const wanted = createRequestFromCall(call, services, negotiated);

    const started = await createOperation(call, services, wanted.create);
    const names = fieldsWithoutEffect(started.rendering);
    const ignored = [...wanted.ignored, ...pointersOfFields(names, wanted.body, request.body)];
    if (negotiated.form === 'events') {
      reportPreferences(reply, { ...preferences, waitS: undefined }, ignored);
      return sendEvents(call, services, started);
    }

    const wantsImage =
      negotiated.form === 'image' && !(preferences.respondAsync && preferences.waitS === undefined);
    const waitS = preferences.waitS ?? (wantsImage ? waitSecondsMax : 0);
    const snapshot =
      waitS === 0
        ? started
        : await services.operations.wait(started.id, {
            ...caller,
            waitMs: waitLeftMs(waitS, { receivedAtMs, elapsedMs: services.clock.elapsedMs() }),
            signal: callerGoneSignal(reply.raw),
          });
    reportPreferences(reply, preferences, ignored);
    if (wantsImage) return imageOrProblem(call, services, snapshot, negotiated);
    return services.responses.created(reply, snapshot, replyContextOf(call, services, snapshot));
  });
}

/** Reports in headers which preferences were followed, and what was ignored. */
function reportPreferences(
  reply: FastifyReply,
  { respondAsync, waitS, handling }: Preferences,
  ignored: readonly string[],
): void {
  const isAsync = respondAsync && waitS === undefined;
  const applied = preferenceApplied({ respondAsync: isAsync, waitS, handling });
  if (applied !== undefined) reply.header('preference-applied', applied);
  reportIgnored(reply, ignored.map(ignoredField));
}

function negotiatedOf(call: Call, services: RouteServices): Negotiated {
  const { mediaTypes } = services.models();
  const negotiated = negotiate(call.request.headers.accept, mediaTypes);
  if (negotiated !== undefined) return negotiated;
  throw notAcceptable(mediaTypes);
}

function notAcceptable(imageMediaTypes: readonly string[]): GatewayError {
  const possible = ['application/json', 'text/event-stream', ...imageMediaTypes].join(', ');
  return new GatewayError('not_acceptable', `this gateway can send ${possible}`, {
    outcome: 'not_started',
  });
}

/** The create that the request asks for, after every check of it. */
function createRequestFromCall(call: Call, services: RouteServices, negotiated: Negotiated) {
  const { request } = call;
  const { handling } = preferencesFromHeader(request.headers['prefer']);
  const parsed = bodyOf(call, { lenient: handling === 'lenient' });
  const mediaType = requestedMediaType(parsed.body);
  if (mediaType !== undefined) {
    refuseOtherMediaTypes(mediaType, services.models().mediaTypes);
    const contradicts = acceptQuality(request.headers.accept, mediaType) === 0;
    if (negotiated.form === 'image' && contradicts) throw notAcceptable([mediaType]);
  }
  const defaults = imageDefaultsOf(request, services);
  const generateCall = checkedInBody(request, () =>
    imageGenerationRequestFromBody(parsed.body, defaults, {
      mediaType: negotiated.mediaType ?? services.models().mediaTypes[0] ?? '',
      drawnSeed: services.random.seed(),
    }),
  );
  const card = cardOf(generateCall.generate.modelUri, defaults.modelCards);
  if (
    negotiated.mediaType !== undefined &&
    card?.mediaTypes.includes(negotiated.mediaType) === false
  )
    throw notAcceptable(card.mediaTypes);
  if (handling === 'strict')
    refuseIgnored(pointersOfFields(fieldsWithoutEffectOn(card), parsed.body, request.body));
  const { operationId } = createImage;
  const asked = canonicalImageRequest(parsed.body, defaults);
  const identity = createIdentityOf(request, { operationId, asked });
  const create: CreateRequest = { ...generateCall, ...identity };
  return { create, ...parsed };
}

async function imageOrProblem(
  call: Call,
  services: RouteServices,
  snapshot: OperationSnapshot,
  negotiated: Negotiated,
): Promise<FastifyReply> {
  const { request, reply } = call;
  const context = replyContextOf(call, services, snapshot);
  const { retryAfterS } = context;
  if (!isFinished(snapshot)) {
    if (negotiated.acceptsJson) return services.responses.created(reply, snapshot, context);
    throw new GatewayError('generation_timeout', 'the image is not ready yet; it is at Location', {
      retryAfterS,
      headers: { location: services.responses.link(snapshot.id, '/image') },
    });
  }
  const { id } = snapshot;
  const bytes = async () => (await imageForResponse(call, services, { id, form: 'bytes' })).bytes;
  return sendImage(request, reply, succeeded(snapshot, retryAfterS), {
    download: false,
    vary: ['Accept', 'Prefer'],
    bytes,
  });
}

function replyContextOf(
  { caller, links }: Call,
  { operations }: RouteServices,
  { id }: OperationSnapshot,
) {
  return { retryAfterS: operations.retryAfterS(id, caller), links };
}
