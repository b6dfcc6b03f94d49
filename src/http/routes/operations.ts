import type { FastifyInstance, FastifyReply } from 'fastify';
import type { ZodType } from 'zod';
import { GatewayError } from '../../errors/gateway-error.ts';
import { isFinished, type OperationSnapshot } from '../../operations/result/snapshot.ts';
import {
  cancelOperation,
  getOperation,
  getOperationImage,
  streamOperation,
} from '../../schemas/contracts/operation-contracts.ts';
import { acceptQuality, acceptsImages, negotiate } from '../accept.ts';
import { callerGoneSignal } from '../caller-gone.ts';
import { sendEvents } from '../event-stream.ts';
import { pictureForAnswer } from '../image-for-response.ts';
import { sendImage, succeeded } from '../image-reply.ts';
import { preferenceApplied, preferencesFromHeader } from '../prefer.ts';
import { serve, type RouteCall } from '../route.ts';
import type { Surface } from '../route-services.ts';

type Call = RouteCall<{ readonly wait?: number | undefined }, ZodType>;

/** Reading and canceling operations, and fetching their pictures. */
export function operationsRoutes(app: FastifyInstance, surface: Surface): void {
  const { operations, replies } = surface;

  serve(app, getOperation, async (call) => {
    const { request, reply, id, caller, query } = call;
    const negotiated = negotiate(request.headers.accept, 'any');
    if (negotiated === undefined) throw notAcceptable();
    if (negotiated.form === 'events') {
      return sendEvents(call, surface, await operations.get(id, caller));
    }
    const snapshot = await snapshotOf(call, surface);
    if (negotiated.form === 'image') return imageOf(call, surface, snapshot, false);
    if (snapshot.isVendorForm) return vendorFormOf(call, surface, snapshot);
    const context = { retryAfterS: operations.retryAfterS(id, caller), tenant: caller.tenant };
    const hasPicture = snapshot.state.status === 'succeeded';
    if (query.include === 'image' && hasPicture && request.method === 'GET') {
      const picture = await pictureForAnswer(call, surface, { id, form: 'base64' });
      return replies.withPicture(reply, picture, caller.tenant);
    }
    return replies.conditional(request, reply, snapshot, context);
  });

  serve(app, getOperationImage, async (call) => {
    if (!acceptsImages(call.request.headers.accept)) {
      throw new GatewayError('not_acceptable', 'this is a picture; accept image/*');
    }
    const snapshot = await snapshotOf(call, surface);
    return imageOf(call, surface, snapshot, call.query.download);
  });

  serve(app, streamOperation, async (call) => {
    if (acceptQuality(call.request.headers.accept, 'text/event-stream') === 0) {
      throw new GatewayError('not_acceptable', 'these are events; accept text/event-stream');
    }
    return sendEvents(call, surface, await operations.get(call.id, call.caller));
  });

  serve(app, cancelOperation, async ({ request, reply, id, caller }) => {
    refuseBody(request.body);
    request.journal.operationId = id;
    const snapshot = await operations.cancel(id, caller);
    return replies.current(reply, snapshot, {
      retryAfterS: operations.retryAfterS(id, caller),
      tenant: caller.tenant,
    });
  });
}

function notAcceptable(): GatewayError {
  const possible = 'application/json, image/* and text/event-stream';
  return new GatewayError('not_acceptable', `possible are ${possible}`);
}

/** The operation, after the wait that was asked for. */
async function snapshotOf(call: Call, surface: Surface): Promise<OperationSnapshot> {
  const { request, reply, id, caller, query } = call;
  const preferences = preferencesFromHeader(request.headers['prefer']);
  const waitS = query.wait ?? preferences.waitS ?? 0;
  const applied = preferenceApplied({
    waitS: query.wait === undefined ? preferences.waitS : undefined,
  });
  // Whoever waits is told what is known now, and by Retry-After when to come back.
  const isImmediate = waitS === 0 || surface.shedding.sheds('wait');
  const snapshot = isImmediate
    ? await surface.operations.get(id, caller)
    : await surface.operations.wait(id, {
        ...caller,
        waitMs: waitS * 1000,
        signal: callerGoneSignal(reply.raw),
      });
  request.journal.operationId = snapshot.id;
  if (applied !== undefined) reply.header('preference-applied', applied);
  return snapshot;
}

async function imageOf(
  call: Call,
  surface: Surface,
  snapshot: OperationSnapshot,
  download: boolean,
): Promise<FastifyReply> {
  const { request, reply, id, caller } = call;
  const ready = succeeded(snapshot, surface.operations.retryAfterS(id, caller));
  const bytes = async () => (await pictureForAnswer(call, surface, { id, form: 'bytes' })).bytes;
  const { linkExpiresAtMs } = request.identity;
  const linkLeftMs =
    linkExpiresAtMs === undefined ? undefined : linkExpiresAtMs - surface.clock.nowMs();
  return sendImage(request, reply, ready, { download, bytes, linkLeftMs });
}

/** Whoever made it in the vendor's form reads it in that form: with the picture inside. */
async function vendorFormOf(
  call: Call,
  surface: Surface,
  snapshot: OperationSnapshot,
): Promise<FastifyReply> {
  const { reply, id, caller } = call;
  const { operations, replies } = surface;
  const hasPicture = snapshot.state.status === 'succeeded';
  const picture = hasPicture
    ? (await pictureForAnswer(call, surface, { id, form: 'base64' })).bytes
    : undefined;
  if (!isFinished(snapshot))
    reply.header('retry-after', String(operations.retryAfterS(id, caller)));
  return replies.vendorForm(reply, snapshot, picture);
}

function refuseBody(body: unknown): void {
  const isEmptyObject =
    typeof body === 'object' &&
    body !== null &&
    !Array.isArray(body) &&
    Object.keys(body).length === 0;
  if (body === undefined || isEmptyObject) return;
  throw new GatewayError('invalid_request', 'a cancel takes no body', {
    faults: [{ pointer: '#', code: 'unknown_field', detail: 'expected no body' }],
  });
}
