import type { FastifyInstance, FastifyReply } from 'fastify';
import type { ZodType } from 'zod';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { OperationSnapshot } from '../../operations/result/snapshot.ts';
import {
  cancelOperation,
  getOperation,
  getOperationImage,
  streamOperation,
} from '../../schemas/contracts/operation-contracts.ts';
import { negotiate } from '../accept.ts';
import { sendEvents } from '../event-stream.ts';
import { imageForResponse } from '../held-image.ts';
import { sendImage, succeeded, type ImageResponseOptions } from '../image-response.ts';
import { snapshotAfterWait } from '../operation-wait.ts';
import { serve, type RouteCall } from '../route.ts';
import type { RouteServices } from '../route-services.ts';
import { sendVendorOperation } from '../vendor-response.ts';

type Call = RouteCall<{ readonly wait?: number | undefined }, ZodType>;

/** Routes that read an operation, send its image or its events, and cancel it. */
export function operationsRoutes(app: FastifyInstance, services: RouteServices): void {
  const { operations, responses } = services;

  serve(app, getOperation, async (call) => {
    const { request, reply, id, caller, links, query } = call;
    const negotiated = negotiate(request.headers.accept, 'any');
    if (negotiated === undefined) throw notAcceptable();
    if (negotiated.form === 'events') {
      return sendEvents(call, services, await operations.get(id, caller));
    }
    const snapshot = await snapshotAfterWait(call, services);
    if (negotiated.form === 'image') {
      return imageOf(call, services, snapshot, { download: false, vary: ['Accept', 'Prefer'] });
    }
    if (snapshot.form === 'vendor') return sendVendorOperation(call, services, snapshot);
    const context = {
      snapshot,
      retryAfterS: operations.retryAfterS(id, caller),
      links,
    };
    const isInline = query.include === 'image' && snapshot.state.status === 'succeeded';
    const image = async () =>
      (await imageForResponse(call, services, { id, form: 'base64' })).bytes;
    return responses.conditional(request, reply, context, isInline ? image : undefined);
  });

  serve(app, getOperationImage, async (call) => {
    const snapshot = await snapshotAfterWait(call, services);
    return imageOf(call, services, snapshot, { download: call.query.download === true, vary: [] });
  });

  serve(app, streamOperation, async (call) => {
    return sendEvents(call, services, await operations.get(call.id, call.caller));
  });

  serve(app, cancelOperation, async ({ request, reply, id, caller, links }) => {
    refuseBody(request.body);
    request.logContext.operationId = id;
    const snapshot = await operations.cancel(id, caller);
    return responses.current(reply, snapshot, {
      retryAfterS: operations.retryAfterS(id, caller),
      links,
    });
  });
}

function notAcceptable(): GatewayError {
  const possible = 'application/json, image/* and text/event-stream';
  return new GatewayError('not_acceptable', `this gateway can send ${possible}`);
}

async function imageOf(
  call: Call,
  services: RouteServices,
  snapshot: OperationSnapshot,
  representation: Pick<ImageResponseOptions, 'download' | 'vary'>,
): Promise<FastifyReply> {
  const { request, reply, id, caller } = call;
  const ready = succeeded(snapshot, services.operations.retryAfterS(id, caller));
  const bytes = async () => (await imageForResponse(call, services, { id, form: 'bytes' })).bytes;
  const { callerClass, expiresAtMs } = request.identity;
  const linkLeftMs =
    callerClass === 'link' && expiresAtMs !== undefined
      ? expiresAtMs - services.clock.nowMs()
      : undefined;
  return sendImage(request, reply, ready, { ...representation, bytes, linkLeftMs });
}

function refuseBody(body: unknown): void {
  const isEmptyObject =
    typeof body === 'object' &&
    body !== null &&
    !Array.isArray(body) &&
    Object.keys(body).length === 0;
  if (body === undefined || isEmptyObject) return;
  throw new GatewayError('invalid_request', 'a cancel takes no body', {
    violations: [{ pointer: '#', code: 'unknown_field', detail: 'expected no body' }],
  });
}
